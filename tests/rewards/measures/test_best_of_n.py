"""Best-of-n: the estimator beside every subset, and the curve of a model that is overoptimised."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.rewards.measures import Gold, best_of_n, gold_of, kl_of
from handrail.rewards.measures.best_of_n import beaten, picked_of, sizes_up_to
from tests.rewards.measures.made import NAN, QUICK, scored, turn

REPLIES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.25, 1.0])),
    min_size=1,
    max_size=6,
)


@given(REPLIES, st.data())
def test_the_estimator_is_the_mean_over_all_subsets(replies, data) -> None:
    score, value = (np.array(c) for c in zip(*replies, strict=True))
    n = data.draw(st.integers(1, len(replies)))
    picks = []
    for subset in combinations(range(len(replies)), n):
        top = max(score[i] for i in subset)
        picks.append(np.mean([value[i] for i in subset if score[i] == top]))
    if len(set(score)) == len(score):  # without ties the two are equal subset by subset
        assert picked_of(score, value, n) == pytest.approx(np.mean(picks))
    # With ties the order of equals is drawn: the mean over all ways to break them.
    rng = np.random.default_rng(0)
    broken = [picked_of(score + 1e-9 * rng.random(len(score)), value, n) for _ in range(300)]
    assert picked_of(score, value, n) == pytest.approx(np.mean(broken), abs=0.12)


def test_a_worked_example() -> None:
    """Three replies, golds 0, 1, 0.5 by rising score: of two, the pairs' picks are 1, .5, .5."""
    score, value = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5])
    assert picked_of(score, value, 1) == pytest.approx(0.5)
    assert picked_of(score, value, 2) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert picked_of(score, value, 3) == 0.5


def test_kl() -> None:
    assert kl_of(1) == 0.0
    assert kl_of(4) == pytest.approx(math.log(4) - 0.75)
    assert sizes_up_to(6) == [1, 2, 4, 6]
    assert sizes_up_to(8) == [1, 2, 4, 8]
    assert sizes_up_to(0) == []


def test_ranks_count_as_the_share_beaten() -> None:
    assert beaten(np.array([-1.0, -2.0, -2.0, NAN]))[:3].tolist() == [1.0, 0.25, 0.25]
    turns = [turn("a", [1, 2], [0.4, 0.2]), turn("b", [2, 1]), turn("c", [1])]
    golds = gold_of(scored(turns, [[1, 0], [1, 0], [1]]))
    assert [g.name for g in golds] == ["rating", "rank"]
    assert golds[0].values[0] == (0.4, 0.2)
    assert golds[1].values[1] == (0.0, 1.0)
    assert all(math.isnan(v) for v in golds[0].values[1])


def test_steps_and_what_is_left_out() -> None:
    turns = [turn(f"t{i}", ratings=[0.0, 1.0, 0.5, 0.5]) for i in range(12)]
    turns += [turn("short", ratings=[0.0, 1.0]), turn("one", ratings=[0.3])]
    right = [[0, 3, 1, 2]] * 12
    made = scored(turns, [*right, [5, NAN], [1]])
    (gold,) = gold_of(made)
    found = best_of_n(made, gold, QUICK)
    assert [(s.n, s.prompts) for s in found.steps] == [(1, 12), (2, 12), (4, 12)]
    assert (found.one_reply, found.unscored) == (1, 1)  # "one" has no second rating: no gold
    last = found.steps[-1]
    assert (last.picked.value, last.random.value, last.oracle.value) == (1.0, 0.5, 1.0)
    assert (last.gain.value, last.of_oracle.value) == (0.5, 1.0)
    assert found.steps[0].gain.value == found.steps[0].proxy.value == 0.0


def test_sizes_that_hardly_a_prompt_has_are_left_out() -> None:
    turns = [turn(f"t{i}", ratings=[0.0, 1.0]) for i in range(20)] + [turn("x", ratings=[0.5] * 9)]
    made = scored(turns, [[0, 1]] * 20 + [list(range(9))])
    assert [s.n for s in best_of_n(made, gold_of(made)[0], QUICK).steps] == [1, 2]


def test_a_proxy_that_likes_one_flaw_is_seen_to_be_overoptimised() -> None:
    """The truth falls at the far end of the score: the pick's gold turns down."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 32))
    truth = scores - 1.2 * np.clip(scores - 1, 0, None) ** 2
    turns = [turn(f"t{i}", ratings=[0.5] * 32) for i in range(200)]
    gold = Gold("truth", tuple(map(tuple, truth)))
    steps = best_of_n(scored(turns, scores.tolist()), gold, QUICK).steps
    proxy, real = [s.proxy.value for s in steps], [s.gain.value for s in steps]
    assert proxy == sorted(proxy)
    assert max(real) > real[-1] + 0.05
    assert real[1] > 0
