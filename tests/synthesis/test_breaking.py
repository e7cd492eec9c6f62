"""Stage 2 with scripted models: good, lying, garbled, refusing; and which break goes where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.asking import DirectModel
from handrail.judges import ModelAssessor
from handrail.records import (
    Answer,
    Assessment,
    Failure,
    FailureKind,
    Guardrail,
    HandrailError,
    JudgeError,
    Message,
    Playbook,
    RecordError,
    Reply,
    SettingError,
    Turn,
)
from handrail.synthesis import KINDS, Asking, break_replies, by_reason, choose_points, plan_replies
from handrail.synthesis.ask import NOT_ASKED
from tests.synthesis.scripted import Scripted, WordJudge, carried

BOOK = Playbook(
    guardrails=(Guardrail(id="hi", text="Say hello."), Guardrail(id="days", text="Say days."))
)


def turn(name: str, text: str = "hello, 5 days", keeps: Sequence[str] = ("hi", "days")) -> Turn:
    return Turn(
        id=name,
        conversation_id=name.split("/")[0],
        playbook=BOOK,
        context=(Message(role="user", content=f"How long, asks {name}?"),),
        replies=(Reply(text=text, rank=1, desirable=True, keeps=tuple(keeps)),),
    )


TURNS = [turn(f"c{i}/0") for i in range(8)]


def breaking(data: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the guardrail's word."""
    word = data["guardrails"][data["guardrail"]].rstrip(".").split()[-1]
    return {"reply": data["reply"].replace(word, "...") + f" ({data['kind']})"}


def test_each_point_gets_a_rejected_reply_that_the_judge_confirms() -> None:
    points, without = choose_points(TURNS)
    assert without == 0
    model, judge = Scripted(violate=breaking), WordJudge()
    broken = break_replies(points, model.asking(), judge)
    assert [t.id for t in broken.turns] == [t.id for t in TURNS]
    assert broken.counts == {"points": 8, "made": 8, "failed": 0, "tries": 8}
    assert broken.kinds == dict.fromkeys(KINDS, 2)
    assert judge.asked == 16
    for made in broken.turns:
        chosen, rejected = made.replies
        assert (chosen.rank, chosen.desirable, chosen.keeps) == (1, True, ("hi", "days"))
        assert (rejected.rank, rejected.desirable) == (2, False)
        assert rejected.breaks == (made.tags["guardrail"],)
        assert made.tags["break"] in rejected.text
        assert list(made.pairs()) == [(0, 1)]
        assert made.best() == 0
        assert made.provenance.made_by.startswith("scripted with violate@")
        assert made.provenance.made_by.endswith("judged by words")
        assert Turn.model_validate(made.model_dump()) == made


def test_a_lying_model_is_told_and_then_asked_for_another_kind() -> None:
    """It claims to break the rule and does not; the third try does."""
    model = Scripted(violate=lambda data: {"reply": "hello, 6 days"})

    def honest_later(data: dict[str, Any]) -> dict[str, Any]:
        first = data["kind"] == points[0].kind
        return {"reply": "hello, 6 days"} if first else breaking(data)

    points, _ = choose_points(TURNS[:1])
    model.scripts["violate"] = honest_later
    broken = break_replies(points, model.asking(), WordJudge())
    assert broken.counts["tries"] == 3
    assert broken.turns[0].tags["break"] != points[0].kind
    assert [len(seen) for seen in model.seen] == [2, 4, 2]  # the second try tells what was wrong
    assert model.seen[1][2].content == "hello, 6 days"
    assert "does not see it break" in model.seen[1][3].content


def test_what_fails_is_kept_with_every_try_and_its_reason() -> None:
    points, _ = choose_points(TURNS[:2])
    same = Scripted(violate=lambda data: {"reply": f" {data['reply'].upper()}. "})
    broken = break_replies(points, same.asking(), WordJudge(), tries=3)
    assert not broken.turns
    assert by_reason(broken.skipped) == {"it is the agent's own reply": 2}
    for failed in broken.failed:
        assert [t.sample for t in failed.tries] == [0, 1, 2]
        assert failed.tries[0].kind == failed.tries[1].kind != failed.tries[2].kind
        assert failed.tries[0].reply == "HELLO, 5 DAYS."
    empty = Scripted(violate=lambda data: {"reply": "  "})
    assert by_reason(break_replies(points, empty.asking(), WordJudge()).skipped) == {
        "it is empty": 2
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [("I'm sorry, I can't help with that.", "refusal"), ('{"answer": 1}', "schema")],
)
def test_garbled_and_refusing_models_make_no_point(text: str, kind: str) -> None:
    points, _ = choose_points(TURNS[:1])
    broken = break_replies(points, Scripted(violate=lambda data: text).asking(), WordJudge(), 2)
    assert not broken.turns
    assert broken.failed[0].reason.startswith(kind)
    assert [t.failure for t in broken.failed[0].tries] == [kind, kind]


