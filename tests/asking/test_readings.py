from __future__ import annotations

import random
from collections import Counter

import pytest

from handrail.asking import JsonReading, LetterReading, ResultReading, TextReading
from handrail.records import Unreadable

from .replies import KINDS, REFUSALS, Bin, Grade, Kind, dressed, mangled

EACH = 1500  # of seven forms: 10,500 mangled replies


def read(kind: Kind, text: str) -> object:
    """What was read, or the kind of the refusal to read."""
    try:
        return kind.truth(kind.reading.read(text))
    except Unreadable as error:
        return error


@pytest.mark.parametrize("name", KINDS)
def test_a_reply_in_any_dress_is_read(name: str) -> None:
    kind, rng = KINDS[name], random.Random(name)
    for _ in range(400):
        truth = rng.choice(kind.truths)
        text = dressed(kind.reply(truth, rng), rng, kind.alone)
        got = read(kind, text)
        assert not isinstance(got, Unreadable), (text, got)
        said = kind.says(text)
        assert said == (got if isinstance(got, set) else {got}), text


@pytest.mark.parametrize("name", KINDS)
def test_a_mangled_reply_gives_what_it_says_or_nothing(name: str) -> None:
    kind, rng = KINDS[name], random.Random(f"mangled {name}")
    ends: Counter[str] = Counter()
    for _ in range(EACH):
        text = mangled(kind, rng)
        got = read(kind, text)
        if isinstance(got, Unreadable):
            assert got.problem
            ends[got.kind] += 1
            continue
        ends["read"] += 1
        said = kind.says(text)
        assert said == (got if isinstance(got, set) else {got}), repr(text[-300:])
    # Each way to end is taken, so that neither "read all" nor "read nothing" would pass.
    assert ends["read"] > EACH // 20, ends
    assert ends["schema"] > EACH // 30, ends
    assert ends["malformed"] > EACH // 30, ends
    assert ends["refusal"] > EACH // 30, ends


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_one(name: str, text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        KINDS[name].reading.read(text)
    assert caught.value.kind == "refusal"


def test_a_readable_answer_is_no_refusal() -> None:
    reason = "I cannot help but prefer it; b says 'I can't do that'"
    text = f'I cannot say more than {{"reason": "{reason}", "verdict": "a"}}'
    assert JsonReading(Bin).read(text) == Bin(reason=reason, verdict="a")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"verdict": "a"} {"verdict": "b"}', "schema"),  # two answers
        ('{"verdict": "a", "verdict": "b"}', "malformed"),  # one key, two answers
        ('{"verdict": "a", "Verdict": "b"}', "schema"),
        ('{"verdict": "a"} and {"verdict": "c"}', "schema"),  # a second, wrong one
        ('{"verdict": "a"}, no: {"verdict": "b", "reason": "cut', "malformed"),
        ('{"steps": [{"verdict": "b"}], "verdict": "a', "malformed"),  # only a step is whole
        ('{"result": {"verdict": "a"}}', "schema"),  # not of the form
        ('{"reason": "neither"}', "schema"),
        ('"verdict": "a"', "malformed"),
        ("verdict: a", "malformed"),
        ("{verdict: a}", "malformed"),
        ('<think>{"verdict": "a"}', "malformed"),
    ],
)
def test_nothing_is_guessed(text: str, kind: str) -> None:
    with pytest.raises(Unreadable) as caught:
        JsonReading(Bin).read(text)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        '{"verdict": "A"}',
        '{"reason": "he said \\"no\\"", "verdict": " both ", "more": 1}'.replace("both", "a"),
        "{'verdict': 'a', 'reason': \"it's so\",}",
        '{"reason": "two\nlines", "verdict": "a"}',
        '{"reason": "\\d and \\(x\\)", "verdict": "a"}',
        'From {"dimension": "adherence", "a": "x"} I conclude {"verdict": "a"}',
        '{"verdict": "a"} or in short {"verdict": "a", "reason": "other words"}',
        "{verdict: 'a', reason: null}".replace("null", '""'),
        '{"verdict": "a", "reason": "\\ud800"}',
    ],
)
def test_what_says_one_thing_is_read(text: str) -> None:
    data = JsonReading(Bin).read(text)
    assert isinstance(data, Bin)
    assert data.verdict == "a"
    data.model_dump_json()  # no half of a surrogate pair is left in it


def test_numbers_and_truths_may_be_texts() -> None:
    data = JsonReading(Grade).read('{"rating": "7", "natural": "true"}')
    assert data == Grade(rating=7, natural=True)


def test_a_check_finds_faults_that_the_form_allows() -> None:
    reading = JsonReading(Grade, lambda grade: "too good" if grade.rating > 9 else "")
    assert reading.read('{"rating": 9, "natural": true}')
    with pytest.raises(Unreadable, match="too good"):
        reading.read('{"rating": 10, "natural": true}')


def test_a_letter_within_prose_is_no_answer() -> None:
    for text in ("A is better than B", "I prefer A", "A\nbecause it is short", "A, B"):
        with pytest.raises(Unreadable):
            LetterReading().read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Feedback: good. [RESULT] 4", 4),
        ("Good.\n[result]: **4**", 4),
        ("[RESULT]\n4/5", 4),
        ("[RESULT] Score: 4", 4),
        ("[RESULT] 4 [RESULT] 4", 4),
        ("[RESULT] 4 [RESULT] 5", None),
        ("[RESULT] 4\n[RESULT] 4", 4),
        ("[RESULT] 4\n[RESULT] 5", None),
        ("[RESULT] 4/10", None),
        ("[RESULT] 4 or 5", None),
        ("Feedback: [RESULT] is 4", None),
    ],
)
def test_results(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(Unreadable):
            ResultReading().read(text)
    else:
        assert ResultReading().read(text).value == value


def test_free_text_keeps_its_words_and_loses_the_thoughts() -> None:
    assert TextReading().read("<think>hm</think> I can't do that. ").text == "I can't do that."
    with pytest.raises(Unreadable):
        TextReading().read("<think>hm</think> \n")


def test_adversarial_texts_take_no_long_time() -> None:
    for text in ('{"' * 40_000, '{"a":' * 40_000, '{"a": "\\"' * 20_000, "{'" + "\\" * 90_000):
        with pytest.raises(Unreadable):
            JsonReading(Bin).read(text)
