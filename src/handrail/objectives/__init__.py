"""Losses as pure functions of log-probabilities and feedback. Imports torch only."""

from handrail.objectives.bradley_terry import BradleyTerry
from handrail.objectives.dpo import DPO
from handrail.objectives.ipo import IPO
from handrail.objectives.kto import KTO
from handrail.objectives.kto_pair import KTOPair
from handrail.objectives.protocol import Objective, whole_step
from handrail.objectives.rating import Rating
from handrail.objectives.sft import SFT
from handrail.objectives.types import Feedback, Loss, Step

# Those of policies; of reward models those below.
OBJECTIVES: dict[str, type] = {kind.name: kind for kind in (SFT, DPO, IPO, KTO, KTOPair)}
REWARD_OBJECTIVES: dict[str, type] = {kind.name: kind for kind in (BradleyTerry, Rating)}

__all__ = [
    "DPO",
    "IPO",
    "KTO",
    "OBJECTIVES",
    "REWARD_OBJECTIVES",
    "SFT",
    "BradleyTerry",
    "Feedback",
    "KTOPair",
    "Loss",
    "Objective",
    "Rating",
    "Step",
    "whole_step",
]
