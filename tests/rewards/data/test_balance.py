"""Names of means against uneven ratings: every one of the thesis's tables, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import SettingError
from handrail.rewards.data.balance import Balance
from handrail.rewards.data.ranges import Edges

# The rows of the thesis's tables 6 and 7, and of 24 to 27, as they are printed there.
TABLES = [
    "logistic + over_s + wgt_s_075",
    "mse + over_s + wgt_s_075",
    "logistic + over_s + under_s_8k + wgt_s_075",
    "logistic + augment + under_s_8k",
    "sig + mse + augment + under_s_8k",
    "sig + mse + augment + over_s + under_s_16k + wgt_1_4",
    "logistic + augment + over_s + under_s_16k + wgt_1_4",
    "augment + under_s_8k + wgt_s_05",
    "augment + under_s_8k + wgt_s_075",
    "over_s + under_s_8k + wgt_s_05",
    "over_s + under_s_8k + wgt_s_075",
    "over_s + under_s_8k",
    "over_s + wgt_s_05",
    "over_s + wgt_s_075",
    "over_s",
    "logistic + over_s + wgt_s_05",
    "logistic + augment + under_s_8k + wgt_s_075",
]


@pytest.mark.parametrize("name", TABLES)
def test_the_names_of_the_tables_read_back(name: str) -> None:
    assert Balance.parse(name).name == name


def test_what_the_names_mean() -> None:
    assert Balance.parse("sig + mse + augment + over_s + under_s_16k + wgt_1_4") == Balance(
        loss="sigmoid_mse", augment=True, over=2.0, under=16000, constant=1.4
    )
    assert Balance.parse("augment + under_s_8k + wgt_s_075") == Balance(
        augment=True, under=8000, strength=0.75
    )
    # The thesis's table 6 writes this one row with "wgt_s_75".
    assert Balance.parse("sig+mse + over_s + under_s_8k + wgt_s_75").strength == 0.75
    assert Balance.parse("wgt_s_50") == Balance.parse("wgt_s_05") == Balance(strength=0.5)
    assert Balance.parse("wgt_s_1").strength == 1.0
    assert Balance.parse("under_s_200").under == 200
    assert Balance.parse("under_s_30%").under == pytest.approx(0.3)
    assert Balance.parse("over_s_8k").over_to == 8000
    assert Balance.parse("over_s_x3").over == 3.0
    assert Balance.parse(" none ") == Balance.parse("") == Balance()
    assert Balance().name == "none"


def test_settings_that_names_do_not_tell() -> None:
    found = Balance.parse("over_s", edges=Edges(0.3, 0.8), bins=3)
    assert (found.edges, found.bins) == (Edges(0.3, 0.8), 3)


def test_a_loss_alone_changes_nothing() -> None:
    assert not Balance.parse("logistic").active
    assert Balance.parse("logistic + over_s").active


@given(
    st.builds(
        Balance,
        loss=st.sampled_from(["", "logistic", "sigmoid_mse", "mse"]),
        augment=st.booleans(),
        over=st.sampled_from([1.0, 1.5, 2.0, 3.0, 2.25]),
        under=st.one_of(
            st.none(), st.integers(1, 10**6), st.integers(1, 999).map(lambda n: n / 1000)
        ),
        strength=st.integers(0, 1000).map(lambda n: n / 1000),
    )
)
def test_every_balance_reads_back_from_its_name(balance: Balance) -> None:
    back = Balance.parse(balance.name)
    assert back.name == balance.name
    assert (back.loss, back.augment, back.over) == (balance.loss, balance.augment, balance.over)
    assert back.under == pytest.approx(balance.under) if balance.under else back.under is None
    assert back.strength == pytest.approx(balance.strength)


@given(st.integers(1, 10**7), st.integers(1, 10**4).map(lambda n: n / 100))
def test_numbers_of_copies_and_constants_read_back(over_to: int, constant: float) -> None:
    balance = Balance(over_to=over_to, constant=constant)
    assert Balance.parse(balance.name) == balance


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("augmnt", "'augmnt' is no means against uneven ratings. Known forms: logistic"),
        ("over_s + over_s_x3", "says 'over' twice"),
        ("logistic + mse", "says 'loss' twice"),
        ("wgt_s_05 + wgt_1_4", "a positive constant or a strength, not both"),
        ("over_s + over_s_8k", "excludes over"),
        ("under_s_0", "'under_s_0' does nothing"),
        ("wgt_s_0", "'wgt_s_0' does nothing"),
        ("wgt_s_5", "has no plain strength"),
        ("over_s +", "'' is no means"),
        ("under_s_150%", "no number of replies to keep"),
    ],
)
def test_names_that_cannot_be(name: str, told: str) -> None:
    with pytest.raises(SettingError, match=told.replace("+", r"\+")):
        Balance.parse(name)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"loss": "hinge"}, "unknown loss"),
        ({"over": 0.5}, "no factor"),
        ({"over": float("nan")}, "no factor"),
        ({"under": 1.5}, "no number of replies"),
        ({"under": 0}, "no number of replies"),
        ({"strength": 1.5}, "no strength"),
        ({"constant": -1.0}, "positive constant"),
        ({"bins": 0}, "cannot have 0 bins"),
        ({"over_to": 0}, "over_to"),
    ],
)
def test_fields_that_cannot_be(fields: dict, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        Balance(**fields)
