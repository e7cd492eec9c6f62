"""Kahneman-Tversky optimisation on unpaired feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from handrail.objectives.parts import mean_of, over
from handrail.objectives.protocol import whole_step
from handrail.objectives.types import Feedback, Loss, Reads, Step, Unit


@dataclass(frozen=True)
class KTO:
    """Each reply against a reference point, by whether it is desirable.

    With r = log pi(y|x)/ref(y|x), summed over tokens, the mean over replies of
    lambda_d (1 - sigma(beta (r - z0))) for a desirable and
    lambda_u (1 - sigma(beta (z0 - r))) for an undesirable one, where
    z0 = max(0, mean of r over mismatched prompt-reply pairs) estimates KL(pi || ref), without
    gradient and over the whole step. Ethayarajh et al. 2024 (arXiv 2402.01306), eq. 7 and section
    4.1; eq. 1 of the guardrail-alignment paper. Any step with at least one mismatched reply (two
    turns) will do, in any order of desirable and undesirable.

    Attributes:
        beta: how strongly the policy is held to the reference.
        lambda_d: weight of desirable replies.
        lambda_u: weight of undesirable ones; for unbalanced data choose both so that
            lambda_d n_d / (lambda_u n_u) is in [1, 4/3] (eq. 8).
    """

    beta: float = 0.1
    lambda_d: float = 1.0
    lambda_u: float = 1.0
    name: ClassVar[str] = "kto"
    unit: ClassVar[Unit] = "replies"
    reads: ClassVar[Reads] = "logps"
    needs_reference: ClassVar[bool] = True
    needs_mismatched: ClassVar[bool] = True
    needs_step: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ValueError(f"beta must be above 0, found {self.beta}")
        if min(self.lambda_d, self.lambda_u) < 0:
            raise ValueError("lambda_d and lambda_u must not be negative")

    def _weight_R(self, feedback: Feedback) -> Tensor:
        """Weights of the judged replies; 0 for unknown and mismatched ones."""
        judged_R = (feedback.desirable_R >= 0) & ~feedback.mismatched_R
        return feedback.weight_R * judged_R

    def units(self, feedback: Feedback) -> Tensor:
        """Weighted number of judged replies."""
        return self._weight_R(feedback).sum()

    def rows(self, feedback: Feedback) -> Tensor:
        """(S, 1): the log-ratio of each mismatched reply."""
        ratios_R = feedback.log_ratios_R().detach()
        return ratios_R[feedback.mismatched_R].unsqueeze(1)

    def __call__(self, feedback: Feedback, step: Step | None = None) -> Loss:
        """The mean loss over the step's judged replies; ValueError without a mismatched one."""
        step = step or whole_step(self, [feedback])
        if step.rows_S.shape[0] == 0:
            raise ValueError("KTO needs at least one mismatched reply per step to estimate z0")
        z0 = step.rows_S.mean().clamp(min=0)
        ratios_R = feedback.log_ratios_R()
        weight_R = self._weight_R(feedback).to(ratios_R.dtype)
        good_R = (feedback.desirable_R == 1).to(ratios_R.dtype)
        lambda_R = self.lambda_u + (self.lambda_d - self.lambda_u) * good_R
        sign_R = 2 * good_R - 1
        loss_R = lambda_R * torch.sigmoid(-sign_R * self.beta * (ratios_R - z0))
        value = over((loss_R * weight_R).sum(), step.units.to(ratios_R.dtype))
        return Loss(value, self._metrics(feedback, ratios_R, weight_R, z0))

    def _metrics(
        self, feedback: Feedback, ratios_R: Tensor, weight_R: Tensor, z0: Tensor
    ) -> dict[str, tuple[Tensor, Tensor]]:
        rewards_R, logps_R = self.beta * ratios_R.detach(), feedback.logps_R().detach()
        good_R, bad_R = (
            weight_R * (feedback.desirable_R == 1),
            weight_R * (feedback.desirable_R == 0),
        )
        right_R = (rewards_R > self.beta * z0) == (feedback.desirable_R == 1)
        return {
            "rewards/chosen": mean_of(rewards_R, good_R),
            "rewards/rejected": mean_of(rewards_R, bad_R),
            "rewards/accuracy": mean_of(right_R.to(rewards_R.dtype), weight_R),
            "logps/chosen": mean_of(logps_R, good_R),
            "logps/rejected": mean_of(logps_R, bad_R),
            "kl": mean_of(z0.expand_as(weight_R), weight_R),
        }
