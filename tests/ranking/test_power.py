from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.ranking import Design, detectable, paired_shares, power_of, sample_size
from handrail.ranking.power import SampleSize


def test_connors_formula_by_hand() -> None:
    # d = 0.1, psi = 0.3: ((1.95996 sqrt 0.3 + 0.84162 sqrt 0.29) / 0.1)^2 = 233.1.
    found = sample_size(0.1, Design(0.3))
    assert found.items == 234
    assert found.clusters == 234
    assert found.as_dict()["design"]["discordance"] == 0.3
    assert sample_size(0.1, Design(0.3), 0.9).items == 312


@pytest.mark.parametrize(("d", "psi"), [(0.05, 0.2), (0.1, 0.3), (0.2, 0.6), (-0.3, 0.9)])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_it_is_statsmodels_normal_sample_size(d: float, psi: float, power: float) -> None:
    power_module = pytest.importorskip("statsmodels.stats.power")
    peer = power_module.normal_sample_size_one_tail(
        abs(d), power, 0.025, std_null=math.sqrt(psi), std_alternative=math.sqrt(psi - d * d)
    )
    assert sample_size(d, Design(psi), power).items == math.ceil(float(np.squeeze(peer)))


def test_a_sure_judge_is_the_one_sample_case_of_statsmodels() -> None:
    power_module = pytest.importorskip("statsmodels.stats.power")
    n, d = 194, 0.2  # no ties: the win rate 0.6 against 0.5
    effect = d / math.sqrt(1 - d * d)
    peer = power_module.NormalIndPower(ddof=0).power(effect, n, 0.05, ratio=0)
    mine = power_of(n, d, Design(1.0))
    assert mine == pytest.approx(float(peer), abs=0.02)  # the peer's null has the same spread


@pytest.mark.parametrize(("d", "psi"), [(0.08, 0.25), (0.15, 0.4)])
def test_simulated_comparisons_find_it_as_often_as_promised(d: float, psi: float) -> None:
    found = sample_size(d, Design(psi), 0.8)
    rng = np.random.default_rng(0)
    won = rng.multinomial(found.items, [(psi + d) / 2, (psi - d) / 2, 1 - psi], 20_000)[:, :2]
    z = np.abs(won[:, 0] - won[:, 1]) / np.sqrt(np.maximum(won.sum(1), 1))
    assert (z > 1.95996).mean() == pytest.approx(0.8, abs=0.02)
    assert power_of(found.items, d, Design(psi)) == pytest.approx(0.8, abs=0.01)


def test_clustered_comparisons_need_the_design_effect() -> None:
    # Conversations of 6 turns whose differences share a part: correlation 0.2 by construction.
    per, icc, d, psi = 6, 0.2, 0.1, 0.4
    found = sample_size(d, Design(psi, per_cluster=per, icc=icc), 0.8)
    assert found.items == found.clusters * per
    assert found.items / sample_size(d, Design(psi)).items == pytest.approx(2.0, abs=0.03)
    rng = np.random.default_rng(1)
    probabilities = np.array([(psi + d) / 2, (psi - d) / 2, 1 - psi])
    values = np.array([1.0, -1.0, 0.0])
    hits, rounds = 0, 600
    for _ in range(rounds):
        own = rng.choice(values, (found.clusters, per), p=probabilities)
        shared = rng.choice(values, (found.clusters, 1), p=probabilities)
        copies = rng.random((found.clusters, per)) < math.sqrt(icc)
        sums = np.where(copies, shared, own).sum(1)
        hits += abs(sums.mean()) / (sums.std(ddof=1) / math.sqrt(found.clusters)) > 1.96
    assert hits / rounds == pytest.approx(0.8, abs=0.05)


@given(st.floats(0.02, 0.5), st.floats(0.0, 0.5), st.integers(20, 5000))
def test_detectable_is_the_reverse(d: float, more: float, n: int) -> None:
    design = Design(min(1.0, d + more))
    items = sample_size(d, design).items
    back = detectable(items, design)
    assert back <= d + 1e-6
    assert power_of(items, back, design) == pytest.approx(0.8, abs=1e-6)
    smallest = detectable(n, design)
    assert math.isnan(smallest) or power_of(n, smallest, design) == pytest.approx(0.8, abs=1e-6)


def test_paired_shares() -> None:
    assert paired_shares(0.7, 0.1) == pytest.approx(0.7 * 0.2 + 0.8 * 0.3)
    alike = paired_shares(0.7, 0.1, 0.5)
    assert alike == pytest.approx(0.38 - math.sqrt(0.7 * 0.3 * 0.8 * 0.2))
    assert isinstance(sample_size(0.1, Design(alike)), SampleSize)
    with pytest.raises(ValueError, match="correlate so highly"):
        paired_shares(0.5, 0.4, 0.9)
    with pytest.raises(ValueError, match="between 0 and 1"):
        paired_shares(0.9, 0.2)


def test_what_cannot_be_is_refused() -> None:
    for call, text in (
        (lambda: sample_size(0.0, Design(0.3)), "difference of 0"),
        (lambda: sample_size(0.4, Design(0.3)), "larger than the discordance"),
        (lambda: sample_size(0.1, Design(0.3), 0.01), "between alpha and 1"),
        (lambda: power_of(10, 0.4, Design(0.3)), "larger than the discordance"),
        (lambda: power_of(0, 0.1, Design(0.3)), "one item"),
        (lambda: Design(0.0), "share above 0"),
        (lambda: Design(0.5, alpha=1.0), "alpha"),
        (lambda: Design(0.5, per_cluster=0.5), "one item or more"),
        (lambda: Design(0.5, icc=2.0), "intraclass"),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    assert math.isnan(detectable(2, Design(0.1)))
