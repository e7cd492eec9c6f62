"""Which objectives learn from which kind of model."""

from __future__ import annotations

from handrail.models import Policy, RewardModel, Trained
from handrail.objectives import Objective, Rating
from handrail.records import SettingError


def as_policy(model: Trained) -> Policy:
    """The model, which must be one that gives log-probabilities.

    Raises:
        SettingError: it is a reward model.
    """
    if not isinstance(model, Policy):
        raise SettingError(
            "this objective learns from log-probabilities, and a reward model has none",
            "Use bradley_terry or rating, or load the model with load_policy()",
        )
    return model


def check_kind(model: Trained, objective: Objective) -> None:
    """Refuse an objective that reads what the model does not give.

    Raises:
        SettingError: log-probabilities are read of a reward model, or scores of a policy.
    """
    if objective.reads == "logps":
        as_policy(model)
    elif not isinstance(model, RewardModel):
        raise SettingError(
            f"{objective.name} learns from a reward model's scores, and a policy has none",
            "Load the model with new_reward() or load_reward()",
        )


def note_objective(model: Trained, objective: Objective) -> None:
    """A reward model keeps what it was trained with: by this its scores are read."""
    if isinstance(model, RewardModel):
        loss = f"/{objective.loss}" if isinstance(objective, Rating) else ""
        model.trained_with = objective.name + loss
