"""Intervals of figures that are no means (a correlation, an error of calibration), by cluster.

Such a figure is a function of sums over items. The sums are kept per cluster, clusters are drawn
with replacement, and the function is computed of each draw's sums: the cluster bootstrap, without
touching an item twice.

Shape suffixes: C clusters, K sums, R bootstrap replicates, N items.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from handrail.ranking import Estimate, Resampling
from handrail.ranking.estimates import DEFAULT, Floats, percentile

# What figures can be.
ANY, FROM_0, SHARE, SIGNED = (-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0), (-1.0, 1.0)
_CHUNK = 6_000_000  # multinomial counts held at once (48 MB)


def sums_by_cluster(values_NK: Floats, clusters: Sequence[Hashable]) -> Floats:
    """Sums of the items' rows within each cluster, shape (C, K)."""
    code: dict[Hashable, int] = {}
    rows_N = np.array([code.setdefault(name, len(code)) for name in clusters], np.int64)
    sums_CK = np.zeros((len(code), values_NK.shape[1]))
    np.add.at(sums_CK, rows_N, values_NK)
    return sums_CK


def estimate_of(
    figure: Callable[[Floats], Floats],
    sums_CK: Floats,
    n: int,
    name: str,
    how: Resampling = DEFAULT,
    within: tuple[float, float] = ANY,
) -> Estimate:
    """A figure of sums with its interval by bootstrap (`ranking.estimates.percentile`).

    Args:
        figure: maps sums of shape (R, K) to figures of shape (R,), NaN where there is none.
        sums_CK: the sums of each cluster.
        n: how many items they are of.
        name: of the figure, for the estimate's `method`.
        how: settings of the interval.
        within: what the figure can be, for the intervals of few clusters.
    """
    clusters = len(sums_CK)
    if n == 0 or clusters == 0:
        nan = float("nan")
        return Estimate(nan, nan, nan, 0, "no items", 0, how.level)
    value = float(figure(sums_CK.sum(0)[None])[0])
    method = f"{name}, bootstrap over {clusters} clusters, {how.resamples} resamples"
    if not np.isfinite(value):
        nan = float("nan")
        return Estimate(nan, nan, nan, 0, f"{name}: undefined, one of the two does not vary")
    replicates = np.concatenate([figure(draw) for draw in _drawn(sums_CK, how)] or [np.empty(0)])
    known = replicates[np.isfinite(replicates)]
    return percentile(known, value, n, method, clusters, how.level, within)


def _drawn(sums_CK: Floats, how: Resampling) -> Iterator[Floats]:
    """Sums of resampled clusters, in chunks of shape (R, K)."""
    clusters = len(sums_CK)
    if clusters * how.resamples <= _CHUNK:
        yield _one_chunk(clusters, how) @ sums_CK
        return
    for counts_RC in _chunks(clusters, how):
        yield counts_RC @ sums_CK


@lru_cache(maxsize=4)  # the many figures of one evaluation share their draws
def _one_chunk(clusters: int, how: Resampling) -> Floats:
    (counts_RC,) = _chunks(clusters, how)
    return counts_RC


def _chunks(clusters: int, how: Resampling) -> Iterator[Floats]:
    """How often each cluster is drawn, shape (R, C), in chunks of R."""
    rng = np.random.default_rng(how.seed)
    step = max(1, _CHUNK // clusters)
    even = np.full(clusters, 1 / clusters)
    for begin in range(0, how.resamples, step):
        size = min(step, how.resamples - begin)
        yield rng.multinomial(clusters, even, size).astype(np.float64)


def mean_of(
    values_N: Floats,
    clusters: Sequence[Hashable],
    name: str,
    how: Resampling,
    within: tuple[float, float] = ANY,
) -> Estimate:
    """The mean of values on any scale, with its interval; NaN is left out."""
    known = ~np.isnan(values_N)
    rows = np.stack([values_N[known], np.ones(int(known.sum()))], axis=1)
    names = [c for c, one in zip(clusters, known, strict=True) if one]
    return estimate_of(share_of, sums_by_cluster(rows, names), len(names), name, how, within)


def share_of(sums_RK: Floats) -> Floats:
    """The first sum over the second; NaN where the second is 0."""
    out = np.full(len(sums_RK), np.nan)
    return np.divide(sums_RK[:, 0], sums_RK[:, 1], out=out, where=sums_RK[:, 1] != 0)


def pearson_rows(x_N: Floats, y_N: Floats) -> Floats:
    """What a correlation needs to know of each item, shape (N, 6), centred for precision."""
    x, y = x_N - x_N.mean(), y_N - y_N.mean()
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def pearson_of(sums_R6: Floats) -> Floats:
    """Pearson's correlation of sums of `pearson_rows`; NaN where one of the two does not vary."""
    n, sx, sy, sxx, syy, sxy = sums_R6.T
    with np.errstate(invalid="ignore", divide="ignore"):
        vx, vy = sxx - sx * sx / n, syy - sy * sy / n
        cov = sxy - sx * sy / n
        flat = (vx <= 1e-12 * np.maximum(sxx, 1e-300)) | (vy <= 1e-12 * np.maximum(syy, 1e-300))
        return np.where(flat | (n < 2), np.nan, np.clip(cov / np.sqrt(vx * vy), -1.0, 1.0))


def correlation(
    x_N: Floats, y_N: Floats, clusters: Sequence[Hashable], name: str, how: Resampling = DEFAULT
) -> Estimate:
    """Pearson's correlation of the items that both know (no NaN), with its interval."""
    known = np.isfinite(x_N) & np.isfinite(y_N)
    names = [c for c, one in zip(clusters, known, strict=True) if one]
    if not names:
        return estimate_of(pearson_of, np.zeros((0, 6)), 0, name, how)
    rows = pearson_rows(x_N[known], y_N[known])
    return estimate_of(pearson_of, sums_by_cluster(rows, names), len(names), name, how, SIGNED)
