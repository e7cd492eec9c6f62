"""Numbers with their uncertainty: intervals for shares and means, clustered by prompt.

Every number of a report is an `Estimate`. Scores are per item (one reply, one comparison) with
NaN where the item could not be scored; the metric is their mean; its uncertainty comes from one
partition of the items into clusters (the turns of one conversation are not independent).

Shape suffixes: N items, C clusters, S training seeds, R bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from handrail.ranking.ends import ends_of

Floats = NDArray[np.float64]
_CHUNK = 4_000_000  # multinomial counts held at once (32 MB)


@dataclass(frozen=True)
class Resampling:
    """How bootstrap intervals are made. `level` is the coverage of all intervals."""

    resamples: int = 2000
    level: float = 0.95
    seed: int = 0


DEFAULT = Resampling()


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. `n` counts items, `clusters` what was resampled (0: items).

    With nothing to estimate from (n = 0) the value is NaN and the interval unbounded within
    what is possible.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    clusters: int = 0
    level: float = 0.95

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.n > 0 and (self.low > 0 or self.high < 0)

    def as_dict(self) -> dict[str, float | int | str | None]:
        """Plain values for JSON (`estimate` is the value); NaN becomes None."""
        plain = asdict(self)
        plain = {"estimate": plain.pop("value"), **plain}
        return {
            key: None if isinstance(v, float) and not np.isfinite(v) else v
            for key, v in plain.items()
        }


def wilson(successes: float, n: int, level: float = 0.95) -> Estimate:
    """Wilson's score interval for a share of `n` independent items (Wilson 1927).

    `successes` may be fractional: an item on which two orders disagree counts half.
    """
    method = "Wilson"
    if n == 0:
        return Estimate(float("nan"), 0.0, 1.0, 0, method, 0, level)
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} items")
    z = float(stats.norm.ppf(0.5 + level / 2))
    p = successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = min(middle - half, p), max(middle + half, p)
    return Estimate(p, max(0.0, float(low)), min(1.0, float(high)), n, method, 0, level)


@dataclass(frozen=True)
class Partition:
    """Sums of scores and counts of items per training seed and cluster.

    `sums_SC[s, c]` adds the scores of seed s in cluster c, `counts_SC` counts them. Clusters are
    matched over seeds by name: with one test set for all seeds the design is crossed, with one
    per seed it is nested, and the same sums serve both.
    """

    sums_SC: Floats
    counts_SC: Floats
    values: frozenset[float]  # the distinct scores, at most three of them

    @classmethod
    def of(cls, scores: Sequence[ArrayLike], clusters: Sequence[Sequence[Hashable]]) -> Partition:
        """Partition the scores of each seed by cluster; NaN scores are left out."""
        if len(scores) != len(clusters) or not scores:
            raise ValueError("give one sequence of clusters for each sequence of scores")
        arrays = [np.asarray(s, dtype=np.float64) for s in scores]
        code: dict[Hashable, int] = {}
        coded = [np.array([code.setdefault(c, len(code)) for c in cs], int) for cs in clusters]
        shape = (len(arrays), len(code))
        sums, counts = np.zeros(shape), np.zeros(shape)
        for s, (array, codes) in enumerate(zip(arrays, coded, strict=True)):
            if array.shape != codes.shape:
                raise ValueError(f"{array.size} scores for {codes.size} cluster labels")
            known = ~np.isnan(array)
            sums[s] = np.bincount(codes[known], array[known], minlength=shape[1])
            counts[s] = np.bincount(codes[known], minlength=shape[1])
        flat = np.concatenate(arrays)
        distinct = np.unique(flat[~np.isnan(flat)])[:3]
        full = counts.sum(0) > 0
        return cls(sums[:, full], counts[:, full], frozenset(map(float, distinct)))

    @property
    def n(self) -> int:
        """How many items were scored, over all seeds; weights of shared items add up to them."""
        return max(round(float(self.counts_SC.sum())), int((self.counts_SC > 0).any()))

    @property
    def mean(self) -> float:
        """The mean score of all items; NaN without items."""
        return float(self.sums_SC.sum() / self.counts_SC.sum()) if self.n else float("nan")

    def replicates(self, how: Resampling = DEFAULT) -> Floats:
        """Bootstrap replicates of the mean, shape (R,): the pigeonhole bootstrap.

        Seeds and clusters are drawn with replacement, each by itself, and a cell counts as often
        as its row times its column were drawn (Owen 2007, "The pigeonhole bootstrap"); with one
        seed this is the ordinary cluster bootstrap. Replicates without items are left out.
        """
        seeds, clusters = self.sums_SC.shape
        out = []
        for draws_RC, draws_RS in _draws(clusters, seeds, how):
            total = (draws_RC @ self.sums_SC.T * draws_RS).sum(1)
            count = (draws_RC @ self.counts_SC.T * draws_RS).sum(1)
            out.append(total[count > 0] / count[count > 0])
        return np.concatenate(out)

    def estimate(self, how: Resampling = DEFAULT, signed: bool = False) -> Estimate:
        """The mean with its expanded percentile interval, Student's of few clusters (`ends_of`).

        Where every item or every cluster scores the same, resampling sees no spread: the interval
        is then Wilson's with clusters as the items; and one cluster says nothing of how clusters
        differ: the interval is then all that is possible (`method` says so). `signed` scores are
        differences in [-1, 1]; others are shares in [0, 1].
        """
        seeds, clusters = self.sums_SC.shape
        lowest = -1.0 if signed else 0.0
        if self.n == 0:
            return Estimate(float("nan"), lowest, 1.0, 0, "no items", 0, how.level)
        if clusters == 1:
            return Estimate(self.mean, lowest, 1.0, self.n, "none (one cluster)", 1, how.level)
        if len(self.values) == 1:
            return self._even("item", how, signed)
        if np.allclose(self.sums_SC, self.mean * self.counts_SC, rtol=0, atol=1e-9):
            return self._even("cluster", how, signed)
        method = _told(seeds, clusters, how)
        if not how.resamples:
            nan = float("nan")
            return Estimate(self.mean, nan, nan, self.n, "no interval", clusters, how.level)
        draws, within = self.replicates(how), (lowest, 1.0)
        return percentile(draws, self.mean, self.n, method, clusters, how.level, within)

    def _even(self, what: str, how: Resampling, signed: bool) -> Estimate:
        """The mean where there is no spread: `what` scores the same.

        Of shares it is Wilson's interval over clusters. A difference is the share of clusters won
        less the share lost, and none lost may be chance: the share that could have been lost is
        taken off the end that lies towards zero.
        """
        value = round(self.mean, 12)  # a sum of differences that is zero is so up to rounding
        clusters = self.sums_SC.shape[1]
        if abs(value) > 1 or (value < 0 and not signed):
            method, nan = f"none (every {what} scores the same)", float("nan")
            return Estimate(value, nan, nan, self.n, method, clusters, how.level)
        bound = wilson(abs(value) * clusters, clusters, how.level)
        low, high = bound.low, bound.high
        if signed:
            low -= wilson(0, clusters, how.level).high
        if value < 0:
            low, high = -high, -low
        method = f"Wilson over clusters (every {what} scores the same)"
        return Estimate(value, low, high, self.n, method, clusters, how.level)


def _draws(clusters: int, seeds: int, how: Resampling) -> Iterable[tuple[Floats, Floats]]:
    """How often each cluster and seed is drawn, shapes (R, C) and (R, S), in chunks of R."""
    if clusters * how.resamples <= _CHUNK:
        return (_one_chunk(clusters, seeds, how),)
    return _chunks(clusters, seeds, how)


@lru_cache(maxsize=4)  # the many figures of one report share their draws
def _one_chunk(clusters: int, seeds: int, how: Resampling) -> tuple[Floats, Floats]:
    (chunk,) = _chunks(clusters, seeds, how)
    return chunk


def _chunks(clusters: int, seeds: int, how: Resampling) -> Iterator[tuple[Floats, Floats]]:
    rng = np.random.default_rng(how.seed)
    step = max(1, _CHUNK // clusters)
    for begin in range(0, how.resamples, step):
        size = min(step, how.resamples - begin)
        draws_RC = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size)
        draws_RS = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size)
        yield draws_RC.astype(np.float64), draws_RS.astype(np.float64)


def _told(seeds: int, clusters: int, how: Resampling) -> str:
    what = f"bootstrap over {seeds} seeds and " if seeds > 1 else "bootstrap over "
    return f"{what}{clusters} clusters, {how.resamples} resamples"


def rate(scores: ArrayLike, clusters: Sequence[Hashable], how: Resampling = DEFAULT) -> Estimate:
    """The mean of one run's scores with its interval by cluster bootstrap; NaN is left out."""
    return Partition.of([scores], [clusters]).estimate(how)


