"""Reward models from ranked replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from handrail.objectives.parts import mean_of, over
from handrail.objectives.protocol import Whole, whole_step
from handrail.objectives.types import Feedback, Loss, Reads, Step, Unit


@dataclass(frozen=True)
class BradleyTerry(Whole):
    """Logistic loss on the score gap of better and worse replies, K-wise.

    L = -1/|P_x| sum over (w, l) in P_x of log sigma(r_w - r_l - margin), the mean over prompts x,
    where P_x are the pairs of a prompt's K ranked replies: all C(K, 2) of them, less the ties.
    Ouyang et al. 2022 (arXiv 2203.02155), eq. 1; eq. 2.12 of the combined-rewards thesis. Every
    reply is scored once, whatever the number of its pairs. A pair's weight is the geometric mean of
    its replies'; a prompt's is the mean of its pairs'.

    Attributes:
        margin: how far the better score should lead, in units of the score (Touvron et al. 2023,
            arXiv 2307.09288, eq. 2, with one margin for all pairs).
        centring: times the mean of (r_w + r_l)^2, which holds the scores about 0 (Eisenstein et
            al. 2023, arXiv 2312.09244, eq. 2); 0 leaves their zero free.
    """

    margin: float = 0.0
    centring: float = 0.0
    name: ClassVar[str] = "bradley_terry"
    unit: ClassVar[Unit] = "prompts"
    reads: ClassVar[Reads] = "scores"
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.margin >= 0 and self.centring >= 0):
            raise ValueError(
                f"margin and centring must be at least 0, found {self.margin} and {self.centring}"
            )

    def units(self, feedback: Feedback) -> Tensor:
        """Weighted number of prompts with a pair."""
        return self._share_P(feedback).sum()

    def __call__(self, feedback: Feedback, step: Step | None = None) -> Loss:
        """The mean loss over the step's prompts."""
        step = step or whole_step(self, [feedback])
        better_P, worse_P = feedback.pairs_P2.unbind(1)
        scores_R = feedback.rewards_R()
        r_w_P, r_l_P = scores_R[better_P], scores_R[worse_P]
        share_P = self._share_P(feedback).to(scores_R.dtype)
        loss_P = -F.logsigmoid(r_w_P - r_l_P - self.margin)
        if self.centring:
            loss_P = loss_P + self.centring * (r_w_P + r_l_P) ** 2
        value = over((loss_P * share_P).sum(), step.units.to(scores_R.dtype))
        gap_P = r_w_P - r_l_P
        return Loss(
            value,
            {
                "rewards/chosen": mean_of(r_w_P, share_P),
                "rewards/rejected": mean_of(r_l_P, share_P),
                "rewards/margin": mean_of(gap_P, share_P),
                "rewards/accuracy": mean_of((gap_P > 0).to(scores_R.dtype), share_P),
            },
        )

    def _share_P(self, feedback: Feedback) -> Tensor:
        """Weight of each pair within its prompt: its own over the prompt's number of pairs."""
        turn_P = feedback.turn_R[feedback.pairs_P2[:, 0]]
        weight_P = feedback.pair_weight_P()
        size = int(feedback.turn_R.max()) + 1 if len(feedback.turn_R) else 0
        pairs_X = weight_P.new_zeros(size).index_add(0, turn_P, weight_P.new_ones(len(turn_P)))
        return weight_P / pairs_X[turn_P]
