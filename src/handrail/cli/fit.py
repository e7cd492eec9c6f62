"""`handrail.train`: turns with feedback, an objective and a model, to an aligned model's folder."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.console import count
from handrail.cli.files import some_turns
from handrail.cli.options import fields, left_out, plain, share
from handrail.records import (
    Conversation,
    Loaded,
    RecordError,
    SettingError,
    Skip,
    Turn,
    nearest,
)

if TYPE_CHECKING:
    from handrail.models import ModelSettings
    from handrail.objectives import Objective
    from handrail.recipes.run import Progress
    from handrail.training import TrainResult
    from handrail.trees import Forest, TreeReply


@dataclass(frozen=True)
class Fitted:
    """A finished training: the model's folder, what was learnt from and what was left out.

    `replies`: those in the trees; of KTO, the judged ones.
    """

    model: Path
    objective: str
    turns: int
    replies: int
    pairs: int
    result: TrainResult
    skipped: tuple[Skip, ...] = ()  # lines of the file, left out when it was read

    def summary(self) -> dict[str, Any]:
        """Counts and places as plain data."""
        return {
            "model": str(self.model),
            "objective": self.objective,
            "turns": self.turns,
            "replies": self.replies,
            "pairs": self.pairs,
            "steps": self.result.steps,
            "metrics": str(self.result.metrics_path),
            "loss": self.result.loss,
            **left_out((*self.skipped, *self.result.skipped)),
        }


def train(
    data: str | Path | Iterable[Turn | Conversation] | Loaded[Turn],
    objective: str = "ipo",
    *,
    model: str | Path = "world",
    out: str | Path = "runs/model",
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train a model on turns with feedback; its folder is `out/final`.

    Args:
        data: turns or conversations, a file of them, or what `handrail.turns` read of it. SFT
            learns the best reply of each turn, IPO, DPO and KTO-pair its better and worse ones,
            KTO the desirable and undesirable.
        objective: "sft", "ipo", "dpo", "kto" or "kto_pair".
        model: "world", a folder, or a hub name.
        out: the run's folder. Stopped at any moment, the same call goes on from there.
        settings: any of the settings that `training_settings` lists, by name.
        progress: called as (stage, done, total, note).

    Raises:
        HandrailError: a setting, record or model that cannot be used; data without anything that
            this objective learns from.
    """
    from handrail.models import load_policy
    from handrail.recipes.run import quiet, watcher, write_json
    from handrail.training import train as fit
    from handrail.trees import Renderer, build_trees

    given = dict(settings or {})
    loading = checked(objective, given)
    read = some_turns(data, "learn from")
    turns = read.records
    policy = load_policy(model, loading)
    size = sum(p.numel() for p in policy.model.parameters())
    chosen = resolve(objective, given, policy.max_positions, size)
    aim = chosen["objective"]
    trees = dataclasses.replace(
        chosen["trees"],
        replies="best" if objective == "sft" else "all",
        mismatched=aim.needs_mismatched,
    )
    forest = build_trees(turns, Renderer(policy.tokenizer), trees)
    _check(forest, aim, trees.max_tokens)
    result = fit(policy, forest, aim, chosen["training"], out, progress=watcher(progress or quiet))
    chosen["model"] = policy.settings  # with the number type that dtype=auto became
    resolved = {part: plain(one) for part, one in chosen.items()}
    about = {"objective": objective, "model": str(model), "settings": resolved}
    write_json(Path(out) / "config.json", about)
    return Fitted(
        model=result.final_folder,
        objective=objective,
        turns=len(turns),
        replies=sum(_learnt(reply, aim) for tree in forest.trees for reply in tree.replies),
        pairs=sum(len(tree.pairs) for tree in forest.trees),
        result=result,
        skipped=tuple(read.skipped),
    )


def _learnt(reply: TreeReply, aim: Objective) -> bool:
    """Whether a reply counts as one that is learnt from: those of KTO's KL estimate do not."""
    return not reply.mismatched and (aim.unit != "replies" or reply.desirable >= 0)


