"""Intervals of correlations and ratios: the figures beside numpy, the draws beside slow ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handrail.ranking import Resampling, rate
from handrail.rewards.measures import resample
from handrail.rewards.measures.resample import (
    correlation,
    estimate_of,
    mean_of,
    pearson_of,
    pearson_rows,
    share_of,
    sums_by_cluster,
)
from tests.rewards.measures.made import QUICK


def test_correlation_is_numpys() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(1e6, 1, 300)  # far from zero: sums of squares would lose it
    y = 0.5 * x + rng.normal(size=300)
    found = correlation(x, y, list(range(300)), "Pearson", QUICK)
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)
    fisher = np.tanh(np.arctanh(found.value) + np.array([-1.96, 1.96]) / np.sqrt(297))
    assert (found.low, found.high) == pytest.approx(tuple(fisher), abs=0.04)
    x[0] = np.nan
    assert correlation(x, y, list(range(300)), "Pearson", QUICK).n == 299


def test_correlation_of_what_does_not_vary_is_none() -> None:
    found = correlation(np.ones(9), np.arange(9.0), list(range(9)), "Pearson", QUICK)
    assert found.n == 0
    assert math.isnan(found.value)
    assert "does not vary" in found.method
    assert correlation(np.zeros(0), np.zeros(0), [], "Pearson", QUICK).n == 0


def test_replicates_are_those_of_drawn_items() -> None:
    """Each replicate, computed again from the items of the clusters drawn."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 30))
    names = [i % 7 for i in range(30)]
    how = Resampling(resamples=20)
    sums = sums_by_cluster(pearson_rows(x, y), names)
    drawn = np.concatenate([pearson_of(one) for one in resample._drawn(sums, how)])
    counts = np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), 20)
    for row, found in zip(counts, drawn, strict=True):
        items = [i for c in range(7) for _ in range(row[c]) for i in range(30) if names[i] == c]
        assert found == pytest.approx(np.corrcoef(x[items], y[items])[0, 1])


def test_chunks_draw_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.stack([np.arange(50.0), np.ones(50)], axis=1)
    whole = estimate_of(share_of, sums, 50, "mean", QUICK)
    monkeypatch.setattr(resample, "_CHUNK", 700)
    assert estimate_of(share_of, sums, 50, "mean", QUICK) == whole


def test_a_mean_has_the_interval_of_a_rate() -> None:
    values = np.random.default_rng(3).random(60)
    names = [i // 3 for i in range(60)]
    ours, theirs = mean_of(values, names, "mean", QUICK), rate(values, names, QUICK)
    assert (ours.value, ours.low, ours.high) == pytest.approx(
        (theirs.value, theirs.low, theirs.high)
    )
    assert mean_of(np.array([np.nan]), ["a"], "mean", QUICK).n == 0
