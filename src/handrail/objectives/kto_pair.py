"""The paired form of Kahneman-Tversky optimisation that the guardrail-alignment paper used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from handrail.objectives.parts import mean_of, over, pair_metrics
from handrail.objectives.protocol import whole_step
from handrail.objectives.types import Feedback, Loss, Reads, Step, Unit


@dataclass(frozen=True)
class KTOPair:
    """Chosen replies against the mean rejected log-ratio, rejected against the mean chosen.

    With r = log pi(y|x)/ref(y|x) summed over tokens, k_w = max(0, mean r_w), k_l = max(0, mean r_l)
    over the whole step's pairs: L = mean over both halves of
    1 - sigma(beta (r_w - k_l)) and 1 - sigma(beta (k_w - r_l)). Section IV.D and eq. 1 of the
    guardrail-alignment paper; Ethayarajh et al. 2023 (the HALO report), eq. 7; the loss "kto_pair"
    of TRL before 0.9. There the gradient also flows through the means, which ties the two halves
    together like a pairwise loss; so it does here unless `detach_means`.

    Attributes:
        beta: how strongly the policy is held to the reference.
        detach_means: treat k_w and k_l as constants, as the later KTO paper does with z0.
    """

    beta: float = 0.1
    detach_means: bool = False
    name: ClassVar[str] = "kto_pair"
    unit: ClassVar[Unit] = "pairs"
    reads: ClassVar[Reads] = "logps"
    needs_reference: ClassVar[bool] = True
    needs_mismatched: ClassVar[bool] = False
    needs_step: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ValueError(f"beta must be above 0, found {self.beta}")

    def units(self, feedback: Feedback) -> Tensor:
        """Weighted number of pairs."""
        return feedback.pair_weight_P().sum()

    def rows(self, feedback: Feedback) -> Tensor:
        """(P, 3): log-ratio of the better reply, of the worse one, weight."""
        ratios_R = feedback.log_ratios_R().detach()
        weight_P = feedback.pair_weight_P().to(ratios_R.dtype)
        return torch.cat([ratios_R[feedback.pairs_P2], weight_P.unsqueeze(1)], dim=1)

    def __call__(self, feedback: Feedback, step: Step | None = None) -> Loss:
        """The mean loss over both halves of the step's pairs."""
        step = step or whole_step(self, [feedback])
        better_P, worse_P = feedback.pairs_P2.unbind(1)
        ratios_R = feedback.log_ratios_R()
        r_w_P, r_l_P = ratios_R[better_P], ratios_R[worse_P]
        weight_P = feedback.pair_weight_P().to(ratios_R.dtype)
        mean_w, mean_l, slope_w, slope_l = self._step_means(step)
        k_w, k_l = mean_w.clamp(min=0), mean_l.clamp(min=0)
        miss_w_P = torch.sigmoid(-self.beta * (r_w_P - k_l))
        miss_l_P = torch.sigmoid(-self.beta * (k_w - r_l_P))
        total_P = (miss_w_P + miss_l_P) / 2
        if not self.detach_means:
            # The means run over the step, this graph over one micro-batch: each pair adds the
            # gradient of its own share of them, and nothing to the value.
            share_P = slope_w * (r_w_P - r_w_P.detach()) + slope_l * (r_l_P - r_l_P.detach())
            total_P = total_P + share_P
        value = over((total_P * weight_P).sum(), step.units.to(ratios_R.dtype))
        metrics = pair_metrics(feedback, self.beta * ratios_R, weight_P)
        metrics["kl"] = mean_of(((k_w + k_l) / 2).expand_as(weight_P), weight_P)
        return Loss(value, metrics)

    def _step_means(self, step: Step) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weighted means of r_w and r_l over the step, and the loss's derivatives by each."""
        r_w_S, r_l_S, weight_S = step.rows_S.unbind(1)
        share_S = over(weight_S, weight_S.sum())
        mean_w, mean_l = (r_w_S * share_S).sum(), (r_l_S * share_S).sum()
        miss_w_S = torch.sigmoid(-self.beta * (r_w_S - mean_l.clamp(min=0)))
        miss_l_S = torch.sigmoid(-self.beta * (mean_w.clamp(min=0) - r_l_S))
        bend_w = (share_S * miss_w_S * (1 - miss_w_S)).sum() * self.beta / 2
        bend_l = (share_S * miss_l_S * (1 - miss_l_S)).sum() * self.beta / 2
        return mean_w, mean_l, -bend_l * (mean_w >= 0), bend_w * (mean_l >= 0)
