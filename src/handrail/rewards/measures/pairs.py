"""Accuracy on pairs: how often the reply that people put higher has the higher score.

Shape suffixes: N pairs, C clusters, S subsets, R bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handrail.ranking import (
    Estimate,
    PairedDifference,
    Resampling,
    paired_difference,
)
from handrail.ranking.estimates import DEFAULT, Floats, Partition
from handrail.rewards.measures.resample import SHARE, estimate_of, sums_by_cluster
from handrail.rewards.measures.scored import (
    Scored,
    category_of,
    gold_pairs,
    prompt_of,
    set_of,
)


@dataclass(frozen=True)
class PairItems:
    """Every pair that people put in an order: `gap_N` is the better reply's score less the other's.

    NaN: one of the two has no score. `gold_ties` counts pairs that people put level, and `unknown`
    those without comparable feedback: both are left out.
    """

    model: str
    gap_N: Floats
    clusters: tuple[str, ...]
    sets: tuple[str, ...]
    categories: tuple[str, ...]
    gold_ties: int
    unknown: int

    @classmethod
    def of(cls, scored: Scored) -> PairItems:
        """The pairs of all turns, in their order, so that those of two models match."""
        gaps: list[float] = []
        names: list[tuple[str, str, str]] = []
        ties = unknown = 0
        for turn, scores in zip(scored.turns, scored.scores, strict=True):
            told = prompt_of(turn), set_of(turn), category_of(turn)
            for better, worse, what in gold_pairs(turn):
                if what == "better":
                    gaps.append(scores[better] - scores[worse])
                    names.append(told)
                ties += what == "tie"
                unknown += what == "unknown"
        gap_N = np.array(gaps, np.float64)
        gap_N[~np.isfinite(gap_N)] = np.nan
        clusters, sets, categories = zip(*names, strict=True) if names else ((), (), ())
        return cls(scored.model, gap_N, clusters, sets, categories, ties, unknown)

    @property
    def right_N(self) -> Floats:
        """1 where the better reply has the higher score, 1/2 where both have the same; NaN."""
        return np.where(np.isnan(self.gap_N), np.nan, (np.sign(self.gap_N) + 1) / 2)

    def estimate(self, keep: Sequence[bool] | None = None, how: Resampling = DEFAULT) -> Estimate:
        """The accuracy on the pairs where `keep` is true (all), clustered by prompt."""
        rows = np.arange(len(self.gap_N)) if keep is None else np.flatnonzero(keep)
        names = [self.clusters[i] for i in rows]
        return Partition.of([self.right_N[rows]], [names]).estimate(how)


@dataclass(frozen=True)
class PairAccuracy:
    """How often a model orders a pair as people do; a tie of the scores counts half.

    `by_set` has an entry for each data set, `by_category` for each (set, category). `subset_mean`
    is, per data set with categories, the unweighted mean of their accuracies, as RewardBench
    (Lambert et al. 2024) has it. `gold_ties`, `unknown` and `unscored` pairs are in no figure.
    """

    model: str
    overall: Estimate
    by_set: Mapping[str, Estimate]
    by_category: Mapping[tuple[str, str], Estimate]
    subset_mean: Mapping[str, Estimate]
    score_ties: int
    gold_ties: int
    unknown: int
    unscored: int


def pair_accuracy(items: PairItems, how: Resampling = DEFAULT) -> PairAccuracy:
    """Accuracy overall, per data set and per category within it."""
    sets = list(dict.fromkeys(items.sets))
    pairs = list(zip(items.sets, items.categories, strict=True))
    groups = sorted({(s, c) for s, c in pairs if c})
    of_group = {one: items.estimate([p == one for p in pairs], how) for one in groups}
    return PairAccuracy(
        model=items.model,
        overall=items.estimate(None, how),
        by_set={s: items.estimate([x == s for x in items.sets], how) for s in sets},
        by_category=of_group,
        subset_mean={
            s: subset_mean(items, s, how) for s in sets if sum(one[0] == s for one in groups) > 1
        },
        score_ties=int((items.gap_N == 0).sum()),
        gold_ties=items.gold_ties,
        unknown=items.unknown,
        unscored=int(np.isnan(items.gap_N).sum()),
    )


def subset_mean(items: PairItems, name: str, how: Resampling = DEFAULT) -> Estimate:
    """The mean of a data set's accuracies by category, each category counting the same.

    Its interval draws prompts; a replicate in which a category has no pair is left out.
    """
    right_N = items.right_N
    rows = [i for i, s in enumerate(items.sets) if s == name and items.categories[i]]
    rows = [i for i in rows if not np.isnan(right_N[i])]
    code = {c: k for k, c in enumerate(sorted({items.categories[i] for i in rows}))}
    table_NK = np.zeros((len(rows), 2 * len(code)))
    for n, i in enumerate(rows):
        k = code[items.categories[i]]
        table_NK[n, k], table_NK[n, len(code) + k] = right_N[i], 1.0

    def mean(sums_RK: Floats) -> Floats:
        right_RS, count_RS = np.split(sums_RK, 2, axis=1)
        share = np.divide(
            right_RS, count_RS, out=np.full_like(right_RS, np.nan), where=count_RS > 0
        )
        out: Floats = share.mean(1)
        return out

    sums_CK = sums_by_cluster(table_NK, [items.clusters[i] for i in rows])
    return estimate_of(mean, sums_CK, len(rows), f"mean of {len(code)} subsets", how, SHARE)


def compare_pairs_of(a: PairItems, b: PairItems, how: Resampling = DEFAULT) -> PairedDifference:
    """The accuracy of a less that of b on the pairs that both have scores for, with tests.

    Raises:
        ValueError: the two were not measured on the same pairs.
    """
    if a.clusters != b.clusters or a.sets != b.sets:
        raise ValueError("the two models were not measured on the same pairs")
    return paired_difference(a.right_N, b.right_N, a.clusters, how)
