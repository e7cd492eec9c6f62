"""From a row of trees to what an objective reads."""

from __future__ import annotations

import torch
from torch import Tensor

from handrail.objectives import Feedback
from handrail.trees import TreeBatch, collate


def feedback_of(
    batch: TreeBatch,
    logps_N: Tensor | None = None,
    ref_N: Tensor | None = None,
    scores_R: Tensor | None = None,
) -> Feedback:
    """The feedback of a batch with its log-probabilities (N), or its scores (R)."""
    return Feedback(
        logps_N=torch.empty(0, device=batch.weight_R.device) if logps_N is None else logps_N,
        ref_N=ref_N,
        reply_N=batch.reply_N,
        length_R=batch.length_R,
        pairs_P2=batch.pairs_P2,
        best_R=batch.best_R,
        desirable_R=batch.desirable_R,
        mismatched_R=batch.mismatched_R,
        weight_R=batch.weight_R,
        turn_R=batch.turn_R,
        rating_R=batch.rating_R,
        scores_R=scores_R,
    )


def structure_of(batch: TreeBatch) -> Feedback:
    """The feedback of a batch before the model has seen it: enough to count units."""
    return feedback_of(batch)


def no_feedback(device: torch.device) -> Feedback:
    """The feedback of no tree at all: what a process without work brings to a common step."""
    batch = collate([]).to(device)
    empty_N = torch.zeros(0, device=device)
    return feedback_of(batch, empty_N, empty_N, empty_N)
