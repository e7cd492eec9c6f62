from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from handrail.asking import DirectModel, Prompts
from handrail.judges import (
    IDENTICAL,
    AssessorJudge,
    BinsJudge,
    HelpfulJudge,
    LeaderboardJudge,
    ModelAssessor,
    ModelJudge,
    MTPairJudge,
    Orders,
    assess_systems,
    compare_systems,
)
from handrail.ranking import compare_pairs, preferences
from handrail.records import (
    DIMENSIONS,
    Assessment,
    BatchAssessor,
    BatchJudge,
    Comparison,
    HandrailError,
    JudgeError,
    Message,
    Outcome,
    SettingError,
    Turn,
    Verdict,
)
from handrail.world import Oracle, training_turns
from handrail.world.player import Player

from .asked import Shown, drawn, model, shown
from .helpers import turn

# How each judge says A, B and tie; bins have no tie.
SAYS: dict[type[ModelJudge], dict[str, str]] = {
    BinsJudge: {"a": '{"reason": "r", "verdict": "a"}', "b": "{'verdict': 'B',}"},
    HelpfulJudge: {"a": "A", "b": "**B**", "tie": "C"},
    LeaderboardJudge: {
        "a": "[{'model': 'model_1', 'rank': 1}, {'model': 'model_2', 'rank': 2}]",
        "b": '[{"model": "model_2", "rank": 1}, {"model": "model_1", "rank": 2}]',
        "tie": '[{"model": "model_1", "rank": 1}, {"model": "model_2", "rank": 1}]',
    },
    MTPairJudge: {"a": "Better: [[A]]", "b": "Worse.\n\n[[B]]", "tie": "[[C]]"},
}
JUDGES = list(SAYS)
OUTCOMES = {"a": Outcome.A, "b": Outcome.B, "tie": Outcome.TIE}


def longer(data: Shown) -> str:
    """Which of a and b is longer."""
    first, second = len(str(data["a"])), len(str(data["b"]))
    return "a" if first > second else "b" if second > first else "tie"


@pytest.mark.parametrize("kind", JUDGES)
def test_each_answer_means_what_it_says(kind: type[ModelJudge]) -> None:
    for word, text in SAYS[kind].items():
        judge = kind(model(lambda _data, text=text: text))
        one = judge.compare(turn(), "x", "y", kind.dimensions[0])
        assert isinstance(one, Verdict)
        assert (one.outcome, one.order, one.turn) == (OUTCOMES[word], "AB", "t0")
        assert one.judge == judge.name == f"model:m/{kind.prompt}@{Prompts()[kind.prompt].version}"
        assert isinstance(judge, BatchJudge)


def test_all_four_bins() -> None:
    for word in ("a", "b", "both", "neither"):
        judge = BinsJudge(model(lambda _data, word=word: json.dumps({"verdict": word})))
        one = judge.compare(turn(), "x", "y", "naturalness")
        assert isinstance(one, Verdict)
        assert one.outcome.value == word.upper()


@pytest.mark.parametrize("kind", JUDGES)
@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("I'm sorry, but I can't judge that.", "refusal"),
        ("Hm.", "malformed"),
        ("", "malformed"),
        ("[[A]] or [[B]]; A or B; {'verdict': 'a'} {'verdict': 'b'} {'rank': 1}", ""),
    ],
)
def test_what_cannot_be_read_is_an_error_and_never_a_verdict(
    kind: type[ModelJudge], text: str, failure: str
) -> None:
    one = kind(model(lambda _data: text)).compare(turn(), "x", "y", kind.dimensions[0])
    assert isinstance(one, JudgeError)
    assert one.raw == text
    assert one.problem
    assert one.kind == failure or (not failure and one.kind in ("malformed", "schema"))


@pytest.mark.parametrize("kind", JUDGES)
def test_both_orders_of_a_fair_judge_agree_and_length_shows(kind: type[ModelJudge]) -> None:
    turns = [turn(i) for i in range(60)]
    replies = {
        "x": [f"short {i}" for i in range(60)],
        "y": [f"a longer one {i}" if i % 3 else f"no {i}" for i in range(60)],
    }
    judge = kind(model(lambda data: SAYS[kind][longer(data)]))
    judged = compare_systems(turns, replies, judge, [("x", "y")], kind.dimensions[:1])
    assert len(judged) == 120
    lengths = {
        (t.id, name): len(texts[i]) for name, texts in replies.items() for i, t in enumerate(turns)
    }
    habits = preferences(judged, lengths)
    assert habits.flips.value == 0
    assert habits.longer.value == 1
    assert habits.first.value == 0.5
    (pair,) = compare_pairs(judged)
    assert pair.win_b.estimate.value == pytest.approx(40 / 60)


