from __future__ import annotations

import math

import numpy as np
import pytest

from handrail.ranking import Resampling, instruction_difficulty, length_controlled
from handrail.ranking.logistic import PENALTIES, chosen_penalty, fit_logistic, sigmoid
from tests.ranking.data import alpaca_eval, leaderboard

QUICK = Resampling(resamples=100)


def test_a_judge_that_likes_length_only_gives_one_half() -> None:
    # The system writes longer three times in four and wins exactly where it does.
    rng = np.random.default_rng(0)
    longer = np.where(np.arange(400) % 4 < 3, 1, -1) * rng.integers(80, 120, 400)
    liked = sigmoid(3.0 * np.tanh(longer / longer.std(ddof=1)))
    won = (rng.random(400) < liked).astype(float)
    found = length_controlled(won, longer, how=QUICK)
    assert found.plain.value > 0.65
    assert found.controlled.low < 0.5 < found.controlled.high
    assert found.length_effect == pytest.approx(3.0, abs=0.8)
    assert found.mean_difference > 40


def test_without_an_effect_of_length_it_is_the_plain_rate() -> None:
    rng = np.random.default_rng(1)
    won = (rng.random(600) < 0.7).astype(float)
    longer = rng.normal(50, 100, 600)
    found = length_controlled(won, longer, how=QUICK)
    assert found.controlled.value == pytest.approx(found.plain.value, abs=0.02)
    same = length_controlled(won, np.full(600, 7.0), how=QUICK)
    assert same.controlled.value == pytest.approx(same.plain.value, abs=1e-6)
    assert same.scale == 0
    assert same.as_dict()["plain"]["n"] == 600


def test_unknown_preferences_are_dropped_and_all_wins_stay_all_wins() -> None:
    found = length_controlled([1.0, math.nan, 1.0, 1.0], [5, 5, -5, 9], how=QUICK)
    assert found.dropped == 1
    assert found.controlled.value == pytest.approx(1.0)
    assert length_controlled([], [], how=QUICK).controlled.n == 0
    with pytest.raises(ValueError, match="differ in length"):
        length_controlled([1.0], [1, 2])
    with pytest.raises(ValueError, match="no length"):
        length_controlled([1.0], [math.nan])


def test_the_fit_is_the_maximum_that_scipy_finds() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    y = rng.random(80)
    weights = rng.integers(0, 3, (3, 80)).astype(float)
    found = fit_logistic(x, y, weights, 0.7)
    for beta, w in zip(found, weights, strict=True):

        def loss(b: np.ndarray, w: np.ndarray = w) -> float:
            z = x @ b
            return float((w * (np.logaddexp(0, z) - y * z)).sum() + 0.35 * (b[1:] ** 2).sum())

        best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
        assert beta == pytest.approx(best.x, abs=1e-5)


def test_the_penalty_is_the_one_with_the_least_loss_on_held_out_clusters() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(60), rng.normal(size=60)])
    y = (rng.random(60) < sigmoid(2 * x[:, 1])).astype(float)
    strong = chosen_penalty(x, y, np.arange(60), 5, 0)
    noise = chosen_penalty(x, rng.permutation(y), np.arange(60), 5, 0)
    assert PENALTIES[0] <= strong < noise <= PENALTIES[-1]
    assert chosen_penalty(x, y, np.zeros(60, int), 5, 0) == PENALTIES[-1]


def test_difficulty_is_found_again() -> None:
    rng = np.random.default_rng(6)
    hard = rng.normal(0, 1.5, 150)
    longer = rng.normal(0, 100, (12, 150))
    strength = np.linspace(-1, 1, 12)[:, None]
    won = (rng.random((12, 150)) < sigmoid(strength - hard + np.tanh(longer / 100))).astype(float)
    won[0, :20] = np.nan
    found = instruction_difficulty(won, longer)
    assert np.corrcoef(found, hard)[0, 1] > 0.85
    assert found.mean() == pytest.approx(0)


@pytest.mark.parametrize(
    ("model", "off"),
    [("text_davinci_001", 1.5), ("falcon-40b-instruct", 1.5), ("gpt-3.5-turbo-0301", 2.5)],
)
def test_alpaca_evals_leaderboard_as_far_as_its_data_go(model: str, off: float) -> None:
    rows = alpaca_eval()
    board = leaderboard("leaderboard_v1_gpt4.csv")[model]
    key = ("alpaca_eval_gpt4", model)
    others = [k for k in rows if k[0] == "alpaca_eval_gpt4" and k != key]
    hard = instruction_difficulty(
        np.array([rows[k][0] for k in others]), np.array([rows[k][1] for k in others])
    )
    found = length_controlled(*rows[key], hard, how=QUICK)
    assert 100 * found.plain.value == pytest.approx(float(board["win_rate"]), abs=1e-9)
    published = float(board["length_controlled_winrate"])
    assert 100 * found.controlled.value == pytest.approx(published, abs=off)
    assert 100 * found.controlled.low < published < 100 * found.controlled.high
