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
from handrail.ranking.connected import Apart, met_groups
from handrail.ranking.elo import elo
from handrail.ranking.estimates import (
    Estimate,
    Partition,
    Resampling,
    rate,
    rate_over_seeds,
    ratio_over_seeds,
    wilson,
)
from handrail.ranking.grades import GradeRow, grade_difference, grade_rows
from handrail.ranking.kappa import Kappa, cohen
from handrail.ranking.length import (
    LengthControlled,
    instruction_difficulty,
    length_controlled,
)
from handrail.ranking.majority import Ballots, MajorityRanking, ballots_of, majority_ranking
from handrail.ranking.matches import Matches, matches_of
from handrail.ranking.matrix import WinCell, WinMatrix, win_matrix
from handrail.ranking.normal import normal_interval, rank_correlation, standard_error
from handrail.ranking.paired import (
    PairedDifference,
    PTest,
    mcnemar_exact,
    paired_difference,
    paired_over_seeds,
    sign_flip,
)
from handrail.ranking.points import Points, PointsTable, merge, winning_points
from handrail.ranking.power import (
    Design,
    SampleSize,
    detectable,
    paired_shares,
    power_of,
    sample_size,
)
from handrail.ranking.preferences import Preferences, preferences
from handrail.ranking.seeds import SeedDifference, difference_over_seeds, t_interval
from handrail.ranking.strengths import ROUNDS, Rated, Ratings, bradley_terry
from handrail.ranking.systems import (
    BreachCell,
    BreachTable,
    SystemRate,
    breach_table,
    scores,
    system_difference,
    system_rates,
)
from handrail.ranking.voting import (
    RankedPairs,
    borda,
    ranked_pairs,
    ranked_pairs_winners,
    support,
)

__all__ = [
    "ROUNDS",
    "Agreement",
    "Apart",
    "Ballots",
    "Bins",
    "BreachCell",
    "BreachTable",
    "Design",
    "Estimate",
    "GradeRow",
    "Kappa",
    "LengthControlled",
    "MajorityRanking",
    "Matches",
    "PTest",
    "PairResult",
    "PairedDifference",
    "Partition",
    "Points",
    "PointsTable",
    "Preferences",
    "RankedPairs",
    "Rated",
    "Ratings",
    "Reliability",
    "Resampling",
    "SampleSize",
    "SeedDifference",
    "SystemRate",
    "WinCell",
    "WinMatrix",
    "WinRate",
    "WinRule",
    "agreement",
    "ballots_of",
    "borda",
    "bradley_terry",
    "breach_table",
    "clusters_of",
    "cohen",
    "compare_pairs",
    "detectable",
    "difference_over_seeds",
    "elo",
    "fleiss",
    "flip_rate",
    "grade_difference",
    "grade_rows",
    "instruction_difficulty",
    "krippendorff",
    "length_controlled",
    "majority_ranking",
    "matches_of",
    "mcnemar_exact",
    "merge",
    "met_groups",
    "normal_interval",
    "paired_difference",
    "paired_over_seeds",
    "paired_shares",
    "power_of",
    "preferences",
    "rank_correlation",
    "ranked_pairs",
    "ranked_pairs_winners",
    "rate",
    "rate_over_seeds",
    "ratio_over_seeds",
    "sample_size",
    "scores",
    "sign_flip",
    "standard_error",
    "support",
    "system_difference",
    "system_rates",
    "t_interval",
    "wilson",
    "win_matrix",
    "winning_points",
]