@pytest.mark.parametrize("kind", JUDGES)
def test_the_bias_that_was_put_in_is_the_bias_that_is_measured(kind: type[ModelJudge]) -> None:
    rate, n = 0.3, 500
    turns = [turn(i, f"Question {i}") for i in range(n)]
    replies = {"x": ["xxxxxxx"] * n, "y": ["yyy"] * n}

    def say(data: Shown) -> str:
        return SAYS[kind]["a" if drawn(data) < rate else longer(data)]

    judge = kind(model(say))
    judged = compare_systems(turns, replies, judge, [("x", "y")], kind.dimensions[:1])
    habits = preferences(judged, {})
    # The first wins with `rate` + half of the rest; the orders differ where the bias strikes the
    # showing in which the shorter reply comes first.
    assert habits.first.low <= (1 + rate) / 2 <= habits.first.high
    assert habits.flips.low <= rate <= habits.flips.high
    one_order = compare_systems(
        turns, replies, judge, [("x", "y")], kind.dimensions[:1], Orders(both=False)
    )
    habits = preferences(one_order, {})
    assert habits.flips.n == 0
    assert habits.first.low <= (1 + rate) / 2 <= habits.first.high


def test_equal_replies_are_a_tie_without_asking_but_for_the_bins() -> None:
    for kind in JUDGES:
        asked: list[Shown] = []

        def say(data: Shown, kind: type[ModelJudge] = kind, asked: list[Shown] = asked) -> str:
            asked.append(data)
            return SAYS[kind]["a"]

        one = kind(model(say)).compare(turn(), "same", "same", kind.dimensions[0])
        assert isinstance(one, Verdict)
        if kind is BinsJudge:  # both acceptable, or neither?
            assert (len(asked), one.outcome) == (1, Outcome.A)
        else:
            assert (len(asked), one.outcome, one.rationale) == (0, Outcome.TIE, IDENTICAL)


def test_verdicts_come_in_order_among_errors_and_ties() -> None:
    def say(data: Shown) -> str:
        return {"x": "A", "y": "B", "z": "?"}[data["a"]]

    judge = HelpfulJudge(model(say))
    told: list[tuple[int, int]] = []
    asked = [Comparison(turn(i), a, "w", "helpfulness") for i, a in enumerate("xwyzx")]
    judged = judge.compare_all(asked, lambda done, of: told.append((done, of)))
    assert [one.turn for one in judged] == [f"t{i}" for i in range(5)]
    outcomes = [one.outcome.value if isinstance(one, Verdict) else one.kind for one in judged]
    assert outcomes == ["A", "TIE", "B", "malformed", "A"]
    assert told[-1] == (4, 4)
    assert len(judge.requests(asked)) == 4


def test_an_unknown_dimension_is_told_before_anything_is_asked() -> None:
    judge = BinsJudge(model(lambda _data: "?"))
    with pytest.raises(SettingError, match=r"'adherance'.*Did you mean 'adherence'"):
        judge.compare(turn(), "x", "y", "adherance")
    assert judge.model.spent.questions == 0


def test_a_garbled_answer_is_repaired_where_the_model_can() -> None:
    said = iter(["A is better, I think", "A"])
    judge = HelpfulJudge(DirectModel(lambda _messages: next(said), "m", repairs=1))
    one = judge.compare(turn(), "x", "y", "helpfulness")
    assert isinstance(one, Verdict)
    assert judge.model.spent.repairs == 1


def test_talks_of_two_turns_show_each_system_its_own_answers() -> None:
    first = (Message(role="user", content="q1"),)
    own = {
        name: (*first, Message(role="assistant", content=f"{name}1"), *first) for name in ("x", "y")
    }
    here = Turn(id="t", context=own["x"])
    seen: list[Shown] = []

    def say(data: Shown) -> str:
        seen.append(data)
        return "[[A]]"

    judge = MTPairJudge(model(say), references={"t": ["r1", "r2"]})
    judged = compare_systems(
        [here],
        {"x": ["x2"], "y": ["y2"]},
        judge,
        [("x", "y")],
        ("quality",),
        contexts={name: [context] for name, context in own.items()},
    )
    assert [one.outcome for one in judged if isinstance(one, Verdict)] == [Outcome.A, Outcome.B]
    assert (seen[0]["a"], seen[0]["b"]) == (["x1", "x2"], ["y1", "y2"])
    assert (seen[1]["a"], seen[1]["b"]) == (["y1", "y2"], ["x1", "x2"])
    assert [m["text"] for m in seen[0]["conversation"]] == ["q1", "q1"]
    assert seen[0]["reference"] == ["r1", "r2"]
    # Equal last answers after different first ones are not the same.
    before = (own["x"], own["y"])
    assert not judge.decided(Comparison(here, "same", "same", "quality", before))
    assert judge.decided(Comparison(here, "same", "same", "quality", (own["x"], own["x"])))
    with pytest.raises(SettingError, match="1 answers where 2 are judged"):
        MTPairJudge(model(say), references={"t": ["r2"]}).compare(here, "x", "y", "quality")