def _check(forest: Forest, aim: Objective, max_tokens: int) -> None:
    """Refuse data that holds nothing which the objective learns from; says what was left out."""
    if aim.unit == "pairs" and not any(tree.pairs for tree in forest.trees):
        problem = f"no turn has a better and a worse reply, which {aim.name} learns from"
        mend = "Give replies a rank, a rating or `desirable`, or use --objective sft"
    elif not any(tree.replies for tree in forest.trees):
        problem, mend = "no turn has a reply to learn from", "Check the replies' feedback"
    else:
        return
    from handrail.trees import NO_REPLY

    long: Counter[str] = Counter()
    for skip in forest.skipped:
        if skip.what in ("reply", "turn") and skip.reason != NO_REPLY:
            long[skip.reason] += skip.count
    for reason, times in long.most_common(1):
        problem += f"; {count(times, 'time')}: {reason}"
        mend = (
            f"Raise max_tokens (it is {max_tokens}) and with it token_budget, as far as the "
            "model's positions go, or set on_long to 'cut_context'"
        )
    raise RecordError(problem, mend)


def checked(objective: str, given: Mapping[str, Any]) -> ModelSettings:
    """Refuse settings that cannot be, before data or model are read; how the model is loaded.

    Raises:
        SettingError: no such objective, a name that it has no setting of, or a value out of range.
    """
    from handrail.models import resolve_device
    from handrail.objectives import OBJECTIVES

    known = set().union(*map(fields, parts(objective).values()))
    for name in given:
        others = [other for other, kind in OBJECTIVES.items() if name in fields(kind)]
        if others and name not in known:
            raise SettingError(
                f"there is no setting '{name}' for training with {objective}",
                f"'{name}' is a setting of {', '.join(others)}",
            )
    # As if the model had the fewest positions: what is too long for it is told when it is loaded.
    chosen = resolve(objective, given, 2, 0)
    if chosen["training"].patience:
        raise SettingError("patience needs evaluations, of which this makes none", "Leave it out")
    loading: ModelSettings = chosen["model"]
    resolve_device(loading.device)
    return loading


def resolve(
    objective: str, given: Mapping[str, Any], positions: int | None, parameters: int
) -> dict[str, Any]:
    """The settings objects of all four parts, with the defaults that depend on the model.

    A prompt with its reply may be as long as the model's positions and the token budget allow. The
    learning rate follows from the model's size, as in the recipes.
    """
    from handrail.recipes.settings import default_rates
    from handrail.training import settings_from

    kinds = parts(objective)
    shares = share(given, kinds, f"training with {objective}")
    for name in ("replies", "mismatched"):
        if name in shares["trees"]:
            raise SettingError(f"'{name}' follows from the objective", "Leave it out")
    if given.get("learning_rate") is None:
        shares["training"]["learning_rate"] = default_rates(parameters)[objective]
    training: Any = settings_from(kinds["training"], shares["training"])
    budget = training.token_budget
    longest = min(budget, positions or budget)
    trees = {"max_tokens": longest, "tree_tokens": budget, "share_turns": training.batch_size}
    shares["trees"] = trees | shares["trees"]
    rest: dict[str, Any] = {p: settings_from(kinds[p], shares[p]) for p in kinds if p != "training"}
    return {"training": training} | rest


def parts(objective: str) -> dict[str, type]:
    """What `settings` may fill, by the part of the work that it belongs to."""
    from handrail.models import ModelSettings
    from handrail.objectives import OBJECTIVES
    from handrail.training import TrainSettings
    from handrail.trees import TreeSettings

    if objective not in OBJECTIVES:
        raise SettingError(f"unknown objective '{objective}'", nearest(objective, OBJECTIVES))
    return {
        "training": TrainSettings,
        "objective": OBJECTIVES[objective],
        "model": ModelSettings,
        "trees": TreeSettings,
    }


def training_settings(objective: str = "ipo") -> list[dict[str, Any]]:
    """Every setting that `train` takes: name, type, default, meaning, and the part it is of.

    {row["name"]: row["default"] for row in handrail.training_settings("kto")}

    Raises:
        SettingError: there is no such objective.
    """
    rows: dict[str, dict[str, Any]] = {}
    for part, kind in parts(objective).items():
        for name, row in fields(kind).items():
            if name not in ("replies", "mismatched"):
                rows.setdefault(name, row | {"part": part})
    return list(rows.values())