def test_the_judge_sees_the_chosen_reply_first_and_may_send_a_point_to_another_guardrail() -> None:
    points, _ = choose_points(TURNS)
    aimed = next(p for p in points if p.guardrail == "hi")

    class Blind(WordJudge):
        def assess(self, turn: Turn, reply: str) -> Assessment:
            found = super().assess(turn, reply)
            keeps = tuple(g for g in found.keeps if g != "hi")
            return found.model_copy(update={"keeps": keeps})

    broken = break_replies([aimed], Scripted(violate=breaking).asking(), Blind())
    assert broken.turns[0].tags["guardrail"] == "days"
    assert broken.turns[0].replies[0].keeps == ("days",)


def test_chosen_replies_that_break_or_do_not_keep_are_no_example() -> None:
    model = Scripted(violate=breaking)
    points, _ = choose_points([turn("a/0", text="hello only", keeps=("hi",))])
    broken = break_replies(points, model.asking(), WordJudge())
    assert by_reason(broken.skipped) == {"the judge sees the chosen reply break a guardrail": 1}

    class Unsure:
        name = "unsure"

        def assess(self, turn: Turn, reply: str) -> Assessment:
            return Assessment()

    broken = break_replies(points, model.asking(), Unsure())
    assert "does not see the chosen reply keep" in broken.failed[0].reason
    assert not model.asked  # nothing was spent on them


def test_a_judge_that_fails_is_no_verdict() -> None:
    class Failing(WordJudge):
        def assess(self, turn: Turn, reply: str) -> Assessment:
            if "..." in reply:
                raise HandrailError("the judge is out")
            return super().assess(turn, reply)

    points, _ = choose_points(TURNS[:1])
    broken = break_replies(points, Scripted(violate=breaking).asking(), Failing(), tries=2)
    assert not broken.turns
    assert broken.failed[0].reason == "the judge failed: the judge is out"


def test_a_batch_judge_is_asked_at_once_and_limits_end_the_tries() -> None:
    class Batch(WordJudge):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[int] = []

        def assess_all(
            self, replies: Sequence[tuple[Turn, str]], progress: Any = None
        ) -> list[Assessment | JudgeError]:
            self.batches.append(len(replies))
            return [self.assess(t, r) for t, r in replies]

    class Limited(DirectModel):
        def ask(self, requests: Any, progress: Any = None) -> list[Answer | Failure]:
            answers = super().ask(requests[:3])
            rest = [Failure("limit", "3 requests")] * (len(requests) - 3)
            return [*answers, *rest]

    judge, points = Batch(), choose_points(TURNS)[0]
    broken = break_replies(points, Asking(Limited(Scripted(violate=breaking))), judge)
    assert judge.batches == [8, 3]
    assert broken.counts == {"points": 8, "made": 3, "failed": 5, "tries": 8}
    assert by_reason(broken.skipped) == {"the limit on requests or cost was reached": 5}


@pytest.mark.parametrize("kind", ["endpoint", "limit"])
def test_where_nobody_answers_any_more_there_are_no_further_tries(kind: FailureKind) -> None:
    class Dead(DirectModel):
        calls = 0

        def ask(self, requests: Any, progress: Any = None) -> list[Answer | Failure]:
            Dead.calls += 1
            return [Failure(kind, "it is gone") for _ in requests]

    points, _ = choose_points(TURNS)
    broken = break_replies(points, Asking(Dead(Scripted())), WordJudge(), tries=4)
    assert Dead.calls == 1
    assert broken.counts["failed"] == len(points)
    assert [len(failed.tries) for failed in broken.failed] == [1] * len(points)
    assert by_reason(broken.skipped) in ({"endpoint: it is gone": 8}, {NOT_ASKED: 8})


