"""Reward models from absolute ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from handrail.objectives.parts import mean_of, over
from handrail.objectives.protocol import Whole, whole_step
from handrail.objectives.types import Feedback, Loss, Reads, Step, Unit

RatingLoss = Literal["mse", "sigmoid_mse", "logistic"]


@dataclass(frozen=True)
class Rating(Whole):
    """A reply's score against its rating s in 0..1, the weighted mean over rated replies.

    The three task types of the combined-rewards thesis (section 5.3.1, "Logistic vs. Regression
    Problem"), of the raw score r:

    - mse: (r - s)^2 + penalty * (max(0, r - 1) + max(0, -r)): the thesis adds "two per cent of the
      value exceeding one or dropping below zero", so penalty is 0.02;
    - sigmoid_mse: (sigma(r) - s)^2;
    - logistic: -s log sigma(r) - (1 - s) log sigma(-r), binary cross-entropy with soft labels.

    A reply's weight multiplies its loss and stands below the line too.

    Attributes:
        loss: which of the three.
        penalty: of "mse", for each unit outside 0..1.
    """

    loss: RatingLoss = "logistic"
    penalty: float = 0.02
    name: ClassVar[str] = "rating"
    unit: ClassVar[Unit] = "ratings"
    reads: ClassVar[Reads] = "scores"
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.loss not in get_args(RatingLoss):
            known = ", ".join(get_args(RatingLoss))
            raise ValueError(f"there is no loss '{self.loss}'; the losses of ratings are {known}")
        if not self.penalty >= 0:
            raise ValueError(f"penalty must be at least 0, found {self.penalty}")

    def units(self, feedback: Feedback) -> Tensor:
        """Weighted number of rated replies."""
        return feedback.weight_R[self._rated_R(feedback)].sum()

    def __call__(self, feedback: Feedback, step: Step | None = None) -> Loss:
        """The mean loss over the step's rated replies."""
        step = step or whole_step(self, [feedback])
        rated_R = self._rated_R(feedback)
        score_r = feedback.rewards_R()[rated_R]
        rating_r = feedback.rating_R[rated_R].to(score_r.dtype)
        weight_r = feedback.weight_R[rated_R].to(score_r.dtype)
        given_r = score_r if self.loss == "mse" else torch.sigmoid(score_r)
        if self.loss == "logistic":
            loss_r = F.binary_cross_entropy_with_logits(score_r, rating_r, reduction="none")
        else:
            loss_r = (given_r - rating_r) ** 2
        if self.loss == "mse":
            loss_r = loss_r + self.penalty * (F.relu(score_r - 1) + F.relu(-score_r))
        value = over((loss_r * weight_r).sum(), step.units.to(score_r.dtype))
        apart_r = given_r - rating_r
        return Loss(
            value,
            {
                "ratings/given": mean_of(given_r, weight_r),
                "ratings/mse": mean_of(apart_r**2, weight_r),
                "ratings/mae": mean_of(apart_r.abs(), weight_r),
            },
        )

    def _rated_R(self, feedback: Feedback) -> Tensor:
        """Which replies have a rating and are not another turn's."""
        return torch.isfinite(feedback.rating_R) & ~feedback.mismatched_R
