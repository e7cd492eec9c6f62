"""Reward models: a scalar head on a causal model over token trees, or an encoder."""

from handrail.models.rewards.base import RewardModel

__all__ = ["RewardModel"]
