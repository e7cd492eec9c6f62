"""What a reply's weight does in the losses of reward models."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from rewardfeedbacks import feedback

from handrail.objectives import BradleyTerry, Rating


@pytest.mark.parametrize("loss", ["mse", "sigmoid_mse", "logistic"])
def test_weights_of_replies_reach_the_loss(loss) -> None:
    """A reply of weight 3 counts as three equal ones, and one of weight 0 as none."""
    ratings, scores = [0.1, 0.9, 0.5], [0.3, -0.2, 4.0]
    weighted = Rating(loss)(feedback(scores, ratings=ratings, weights=[3.0, 1.0, 0.0]))
    repeated = Rating(loss)(feedback([0.3, 0.3, 0.3, -0.2], ratings=[0.1, 0.1, 0.1, 0.9]))
    assert weighted.value.item() == pytest.approx(repeated.value.item())


def test_a_weight_of_a_prompt_counts_it_more_often() -> None:
    turns, pairs = [0, 0, 1, 1], [(0, 1), (2, 3)]
    twice = BradleyTerry()(
        feedback([1.0, 0.0, 0.0, 2.0], turns, pairs, weights=[2.0, 2.0, 1.0, 1.0])
    )
    expected = (2 * math.log1p(math.exp(-1)) + math.log1p(math.exp(2))) / 3
    assert twice.value.item() == pytest.approx(expected)


@pytest.mark.parametrize(("size", "pull"), [(1, 1.0), (8, 3.13), (128, 3.94)])
def test_a_weight_does_less_in_small_steps(size: int, pull: float) -> None:
    """The figures of docs/rewards.md: a fifth of the replies weigh 4, drawn at random into steps.

    `pull` is the expected gradient of a heavy reply over that of a light one.
    """
    found = {4.0: 0.0, 1.0: 0.0}
    for weight, heavy in product(found, range(size)):  # of the other replies `heavy` weigh 4
        chance = math.comb(size - 1, heavy) * 0.2**heavy * 0.8 ** (size - 1 - heavy)
        weights = [weight] + [4.0] * heavy + [1.0] * (size - 1 - heavy)
        step = feedback([0.0] * size, ratings=[1.0] * size, weights=weights)
        (gradient,) = torch.autograd.grad(Rating("mse")(step).value, step.scores_R)
        found[weight] += chance * abs(gradient[0].item())
    assert found[4.0] / found[1.0] == pytest.approx(pull, abs=0.005)
