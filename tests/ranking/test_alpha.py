from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.ranking import Resampling, cohen, fleiss, krippendorff
from handrail.ranking.agreement import agreement
from handrail.records import Outcome, Verdict

QUICK = Resampling(resamples=200)
# Krippendorff 2011, section C: four observers, twelve units, missing data.
OBSERVERS = ("1233214125..", "1233224125.3".replace("..", ".."), ".3332342251.", "12332441251.")
OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
UNITS = [[None if c == "." else int(c) for c in unit] for unit in zip(*OBSERVERS, strict=True)]


@pytest.mark.parametrize(
    ("metric", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_krippendorffs_own_example(metric: str, alpha: float) -> None:
    found = krippendorff(UNITS, metric, how=QUICK)
    assert round(found.alpha.value, 3) == alpha
    assert (found.units, found.single, found.labels, found.annotators) == (11, 1, 40, 4)
    assert found.alpha.low < alpha < found.alpha.high
    assert found.alpha.value == pytest.approx(1 - found.observed / found.expected)
    assert found.as_dict()["estimate"] == found.alpha.value


@settings(max_examples=50)
@given(
    st.lists(
        st.lists(st.sampled_from([None, 1, 2, 3, 5]), min_size=4, max_size=4),
        min_size=3,
        max_size=12,
    ),
    st.sampled_from(["nominal", "ordinal", "interval"]),
)
def test_alpha_is_the_packages(units: list[list[int | None]], metric: str) -> None:
    peer = pytest.importorskip("krippendorff")
    mine = krippendorff(units, metric, how=Resampling(resamples=0)).alpha
    table = np.array([[np.nan if x is None else float(x) for x in unit] for unit in units]).T
    try:
        other = peer.alpha(reliability_data=table, level_of_measurement=metric)
    except ValueError:  # it refuses one value only, and no values
        assert math.isnan(mine.value)
        return
    if math.isnan(mine.value):
        assert not math.isfinite(other) or other in (0.0, 1.0)
    else:
        assert mine.value == pytest.approx(other, abs=1e-9)


def test_alpha_replicates_are_alphas_of_the_drawn_units() -> None:
    from handrail.ranking.alpha import _moments, _one
    from handrail.ranking.matches import draws

    units = [u for u in UNITS if sum(x is not None for x in u) > 1]
    counts = np.array([[u.count(v) for v in (1, 2, 3, 4, 5)] for u in units], float)
    moments = _moments(counts, counts.sum(1), range(len(units)))
    (drawn,) = draws(len(units), 30, 1)
    fast = _one(drawn @ moments, "ordinal", np.zeros(5))
    for one, times in zip(fast, drawn, strict=True):
        again = [u for u, n in zip(units, times, strict=True) for _ in range(int(n))]
        slow = krippendorff(again, "ordinal", how=Resampling(resamples=0)).alpha.value
        assert one == pytest.approx(slow)


def test_alpha_of_nothing_of_one_value_and_of_a_wrong_label() -> None:
    assert krippendorff([]).alpha.n == 0
    assert krippendorff([["a", None]]).single == 1
    assert math.isnan(krippendorff([["a", "a"], ["a", "a"]]).alpha.value)
    with pytest.raises(ValueError, match="'c' is not among"):
        krippendorff([["a", "c"]], values=["a", "b"])
    with pytest.raises(ValueError, match="numbers"):
        krippendorff([["a", "b"]], "interval")


def test_fleiss_own_example() -> None:
    # Fleiss 1971 as in the usual textbook table: 14 raters, 10 subjects, 5 categories: 0.210.
    table = (
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    )  # fmt: skip
    units = [[v for v, n in enumerate(row) for _ in range(n)] for row in table]
    found = fleiss(units, how=QUICK)
    assert round(found.value, 3) == 0.210
    assert found.low < found.value < found.high
    from statsmodels.stats.inter_rater import fleiss_kappa

    assert found.value == pytest.approx(fleiss_kappa(np.array(table)))
    with pytest.raises(ValueError, match="equally many"):
        fleiss([["a", "b"], ["a"]])


def test_cohens_own_kind_of_table() -> None:
    # 50 applications read by two: both yes 20, both no 15, yes/no 5, no/yes 10: kappa 0.4.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohen(first, second, how=QUICK)
    assert found.share.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.table == ((15, 10), (5, 20))
    assert found.dropped == 0
    assert found.as_dict()["kappa"]["n"] == 50


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_weighted_kappa_is_statsmodels(weights: str) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, 200)
    y = np.clip(x + rng.integers(-1, 2, 200), 0, 3)
    found = cohen(x.tolist(), y.tolist(), weights=weights, how=QUICK)
    wt = {"none": None, "linear": "linear", "quadratic": "quadratic"}[weights]
    peer = cohens_kappa(np.array(found.table), wt=wt, return_results=False)
    assert found.kappa.value == pytest.approx(float(peer))


def test_kappa_of_verdicts_and_of_their_outcomes_are_one() -> None:
    rng = np.random.default_rng(2)
    first, second = (
        [
            Verdict(
                turn=f"t{i}", a="x", b="y", dimension="d", outcome=Outcome("AB"[rng.integers(2)])
            )
            for i in range(40)
        ]
        for _ in range(2)
    )
    one = agreement(first, second, how=QUICK).kappa
    two = cohen([v.outcome for v in first], [v.outcome for v in second], how=QUICK).kappa
    assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high))


def test_missing_labels_are_dropped_and_wrong_ones_named() -> None:
    found = cohen(["a", None, "b"], ["a", "b", None], how=QUICK)
    assert found.dropped == 2
    assert found.kappa.n == 1
    assert math.isnan(found.kappa.value)
    with pytest.raises(ValueError, match="'c' is not among"):
        cohen(["a"], ["c"], values=["a", "b"])
    with pytest.raises(ValueError, match="differ in length"):
        cohen(["a"], [])
