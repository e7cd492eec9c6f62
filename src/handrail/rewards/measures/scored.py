"""What every measure reads: turns, one model's score of each reply, and what is known of them.

More is better, for scores and for what is known ("gold"). A score of NaN is none: the reply was too
long for the model, say. It is counted and in no figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from handrail.ranking.estimates import Floats
from handrail.records import AskProgress, RecordError, Reply, Scorer, Skip, Turn, score_each
from handrail.rewards.data.scales import stated_scale

Reads = Literal["preference", "rating", "order"]
GoldKind = Literal["rank", "rating", "desirable", "none"]


@dataclass(frozen=True)
class Scored:
    """One model's scores of the replies of `turns`: `scores[t][i]` is of reply i of turn t.

    `scale` says what a score is: "preference" (the gap of two scores is the log-odds that one
    reply is better, as a Bradley-Terry model learns), "rating" (`predicted` are on the ratings'
    scale, 0 to 1), or "order" (more is better and nothing else is claimed). `why` tells, of the
    scales that are not "rating", why no rating can be read off the score.
    """

    model: str
    scale: Reads
    turns: tuple[Turn, ...]
    scores: tuple[tuple[float, ...], ...]
    predicted: tuple[tuple[float, ...], ...] | None = None
    why: str = ""

    @property
    def unscored(self) -> int:
        """How many replies have no score."""
        return sum(not math.isfinite(s) for row in self.scores for s in row)

    @property
    def replies(self) -> int:
        """How many replies there are."""
        return sum(len(turn.replies) for turn in self.turns)


def prompt_of(turn: Turn) -> str:
    """What a turn's replies are clustered by: its conversation, else its first user message."""
    first = next((m.content for m in turn.context if m.role == "user"), "")
    return turn.conversation_id or first or turn.id


def set_of(turn: Turn) -> str:
    """The name of the data set that a turn is of; "" where none is told."""
    return turn.tags.get("set", "")


def category_of(turn: Turn) -> str:
    """The category within the data set; "" where there is none."""
    return turn.tags.get("category") or turn.tags.get("subset", "")


def gold_pairs(turn: Turn) -> Iterator[tuple[int, int, Literal["better", "tie", "unknown"]]]:
    """Every two replies, the better one first; ties have equal feedback, unknown ones none.

    Which is better says `Turn.pairs`: the rank, else desirability, else the rating.
    """
    better = set(turn.pairs())
    for i, j in combinations(range(len(turn.replies)), 2):
        if (i, j) in better:
            yield i, j, "better"
        elif (j, i) in better:
            yield j, i, "better"
        else:
            yield i, j, "tie" if _comparable(turn.replies[i], turn.replies[j]) else "unknown"


def _comparable(a: Reply, b: Reply) -> bool:
    """Whether both have feedback of one kind (NaN is none), so that a missing order is a tie."""
    return any(
        x is not None and y is not None and not (math.isnan(x) or math.isnan(y))
        for x, y in ((a.rank, b.rank), (a.desirable, b.desirable), (a.rating, b.rating))
    )


def gold_values(turn: Turn) -> tuple[GoldKind, Floats]:
    """What orders a turn's replies, more is better: the kind, and shape (K,), NaN where unknown.

    The kind is the first of rank, rating and desirability that two replies have.
    """
    columns: tuple[tuple[GoldKind, list[float | None]], ...] = (
        ("rank", [None if r.rank is None else -float(r.rank) for r in turn.replies]),
        ("rating", [r.rating for r in turn.replies]),
        ("desirable", [None if r.desirable is None else float(r.desirable) for r in turn.replies]),
    )
    for kind, values in columns:
        gold_K = np.array([np.nan if v is None else v for v in values], np.float64)
        if (~np.isnan(gold_K)).sum() >= 2:
            return kind, gold_K
    return "none", np.full(len(turn.replies), np.nan)


def rating_of(turn: Turn, reply: Reply, label: str = "quality") -> float | None:
    """A reply's rating mapped to 0..1, else its label of this name; None without either.

    NaN is a rating that is not on its scale.

    Raises:
        SettingError: the turn's tag "scale" is none.
    """
    if reply.rating is not None:
        value = stated_scale(turn).unit(reply.rating)
        return float("nan") if value is None else value
    return reply.labels.get(label)


def ratings_of(turns: Sequence[Turn], label: str = "quality") -> tuple[list[Floats], list[Skip]]:
    """Each turn's ratings in 0..1 (NaN: none), and those that are off their scale."""
    rows, skips = [], []
    for turn in turns:
        values = [rating_of(turn, reply, label) for reply in turn.replies]
        off = sum(v is not None and math.isnan(v) for v in values)
        if off:
            skips.append(
                Skip(
                    what="rating",
                    reason=f"it is not on its scale ({turn.tags.get('scale', '0..1')})",
                    where=f"turn {turn.id}",
                    count=off,
                )
            )
        rows.append(np.array([np.nan if v is None else v for v in values], np.float64))
    return rows, skips


def score_turns(
    scorer: Scorer, turns: Sequence[Turn], progress: AskProgress | None = None
) -> tuple[tuple[float, ...], ...]:
    """A model's score of every reply; equal replies of one turn are scored once.

    Raises:
        RecordError: the scorer gave another number of scores than it was asked for.
    """
    asked = list(dict.fromkeys((t, r.text) for t, turn in enumerate(turns) for r in turn.replies))
    given = score_each(scorer, [(turns[t], text) for t, text in asked], progress)
    if len(given) != len(asked):
        raise RecordError(
            f"'{scorer.name}' gave {len(given)} scores for {len(asked)} replies",
            "A scorer gives one number for each reply, in their order",
        )
    found = dict(zip(asked, map(float, given), strict=True))
    return tuple(
        tuple(found[t, reply.text] for reply in turn.replies) for t, turn in enumerate(turns)
    )
