"""Turns with feedback: all different replies, the thesis's spread of ratings, the truth apart."""

from __future__ import annotations

from statistics import correlation, fmean

import pytest

from handrail.records import SettingError, Turn
from handrail.world import Annotators, Feedback, feedback_turns, quality
from handrail.world.feedback import TRUTH


@pytest.fixture(scope="module")
def made() -> Feedback:
    return feedback_turns(150, seed=1)


def replies(turns: list[Turn]) -> list:
    return [reply for turn in turns for reply in turn.replies]


def agreement(made: Feedback) -> float:
    """The share of pairs in the order of the truth, among those that the truth tells apart."""
    found = [
        truth[i] > truth[j]
        for turn, truth in zip(made.turns, made.truth, strict=True)
        for i, j in turn.pairs()
        if truth[i] != truth[j]
    ]
    return fmean(found)


def test_every_turn_has_so_many_different_replies_with_all_feedback(made: Feedback) -> None:
    assert len(made.turns) == len(made.truth) == 150
    assert len({turn.id for turn in made.turns}) == 150
    for turn in made.turns:
        assert len({reply.text for reply in turn.replies}) == 4
        assert turn.tags["set"] == "world"
        assert turn.tags["category"] in ("bank", "telecom", "retail")
        assert turn.tags["scale"] == "0..1"
        for reply in turn.replies:
            assert reply.rank is not None
            assert reply.rating == reply.labels["quality"]
            assert set(reply.labels) == {
                *("quality", "helpfulness", "creativity", "humor", "toxicity", "violence")
            }


def test_nothing_of_the_truth_is_in_the_turns(made: Feedback) -> None:
    for reply in replies(made.turns):
        assert (reply.keeps, reply.breaks, reply.desirable) == ((), (), None)
        assert TRUTH not in reply.labels
    for turn, truth in zip(made.turns[:20], made.truth, strict=False):
        assert truth == [quality(turn, reply.text) for reply in turn.replies]


def test_the_truth_as_a_label_where_it_is_asked_for(made: Feedback) -> None:
    with_truth = feedback_turns(5, seed=1, truth_label=True)
    for turn, truth, plain in zip(with_truth.turns, with_truth.truth, made.turns, strict=False):
        assert [reply.labels[TRUTH] for reply in turn.replies] == truth
        assert [r.rating for r in turn.replies] == [r.rating for r in plain.replies]


def test_ratings_lie_in_the_middle_as_in_the_thesis(made: Feedback) -> None:
    # Its figure 18: 4,104 low, 26,961 middle and 7,787 high of 38,852.
    given = [reply.rating for reply in replies(made.turns)]
    low = fmean(x <= 0.4 for x in given)
    high = fmean(x >= 0.9 for x in given)
    assert low == pytest.approx(4104 / 38852, abs=0.04)
    assert high == pytest.approx(7787 / 38852, abs=0.05)


def test_feedback_follows_the_truth_the_less_the_noisier(made: Feedback) -> None:
    truth = [x for row in made.truth for x in row]
    assert correlation([r.rating for r in replies(made.turns)], truth) > 0.8
    clear, noisy = (feedback_turns(60, noise=noise, seed=1) for noise in (0.0, 0.6))
    assert agreement(clear) == 1.0
    assert agreement(clear) > agreement(made) > agreement(noisy) > 0.5


def test_replies_are_of_every_quality(made: Feedback) -> None:
    truth = [x for row in made.truth for x in row]
    assert min(truth) < 0.15
    assert max(truth) == 1.0
    for low, high in ((0.0, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        assert fmean(low <= x < high for x in truth) > 0.05


def test_same_seed_same_turns_whatever_n(made: Feedback) -> None:
    few = feedback_turns(7, seed=1)
    assert few.turns == made.turns[:7]
    assert few.truth == made.truth[:7]
    other = feedback_turns(7, seed=2)
    assert {t.id for t in other.turns}.isdisjoint(t.id for t in made.turns)


def test_other_numbers_of_replies_and_people() -> None:
    made = feedback_turns(6, 8, annotators=Annotators(1, noise=0.1, seed=4), seed=3)
    for turn in made.turns:
        assert len(turn.replies) == 8
        assert all((reply.rating or 0) * 4 % 1 == 0 for reply in turn.replies)


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    feedback_turns(3, 2, seed=1, progress=lambda *done: told.append(done))
    assert told == [("feedback", 1, 3), ("feedback", 2, 3), ("feedback", 3, 3)]


@pytest.mark.parametrize(("n", "k"), [(0, 4), (3, 1), (3, 17)])
def test_numbers_that_cannot_be(n: int, k: int) -> None:
    with pytest.raises(SettingError):
        feedback_turns(n, k)
