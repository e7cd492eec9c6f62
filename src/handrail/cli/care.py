"""Work on the care world that is more than one call: grading it, building its model again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handrail.recipes.run import Progress
    from handrail.world import Feedback


def check_world(n: int = 100, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Let the oracle grade the world's own training turns.

    handrail.check_world(500, seed=7)["wrong"]  # none

    Each chosen reply must break nothing, and each rejected one what it is marked with. Returns
    counts, and the turns for which that is not so (`wrong`).
    """
    from handrail import world

    turns = world.training_turns(n, seed)
    oracle = world.Oracle()
    wrong: list[str] = []
    kept = broken = 0
    for i, turn in enumerate(turns, 1):
        fine = True
        for reply in turn.replies:
            found = oracle.assess(turn, reply.text)
            if reply.desirable is False:
                same = bool(reply.breaks) and set(reply.breaks) == set(found.breaks)
                broken += same
            else:
                same = not found.breaks
                kept += same
            fine = fine and same
        if not fine:
            wrong.append(turn.id)
        if progress is not None:
            progress("check", i, len(turns))
    return {
        "conversations": n,
        "turns": len(turns),
        "chosen_kept": kept,
        "rejected_broken": broken,
        "wrong": wrong,
    }


def pretrain_world(
    out: str | Path,
    n: int | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the world's base model again in `out`; returns parameters, tokens, steps, loss.

    handrail.pretrain_world("small", 2000, {"layers": 2, "width": 128})
    handrail.chat("small").say("Hello")

    Args:
        out: a folder; stopped at any moment, the same call goes on.
        n: conversations of the world to learn from; by default as for the packaged model.
        settings: fields of `handrail.recipes.pretrain.PretrainSettings`.
        progress: called as (stage, done, total, note).

    Raises:
        RunError: another run in the folder, a checkpoint of other settings or data, a loss that is
            not finite (the step is saved in failed_batch.jsonl), a full disk.
        SettingError: a setting that does not exist or does not fit.
    """
    from handrail.recipes import pretrain
    from handrail.recipes.run import quiet
    from handrail.training import settings_from

    chosen = settings_from(pretrain.PretrainSettings, dict(settings or {}))
    count = pretrain.WORLD_CONVERSATIONS if n is None else n
    return pretrain.pretrain_world(Path(out), count, chosen, progress or quiet)


def feedback_counts(made: Feedback) -> dict[str, Any]:
    """Shares of the ratings by range, pairs, and the share of these in the order of the truth.

    Pairs of which the truth says nothing (equal qualities) count in `pairs` only.
    """
    from handrail.rewards.data.ranges import Edges, RangeCounts

    counts = RangeCounts.of(made.turns, Edges())
    pairs = known = right = 0
    for turn, truth in zip(made.turns, made.truth, strict=True):
        for better, worse in turn.pairs():
            pairs += 1
            known += truth[better] != truth[worse]
            right += truth[better] > truth[worse]
    return {
        "low": counts.low / counts.rated,
        "middle": counts.middle / counts.rated,
        "high": counts.high / counts.rated,
        "pairs": pairs,
        "right": right / known if known else float("nan"),
    }
