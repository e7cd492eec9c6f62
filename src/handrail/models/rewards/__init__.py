"""Reward models: a scalar head on a causal model over token trees, or an encoder."""

from handrail.models.rewards.base import RewardModel
from handrail.models.rewards.load import load_reward, new_reward

__all__ = ["RewardModel", "load_reward", "new_reward"]
