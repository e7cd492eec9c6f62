"""Judging the graders: how a judge's ratings of single replies compare with other ratings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from handrail.ranking.estimates import (
    DEFAULT,
    Estimate,
    Floats,
    Partition,
    Resampling,
    percentile,
)


@dataclass(frozen=True)
class GraderScore:
    """How a judge's ratings follow the labellers': correlations over all items.

    `error` is the mean absolute difference, where the two are on one scale. `unrated` counts items
    that the judge gave no rating.
    """

    items: int
    unrated: int
    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    error: Estimate | None


def grader_score(
    given: ArrayLike,
    labels: ArrayLike,
    clusters: Sequence[str],
    same_scale: bool,
    how: Resampling = DEFAULT,
) -> GraderScore:
    """Compare ratings item by item.

    Args:
        given: the judge's, NaN where it gave none.
        labels: the labellers' (their mean where there are several).
        clusters: the prompt of each item.
        same_scale: whether both are on one scale, so that their difference means something.
        how: settings of the intervals: bootstrap over clusters.
    """
    x_N, y_N = np.asarray(given, np.float64), np.asarray(labels, np.float64)
    known = ~np.isnan(x_N + y_N)
    names = [name for name, one in zip(clusters, known, strict=True) if one]
    x_N, y_N = x_N[known], y_N[known]
    apart = np.abs(x_N - y_N)
    return GraderScore(
        items=int(known.size),
        unrated=int((~known).sum()),
        pearson=_correlation(x_N, y_N, names, _pearson, "Pearson's r", how),
        spearman=_correlation(x_N, y_N, names, _spearman, "Spearman's rho", how),
        kendall=_correlation(x_N, y_N, names, _kendall, "Kendall's tau-b", how),
        error=Partition.of([apart], [names]).estimate(how) if same_scale else None,
    )


def _pearson(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > 0 else float("nan")


def _spearman(x: Floats, y: Floats) -> float:
    return _pearson(stats.rankdata(x), stats.rankdata(y))


def _kendall(x: Floats, y: Floats) -> float:
    return float(stats.kendalltau(x, y).statistic)


def _correlation(
    x_N: Floats,
    y_N: Floats,
    clusters: Sequence[str],
    of: Callable[[Floats, Floats], float],
    name: str,
    how: Resampling,
) -> Estimate:
    """A correlation, its interval by drawing whole clusters with all their items."""
    if x_N.size < 2:
        return Estimate(float("nan"), -1.0, 1.0, int(x_N.size), "no items", 0, how.level)
    members: dict[str, list[int]] = {}
    for i, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(i)
    groups = [np.array(rows) for rows in members.values()]
    rng = np.random.default_rng(how.seed)
    replicates = np.empty(how.resamples)
    for r in range(how.resamples):
        rows = np.concatenate([groups[g] for g in rng.integers(0, len(groups), len(groups))])
        replicates[r] = of(x_N[rows], y_N[rows])
    method = f"{name}, bootstrap over {len(groups)} clusters, {how.resamples} resamples"
    known = replicates[~np.isnan(replicates)]
    return percentile(known, of(x_N, y_N), x_N.size, method, len(groups), how.level, (-1.0, 1.0))
