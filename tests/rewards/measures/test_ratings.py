"""Errors by range of the rating, by hand and beside plain means."""

from __future__ import annotations

import numpy as np
import pytest

from handrail.records import SettingError
from handrail.rewards.data.ranges import Edges
from handrail.rewards.measures import NoRatings, RatingErrors, rating_errors
from handrail.rewards.measures.ratings import ranges_of
from tests.rewards.measures.made import NAN, QUICK, scored, turn


def test_by_hand() -> None:
    turns = [
        turn("a", ratings=[0.1, 0.4, 0.5]),
        turn("b", ratings=[0.9, 1.0, None]),
        turn("c", ratings=[0.6, 1.7]),
    ]
    made = scored(turns, [[0.3, 0.4, 0.9], [0.8, 0.5, 0.1], [NAN, 0.5]], "rating")
    found = rating_errors(made, how=QUICK)
    assert isinstance(found, RatingErrors)
    low, high, middle = (found.errors[n] for n in ("low", "high", "middle"))
    assert (low.mse.value, low.mae.value) == pytest.approx((0.04 / 2, 0.1))
    assert (high.mse.value, high.mae.value) == pytest.approx(((0.01 + 0.25) / 2, 0.3))
    assert (middle.mse.value, middle.mse.n) == (pytest.approx(0.16), 1)
    assert found.errors["all"].mse.value == pytest.approx((0.04 + 0 + 0.16 + 0.01 + 0.25) / 5)
    assert found.errors["all"].bias.value == pytest.approx((0.2 + 0 + 0.4 - 0.1 - 0.5) / 5)
    assert (found.missing, found.off_scale, found.unscored) == (1, 1, 1)
    gold, said = [0.1, 0.4, 0.5, 0.9, 1.0], [0.3, 0.4, 0.9, 0.8, 0.5]
    assert found.pearson.value == pytest.approx(np.corrcoef(gold, said)[0, 1])


def test_a_model_without_ratings_says_why() -> None:
    made = scored([turn("a", ratings=[0.5])], [[0.5]], "preference")
    assert rating_errors(made) == NoRatings("m", "no zero")
    unrated = scored([turn("a", [1, 2])], [[0.5, 0.1]], "rating")
    assert "no reply has both" in rating_errors(unrated).why  # type: ignore[union-attr]


def test_ranges_are_those_of_the_data() -> None:
    """The same edges as where data are balanced, so that a rating is in one range everywhere."""
    edges = Edges(0.3, 0.8)
    gold = np.array([0.0, 0.3, 0.31, 0.79, 0.8, 1.0])
    found = ranges_of(gold, edges)
    for name in ("low", "middle", "high"):
        assert found[name].tolist() == [edges.of(float(v)) == name for v in gold]
    with pytest.raises(SettingError):
        Edges(0.9, 0.4)
