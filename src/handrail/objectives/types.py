"""What an objective reads and returns, and how micro-batches make one step.

Shape suffixes: N trained reply tokens, R replies, P pairs (P2: better, worse), S rows
that the whole step must see; no suffix: scalar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Unit = Literal["tokens", "pairs", "replies", "prompts", "ratings"]
Reads = Literal["logps", "scores"]


@dataclass(frozen=True)
class Feedback:
    """What a model gives for one micro-batch's replies, and the feedback on them.

    A policy gives log-probabilities of the replies' tokens, a reward model a score of each reply.

    Attributes:
        logps_N: policy's log-probability of each trained reply token, in nats; empty of a reward
            model.
        ref_N: the reference's, without gradient; None where the objective needs no reference.
        reply_N: index of the reply (0..R-1) that each token belongs to.
        length_R: tokens per reply.
        pairs_P2: indices of (better, worse) replies.
        best_R: bool, the replies that SFT learns.
        desirable_R: 1 desirable, 0 undesirable, -1 unknown.
        mismatched_R: bool, replies of other turns, there for KTO's estimate only.
        weight_R: weight of each reply, 1 by default.
        turn_R: number of the turn (prompt) that each reply answers, within the micro-batch.
        rating_R: absolute rating of each reply; nan where it has none.
        scores_R: the reward model's raw score of each reply; None of a policy.
    """

    logps_N: Tensor
    ref_N: Tensor | None
    reply_N: Tensor
    length_R: Tensor
    pairs_P2: Tensor
    best_R: Tensor
    desirable_R: Tensor
    mismatched_R: Tensor
    weight_R: Tensor
    turn_R: Tensor
    rating_R: Tensor
    scores_R: Tensor | None = None

    def sum_replies(self, values_N: Tensor) -> Tensor:
        """Sums per-token values to one per reply (R), in float32 at least."""
        values_N = values_N.to(torch.promote_types(values_N.dtype, torch.float32))
        zeros_R = values_N.new_zeros(self.length_R.shape[0])
        return zeros_R.index_add(0, self.reply_N, values_N)

    def logps_R(self) -> Tensor:
        """Summed log-probability of each reply under the policy."""
        return self.sum_replies(self.logps_N)

    def log_ratios_R(self, per_token: bool = False) -> Tensor:
        """log(policy/reference) of each reply: summed, or the mean over its tokens."""
        if self.ref_N is None:
            raise ValueError("this objective needs the reference's log-probabilities (ref_N)")
        ratios_R = self.logps_R() - self.sum_replies(self.ref_N)
        return ratios_R / self.length_R.clamp(min=1) if per_token else ratios_R

    def rewards_R(self) -> Tensor:
        """The reward model's raw scores."""
        if self.scores_R is None:
            raise ValueError("this objective needs a reward model's scores (scores_R)")
        return self.scores_R

    def pair_weight_P(self) -> Tensor:
        """Weight of each pair: the geometric mean of its replies' weights."""
        return self.weight_R[self.pairs_P2].prod(dim=1).sqrt()


@dataclass(frozen=True)
class Step:
    """What one micro-batch's loss must know of its whole optimiser step.

    Attributes:
        units: total weight of what the loss is a mean over (tokens, pairs or replies).
        rows_S: the step's statistics, (S, k), detached; empty where the objective has none.
    """

    units: Tensor
    rows_S: Tensor


@dataclass(frozen=True)
class Loss:
    """A loss and its metrics. Values of one step's micro-batches add up to the step's loss.

    Attributes:
        value: scalar with gradient: this micro-batch's sum over the units of the whole step.
        parts: metric name -> (weighted sum, weight), detached scalars; both add up over
            micro-batches.
    """

    value: Tensor
    parts: dict[str, tuple[Tensor, Tensor]]

    @property
    def metrics(self) -> dict[str, Tensor]:
        """Detached scalars: the loss and the mean of each part (nan where it has no weight)."""
        means = {name: total / weight for name, (total, weight) in self.parts.items()}
        return {"loss": self.value.detach()} | means