def rate_over_seeds(
    scores: Sequence[ArrayLike],
    clusters: Sequence[Sequence[Hashable]],
    how: Resampling = DEFAULT,
) -> Estimate:
    """The mean of several seeds' scores, its interval over seeds and clusters (pigeonhole)."""
    return Partition.of(scores, clusters).estimate(how)


def ratio_over_seeds(
    sums: Sequence[ArrayLike],
    units: Sequence[ArrayLike],
    clusters: Sequence[Sequence[Hashable]],
    how: Resampling = DEFAULT,
) -> Estimate:
    """Sum of `sums` over sum of `units` (nats per token), both resampled by seed and cluster.

    Args:
        sums: per seed one number for each item (a reply's nats).
        units: per seed what each item weighs (a reply's tokens).
        clusters: per seed what each item belongs to.
        how: settings of the intervals. `n` of the estimate counts items.
    """
    above, below = Partition.of(sums, clusters), Partition.of(units, clusters)
    count = int(below.counts_SC.sum())
    groups = below.counts_SC.shape[1]
    if count == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0, "no items", 0, how.level)
    both = Partition(above.sums_SC, below.sums_SC, frozenset())
    method = _told(len(sums), groups, how)
    value = float(both.sums_SC.sum() / both.counts_SC.sum())
    return percentile(both.replicates(how), value, count, method, groups, how.level)


def percentile(
    replicates: Floats,
    value: float,
    n: int,
    method: str,
    clusters: int,
    level: float = 0.95,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """An estimate with the expanded percentile interval of bootstrap replicates.

    With fewer than five clusters it is Student's, within what the figure can be, and where all
    replicates are alike there is none (`ends_of`); `method` says so.
    """
    if replicates.size == 0 or clusters < 2:
        return Estimate(value, float("nan"), float("nan"), n, method, clusters, level)
    low, high, told = ends_of(replicates, value, clusters, level, within)
    return Estimate(value, low, high, n, method + told, clusters, level)