ASSESSED: dict[str, Any] = {"keeps": ["1"], "breaks": ["2"], "natural": True, "invented": ["$5"]}


def assessor(answer: dict[str, Any] | Callable[[Shown], dict[str, Any]]) -> ModelAssessor:
    say = answer if callable(answer) else lambda _data: answer
    return ModelAssessor(model(lambda data: json.dumps(say(data))))


def test_an_assessment_names_guardrails_by_their_ids() -> None:
    one = assessor(ASSESSED | {"reason": "so"})
    assert isinstance(one, BatchAssessor)
    assert one.assess(turn(), "hello") == Assessment(
        keeps=("pin",), breaks=("days",), natural=True, invented=("$5",), reason="so"
    )


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"keeps": ["4"]}, "'4' is no guardrail's number"),
        ({"breaks": ["pin"]}, "'pin' is no guardrail's number"),
        ({"keeps": [1], "breaks": [1]}, "guardrail 1 is said to be kept and broken"),
        ({"natural": "perhaps"}, "natural"),
    ],
)
def test_an_assessment_that_contradicts_the_playbook_is_an_error(
    fault: dict[str, Any], problem: str
) -> None:
    (one,) = assessor(ASSESSED | fault).assess_all([(turn(), "hello")])
    assert isinstance(one, JudgeError)
    assert problem in one.problem
    assert (one.kind, one.dimension) == ("schema", "any")
    with pytest.raises(HandrailError, match="turn t0"):
        assessor(ASSESSED | fault).assess(turn(), "hello")


def test_an_assessor_that_asks_is_asked_once_for_each_reply() -> None:
    asked: list[str] = []

    def say(data: Shown) -> dict[str, Any]:
        asked.append(data["reply"])
        return ASSESSED | {"breaks": [] if "good" in data["reply"] else ["2"]}

    judge = AssessorJudge(assessor(say))
    turns = [turn(i) for i in range(5)]
    replies = {"x": ["good"] * 5, "y": ["bad"] * 5, "z": ["good"] * 5}
    assess_systems(turns, replies, judge)
    pairs = [("x", "y"), ("x", "z"), ("y", "z")]
    judged = compare_systems(turns, replies, judge, pairs)
    assert len(asked) == 10
    adherence = [v.outcome for v in judged if isinstance(v, Verdict) and v.dimension == "adherence"]
    assert adherence[:6] == [Outcome.A] * 2 + [Outcome.BOTH] * 2 + [Outcome.B] * 2


def test_a_failed_assessment_fails_the_comparison_with_its_kind_and_words() -> None:
    judge = AssessorJudge(ModelAssessor(model(lambda _data: "I can't do that.")))
    one = judge.compare(turn(), "x", "y", "adherence")
    assert isinstance(one, JudgeError)
    assert (one.kind, one.raw) == ("refusal", "I can't do that.")


def test_the_played_model_judges_as_the_oracle_does() -> None:
    turns = training_turns(40, seed=5)[:70]
    replies = {
        "chosen": [t.replies[0].text for t in turns],
        "mixed": [t.replies[i % 2].text for i, t in enumerate(turns)],
    }
    oracle = AssessorJudge(Oracle())
    right = compare_systems(turns, replies, oracle, [("chosen", "mixed")])
    assert len(right) == 70 * 3 * 2
    player = DirectModel(Player().reply, "world")
    for judge in (BinsJudge(player), AssessorJudge(ModelAssessor(player))):
        judged = compare_systems(turns, replies, judge, [("chosen", "mixed")])
        for mine, theirs in zip(judged, right, strict=True):
            assert isinstance(mine, Verdict)
            assert isinstance(theirs, Verdict)
            assert (mine.turn, mine.dimension, mine.order) == (
                theirs.turn,
                theirs.dimension,
                theirs.order,
            )
            assert mine.outcome is theirs.outcome, (mine, theirs)
    assert {one.outcome for one in right if isinstance(one, Verdict)} >= {Outcome.A, Outcome.BOTH}
    assert set(DIMENSIONS) == {one.dimension for one in right}


def test_prompts_of_ones_own_change_the_name(tmp_path: Any) -> None:
    own = Prompts()["helpful"].text.replace("helps you more", "is better")
    (tmp_path / "helpful.jinja").write_text(own, "utf-8")
    mine = HelpfulJudge(model(lambda _data: "A"), Prompts(tmp_path))
    assert mine.name != HelpfulJudge(mine.model).name
    (request,) = mine.requests([Comparison(turn(), "x", "y", "helpfulness")])
    assert "is better" in request.messages[0].content
    assert shown(request.messages)["a"] == "x"
