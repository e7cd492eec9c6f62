"""Accuracy on pairs, by hand and beside slow counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from handrail.ranking import rate
from handrail.rewards.measures import PairItems, compare_pairs_of, pair_accuracy
from handrail.rewards.measures.pairs import subset_mean
from tests.rewards.measures.made import NAN, QUICK, ranked, scored, turn


def test_by_hand() -> None:
    turns = [
        turn("a", [1, 2, 3], set="x", category="p"),  # 3 pairs
        turn("b", [1, 1], set="x", category="q"),  # a gold tie
        turn("c", [2, 1], set="y"),
        turn("d", [1, None], set="y"),  # unknown
        turn("e", [1, 2], set="x", category="q"),
    ]
    made = scored(turns, [[3, 1, 2], [0, 0], [5, 5], [1, 0], [NAN, 0]])
    found = pair_accuracy(PairItems.of(made), QUICK)
    # a: 1 over 2 right, 1 over 3 right, 2 over 3 wrong; c: scores tie; e: no score.
    assert found.overall.value == pytest.approx((2 + 0.5) / 4)
    assert found.overall.n == 4
    assert (found.gold_ties, found.unknown, found.unscored, found.score_ties) == (1, 1, 1, 1)
    assert found.by_set["x"].value == pytest.approx(2 / 3)
    assert found.by_set["y"].value == 0.5
    assert found.by_category["x", "p"].n == 3
    assert found.by_category["x", "q"].n == 0
    assert "y" not in found.subset_mean


def test_the_mean_of_subsets_counts_each_the_same() -> None:
    turns = [turn(f"p{i}", [1, 2], set="s", category="p") for i in range(8)]
    turns += [turn(f"q{i}", [1, 2], set="s", category="q") for i in range(2)]
    right = [1, 1, 1, 1, 1, 1, 1, 0, 1, 0]
    items = PairItems.of(scored(turns, [[r, 0.5] for r in right]))
    assert items.estimate().value == pytest.approx(0.8)
    found = pair_accuracy(items, QUICK).subset_mean["s"]
    assert found.value == pytest.approx((7 / 8 + 1 / 2) / 2)
    assert found.low < found.value < found.high
    assert subset_mean(items, "s", QUICK) == found


@given(ranked())
def test_as_slow_counting(made) -> None:
    turns, scores = made
    right = []
    for one, row in zip(turns, scores, strict=True):
        for i, a in enumerate(one.replies):
            for j, b in enumerate(one.replies):
                if a.rank is not None and b.rank is not None and a.rank < b.rank:
                    right.append(1.0 if row[i] > row[j] else 0.5 if row[i] == row[j] else 0.0)
    items = PairItems.of(scored(turns, scores))
    assert sorted(items.right_N.tolist()) == sorted(right)
    k = sum(len(one.replies) * (len(one.replies) - 1) // 2 for one in turns)
    assert len(right) + items.gold_ties + items.unknown == k


def test_two_models_on_the_same_pairs() -> None:
    turns = [turn(f"t{i}", [1, 2]) for i in range(40)]
    good = PairItems.of(scored(turns, [[1, 0]] * 40, model="good"))
    poor = PairItems.of(scored(turns, [[i % 2, 0.5] for i in range(39)] + [[NAN, 0]], model="poor"))
    found = compare_pairs_of(good, poor, QUICK)
    assert found.difference.value == pytest.approx(1 - 19 / 39)
    assert (found.more_a, found.more_b, found.dropped) == (20, 0, 1)
    assert found.permutation.p_value < 0.001
    with pytest.raises(ValueError, match="not measured on the same pairs"):
        compare_pairs_of(good, PairItems.of(scored(turns[:3], [[1, 0]] * 3)))


def test_clusters_are_prompts() -> None:
    one = turn("a", [1, 2, 3])
    items = PairItems.of(scored([one, one, turn("b", [1, 2])], [[3, 2, 1], [1, 2, 3], [1, 0]]))
    assert items.estimate(how=QUICK) == rate(
        np.array([1, 1, 1, 0, 0, 0, 1]), ["a"] * 6 + ["b"], QUICK
    )


def test_no_pairs() -> None:
    found = pair_accuracy(PairItems.of(scored([turn("a", [1])], [[1]])), QUICK)
    assert found.overall.n == 0
    assert math.isnan(found.overall.value)
