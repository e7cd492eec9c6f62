from __future__ import annotations

import pytest

from handrail.judges import AssessorJudge, NoisyJudge, Orders, assess_systems, compare_systems
from handrail.ranking import compare_pairs, flip_rate
from handrail.records import (
    DIMENSIONS,
    Assessment,
    HandrailError,
    JudgeError,
    Outcome,
    Verdict,
)

from .helpers import BAD, GOOD, Scripted, turn

TURNS = [turn(i) for i in range(4)]
REPLIES = {"sft": ["good", "bad", "good", "bad"], "ipo": ["good", "good", "bad", None]}


def scripted() -> Scripted:
    return Scripted({"good": GOOD, "bad": BAD})


def test_both_orders_in_terms_of_the_pair_as_given() -> None:
    assessor = scripted()
    seen: list[tuple[int, int]] = []
    judged = compare_systems(
        TURNS,
        REPLIES,
        AssessorJudge(assessor),
        [("sft", "ipo")],
        ("adherence",),
        progress=lambda done, total: seen.append((done, total)),
    )
    outcomes = [(v.turn, v.order, v.outcome) for v in judged if isinstance(v, Verdict)]
    assert outcomes == [
        ("t0", "AB", Outcome.BOTH),
        ("t0", "BA", Outcome.BOTH),
        ("t1", "AB", Outcome.B),
        ("t1", "BA", Outcome.B),
        ("t2", "AB", Outcome.A),
        ("t2", "BA", Outcome.A),
    ]
    errors = [e for e in judged if isinstance(e, JudgeError)]
    assert [(e.turn, e.problem) for e in errors] == [("t3", "no reply of ipo")] * 2
    assert {(v.a, v.b) for v in judged} == {("sft", "ipo")}
    assert seen[-1] == (6, 6)  # those that could be asked
    assert len(assessor.asked) == 5  # three turns, equal replies asked once


def test_one_order_on_demand() -> None:
    judged = compare_systems(
        TURNS, REPLIES, AssessorJudge(scripted()), [("sft", "ipo")], orders=Orders(both=False)
    )
    assert len(judged) == len(TURNS) * len(DIMENSIONS)
    by_turn = [{v.order for v in judged if v.turn == turn.id} for turn in TURNS]
    assert all(len(orders) == 1 for orders in by_turn)  # all dimensions see the same order
    assert judged == compare_systems(
        TURNS, REPLIES, AssessorJudge(scripted()), [("sft", "ipo")], orders=Orders(both=False)
    )


def test_the_one_order_is_a_fair_draw() -> None:
    drawn = [Orders(both=False, seed=4).swaps(f"t{i}", "x", "y") for i in range(2000)]
    assert all(len(one) == 1 for one in drawn)
    assert 900 < sum(one == (True,) for one in drawn) < 1100
    assert drawn != [Orders(both=False, seed=5).swaps(f"t{i}", "x", "y") for i in range(2000)]


def test_a_judge_that_likes_the_first_is_found_out() -> None:
    turns = [turn(i) for i in range(200)]
    replies = {"x": ["good"] * 200, "y": ["good"] * 200}
    fair = AssessorJudge(scripted())
    biased = NoisyJudge(fair, position_bias=0.3, seed=1)
    judged = compare_systems(turns, replies, biased, [("x", "y")], ("adherence",))
    (result,) = compare_pairs(judged)
    # An item keeps both orders with 0.7 squared; equal texts draw alike in both orders here, so
    # the two orders are either both BOTH or A and B.
    assert result.flips.low < 0.3 < result.flips.high
    assert result.first_bias.low < 0.3 < result.first_bias.high
    assert result.paired.difference.low <= 0 <= result.paired.difference.high
    assert flip_rate(compare_systems(turns, replies, fair, [("x", "y")])).value == 0


def test_noise_rates_and_repeatability() -> None:
    turns = [turn(i) for i in range(400)]
    fair = AssessorJudge(scripted())

    def outcomes(**rates: float) -> list[str]:
        judge = NoisyJudge(fair, seed=3, **rates)
        judged = [judge.compare(t, "good", "bad", "adherence") for t in turns]
        return ["error" if isinstance(v, JudgeError) else v.outcome.value for v in judged]

    wrong = outcomes(error_rate=0.2)
    assert 50 < sum(o != "A" for o in wrong) < 110
    assert set(wrong) == {"A", "B", "BOTH", "NEITHER"}
    assert 20 < outcomes(failure_rate=0.1).count("error") < 60
    assert wrong == outcomes(error_rate=0.2)
    assert outcomes() == ["A"] * 400
    with pytest.raises(ValueError, match="rates"):
        NoisyJudge(fair, position_bias=0.9, error_rate=0.2)


def test_assess_systems_lines_up_with_the_turns() -> None:
    assessed = assess_systems(TURNS, REPLIES, scripted())
    assert [isinstance(one, Assessment) for one in assessed["ipo"]] == [True, True, True, False]
    assert assessed["sft"] == [GOOD, BAD, GOOD, BAD]
    missing = assessed["ipo"][3]
    assert isinstance(missing, JudgeError)
    assert (missing.a, missing.problem) == ("ipo", "no reply")


def test_misaligned_input_is_refused() -> None:
    judge = AssessorJudge(scripted())
    with pytest.raises(HandrailError, match="3 replies for 4 turns"):
        compare_systems(TURNS, {"sft": ["good"] * 3}, judge, [])
    with pytest.raises(HandrailError, match=r"no replies of 'ipoo'.*'ipo'"):
        compare_systems(TURNS, REPLIES, judge, [("sft", "ipoo")])
    with pytest.raises(HandrailError, match="same id"):
        assess_systems([turn(0), turn(0)], {"sft": ["good", "bad"]}, judge)
