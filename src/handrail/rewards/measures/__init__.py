"""How good a reward model is: pairs, ranks, ratings, calibration, best-of-n, agreement, length."""

from handrail.rewards.measures.agreement import (
    Agreed,
    Agreement,
    Labels,
    agreement,
    compare_agreement,
    labels_of,
)
from handrail.rewards.measures.best_of_n import BestOfN, Gold, Step, best_of_n, gold_of, kl_of
from handrail.rewards.measures.calibration import (
    Bin,
    Calibration,
    NoCalibration,
    pair_calibration,
    rating_calibration,
)
from handrail.rewards.measures.distributions import Distribution, Spread, distribution
from handrail.rewards.measures.kwise import KWise, kwise
from handrail.rewards.measures.lengths import LengthBias, length_bias
from handrail.rewards.measures.pairs import (
    PairAccuracy,
    PairItems,
    compare_pairs_of,
    pair_accuracy,
)
from handrail.rewards.measures.probing import KINDS, TESTS, ProbeResult, probe
from handrail.rewards.measures.ratings import NoRatings, RatingErrors, rating_errors
from handrail.rewards.measures.scored import Scored, score_turns

__all__ = [
    "KINDS",
    "TESTS",
    "Agreed",
    "Agreement",
    "BestOfN",
    "Bin",
    "Calibration",
    "Distribution",
    "Gold",
    "KWise",
    "Labels",
    "LengthBias",
    "NoCalibration",
    "NoRatings",
    "PairAccuracy",
    "PairItems",
    "ProbeResult",
    "RatingErrors",
    "Scored",
    "Spread",
    "Step",
    "agreement",
    "best_of_n",
    "compare_agreement",
    "compare_pairs_of",
    "distribution",
    "gold_of",
    "kl_of",
    "kwise",
    "labels_of",
    "length_bias",
    "pair_accuracy",
    "pair_calibration",
    "probe",
    "rating_calibration",
    "rating_errors",
    "score_turns",
]
