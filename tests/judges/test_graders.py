from __future__ import annotations

import pytest

from handrail.judges import MTSingleGrader, RefusalGrader, RubricGrader, SafetyGrader
from handrail.judges.model import ModelGrader
from handrail.ranking import grade_difference, grade_rows
from handrail.records import (
    Grader,
    JudgeError,
    LanguageModel,
    Message,
    Rating,
    SettingError,
    Turn,
)

from .asked import Shown, model
from .helpers import turn

RUBRIC = {"criterion": "Is it kind?", **{str(n): f"kind {n}" for n in range(1, 6)}}


def rubric(language_model: LanguageModel) -> RubricGrader:
    return RubricGrader(language_model, RUBRIC)


GRADERS = (MTSingleGrader, rubric, RefusalGrader, SafetyGrader)


def grade(made: object, text: str) -> Rating | JudgeError:
    assert callable(made)
    grader = made(model(lambda _data: text))
    assert isinstance(grader, ModelGrader)
    assert isinstance(grader, Grader)
    (one,) = grader.grade_all([(turn(), "a reply")])
    return one


@pytest.mark.parametrize(
    ("made", "text", "value", "label"),
    [
        (MTSingleGrader, "Fine. Rating: [[7]]", 7, ""),
        (MTSingleGrader, "[[8.5]]", 8.5, ""),
        (rubric, "Feedback: kind enough. [RESULT] 4", 4, ""),
        (RefusalGrader, '{"reason": "r", "class": "complied"}', 0, "complied"),
        (RefusalGrader, '{"class": "Partly_Refused"}', 0.5, "partly refused"),
        (RefusalGrader, '{"class": "refused"}', 1, "refused"),
        (SafetyGrader, '{"reason": "r", "safe": true, "harms": []}', 1, "safe"),
        (SafetyGrader, "{'safe': False, 'harms': ['insult']}", 0, "harmful"),
    ],
)
def test_each_grade_is_what_was_said(made: object, text: str, value: float, label: str) -> None:
    one = grade(made, text)
    assert isinstance(one, Rating)
    assert (one.value, one.label) == (value, label)
    assert one.low <= one.value <= one.high


@pytest.mark.parametrize("made", GRADERS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot grade this.",
        "Rating: [[11]] [RESULT] 9 {'class': 'no'}",
        "[[3]] [[4]] [RESULT] 3 or 4 {'safe': true, 'harms': ['x']} {'class': 'refused or not'}",
    ],
)
def test_no_grade_is_an_error(made: object, text: str) -> None:
    one = grade(made, text)
    assert isinstance(one, JudgeError)
    assert one.raw == text
    assert one.b == ""
    assert one.kind == ("refusal" if "cannot" in text else one.kind)


def test_graders_show_the_talk_the_reference_and_the_rubric() -> None:
    context = (
        Message(role="user", content="q1"),
        Message(role="assistant", content="a1"),
        Message(role="user", content="q2"),
    )
    here = Turn(id="t", context=context)
    seen: list[Shown] = []

    def say(data: Shown) -> str:
        seen.append(data)
        return "[[5]] [RESULT] 5"

    references = {"t": ["r1", "r2"]}
    MTSingleGrader(model(say), references=references).grade_all([(here, "a2"), (turn(), "a2")])
    RubricGrader(model(say), RUBRIC, references=references).grade_all([(here, "a2")])
    first, other, by_rubric = seen
    assert [m["text"] for m in first["conversation"]] == ["q1", "q2"]
    assert (first["answers"], first["reference"]) == (["a1", "a2"], ["r1", "r2"])
    assert (other["answers"], other["reference"]) == (["a2"], None)
    assert [m["text"] for m in by_rubric["conversation"]] == ["q1", "a1", "q2"]
    assert (by_rubric["reference"], by_rubric["rubric"]) == ("r2", RUBRIC)


@pytest.mark.parametrize(
    ("rubric", "problem"),
    [
        ({}, "'criterion' has no text"),
        (RUBRIC | {"3": " "}, "'3' has no text"),
        (RUBRIC | {"6": "best"}, "'6' is unknown"),
    ],
)
def test_a_rubric_must_be_whole(rubric: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        RubricGrader(model(lambda _data: ""), rubric)


def ratings(values: list[float | None], label: str = "") -> list[Rating | JudgeError]:
    shared = {"a": "x", "dimension": "quality"}
    return [
        JudgeError(turn=f"t{i}", b="", problem="?", **shared)
        if value is None
        else Rating(turn=f"t{i}", value=value, low=1, high=10, label=label, **shared)
        for i, value in enumerate(values)
    ]


def test_means_leave_out_what_failed_and_have_an_interval_on_the_scale() -> None:
    rated = {"x": ratings([1, 4, None, 10, 5]), "none": ratings([None] * 5)}
    (row,) = grade_rows(rated, [f"c{i}" for i in range(5)])
    assert row.mean.value == pytest.approx(5.0)
    assert 1 <= row.mean.low < 5 < row.mean.high <= 10
    assert (row.mean.n, row.errors) == (4, 1)
    assert row.counts == {"1": 1, "4": 1, "5": 1, "10": 1}
    # All alike: resampling sees no spread, and the interval is still no point.
    (even,) = grade_rows({"x": ratings([10] * 5)}, [f"c{i}" for i in range(5)])
    assert even.mean.value == 10
    assert 1 < even.mean.low < 10 == even.mean.high


def test_differences_are_of_the_same_turns() -> None:
    a, b = ratings([10, 10, None, 1]), ratings([1, 1, 1, None])
    gap = grade_difference(a, b, ["c0", "c1", "c2", "c3"])
    assert (gap.difference.value, gap.difference.n, gap.dropped) == (1.0, 2, 2)
