"""K-wise ranking beside scipy and beside all orders tried in turn."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from handrail.rewards.measures import kwise
from handrail.rewards.measures.kwise import of_prompt, tau_b
from tests.rewards.measures.made import NAN, QUICK, scored, turn

COLUMN = st.integers(2, 6).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 3), min_size=k, max_size=k)] * 2)
)


@given(COLUMN)
def test_tau_b_and_rho_are_scipys(columns) -> None:
    x, y = (np.array(c, float) for c in columns)
    if np.ptp(x) and np.ptp(y):
        assert tau_b(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
        assert of_prompt(x, y)[3] == pytest.approx(stats.spearmanr(x, y).statistic)
    else:
        assert math.isnan(tau_b(x, y))


@given(COLUMN)
def test_best_first_and_exact_are_means_over_orders(columns) -> None:
    """Ties of the scores are broken in every way; chance is every order of the replies."""
    gold, score = (np.array(c, float) for c in columns)
    if not np.ptp(gold):
        return
    k = len(gold)
    orders = list(permutations(range(k)))
    fit = [p for p in orders if all(score[p[i]] >= score[p[i + 1]] for i in range(k - 1))]
    best, exact, _, _, chance_best, chance_exact = of_prompt(gold, score)
    first = [gold[p[0]] == gold.max() for p in fit]
    assert best == pytest.approx(np.mean(first))

    def right(p: tuple[int, ...]) -> bool:
        return all(gold[p[i]] >= gold[p[i + 1]] for i in range(k - 1))

    assert chance_best == pytest.approx(np.mean([gold[p[0]] == gold.max() for p in orders]))
    assert chance_exact == pytest.approx(np.mean([right(p) for p in orders]))
    higher = [(i, j) for i in range(k) for j in range(k) if gold[i] > gold[j]]
    assert exact == float(all(score[i] > score[j] for i, j in higher))


def test_by_hand() -> None:
    turns = [
        turn("a", [1, 2, 3]),
        turn("b", [1, 2]),
        turn("one reply", [1]),
        turn("all tied", [1, 1]),
        turn("unscored", [1, 2]),
        turn("flat", [1, 2, None]),
    ]
    scores = [[3, 2, 1], [0, 1], [1], [1, 0], [1, NAN], [2, 2, 7]]
    found = kwise(scored(turns, scores), QUICK)
    assert found.sizes == {2: 2, 3: 1}
    assert (found.one_reply, found.all_tied, found.unscored, found.flat) == (1, 1, 1, 1)
    assert found.best_first.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.exact.value == pytest.approx(1 / 3)
    assert (found.tau.value, found.tau.n) == (0.0, 2)  # 1 and -1; flat scores have none
    assert found.chance_best == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3)
    assert found.chance_exact == pytest.approx((1 / 6 + 1 / 2 + 1 / 2) / 3)


def test_nothing_to_order() -> None:
    found = kwise(scored([turn("a", [1])], [[1]]), QUICK)
    assert (found.best_first.n, found.tau.n, found.one_reply) == (0, 0, 1)
