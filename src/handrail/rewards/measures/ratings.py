"""Errors of predicted ratings, by range of the true one: the layout of the thesis's tables 6, 7.

A mean over all replies hides the ends: ratings crowd in the middle, and a model that always says
the middle looks good. So the errors below 0.4, between, and above 0.9 stand apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from handrail.ranking import Estimate, Resampling
from handrail.ranking.estimates import DEFAULT, Floats
from handrail.rewards.data.ranges import Edges
from handrail.rewards.measures.resample import FROM_0, correlation, mean_of
from handrail.rewards.measures.scored import Scored, prompt_of, ratings_of

RANGES = ("low", "high", "middle", "all")
EDGES = Edges()


@dataclass(frozen=True)
class RangeError:
    """Mean squared and mean absolute error of predictions whose true rating is in a range.

    `bias` is the mean of prediction less rating.
    """

    mse: Estimate
    mae: Estimate
    bias: Estimate


@dataclass(frozen=True)
class RatingErrors:
    """Errors by range of the true rating ("low", "high", "middle", "all"), and correlations.

    The edges themselves belong to the low and the high range. `missing` counts replies without a
    rating, `off_scale` ratings that are not on their scale, `unscored` rated replies without a
    score.
    """

    model: str
    edges: Edges
    errors: Mapping[str, RangeError]
    pearson: Estimate
    spearman: Estimate
    missing: int
    off_scale: int
    unscored: int


@dataclass(frozen=True)
class NoRatings:
    """Why a model has no rating errors."""

    model: str
    why: str


def ranges_of(gold_N: Floats, edges: Edges) -> dict[str, Floats]:
    """Which ratings lie in which range, as boolean columns; NaN is in "all" alone."""
    return {
        "low": gold_N <= edges.low,
        "high": gold_N >= edges.high,
        "middle": (gold_N > edges.low) & (gold_N < edges.high),
        "all": np.ones(len(gold_N), bool),
    }


def rating_errors(
    scored: Scored,
    label: str = "quality",
    edges: Edges = EDGES,
    how: Resampling = DEFAULT,
) -> RatingErrors | NoRatings:
    """How far a model's predictions are from the ratings.

    Args:
        scored: of a model whose scale is "rating"; others have no prediction, and the answer says
            why.
        label: the label that is a reply's rating where it has none.
        edges: of the ranges.
        how: settings of the intervals.
    """
    if scored.predicted is None:
        return NoRatings(scored.model, scored.why)
    gold_rows, skips = ratings_of(scored.turns, label)
    off = sum(skip.count for skip in skips)
    gold, said, names = [], [], []
    for turn, ratings, row in zip(scored.turns, gold_rows, scored.predicted, strict=True):
        gold += list(ratings)
        said += list(row)
        names += [prompt_of(turn)] * len(row)
    gold_N, said_N = np.array(gold, np.float64), np.array(said, np.float64)
    rated = ~np.isnan(gold_N)
    known = rated & np.isfinite(said_N)
    gold_N, said_N = gold_N[known], said_N[known]
    names = [c for c, one in zip(names, known, strict=True) if one]
    if not names:
        return NoRatings(scored.model, "no reply has both a rating and a score")
    return RatingErrors(
        model=scored.model,
        edges=edges,
        errors={
            name: _errors(said_N[keep], gold_N[keep], list(np.array(names, object)[keep]), how)
            for name, keep in ranges_of(gold_N, edges).items()
        },
        pearson=correlation(gold_N, said_N, names, "Pearson", how),
        spearman=correlation(
            stats.rankdata(gold_N), stats.rankdata(said_N), names, "Spearman", how
        ),
        missing=int((~rated).sum()) - off,
        off_scale=off,
        unscored=int(rated.sum()) - len(names),
    )


def _errors(said_N: Floats, gold_N: Floats, names: list[str], how: Resampling) -> RangeError:
    gap = said_N - gold_N
    return RangeError(
        mse=mean_of(gap**2, names, "mean", how, FROM_0),
        mae=mean_of(np.abs(gap), names, "mean", how, FROM_0),
        bias=mean_of(gap, names, "mean", how),
    )
