"""Calibration: bins by hand, the error beside a slow sum, a calibrated model's near zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handrail.records import SettingError
from handrail.rewards.measures import (
    Calibration,
    NoCalibration,
    PairItems,
    pair_calibration,
    rating_calibration,
)
from handrail.rewards.measures.calibration import check_bins, curve
from tests.rewards.measures.made import NAN, QUICK, scored, turn


def test_the_error_is_the_slow_sum() -> None:
    rng = np.random.default_rng(0)
    claim = rng.random(200)
    true = (rng.random(200) < claim**2).astype(float)
    names = [str(i) for i in range(200)]
    bins, error, bias = curve(claim, true, names, (0.0, 1.0), 5, QUICK)
    slow = 0.0
    for b in range(5):
        inside = [i for i in range(200) if b / 5 <= claim[i] < (b + 1) / 5]
        slow += len(inside) / 200 * abs(claim[inside].mean() - true[inside].mean())
        assert bins[b].claimed == pytest.approx(claim[inside].mean())
        assert (bins[b].true.value, bins[b].true.n) == (true[inside].mean(), len(inside))
    assert error.value == pytest.approx(slow)
    assert bias.value == pytest.approx((claim - true).mean())


def test_pairs_claim_the_sigmoid_of_the_gap() -> None:
    turns = [turn(f"t{i}", [1, 2]) for i in range(4)]
    gaps = [math.log(3), math.log(3), -math.log(3), NAN]  # claims of 3/4; two of three come true
    found = pair_calibration(PairItems.of(scored(turns, [[g, 0] for g in gaps])), 10, QUICK)
    assert isinstance(found, Calibration)
    (one,) = found.bins
    assert (one.low, one.claimed) == pytest.approx((0.75, 0.75))
    assert one.true.value == pytest.approx(2 / 3)
    assert found.error.value == found.bias.value == pytest.approx(0.75 - 2 / 3)


def test_a_calibrated_model_has_almost_no_error() -> None:
    rng = np.random.default_rng(1)
    gaps = rng.normal(0, 2, 4000)
    won = rng.random(4000) < 1 / (1 + np.exp(-gaps))
    turns = [turn(f"t{i}", [1, 2] if w else [2, 1]) for i, w in enumerate(won)]
    found = pair_calibration(PairItems.of(scored(turns, [[g, 0] for g in gaps])), 10, QUICK)
    steep = pair_calibration(PairItems.of(scored(turns, [[3 * g, 0] for g in gaps])), 10, QUICK)
    assert found.error.value < 0.03  # type: ignore[union-attr]
    assert steep.bias.low > 0.05  # type: ignore[union-attr]


def test_ratings_and_what_has_none() -> None:
    turns = [turn("a", ratings=[0.2, 0.9, None, 1.0])]
    found = rating_calibration(scored(turns, [[0.1, 0.9, 0.5, 1.0]], "rating"), bins=2, how=QUICK)
    assert isinstance(found, Calibration)
    assert [(b.low, b.high, b.true.n) for b in found.bins] == [(0.0, 0.5, 1), (0.5, 1.0, 2)]
    assert found.bins[1].true.value == pytest.approx(0.95)
    assert rating_calibration(scored(turns, [[0] * 4])) == NoCalibration("m", "no zero")
    empty = PairItems.of(scored([turn("a", [1])], [[1]]))
    assert isinstance(pair_calibration(empty), NoCalibration)
    with pytest.raises(SettingError, match="no curve"):
        check_bins(1)
