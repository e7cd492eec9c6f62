"""Ratings on a scale to 0..1, and those that are not on it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import RecordError, Reply, SettingError, Turn
from handrail.rewards.data.scales import Scale, rate_by_scale


def turn(*ratings: float | None, scale: str = "", name: str = "t") -> Turn:
    tags = {"scale": scale} if scale else {}
    replies = tuple(Reply(text=f"r{i}", rating=r) for i, r in enumerate(ratings))
    return Turn(id=name, replies=replies, tags=tags)


def ratings(turns: list[Turn]) -> list[list[float | None]]:
    return [[r.rating for r in t.replies] for t in turns]


def test_each_turn_has_its_own_scale() -> None:
    made = rate_by_scale([turn(1, 3, 5, scale="1..5"), turn(-1, 1, scale="-1..1", name="u")])
    assert ratings(made.turns) == [[0.0, 0.5, 1.0], [0.0, 1.0]]
    assert {t.tags["scale"] for t in made.turns} == {"0..1"}
    assert made.how == "as given, on -1..1 and 1..5"


def test_a_scale_that_is_given_is_of_turns_that_state_none() -> None:
    assert ratings(rate_by_scale([turn(3)], "1,5").turns) == [[0.5]]
    assert ratings(rate_by_scale([turn(0.25)]).turns) == [[0.25]]
    with pytest.raises(SettingError, match=r"turn 't', tags.scale: .*states the scale 0..1, not"):
        rate_by_scale([turn(0.5, scale="0..1")], "1..5")


def test_to_map_twice_changes_nothing_more() -> None:
    once = rate_by_scale([turn(2, 4, scale="1..5")])
    assert rate_by_scale(once.turns).turns == once.turns


@pytest.mark.parametrize("value", [0.0, 5.01, math.nan, math.inf])
def test_what_is_not_on_the_scale_names_turn_reply_and_value(value: float) -> None:
    turns = [turn(3, value, scale="1..5")]
    with pytest.raises(RecordError, match=rf"turn 't', replies.1: the rating {value:g} is not on"):
        rate_by_scale(turns)
    made = rate_by_scale(turns, on_error="skip")
    assert ratings(made.turns) == [[0.5, None]]
    assert made.skipped[0].where == "turn 't', replies.1"


def test_a_reply_without_a_rating_takes_the_label_or_is_a_fault() -> None:
    labelled = Turn(id="t", replies=(Reply(text="a", labels={"quality": 0.7}),))
    made = rate_by_scale([labelled, turn(3, scale="1..5", name="u")], labels="quality")
    assert ratings(made.turns) == [[0.7], [0.5]]
    assert made.how == "as given, on 0..1 and 1..5, else from the label quality"
    with pytest.raises(RecordError, match="the reply has no rating"):
        rate_by_scale([labelled])


@pytest.mark.parametrize("text", ["5", "", "5..1", "1..1", "a..b", "1..inf", "1..2..3"])
def test_texts_that_are_no_scale(text: str) -> None:
    with pytest.raises(SettingError, match="is no scale"):
        Scale.parse(text)


def test_a_scale_in_a_tag_that_is_none_names_the_turn() -> None:
    with pytest.raises(SettingError, match=r"turn 't', tags.scale: 'good' is no scale"):
        rate_by_scale([turn(1, scale="good")])


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3), st.floats(0, 1))
def test_the_unit_range_is_reached_and_never_left(low: float, width: float, share: float) -> None:
    scale = Scale(low, low + width)
    value = min(scale.high, low + share * width)
    unit = scale.unit(value)
    assert unit is not None
    assert 0 <= unit <= 1
    assert math.isclose(unit, share, abs_tol=1e-6)
    assert scale.unit(scale.low) == 0
    assert scale.unit(scale.high) == 1
