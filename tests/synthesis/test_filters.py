"""Filters: kept and dropped with reasons, each fast way against a slow, obvious one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from handrail.records import Conversation, Message, Playbook, Reply, SettingError, Turn
from handrail.synthesis import (
    Contamination,
    EvaluationText,
    Filter,
    Filtered,
    Language,
    Length,
    NearDuplicates,
    Why,
    detect,
    record_text,
    run_filters,
)
from handrail.synthesis.contamination import words_of
from handrail.synthesis.near_duplicates import jaccard, shingles

ENGLISH = "The parcel has not arrived yet, and I would like to know where it is."
GERMAN = "Das Paket ist noch nicht angekommen, und ich möchte wissen, wo es ist."
AMONG = ("en", "de", "es", "fr")
SPANISH = "El paquete todavía no ha llegado y me gustaría saber dónde está ahora."


def run(texts: list[str], *filters: Filter) -> Filtered[str]:
    return run_filters(texts, filters, lambda t: t, lambda t: f"text {texts.index(t)}")


def whys(one: Filter, texts: list[str]) -> list[Why | None]:
    return one.why(texts, [str(i) for i in range(len(texts))], lambda done, total: None)


def test_length_says_which_bound_and_by_how_much() -> None:
    done = run(["a b", "a b c", "a b c d", "x" * 30], Length(2, 3, 1, 20))
    assert done.kept == ["a b", "a b c"]
    assert done.reasons == {"more than 3 words": 1, "fewer than 2 words": 1}
    assert done.dropped[0].skip.where == "text 2: 4"
    assert run(["xy", "x"], Length(min_characters=2)).reasons == {"fewer than 2 characters": 1}
    assert run(["xyz"], Length(max_characters=2)).reasons == {"more than 2 characters": 1}


@pytest.mark.parametrize("bounds", [(5, 2), (-1, None), (0, None, 9, 3)])
def test_bounds_that_nothing_keeps_to_are_an_error(bounds: tuple[Any, ...]) -> None:
    with pytest.raises(SettingError, match="no text has"):
        Length(*bounds)


def test_languages_are_told_and_short_texts_are_undecided() -> None:
    found = detect([ENGLISH, GERMAN, SPANISH, "OK"], among=AMONG)
    assert [code for code, _ in found] == ["en", "de", "es", None]
    done = run([ENGLISH, GERMAN, "OK"], Language(("en",), among=AMONG))
    assert done.kept == [ENGLISH, "OK"]
    assert done.reasons == {"the language is de": 1}
    strict = run([ENGLISH, GERMAN, "OK"], Language(("en", "de"), undecided="drop", among=AMONG))
    assert strict.kept == [ENGLISH, GERMAN]
    assert strict.dropped[0].skip.where == "text 2: too short"
    unsure = run([ENGLISH], Language(("de",), confidence=1.0, among=AMONG))
    assert unsure.kept == [ENGLISH]  # no language reaches it


def test_unknown_languages_and_confidences_are_errors() -> None:
    with pytest.raises(SettingError, match="unknown language 'xx'"):
        Language(("xx",))
    with pytest.raises(SettingError, match="Name at least one"):
        Language(())
    with pytest.raises(SettingError, match="no confidence"):
        Language(("en",), confidence=2.0)


def slow_duplicates(texts: list[str], threshold: float) -> list[int]:
    """Obvious: compare each text with every earlier one that was kept."""
    kept: list[int] = []
    for i, text in enumerate(texts):
        if all(jaccard(shingles(text), shingles(texts[j])) < threshold for j in kept):
            kept.append(i)
    return kept


WORDS = st.lists(
    st.sampled_from(["the", "parcel", "is", "late", "and", "lost", "again", "today", "please"]),
    max_size=7,
)


@given(st.lists(WORDS.map(" ".join), max_size=12), st.sampled_from([0.3, 0.8, 1.0]))
def test_nothing_is_dropped_that_the_slow_way_keeps(texts: list[str], threshold: float) -> None:
    """Candidates are compared exactly, so a drop is always right; equal texts are always found."""
    found = whys(NearDuplicates(threshold), texts)
    kept = [i for i, why in enumerate(found) if why is None]
    for i, why in enumerate(found):
        if why is not None:
            near = [jaccard(shingles(texts[i]), shingles(texts[j])) for j in kept if j < i]
            assert max(near) >= threshold
    assert len({shingles(texts[i]) for i in kept}) == len(kept)


def test_near_duplicates_are_those_of_the_slow_way_on_many_texts() -> None:
    import random

    chance = random.Random(4)
    words = [f"word{i}" for i in range(60)]
    base = [" ".join(chance.choices(words, k=30)) for _ in range(60)]
    texts = []
    for text in base:
        texts.append(text)
        parts = text.split()
        parts[chance.randrange(30)] = "other"
        texts.append(" ".join(parts))
    found = [i for i, why in enumerate(whys(NearDuplicates(0.7), texts)) if why is None]
    assert found == slow_duplicates(texts, 0.7)
    assert len(found) == 60


@given(st.floats(0.05, 1.0))
def test_the_bands_miss_no_more_than_said(threshold: float) -> None:
    one = NearDuplicates(threshold)
    bands, rows = one.bands()
    assert bands * rows <= one.permutations
    assert bands >= 2
    assert (1 - threshold**rows) ** bands <= one.miss + 1e-9


def test_a_near_duplicate_names_the_earlier_text() -> None:
    done = run(["Where is my parcel now?", "Where is my  parcel NOW?", "Else"], NearDuplicates())
    assert done.kept == ["Where is my parcel now?", "Else"]
    assert done.dropped[0].skip.where == "text 1: 1.00 like text 0"
    with pytest.raises(SettingError, match="no similarity"):
        NearDuplicates(0.0)


def slow_meets(text: str, evaluation: list[str], n: int, short: int) -> bool:
    """Obvious: whether some allowed run of words of the one stands in the other."""
    words = words_of(text)

    def within(a: list[str], b: list[str]) -> bool:
        return any(b[i : i + len(a)] == a for i in range(len(b) - len(a) + 1))

    for other in map(words_of, evaluation):
        if words and words == other:
            return True
        if any(within(words[i : i + n], other) for i in range(len(words) - n + 1)):
            return True
        for a, b in ((words, other), (other, words)):
            if short <= len(a) < n and within(a, b):
                return True
    return False


FEW = st.lists(st.sampled_from(["a", "b", "c"]), max_size=9).map(" ".join)


@given(FEW, st.lists(FEW, max_size=4), st.integers(1, 5), st.integers(1, 4))
def test_contamination_is_what_the_slow_way_finds(
    text: str, evaluation: list[str], n: int, short: int
) -> None:
    assume(short <= n)
    held = [EvaluationText(t, "eval.jsonl", str(i)) for i, t in enumerate(evaluation)]
    met = whys(Contamination(held, n, short), [text])[0]
    assert (met is not None) == slow_meets(text, evaluation, n, short)


def test_contamination_names_file_record_and_words() -> None:
    question = "Which planet of the solar system has the largest number of known moons today?"
    held = [EvaluationText(question, "eval.jsonl", "line 3"), EvaluationText("", "eval.jsonl", "e")]
    texts = [
        f"Please tell me. {question.upper()} Thanks.",
        "Which planet of the solar system is red?",
        "largest number of known moons today",
        "known moons",
    ]
    done = run(texts, Contamination(held))
    assert done.kept == [texts[1], texts[3]]
    assert done.reasons == {"it meets eval.jsonl": 2}
    where = done.dropped[0].skip.where
    assert where.startswith("text 0: line 3: “which planet of the solar system has the largest")
    with pytest.raises(SettingError, match="at least one word"):
        Contamination(held, n=0)


def test_filters_follow_each_other_and_each_sees_what_is_left() -> None:
    told: list[tuple[str, int, int]] = []
    texts = [ENGLISH, ENGLISH + " ", GERMAN, "no"]
    done = run_filters(
        texts,
        [Length(min_words=2), Language(("en",), among=AMONG), NearDuplicates()],
        lambda t: t,
        lambda t: str(texts.index(t)),
        lambda *now: told.append(now),
    )
    assert done.kept == [ENGLISH]
    assert [d.skip.reason for d in done.dropped] == [
        "fewer than 2 words",
        "the language is de",
        "it nearly equals an earlier one",
    ]
    assert len(done.kept) + len(done.dropped) == len(texts)
    assert [t[0] for t in told] == ["length", "language", "near-duplicates"]


def test_the_text_of_records_by_part() -> None:
    said = [("user", "a"), ("assistant", "b"), ("tool", "facts"), ("user", "c")]
    messages = tuple(Message(role=r, content=t) for r, t in said)
    turn = Turn(context=messages, replies=(Reply(text="d"), Reply(text="e")))
    assert record_text(turn) == "c\nd\ne"
    assert record_text(turn, "prompt") == "a\nc"
    assert record_text(turn, "reply") == "d\ne"
    assert record_text(turn, "all") == "a\nb\nc\nd\ne"
    talk = Conversation(messages=messages)
    assert record_text(talk) == record_text(talk, "all") == "a\nb\nc"
    assert record_text(talk, "prompt") == "a\nc"
    assert record_text(talk, "reply") == "b"
    with pytest.raises(SettingError, match="Did you mean 'reply'"):
        record_text(talk, "replies")
    with pytest.raises(TypeError):
        record_text(Playbook.model_construct())
