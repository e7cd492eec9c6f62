"""Preparing: where ratings come from, what preferences there are, and errors before any work."""

from __future__ import annotations

import math

import pytest

import handrail
from handrail.records import RecordError, Reply, RunError, SettingError, Skip, Turn
from handrail.rewards.data.balancing import Augmented
from handrail.rewards.data.preparing import PreferenceCounts, preference_counts, prepare
from tests.data import need


def turn(name: str, *replies: Reply, **tags: str) -> Turn:
    return Turn(id=name, replies=replies, tags=tags)


STARS = turn("stars", Reply(text="a", rating=5), Reply(text="b", rating=2), scale="1..5")
LABELLED = turn(
    "labelled",
    Reply(text="a", rank=1, labels={"quality": 0.75, "toxicity": 0.0}),
    Reply(text="b", rank=2, labels={"quality": 0.25, "toxicity": 1.0}),
)
RANKED = turn("ranked", Reply(text="a", rank=1), Reply(text="b", rank=2))


def ratings(turns: list[Turn]) -> list[list[float | None]]:
    return [[r.rating for r in t.replies] for t in turns]


def test_ratings_that_there_are_else_the_label_quality() -> None:
    made = prepare([STARS, LABELLED])
    assert ratings(made.turns) == [[1.0, 0.25], [0.75, 0.25]]
    assert made.how == "as given, on 0..1 and 1..5, else from the label quality"


def test_weights_make_all_ratings_of_labels() -> None:
    made = prepare([LABELLED], weights={"quality": 0.5, "toxicity": -0.5})
    assert ratings(made.turns) == [[0.875, 0.125]]
    with pytest.raises(RecordError, match=r"turn 'stars', replies.0: the reply has no label"):
        prepare([STARS, LABELLED], weights="quality")
    made = prepare([STARS, LABELLED], weights="quality", on_error="skip")
    assert ratings(made.turns) == [[None, None], [0.75, 0.25]]
    assert made.balanced.before.unrated == 2


def test_turns_that_nobody_rated_stay_as_they_are() -> None:
    made = prepare([RANKED])
    assert made.turns == [RANKED]
    assert made.how == "none: no reply has a rating or labels"
    with pytest.raises(RecordError, match="nothing to balance"):
        prepare([RANKED], method="over_s")


def test_a_balance_is_named_in_the_turns_and_the_summary() -> None:
    made = prepare([STARS, LABELLED], method="logistic + over_s + wgt_1_4", seed=3)
    assert {t.tags["balance"] for t in made.turns} == {"logistic + over_s + wgt_1_4"}
    found = made.summary
    assert (found["balance"], found["seed"]) == ("logistic + over_s + wgt_1_4", 3)
    assert found["before"] == {"low": 2, "middle": 1, "high": 1, "unrated": 0}
    assert found["after"] == {"low": 4, "middle": 1, "high": 1, "unrated": 0}
    assert found["weight"] == 1.4
    assert found["turns"] == 4
    assert all("balance" not in t.tags for t in prepare([STARS]).turns)


def test_preferences_are_counted_with_what_gives_none() -> None:
    turns = [
        RANKED,
        turn("three", *(Reply(text=f"{i}", rank=i) for i in (1, 2, 3))),
        turn("one", Reply(text="a", rank=1)),
        turn("none"),
        turn("tied", Reply(text="a", rank=1), Reply(text="b", rank=1)),
        turn("even", Reply(text="a", rating=0.5), Reply(text="b", rating=0.5)),
        turn("bare", Reply(text="a"), Reply(text="b")),
        turn("nan", Reply(text="a", rating=math.nan), Reply(text="b", rating=0.5)),
    ]
    assert preference_counts(turns) == PreferenceCounts(
        turns=8, pairs=4, one_reply=2, all_tied=2, without=2
    )


def test_that_no_reply_was_paraphrased_is_an_error() -> None:
    def refused(turns: list[Turn]) -> Augmented:
        skips = [Skip(what="paraphrase", reason="refused", where=t.id) for t in turns]
        return Augmented([], skips)

    with pytest.raises(RunError, match=r"none of 1 low replies was paraphrased.*refused"):
        prepare([STARS], method="augment", augmenter=refused)


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(SettingError, match="a scale is of ratings"):
        prepare([LABELLED], weights="quality", scale="1..5")
    with pytest.raises(SettingError, match="'5' is no scale"):
        prepare([RANKED], scale="5")


def test_open_assistants_labels_by_the_weights_of_the_thesis() -> None:
    path = need("oasst", "oasst2_subset_trees.jsonl.gz")
    turns = handrail.load_feedback("oasst", path).records
    plain = prepare(turns, method="over_s + under_s_100 + wgt_s_05").balanced
    assert (plain.before.low, plain.before.middle, plain.before.high) == (72, 395, 112)
    assert (plain.after.low, plain.after.middle, plain.after.high) == (144, 100, 112)
    assert plain.weight == pytest.approx(0.5 * 356 / 144)
    # The thesis found that both weightings leave few ratings at the upper end (its figure 19).
    for name in ("w2", "w3"):
        made = prepare(turns, weights=name, on_error="skip")
        assert len(made.skipped) == made.balanced.before.unrated == 3
        assert made.balanced.before.high < plain.before.high / 2
