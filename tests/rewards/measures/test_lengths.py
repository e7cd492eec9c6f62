"""Score and length, over all replies and within prompts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from handrail.rewards.measures import length_bias
from tests.rewards.measures.made import NAN, QUICK, scored, turn


def test_as_scipy_and_within_prompts_by_hand() -> None:
    rng = np.random.default_rng(0)
    turns, scores = [], []
    for t in range(30):
        lengths = rng.integers(1, 200, 4)
        turns.append(turn(f"t{t}", texts=["x" * int(n) + str(i) for i, n in enumerate(lengths)]))
        scores.append([0.01 * n + 3 * (t % 2) + rng.normal() for n in lengths])
    found = length_bias(scored(turns, scores), how=QUICK)
    x = np.array([len(r.text) for one in turns for r in one.replies], float)
    y = np.array(scores).ravel()
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
    inner = x.reshape(30, 4), y.reshape(30, 4)
    flat = [(v - v.mean(1, keepdims=True)).ravel() for v in inner]
    assert found.within_pearson.value == pytest.approx(np.corrcoef(*flat)[0, 1])
    each = [stats.spearmanr(a, b).statistic for a, b in zip(*inner, strict=True)]
    assert found.within_spearman.value == pytest.approx(np.mean(each))
    assert found.pearson.clusters == 30


def test_long_prompts_alone_make_no_bias_within() -> None:
    """Replies to one prompt are of equal length: all correlation is between prompts."""
    turns = [turn(f"t{i}", texts=["x" * i + "a", "x" * i + "b"]) for i in range(1, 20)]
    found = length_bias(scored(turns, [[i, i + 0.1] for i in range(1, 20)]), how=QUICK)
    assert found.pearson.value > 0.99
    assert (found.within_pearson.n, found.within_spearman.n) == (0, 0)


def test_the_truths_own_correlation_and_missing_scores() -> None:
    turns = [turn("a", texts=["x", "xx", "xxx"]), turn("b", texts=["xxxx"])]
    made = scored(turns, [[1, NAN, 2], [0]])
    found = length_bias(made, ((1.0, 2.0, 3.0), (4.0,)), QUICK)
    assert (found.unscored, found.pearson.n) == (1, 3)
    assert found.gold_pearson.value == pytest.approx(1.0)
    assert length_bias(made, how=QUICK).gold_pearson.n == 0
