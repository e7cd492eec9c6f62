"""Models: loading, adapters, tree attention, log-probabilities of replies."""

from handrail.models.device import native_bfloat16, resolve_device, resolve_dtype
from handrail.models.load import count_parameters, load_policy, load_tokenizer, random_policy
from handrail.models.policy import Policy
from handrail.models.rewards import RewardModel, load_reward, new_reward
from handrail.models.settings import ModelSettings
from handrail.models.trained import Trained

__all__ = [
    "ModelSettings",
    "Policy",
    "RewardModel",
    "Trained",
    "count_parameters",
    "load_policy",
    "load_reward",
    "load_tokenizer",
    "native_bfloat16",
    "new_reward",
    "random_policy",
    "resolve_device",
    "resolve_dtype",
]
