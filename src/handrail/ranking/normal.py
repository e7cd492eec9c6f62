"""The normal interval of a share, as papers print it, and rank correlations with intervals."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from handrail.ranking.estimates import DEFAULT, Estimate, Resampling, percentile
from handrail.ranking.matches import draws

Correlation = Literal["kendall", "spearman"]


def standard_error(p: float, n: int, sample: bool = False) -> float:
    """Standard error of a share `p` of `n` independent items: sqrt(p (1 - p) / n).

    With `sample` it divides by n - 1: the standard deviation of the sample over sqrt(n), which is
    what AlpacaEval and other programs print. The thesis's equation 7.1 has n, its table 23 was
    made with n - 1.
    """
    if not 0 <= p <= 1 or n < (2 if sample else 1):
        raise ValueError("a share lies between 0 and 1, of one item or more (two with `sample`)")
    return float(np.sqrt(p * (1 - p) / (n - 1 if sample else n)))


def normal_interval(p: float, n: int, level: float = 0.95, sample: bool = False) -> Estimate:
    """The share with +- z standard errors (1.96 at 95 %), cut to [0, 1].

    Kept for comparison with papers: near 0 and 1, or with few items, it is too narrow, where
    `wilson` holds what it says; neither knows that items of one conversation hang together.
    """
    half = float(stats.norm.ppf(0.5 + level / 2)) * standard_error(p, n, sample)
    method = f"normal, standard error over {'n - 1' if sample else 'n'}"
    return Estimate(p, max(0.0, p - half), min(1.0, p + half), n, method, 0, level)


def rank_correlation(
    x: ArrayLike,
    y: ArrayLike,
    kind: Correlation = "spearman",
    clusters: Sequence[Hashable] | None = None,
    how: Resampling = DEFAULT,
) -> Estimate:
    """Kendall's tau-b or Spearman's rho of two columns, with its interval by bootstrap.

    Pairs with a NaN are left out. A column without two different values has no correlation (NaN).

    Raises:
        ValueError: the columns differ in length.
    """
    x_N, y_N = np.asarray(x, np.float64), np.asarray(y, np.float64)
    names = list(clusters) if clusters is not None else list(range(x_N.size))
    if not x_N.size == y_N.size == len(names):
        raise ValueError("the columns differ in length")
    known = ~(np.isnan(x_N) | np.isnan(y_N))
    x_N, y_N = x_N[known], y_N[known]
    code: dict[Hashable, int] = {}
    kept = [name for name, k in zip(names, known, strict=True) if k]
    cluster_N = np.array([code.setdefault(name, len(code)) for name in kept], np.int64)
    told = "Kendall's tau-b" if kind == "kendall" else "Spearman's rho"
    if x_N.size < 2:
        return Estimate(float("nan"), -1.0, 1.0, x_N.size, f"{told}, too few items", 0, how.level)

    def one(rows: np.ndarray) -> float:
        a, b = x_N[rows], y_N[rows]
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            return float("nan")
        if kind == "kendall":
            return float(stats.kendalltau(a, b).statistic)
        return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])

    items = np.arange(x_N.size)
    drawn = draws(len(code) if len(code) > 1 else 0, how.resamples, how.seed)
    found = [one(np.repeat(items, row[cluster_N].astype(int))) for part in drawn for row in part]
    replicates = np.array([value for value in found if not np.isnan(value)], np.float64)
    method = f"{told}, bootstrap over {len(code)} clusters, {how.resamples} resamples"
    return percentile(replicates, one(items), x_N.size, method, len(code), how.level, (-1.0, 1.0))
