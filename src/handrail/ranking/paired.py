"""Two systems on the same prompts: the difference, its interval and its tests."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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
)

_ENUMERATED = 14  # clusters up to which all 2^C sign flips are counted instead of drawn


@dataclass(frozen=True)
class PTest:
    """A two-sided test of no difference. `method` says which, and on how many."""

    p_value: float
    method: str


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a minus mean of b over the items that both were scored on.

    `more_a` and `more_b` count items where a scored higher, or b. `dropped` counts items where
    one of the two has no score. `mcnemar` treats items as independent; `permutation` does not.
    """

    difference: Estimate
    a: Estimate
    b: Estimate
    more_a: int
    more_b: int
    dropped: int
    mcnemar: PTest
    permutation: PTest

    @property
    def clear(self) -> bool:
        """Whether interval and permutation test both tell the two systems apart.

        They can disagree: the interval is a bootstrap's, and the test does not know that other
        seeds might have come out otherwise.
        """
        gap = self.difference
        return gap.excludes_zero and self.permutation.p_value < 1.0 - gap.level


def mcnemar_exact(more_a: int, more_b: int) -> PTest:
    """McNemar's exact test: the discordant items split as a fair coin would (two-sided)."""
    total = more_a + more_b
    p = 1.0 if total == 0 else float(stats.binomtest(more_a, total, 0.5).pvalue)
    return PTest(p, f"McNemar, exact, {total} discordant items")


def sign_flip(
    differences: ArrayLike, clusters: Sequence[Hashable], resamples: int = 10_000, seed: int = 0
) -> PTest:
    """Permutation test of paired differences that exchanges a and b per whole cluster.

    The statistic is the sum of the differences. All sign flips are enumerated for up to 14
    clusters with a difference; else they are drawn, and the observed one counts among them
    (Phipson and Smyth 2010), so that p is never 0.
    """
    sums_C = Partition.of([differences], [clusters]).sums_SC[0]
    sums_C = sums_C[sums_C != 0]
    c = sums_C.size
    if c == 0:
        return PTest(1.0, "sign-flip permutation, no differing clusters")
    observed = abs(sums_C.sum()) - 1e-9
    if c <= _ENUMERATED:
        bits = (np.arange(2**c)[:, None] >> np.arange(c)) & 1
        extreme = np.abs((1 - 2 * bits) @ sums_C) >= observed
        return PTest(float(extreme.mean()), f"sign-flip permutation, exact, {c} clusters")
    rng = np.random.default_rng(seed)
    count = 0
    step = max(1, 4_000_000 // c)
    for begin in range(0, resamples, step):
        size = min(step, resamples - begin)
        signs = rng.integers(0, 2, (size, c), dtype=np.int8) * 2.0 - 1.0
        count += int((np.abs(signs @ sums_C) >= observed).sum())
    p = (count + 1) / (resamples + 1)
    return PTest(p, f"sign-flip permutation, {resamples} draws, {c} clusters")


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable],
    how: Resampling = DEFAULT,
) -> PairedDifference:
    """Compare two systems' scores on the same items.

    Args:
        a: scores in [0, 1] of the first system, NaN where unknown.
        b: scores of the second, item by item the same prompts.
        clusters: what each item belongs to (its conversation).
        how: settings of the intervals.
    """
    return paired_over_seeds([a], [b], [clusters], how)


def paired_over_seeds(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    clusters: Sequence[Sequence[Hashable]],
    how: Resampling = DEFAULT,
) -> PairedDifference:
    """Compare two systems over several training seeds; one sequence of scores per seed.

    Intervals resample seeds and clusters. The tests flip or count per item of any seed; the
    permutation test flips a conversation as a whole over all seeds.
    """
    first, second = ([np.asarray(x, np.float64) for x in xs] for xs in (a, b))
    gaps = [x - y for x, y in zip(first, second, strict=True)]
    first = [np.where(np.isnan(gap), np.nan, x) for x, gap in zip(first, gaps, strict=True)]
    second = [np.where(np.isnan(gap), np.nan, x) for x, gap in zip(second, gaps, strict=True)]
    flat: Floats = np.concatenate(gaps)
    more_a, more_b = int((flat > 0).sum()), int((flat < 0).sum())
    names = [c for cs in clusters for c in cs]
    return PairedDifference(
        difference=Partition.of(gaps, clusters).estimate(how, signed=True),
        a=Partition.of(first, clusters).estimate(how),
        b=Partition.of(second, clusters).estimate(how),
        more_a=more_a,
        more_b=more_b,
        dropped=int(np.isnan(flat).sum()),
        mcnemar=mcnemar_exact(more_a, more_b),
        permutation=sign_flip(flat, names, seed=how.seed),
    )
