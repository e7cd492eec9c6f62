"""Ranking: win rates, rates and differences with intervals and tests; numpy and scipy only."""

from handrail.ranking.agreement import Agreement, agreement
from handrail.ranking.alpha import Reliability, fleiss, krippendorff
from handrail.ranking.comparisons import (
    Bins,
    PairResult,
    WinRate,
    WinRule,
    clusters_of,
    compare_pairs,
    flip_rate,
)
from handrail.ranking.connected import Apart
from handrail.ranking.estimates import (
    Estimate,
    Partition,
    Resampling,
    rate,
    rate_over_seeds,
    ratio_over_seeds,
    wilson,
)
from handrail.ranking.kappa import Kappa, cohen
from handrail.ranking.length import (
    LengthControlled,
    instruction_difficulty,
    length_controlled,
)
from handrail.ranking.matches import Matches, matches_of
from handrail.ranking.paired import (
    PairedDifference,
    PTest,
    mcnemar_exact,
    paired_difference,
    paired_over_seeds,
    sign_flip,
)
from handrail.ranking.seeds import SeedDifference, difference_over_seeds, t_interval
from handrail.ranking.strengths import Rated, Ratings, bradley_terry
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
    "Apart",
    "Bins",
    "BreachCell",
    "BreachTable",
    "Estimate",
    "Kappa",
    "LengthControlled",
    "Matches",
    "PTest",
    "PairResult",
    "PairedDifference",
    "Partition",
    "Rated",
    "Ratings",
    "Reliability",
    "Resampling",
    "SeedDifference",
    "SystemRate",
    "WinRate",
    "WinRule",
    "agreement",
    "bradley_terry",
    "breach_table",
    "clusters_of",
    "cohen",
    "compare_pairs",
    "difference_over_seeds",
    "fleiss",
    "flip_rate",
    "instruction_difficulty",
    "krippendorff",
    "length_controlled",
    "matches_of",
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
