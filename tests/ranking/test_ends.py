"""Intervals of few clusters against scipy's, what they hold by chance, and where there are none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from handrail.ranking import Partition, Resampling, rate, ratio_over_seeds
from handrail.ranking.ends import FEW, ends_of
from handrail.ranking.estimates import percentile

HOW = Resampling(resamples=4000)


@pytest.mark.parametrize("clusters", [2, 3, 4])
def test_few_clusters_have_the_t_interval_of_their_values(clusters: int) -> None:
    values = np.array([0.5, 0.56, 0.41, 0.47])[:clusters]
    found = rate(np.repeat(values, 3), np.repeat(np.arange(clusters), 3).tolist(), HOW)
    peer = stats.t.interval(0.95, clusters - 1, values.mean(), stats.sem(values))
    within = np.clip(peer, 0.0, 1.0)
    # The standard deviation of 4,000 replicates is right to about one part in a hundred.
    assert (found.low, found.high) == pytest.approx(within, abs=0.04 * (peer[1] - peer[0]))
    assert f"Student's t of {clusters - 1} degrees" in found.method


@pytest.mark.parametrize("clusters", [2, 3, 4])
def test_few_clusters_get_intervals_that_hold_the_truth(clusters: int) -> None:
    """The lowest and the highest of so many draws hold the median in 50, 75 and 88 of 100."""
    rng = np.random.default_rng(clusters)
    hits = inside = 0
    for trial in range(400):
        values = rng.normal(0.0, 0.1, clusters)
        how = Resampling(resamples=500, seed=trial)
        labels = [list(range(clusters))]
        found = Partition.of([values], labels).estimate(how, signed=True)
        hits += found.low <= 0 <= found.high
        inside += values.min() <= 0 <= values.max()
    assert inside == pytest.approx(400 * (1 - 2.0 ** (1 - clusters)), abs=40)
    assert hits >= 0.92 * 400  # 95 % nominal, standard error 1.1 points


def test_what_a_figure_can_be_bounds_the_interval() -> None:
    found = rate([0.0, 1.0, 1.0], ["a", "b", "c"])
    assert (found.low, found.high) == (0.0, 1.0)
    signed = Partition.of([[-0.5, 0.5]], [["a", "b"]]).estimate(signed=True)
    assert (signed.low, signed.high) == (-1.0, 1.0)
    free = ratio_over_seeds([[1.0, 9.0]], [[1.0, 1.0]], [["a", "b"]])
    assert free.low < 0 < 9 < free.high


@pytest.mark.parametrize("clusters", [2, FEW, 50])
def test_replicates_that_are_alike_are_no_interval_of_no_width(clusters: int) -> None:
    found = percentile(np.full(100, 0.7), 0.7, 10, "kappa", clusters, within=(-1.0, 1.0))
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.excludes_zero
    assert found.method == "kappa; no interval, every resample says the same"


def test_enough_clusters_keep_the_percentile_interval() -> None:
    replicates = np.random.default_rng(0).normal(0.5, 0.1, 2000)
    low, high, told = ends_of(replicates, 0.5, FEW, 0.95, (0.0, 1.0))
    assert replicates.min() <= low < high <= replicates.max()
    assert not told
