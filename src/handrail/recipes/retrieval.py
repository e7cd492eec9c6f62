"""Recall of the true reply: does the model find it among replies of other turns?

Each test turn's best reply is ranked among `OTHERS` distinct replies of other test turns by the
model's mean log-probability per token, the end of the reply included. A turn's prompt runs once,
the candidates are branches of its token tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from handrail.models import Policy
from handrail.ranking import Estimate, Partition, Resampling
from handrail.recipes.run import spread
from handrail.records import ModelError, RecordError, Reply, Skip, Turn
from handrail.trees import Renderer, TreeSettings, build_trees, pack

OTHERS = 99  # candidates beside the true reply
DEPTHS = (1, 5, 10)


@dataclass(frozen=True)
class RankSet:
    """A test turn and its candidates, the true reply first."""

    turn: Turn
    texts: tuple[str, ...]


def rank_sets(turns: Sequence[Turn], n: int, others: int = OTHERS) -> list[RankSet]:
    """Up to `n` of the turns that have a best reply, each with `others` replies of other turns.

    Which turns and which replies hangs on hashes of the turns' ids alone. Replies are distinct, and
    none equals the true one (letter case and spaces aside).

    Raises:
        RecordError: the other turns hold too few distinct replies.
    """
    best = {t.id: t.replies[b].text for t in turns if (b := t.best()) is not None}
    pool = {_fold(text): text for text in reversed(best.values())}
    able = sorted((t for t in turns if t.id in best), key=lambda t: spread(t.id))
    sets = []
    for turn in able[:n]:
        true = best[turn.id]
        rest = [key for key in pool if key != _fold(true)]
        if len(rest) < others:
            raise RecordError(
                f"the test turns hold {len(rest) + 1} distinct replies, recall needs {others + 1}",
                "Raise test_turns, or set recall_turns to 0",
                turn.id,
            )
        drawn = sorted(rest, key=lambda key: spread(f"{turn.id}\n{key}"))[:others]
        sets.append(RankSet(turn, (true, *(pool[key] for key in drawn))))
    return sets


def true_ranks(
    policy: Policy,
    renderer: Renderer,
    sets: Sequence[RankSet],
    token_budget: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The rank of each true reply (1 is first; what scores the same counts as ahead of it).

    `ranks` go with `rank_turns`; turns with a candidate over the model's positions or the budget
    are in `unranked`. `progress` is told (candidates scored, of how many).

    Raises:
        ModelError: a log-probability is not finite.
    """
    limit = min(policy.max_positions or token_budget, token_budget)
    parts: list[Turn] = []
    place: dict[str, tuple[int, int]] = {}  # id of a part: its set, its first candidate
    for number, one in enumerate(sets):
        for first, part in _parts(one, renderer, token_budget):
            identity = f"{number}:{first}"
            place[identity] = (number, first)
            parts.append(part.model_copy(update={"id": identity}))
    forest = build_trees(
        parts,
        renderer,
        TreeSettings(max_tokens=limit, tree_tokens=token_budget, share_turns=0, on_long="skip"),
    )
    scores = [[math.nan] * len(one.texts) for one in sets]
    total, done = forest.stats["replies"], 0
    policy.model.eval()
    for batch in pack(forest.trees, token_budget):
        with torch.no_grad():
            logps_N = policy.logps(batch.to(policy.device)).float().cpu()
        sums_R = torch.zeros(batch.n_replies).index_add(0, batch.reply_N.cpu(), logps_N)
        means = (sums_R / batch.length_R.cpu()).tolist()
        for (identity, index), mean in zip(batch.refs, means, strict=True):
            if not math.isfinite(mean):
                raise ModelError(
                    f"a candidate's log-probability is {mean}",
                    "Train with a lower learning rate, or in float32",
                )
            number, first = place[identity]
            scores[number][first + index] = mean
        done += batch.n_replies
        if progress is not None:
            progress(done, total)
    whole = [n for n, row in enumerate(scores) if not any(map(math.isnan, row))]
    return {
        "ranks": [1 + sum(other >= scores[n][0] for other in scores[n][1:]) for n in whole],
        "rank_turns": [sets[n].turn.id for n in whole],
        "unranked": [one.turn.id for n, one in enumerate(sets) if n not in set(whole)],
    }


def recall(
    facts: Sequence[dict[str, Any]], clusters: dict[str, str], how: Resampling
) -> dict[int, Estimate]:
    """Recall at each depth over the seeds' `true_ranks`, intervals clustered by conversation."""
    groups = [[clusters[t] for t in one["rank_turns"]] for one in facts]
    return {
        depth: Partition.of(
            [[float(rank <= depth) for rank in one["ranks"]] for one in facts], groups
        ).estimate(how)
        for depth in DEPTHS
    }


def unranked(facts: Sequence[dict[str, Any]]) -> list[Skip]:
    """The turns that could not be ranked, as skips."""
    reason = "a candidate does not fit the model's positions or the token budget"
    names = dict.fromkeys(name for one in facts for name in one["unranked"])
    return [Skip(what="turn of recall", reason=reason, where=name) for name in names]


def _parts(one: RankSet, renderer: Renderer, token_budget: int) -> list[tuple[int, Turn]]:
    """The turn with its candidates as replies, split where prompt and replies pass the budget."""
    room = token_budget - len(renderer.prompt_ids(one.turn))
    groups: list[tuple[int, list[str]]] = [(0, [])]
    used = 0
    for n, text in enumerate(one.texts):
        size = len(renderer.reply_ids(text))
        if groups[-1][1] and used + size > room:
            groups.append((n, []))
            used = 0
        groups[-1][1].append(text)
        used += size
    return [
        (first, one.turn.model_copy(update={"replies": tuple(Reply(text=t) for t in texts)}))
        for first, texts in groups
    ]


def _fold(text: str) -> str:
    return " ".join(text.lower().split())
