"""How scores are distributed: quartiles by who wrote the reply and by what people said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from handrail.ranking.estimates import Floats
from handrail.rewards.data.ranges import Edges
from handrail.rewards.measures.ratings import EDGES, ranges_of
from handrail.rewards.measures.scored import Scored, gold_values, ratings_of

_BINS, _AUTHORS = 30, 12


@dataclass(frozen=True)
class Spread:
    """Scores of one group of replies.

    Whiskers (`low`, `high`) reach the furthest scores within 1.5 times the middle half beside it
    (Tukey); `outside` counts those beyond.
    """

    by: Literal["all", "author", "rating", "rank"]
    group: str
    n: int
    mean: float
    deviation: float
    low: float
    q1: float
    median: float
    q3: float
    high: float
    least: float
    most: float
    outside: int


@dataclass(frozen=True)
class Distribution:
    """A model's scores: quartiles of all and of groups, and a histogram of equal bins over all.

    Groups with fewer than two scores are left out; of the authors the most frequent are shown.
    """

    model: str
    spreads: tuple[Spread, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    unscored: int


def spread_of(
    values_N: Floats, by: Literal["all", "author", "rating", "rank"], group: str
) -> Spread:
    """Quartiles (linear between neighbours, as numpy has them) and Tukey's whiskers."""
    q1, median, q3 = (float(q) for q in np.quantile(values_N, (0.25, 0.5, 0.75)))
    reach = 1.5 * (q3 - q1)
    inside = values_N[(values_N >= q1 - reach) & (values_N <= q3 + reach)]
    return Spread(
        by=by,
        group=group,
        n=len(values_N),
        mean=float(values_N.mean()),
        deviation=float(values_N.std(ddof=1)) if len(values_N) > 1 else 0.0,
        low=float(inside.min()),
        q1=q1,
        median=median,
        q3=q3,
        high=float(inside.max()),
        least=float(values_N.min()),
        most=float(values_N.max()),
        outside=len(values_N) - len(inside),
    )


def distribution(scored: Scored, label: str = "quality", edges: Edges = EDGES) -> Distribution:
    """The spread of a model's scores over all replies, by author, range of rating, and rank."""
    score_N = np.array([s for row in scored.scores for s in row], np.float64)
    known = np.isfinite(score_N)
    unscored = int((~known).sum())
    if not known.any():
        return Distribution(scored.model, (), (), (), unscored)
    replies = [(turn, r) for turn in scored.turns for r in turn.replies]
    groups: list[tuple[Literal["all", "author", "rating", "rank"], str, Floats]] = [
        ("all", "all replies", np.ones(len(score_N), bool))
    ]
    groups += [("author", a, keep) for a, keep in _authors([r.author for _, r in replies])]
    ratings, _ = ratings_of(scored.turns, label)
    gold_N = np.concatenate([*ratings, np.empty(0)])
    told = {
        "low": f"rated {edges.low:g} or less",
        "middle": "rated between",
        "high": f"rated {edges.high:g} or more",
    }
    ranges = ranges_of(gold_N, edges)
    groups += [("rating", told[name], ranges[name] & ~np.isnan(gold_N)) for name in told]
    best_N = np.concatenate([*(_best(gold_values(turn)[1]) for turn in scored.turns), np.empty(0)])
    groups += [("rank", "best of its prompt", best_N == 1), ("rank", "not the best", best_N == 0)]
    spreads = [
        spread_of(score_N[keep & known], by, group)
        for by, group, keep in groups
        if (keep & known).sum() >= 2
    ]
    counts, bounds = np.histogram(score_N[known], bins=_BINS)
    return Distribution(
        scored.model, tuple(spreads), tuple(map(float, bounds)), tuple(map(int, counts)), unscored
    )


def _authors(names: Sequence[str]) -> list[tuple[str, Floats]]:
    """The most frequent authors, where there are several and each wrote much."""
    array = np.array(names, object)
    found, counts = np.unique(array.astype(str), return_counts=True)
    several = sorted(
        ((int(n), str(a)) for a, n in zip(found, counts, strict=True) if a and n > 1), reverse=True
    )
    return [(a, array == a) for _, a in several[:_AUTHORS]] if len(several) > 1 else []


def _best(gold_K: Floats) -> Floats:
    """1 for the best replies of a prompt, 0 for the others, NaN where nothing orders them."""
    known = ~np.isnan(gold_K)
    if known.sum() < 2 or np.ptp(gold_K[known]) == 0:
        return np.full(len(gold_K), np.nan)
    return np.where(known, (gold_K == np.nanmax(gold_K)).astype(np.float64), np.nan)
