"""Ranking: win rates, rates and differences with intervals and tests; numpy and scipy only."""

from handrail.ranking.agreement import Agreement, agreement
from handrail.ranking.comparisons import (
    Bins,
    PairResult,
    WinRate,
    WinRule,
    clusters_of,
    compare_pairs,
    flip_rate,
)
from handrail.ranking.estimates import (
    Estimate,
    Partition,
    Resampling,
    rate,
    rate_over_seeds,
    ratio_over_seeds,
    wilson,
)
from handrail.ranking.paired import (
    PairedDifference,
    PTest,
    mcnemar_exact,
    paired_difference,
    paired_over_seeds,
    sign_flip,
)
from handrail.ranking.seeds import SeedDifference, difference_over_seeds, t_interval
from handrail.ranking.systems import (
    BreachCell,
    BreachTable,
    SystemRate,
    breach_table,
    scores,
    system_difference,
    system_rates,
)

__all__ = [
    "Agreement",
    "Bins",
    "BreachCell",
    "BreachTable",
    "Estimate",
    "PTest",
    "PairResult",
    "PairedDifference",
    "Partition",
    "Resampling",
    "SeedDifference",
    "SystemRate",
    "WinRate",
    "WinRule",
    "agreement",
    "breach_table",
    "clusters_of",
    "compare_pairs",
    "difference_over_seeds",
    "flip_rate",
    "mcnemar_exact",
    "paired_difference",
    "paired_over_seeds",
    "rate",
    "rate_over_seeds",
    "ratio_over_seeds",
    "scores",
    "sign_flip",
    "system_difference",
    "system_rates",
    "t_interval",
    "wilson",
]
