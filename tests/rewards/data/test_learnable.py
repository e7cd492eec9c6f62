"""What a reward model can learn from: each fault is one clear error, or is left out and counted."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import Loaded, Message, RecordError, Reply, SettingError, Skip, Turn
from handrail.rewards.data.learnable import learnable
from handrail.rewards.measures.scored import ratings_of

ASKED = (Message(role="user", content="hello"),)
RATINGS = st.none() | st.just(math.nan) | st.floats(-1, 2)


def turn(*replies: Reply, **more: object) -> Turn:
    return Turn(context=ASKED, replies=replies, **more)  # type: ignore[arg-type]


def ranked(*ranks: int | None) -> Turn:
    return turn(*(Reply(text=f"r{i}", rank=rank) for i, rank in enumerate(ranks)))


def rated(*ratings: float | None, **tags: str) -> Turn:
    replies = (Reply(text=f"r{i}", rating=rating) for i, rating in enumerate(ratings))
    return turn(*replies, tags=tags)


@pytest.mark.parametrize(
    ("loss", "faulty", "reason"),
    [
        ("bradley_terry", ranked(1), "it has one reply, and none to compare"),
        ("bradley_terry", ranked(), "it has no reply"),
        ("bradley_terry", ranked(2, 2, 2), "its replies are all tied"),
        ("bradley_terry", ranked(None, None), "nothing says which of its replies is better"),
        ("bradley_terry", rated(math.nan, math.nan), "nothing says which"),
        ("bradley_terry", ranked(1, None, 2), "it is compared with none"),
        ("bradley_terry", rated(0.9, math.nan, 0.1), "its rating is NaN"),
        ("logistic", rated(0.5, None), "it has no rating"),
        ("mse", rated(0.5, math.nan), "its rating is NaN"),
        ("sigmoid_mse", rated(0.5, 4.0), r"its rating is outside 0\.\.1"),
        ("logistic", rated(), "it has no reply"),
    ],
)
def test_a_fault_stops_or_is_counted(loss: str, faulty: Turn, reason: str) -> None:
    good = ranked(1, 2) if loss == "bradley_terry" else rated(0.0, 1.0)
    before = [Skip(what="line", reason="bad", where="line 3")]
    read = Loaded([good, faulty, faulty], before)
    with pytest.raises(RecordError, match=reason) as caught:
        learnable(read, loss)
    assert "(and 1 more" in caught.value.problem
    assert faulty.id in caught.value.where
    assert "--on-error skip" in caught.value.mend
    kept = learnable(read, loss, "skip")
    assert kept.records[0] is good
    assert kept.skipped[0] is before[0]
    assert len(kept.skipped) == 3
    assert all(reply.rating != 4.0 for t in kept.records for reply in t.replies)


def test_a_reply_in_no_pair_is_left_out_of_its_turn() -> None:
    """The others keep their order, rank and pairs; a turn that lacks nothing is the same one."""
    whole = ranked(2, 1, 2)
    kept = learnable(Loaded([ranked(3, None, 1, 1), whole]), "bradley_terry", "skip")
    assert [(r.text, r.rank) for r in kept.records[0].replies] == [("r0", 3), ("r2", 1), ("r3", 1)]
    assert list(kept.records[0].pairs()) == [(1, 0), (2, 0)]
    assert kept.records[1] is whole
    assert [(s.what, s.where.endswith("replies.1")) for s in kept.skipped] == [("reply", True)]


def test_nothing_left_is_told_with_the_first_fault() -> None:
    with pytest.raises(RecordError, match=r"nothing that mse can learn from.*has no rating"):
        learnable(Loaded([ranked(1, 2)]), "mse", "skip")


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_ratings_on_another_scale_are_refused_whatever_they_are(on_error: str) -> None:
    with pytest.raises(RecordError, match=r"on the scale 1\.\.5") as caught:
        learnable(Loaded([rated(1.0, scale="1..5")]), "logistic", on_error)  # type: ignore[arg-type]
    assert "reward prepare" in caught.value.mend
    assert learnable(Loaded([rated(1.0, scale="0..1")]), "logistic").records


def test_a_scale_that_is_none_names_the_turn() -> None:
    odd = rated(0.5, scale="good")
    with pytest.raises(SettingError, match=rf"turn '{odd.id}', tags.scale: 'good' is no scale"):
        learnable(Loaded([odd]), "logistic")
    with pytest.raises(SettingError, match=rf"turn '{odd.id}', tags.scale: 'good' is no scale"):
        ratings_of([odd])


@given(st.lists(st.lists(RATINGS, max_size=4), min_size=1, max_size=5))
def test_what_is_kept_and_what_is_counted_add_up(lists: list[list[float | None]]) -> None:
    turns = [rated(*ratings, set=str(n)) for n, ratings in enumerate(lists)]
    good = sum(r is not None and 0 <= r <= 1 for ratings in lists for r in ratings)
    try:
        kept = learnable(Loaded(turns), "logistic", "skip")
    except RecordError:
        assert good == 0
        return
    counts = Counter(skip.what for skip in kept.skipped)
    assert sum(len(t.replies) for t in kept.records) == good
    assert counts["reply"] == sum(map(len, lists)) - good
    assert counts["turn"] == sum(not ratings for ratings in lists)
