"""Random feedback for the objectives' tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from handrail.objectives import Feedback


def random_feedback(seed: int, n_pairs: int = 3, n_mismatched: int = 2) -> Feedback:
    """`n_pairs` turns of a better and a worse reply each, then mismatched replies; float64."""
    g = torch.Generator().manual_seed(seed)
    n_replies = 2 * n_pairs + n_mismatched
    length_R = torch.randint(1, 6, (n_replies,), generator=g)
    reply_N = torch.repeat_interleave(torch.arange(n_replies), length_R)
    n = int(length_R.sum())
    logps_N = -3 * torch.rand(n, generator=g, dtype=torch.float64)
    ref_N = logps_N + 0.5 * torch.randn(n, generator=g, dtype=torch.float64)
    mismatched_R = torch.arange(n_replies) >= 2 * n_pairs
    chosen_R = (torch.arange(n_replies) % 2 == 0) & ~mismatched_R
    desirable_R = chosen_R.long().masked_fill(mismatched_R, -1)
    return Feedback(
        logps_N=logps_N.requires_grad_(),
        ref_N=ref_N,
        reply_N=reply_N,
        length_R=length_R,
        pairs_P2=torch.arange(2 * n_pairs).reshape(n_pairs, 2),
        best_R=chosen_R,
        desirable_R=desirable_R,
        mismatched_R=mismatched_R,
        weight_R=0.5 + torch.rand(n_replies, generator=g, dtype=torch.float64),
        turn_R=torch.arange(n_replies) // 2,
        rating_R=torch.full((n_replies,), torch.nan),
    )


def permuted(feedback: Feedback, order_R: torch.Tensor) -> Feedback:
    """The same feedback with its replies listed in another order (tokens move with them)."""
    place_R = torch.empty_like(order_R)
    place_R[order_R] = torch.arange(len(order_R))
    tokens_N = torch.argsort(place_R[feedback.reply_N], stable=True)
    assert feedback.ref_N is not None
    return Feedback(
        logps_N=feedback.logps_N[tokens_N],
        ref_N=feedback.ref_N[tokens_N],
        reply_N=place_R[feedback.reply_N][tokens_N],
        length_R=feedback.length_R[order_R],
        pairs_P2=place_R[feedback.pairs_P2].flip(0),
        best_R=feedback.best_R[order_R],
        desirable_R=feedback.desirable_R[order_R],
        mismatched_R=feedback.mismatched_R[order_R],
        weight_R=feedback.weight_R[order_R],
        turn_R=feedback.turn_R[order_R],
        rating_R=feedback.rating_R[order_R],
    )


def split(feedback: Feedback, n_pairs: int) -> list[Feedback]:
    """The same feedback as one micro-batch per pair, and one of the mismatched replies."""
    n_replies = len(feedback.length_R)
    groups = [[2 * p, 2 * p + 1] for p in range(n_pairs)] + [list(range(2 * n_pairs, n_replies))]
    assert feedback.ref_N is not None
    parts = []
    for group in (torch.tensor(g) for g in groups if g):
        tokens_N = torch.isin(feedback.reply_N, group)
        has_pair = bool(group[0] < 2 * n_pairs)
        parts.append(
            dataclasses.replace(
                feedback,
                logps_N=feedback.logps_N[tokens_N],
                ref_N=feedback.ref_N[tokens_N],
                reply_N=feedback.reply_N[tokens_N] - group[0],
                length_R=feedback.length_R[group],
                pairs_P2=torch.tensor([[0, 1]] if has_pair else []).long().reshape(-1, 2),
                best_R=feedback.best_R[group],
                desirable_R=feedback.desirable_R[group],
                mismatched_R=feedback.mismatched_R[group],
                weight_R=feedback.weight_R[group],
            )
        )
    return parts


@pytest.fixture
def make() -> Callable[..., Feedback]:
    return random_feedback
