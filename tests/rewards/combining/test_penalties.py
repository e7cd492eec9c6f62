"""What is taken off for length and repetition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import SettingError
from handrail.rewards.combining.penalties import LengthPenalty, Penalty, RepetitionPenalty


@pytest.mark.parametrize(
    ("penalty", "costs"),
    [
        (LengthPenalty(0.1, over=2), [0, 0, 0, 0.1, 0.2]),
        (LengthPenalty(0.1, target=2), [0.2, 0.1, 0, 0.1, 0.2]),
        (LengthPenalty(0.1, over=2, most=0.15), [0, 0, 0, 0.1, 0.15]),
        (LengthPenalty(0.1, over=4, count=len), [0, 0, 0, 0.1, 0.3]),
    ],
)
def test_length(penalty: LengthPenalty, costs: list[float]) -> None:
    texts = [" ".join("abcd"[:n]) for n in range(5)]
    assert [penalty.penalty(text) for text in texts] == pytest.approx(costs)
    assert isinstance(penalty, Penalty)


def test_repetition_by_hand() -> None:
    # Of the pairs "so so", "so so", "so good" one came before.
    assert RepetitionPenalty(0.6, 2).penalty("So so so good") == pytest.approx(0.6 / 3)
    assert RepetitionPenalty(1.0, 3).penalty("one two") == 0.0


@given(st.lists(st.sampled_from("abc")), st.integers(1, 4))
def test_repetition_against_a_count(words: list[str], n: int) -> None:
    grams = [words[i : i + n] for i in range(len(words) - n + 1)]
    again = sum(gram in grams[:i] for i, gram in enumerate(grams))
    expected = again / len(grams) if grams else 0.0
    assert RepetitionPenalty(1.0, n).penalty(" ".join(words)) == pytest.approx(expected)


def test_impossible_penalties() -> None:
    for given_ in ({}, {"over": 1, "target": 1}, {"over": -1}):
        with pytest.raises(SettingError):
            LengthPenalty(0.1, **given_)
    for rate in (0, -1, float("nan"), float("inf")):  # infinity times no word too many is NaN
        with pytest.raises(SettingError, match="'rate' of a penalty"):
            LengthPenalty(rate, over=1)
        with pytest.raises(SettingError, match="'rate' of a penalty"):
            RepetitionPenalty(rate)
    with pytest.raises(SettingError, match="n-grams of 0 words"):
        RepetitionPenalty(n=0)
