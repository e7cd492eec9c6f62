"""How scores are distributed, by author, rating and rank."""

from __future__ import annotations

import numpy as np

from handrail.rewards.measures import distribution
from handrail.rewards.measures.distributions import spread_of
from tests.rewards.measures.made import NAN, scored, turn


def test_tukeys_box_by_hand() -> None:
    one = spread_of(np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 30]), "all", "x")
    assert (one.q1, one.median, one.q3) == (3.25, 5.5, 7.75)
    assert (one.low, one.high, one.outside, one.most) == (1.0, 9.0, 1, 30.0)
    assert (one.n, one.mean) == (10, 7.5)


def test_groups() -> None:
    turns = [
        turn("a", [1, 2], [0.2, 0.95], ["x", "y"]),
        turn("b", [2, 1], [0.5, 0.1], ["x", "y"]),
        turn("c", [1, 1], [0.92, 0.6], ["x", "z"]),
    ]
    made = distribution(scored(turns, [[1, 2], [3, 4], [5, NAN]]))
    found = {(s.by, s.group): s for s in made.spreads}
    assert found["all", "all replies"].n == 5
    assert found["author", "x"].mean == 3.0
    assert found["author", "y"].n == 2
    assert ("author", "z") not in found  # one reply, without a score
    assert found["rating", "rated 0.4 or less"].mean == 2.5
    assert found["rating", "rated 0.9 or more"].n == 2
    assert found["rank", "best of its prompt"].mean == 2.5
    assert found["rank", "not the best"].mean == 2.5
    assert ("rating", "rated between") not in found  # one score
    assert (sum(made.counts), made.edges[0], made.edges[-1], made.unscored) == (5, 1.0, 5.0, 1)


def test_without_any_score() -> None:
    made = distribution(scored([turn("a", [1, 2])], [[NAN, NAN]]))
    assert (made.spreads, made.counts, made.unscored) == ((), (), 2)
