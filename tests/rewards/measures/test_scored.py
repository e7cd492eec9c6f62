"""What measures read: golds, scales of ratings, scores of every reply."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from handrail.records import RecordError, Reply, SettingError, Turn
from handrail.rewards.measures import score_turns
from handrail.rewards.measures.scored import (
    gold_pairs,
    gold_values,
    prompt_of,
    rating_of,
    ratings_of,
)
from tests.rewards.measures.made import NAN, scored, turn


def test_pairs_are_those_of_the_turn_with_ties_and_unknowns_apart() -> None:
    one = turn("a", [1, 2, 2, None])
    found = sorted(gold_pairs(one))
    assert [(i, j) for i, j, what in found if what == "better"] == sorted(one.pairs())
    assert [(i, j) for i, j, what in found if what == "tie"] == [(1, 2)]
    assert [(i, j) for i, j, what in found if what == "unknown"] == [(0, 3), (1, 3), (2, 3)]
    no_number = list(gold_pairs(turn("b", (), [0.5, NAN, 0.5])))
    assert no_number == [(0, 1, "unknown"), (0, 2, "tie"), (1, 2, "unknown")]


def test_gold_is_the_first_kind_of_feedback_that_two_replies_have() -> None:
    kind, values = gold_values(turn("a", [2, 1, None]))
    assert kind == "rank"
    assert values[:2].tolist() == [-2.0, -1.0]
    assert math.isnan(values[2])
    assert gold_values(turn("a", [1, None], [0.2, 0.4]))[0] == "rating"
    replies = (Reply(text="x", desirable=True), Reply(text="y", desirable=False))
    assert gold_values(Turn(replies=replies))[1].tolist() == [1.0, 0.0]
    assert gold_values(turn("a", [1], [0.5]))[0] == "none"
    assert gold_values(turn("a", (), [0.5, NAN]))[0] == "none"


def test_ratings_are_brought_to_the_unit_and_those_off_their_scale_counted() -> None:
    one = turn("a", ratings=[1, 3, 5, 7, None], scale="1..5")
    rows, skips = ratings_of([one])
    assert rows[0][:3].tolist() == [0.0, 0.5, 1.0]
    assert all(math.isnan(v) for v in rows[0][3:])
    assert [(s.what, s.count, s.where) for s in skips] == [("rating", 1, "turn a")]
    labelled = Reply(text="x", labels={"quality": 0.7, "humor": 0.1})
    assert rating_of(one, labelled) == 0.7
    assert rating_of(one, labelled, "humor") == 0.1
    assert rating_of(one, labelled, "other") is None
    with pytest.raises(SettingError, match="no scale"):
        ratings_of([turn("a", ratings=[1.0], scale="five stars")])


def test_the_prompt_is_the_conversation_else_the_first_question_else_the_turn() -> None:
    one = turn("a", [1, 2])
    assert prompt_of(one) == "question a"
    assert prompt_of(one.model_copy(update={"conversation_id": "c"})) == "c"
    assert prompt_of(Turn(id="lone")) == "lone"


class Counting:
    name = "counting"

    def __init__(self, extra: int = 0) -> None:
        self.seen: list[str] = []
        self.extra = extra

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        self.seen += replies
        return [float(len(r)) for r in replies] + [0.0] * self.extra


def test_equal_replies_of_a_turn_are_scored_once() -> None:
    turns = [turn("a", texts=["yes", "no", "yes"]), turn("b", texts=["yes"])]
    model = Counting()
    assert score_turns(model, turns) == ((3.0, 2.0, 3.0), (3.0,))
    assert model.seen == ["yes", "no", "yes"]
    with pytest.raises(RecordError, match="'counting' gave 6 scores for 3 replies"):
        score_turns(Counting(1), turns)


def test_replies_without_a_score_are_counted() -> None:
    made = scored([turn("a", [1, 2]), turn("b", [1])], [[1, NAN], [float("inf")]])
    assert (made.replies, made.unscored) == (3, 2)