def test_a_kind_that_the_model_declines_is_not_tried_twice_and_the_others_stay_level() -> None:
    def picky(data: dict[str, Any]) -> Any:
        return "I cannot do that." if data["kind"] == "forbidden act" else breaking(data)

    points, _ = choose_points(TURNS)
    broken = break_replies(points, Scripted(violate=picky).asking(), WordJudge())
    assert broken.counts == {"points": 8, "made": 8, "failed": 0, "tries": 10}
    counts = [n for kind, n in broken.kinds.items() if kind != "forbidden act"]
    assert broken.kinds["forbidden act"] == 0
    assert max(counts) - min(counts) <= 1


def test_only_the_kinds_named_are_tried() -> None:
    points, _ = choose_points(TURNS[:2], kinds=["omission"])
    model = Scripted(violate=lambda data: "I cannot do that.")
    broken = break_replies(points, model.asking(), WordJudge(), kinds=["omission"])
    assert {t.kind for failed in broken.failed for t in failed.tries} == {"omission"}
    with pytest.raises(SettingError, match="unknown kind"):
        break_replies(points, model.asking(), WordJudge(), kinds=["rude"])


NAMES = st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=30)
KEEPS = st.sampled_from([("hi",), ("days",), ("hi", "days")])


@given(NAMES, st.data())
def test_the_choice_is_balanced_and_independent_of_order(names: list[int], data: Any) -> None:
    turns = [turn(f"t{n}", keeps=data.draw(KEEPS)) for n in names]
    points, _ = choose_points(turns, seed=3)
    again, _ = choose_points(data.draw(st.permutations(turns)), seed=3)
    assert {p.turn.id: (p.guardrail, p.kind) for p in points} == {
        p.turn.id: (p.guardrail, p.kind) for p in again
    }
    assert [turns[p.place] for p in points] == [p.turn for p in points]
    for rule in ("hi", "days"):
        ways = Counter(p.kind for p in points if p.guardrail == rule)
        counts = [ways[k] for k in KINDS]
        assert max(counts) - min(counts) <= 1
    for n in range(1, len(points)):
        part = Counter(p.guardrail for p in points[:n])
        free = [p for p in points[:n] if len(p.turn.replies[0].keeps) == 2]
        if len(free) == n:
            assert abs(part["hi"] - part["days"]) <= 1


def test_the_choice_depends_on_the_seed_and_on_the_kinds_named() -> None:
    first = [(p.guardrail, p.kind) for p in choose_points(TURNS, seed=0)[0]]
    assert any(
        first != [(p.guardrail, p.kind) for p in choose_points(TURNS, s)[0]] for s in range(1, 5)
    )
    assert {p.kind for p in choose_points(TURNS, kinds=["omission"])[0]} == {"omission"}
    with pytest.raises(SettingError, match="Did you mean 'omission'"):
        choose_points(TURNS, kinds=["omision"])
    with pytest.raises(SettingError, match="no kind"):
        choose_points(TURNS, kinds=[])


def test_turns_without_a_kept_guardrail_are_counted_and_none_at_all_is_an_error() -> None:
    bare = [turn("x/0", keeps=()), turn("y/0").model_copy(update={"playbook": None})]
    points, without = choose_points([*TURNS, *bare])
    assert (len(points), without) == (8, 2)
    with pytest.raises(RecordError, match="synthesize guardrails"):
        choose_points(bare)
    with pytest.raises(SettingError, match="at least once"):
        break_replies(points, Scripted().asking(), WordJudge(), tries=0)


def test_the_plan_is_the_first_round_exactly() -> None:
    points, _ = choose_points(TURNS)
    model = Scripted(violate=breaking)
    judge = ModelAssessor(model.asking().model)
    planned = {p.stage: p for p in plan_replies(points, model.asking(), judge)}
    break_replies(points, model.asking(), WordJudge())
    assert [r.messages for r in planned["break"].requests] == model.seen
    asked = judge.requests([(p.turn, p.chosen.text) for p in points])
    assert [r.messages for r in planned["judge chosen"].requests] == [r.messages for r in asked]
    assert len(planned["judge rejected"].requests) == 10
    assert len({r.sample for r in planned["judge rejected"].requests}) == 10
    shown = carried(planned["judge chosen"].requests[0].messages)
    assert shown["reply"] == "hello, 5 days"
    asks_none = plan_replies(points, model.asking(), WordJudge())
    assert [p.stage for p in asks_none] == ["break", "break again"]
