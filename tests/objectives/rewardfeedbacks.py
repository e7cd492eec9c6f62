"""Feedback with scores that are given, for tests of reward models' losses."""

from __future__ import annotations

import math

import torch

from handrail.objectives import Feedback

nan = math.nan


def feedback(
    scores: list[float],
    turns: list[int] | None = None,
    pairs: list[tuple[int, int]] | None = None,
    ratings: list[float] | None = None,
    weights: list[float] | None = None,
    mismatched: list[bool] | None = None,
) -> Feedback:
    """Feedback with these scores, float64."""
    n = len(scores)
    return Feedback(
        logps_N=torch.empty(0),
        ref_N=None,
        reply_N=torch.arange(n),
        length_R=torch.ones(n, dtype=torch.long),
        pairs_P2=torch.tensor(pairs or [], dtype=torch.long).reshape(-1, 2),
        best_R=torch.zeros(n, dtype=torch.bool),
        desirable_R=torch.full((n,), -1),
        mismatched_R=torch.tensor(mismatched or [False] * n),
        weight_R=torch.tensor(weights or [1.0] * n, dtype=torch.float64),
        turn_R=torch.tensor(turns or [0] * n),
        rating_R=torch.tensor(ratings or [nan] * n, dtype=torch.float64),
        scores_R=torch.tensor(scores, dtype=torch.float64).requires_grad_(),
    )
