"""Judges: rules, oracle, language models and reward models, all giving the same records."""

from handrail.judges.assessing import ModelAssessor
from handrail.judges.assessor import AssessorJudge
from handrail.judges.compare import (
    BOTH,
    NO_REPLY,
    Orders,
    Progress,
    Showing,
    assess_systems,
    compare_each,
    compare_shown,
    compare_systems,
    showings,
)
from handrail.judges.graders import (
    MTSingleGrader,
    RefusalGrader,
    RubricGrader,
    SafetyGrader,
    checked_rubric,
)
from handrail.judges.model import IDENTICAL, ModelGrader, ModelJudge, References
from handrail.judges.noise import NoisyJudge
from handrail.judges.pairs import BinsJudge, HelpfulJudge, LeaderboardJudge, MTPairJudge
from handrail.judges.reward import RewardJudge
from handrail.judges.rules import RULES, RuleAssessor, RuleJudge

__all__ = [
    "BOTH",
    "IDENTICAL",
    "NO_REPLY",
    "RULES",
    "AssessorJudge",
    "BinsJudge",
    "HelpfulJudge",
    "LeaderboardJudge",
    "MTPairJudge",
    "MTSingleGrader",
    "ModelAssessor",
    "ModelGrader",
    "ModelJudge",
    "NoisyJudge",
    "Orders",
    "Progress",
    "References",
    "RefusalGrader",
    "RewardJudge",
    "RubricGrader",
    "RuleAssessor",
    "RuleJudge",
    "SafetyGrader",
    "Showing",
    "assess_systems",
    "checked_rubric",
    "compare_each",
    "compare_shown",
    "compare_systems",
    "showings",
]
