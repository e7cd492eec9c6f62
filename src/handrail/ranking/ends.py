"""Where a bootstrap interval ends, also with few clusters, where replicates cannot tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FEW = 5  # clusters: below this no percentile of replicates is far enough out (`ends_of`)


def ends_of(
    replicates_R: NDArray[np.float64],
    value: float,
    clusters: int,
    level: float,
    within: tuple[float, float],
) -> tuple[float, float, str]:
    """Both ends of a figure's interval, and how they were found where not by percentiles.

    Percentiles are expanded (`expanded_tail`). However far out they are, they stay among the
    replicates, and those of a mean between the lowest and the highest cluster. These two hold the
    clusters' median with probability 1 - 2^(1 - C): 94 % with 5 clusters, but 88, 75 and 50 % with
    4, 3 and 2. With fewer than `FEW` the ends are therefore Student's: the value +/- t of C - 1
    degrees of freedom times the replicates' standard deviation, widened by sqrt(C / (C - 1)),
    which for a mean is the t-interval of the clusters' values. Replicates that are all alike say
    nothing of the spread: there is no interval then (NaN).

    Args:
        replicates_R: of the figure, finite.
        value: the figure.
        clusters: how many were resampled, C >= 2.
        level: the coverage.
        within: what the figure can be; Student's ends go no further.
    """
    if np.ptp(replicates_R) <= 1e-9 * max(1.0, abs(value)):
        return float("nan"), float("nan"), "; no interval, every resample says the same"
    if clusters < FEW:
        t = float(stats.t.ppf(0.5 + level / 2, clusters - 1))
        half = t * float(replicates_R.std()) * (clusters / (clusters - 1)) ** 0.5
        told = f"; Student's t of {clusters - 1} degrees of freedom (few clusters)"
        return max(value - half, within[0]), min(value + half, within[1]), told
    tail = expanded_tail(clusters, level)
    low, high = np.quantile(replicates_R, (tail, 1.0 - tail))
    return float(low), float(high), ""


def expanded_tail(clusters: int, level: float = 0.95) -> float:
    """The share of replicates beyond each end of an expanded percentile interval.

    Replicates of a mean of C clusters spread by sqrt((C - 1) / C) too little and their quantiles
    are a normal's where Student's are due, so the plain middle `level` is too narrow with few
    clusters. The quantiles are therefore taken further out, at Phi(-sqrt(C / (C - 1)) t) with t
    Student's quantile of C - 1 degrees of freedom (Hesterberg 2015, "What Teachers Should Know
    About the Bootstrap", section 5.3). It takes two clusters.
    """
    student = float(stats.t.ppf(0.5 + level / 2, clusters - 1))
    return float(stats.norm.cdf(-np.sqrt(clusters / (clusters - 1)) * student))
