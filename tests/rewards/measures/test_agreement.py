"""Agreement with another judge: votes, both tie policies, kappa, and what is left out."""

from __future__ import annotations

import pytest

from handrail.ranking import cohen
from handrail.records import Outcome, Verdict
from handrail.rewards.measures import agreement, compare_agreement, labels_of
from tests.rewards.measures.made import NAN, QUICK, scored, turn

A, B, TIE, BOTH = Outcome.A, Outcome.B, Outcome.TIE, Outcome.BOTH


def said(name: str, outcome: Outcome, judge: str = "gpt4", a: str = "x", b: str = "y") -> Verdict:
    return Verdict(turn=name, a=a, b=b, dimension="preference", outcome=outcome, judge=judge)


def turns(n: int, **tags: str):
    return [turn(f"t{i}", authors=["x", "y"], set="s" if i < n // 2 else "u") for i in range(n)]


def test_votes_become_one_answer() -> None:
    verdicts = [
        said("t0", A),
        said("t0", A).swap(),  # y against x, the same
        said("t1", A),
        said("t1", B),
        said("t2", BOTH),
        said("t3", B, judge="human:7"),
        said("t3", B, judge="human:8"),
        said("t3", A, judge="human:9"),
        said("nowhere", A),
        said("t3", A, a="x", b="z"),
    ]
    gpt, human = labels_of(verdicts, turns(4))
    assert gpt.pairs == ((0, 0, 1), (1, 0, 1), (2, 0, 1))
    assert gpt.answers == ("A", "tie", "tie")
    assert [(s.reason, s.count) for s in gpt.skipped] == [
        ("there is no such turn in the data", 1),
        ("the turn has no reply by one of the two systems", 1),
    ]
    assert (human.judge, human.answers) == ("human", ("B",))
    assert labels_of(verdicts, turns(4), "other") == []


def test_a_verdict_on_a_system_with_several_replies_tells_no_pair() -> None:
    twice = turn("t0", authors=["x", "y", "x"])
    (labels,) = labels_of([said("t0", A), said("t1", A)], [twice, turn("t1", authors=["x", "y"])])
    assert labels.pairs == ((1, 0, 1),)
    assert [(s.reason, s.count) for s in labels.skipped] == [
        ("the turn has several replies by one of the two systems", 1)
    ]


def test_both_tie_policies_by_hand() -> None:
    outcomes = [A, A, B, TIE, TIE, A]
    (labels,) = labels_of([said(f"t{i}", o) for i, o in enumerate(outcomes)], turns(6))
    made = scored(turns(6), [[1, 0], [0, 1], [0, 1], [1, 0], [0.2, 0.2], [NAN, 0]])
    found = agreement(made, labels, how=QUICK)
    # Decided by both: A=A, A/B, B=B. With ties also A/tie wrong and tie=tie right.
    assert found.overall.same.value == pytest.approx(2 / 3)
    assert found.overall.with_ties.value == pytest.approx(3 / 5)
    assert (found.ties, found.model_ties, found.unscored) == (2, 1, 1)
    ours, theirs = ["A", "B", "B", "A", "tie"], ["A", "A", "B", "tie", "tie"]
    assert found.overall.kappa_with_ties.value == cohen(ours, theirs).kappa.value
    assert found.overall.kappa.value == cohen(ours[:3], theirs[:3]).kappa.value
    assert (found.by_set["s"].same.n, found.by_set["u"].same.n) == (3, 0)
    close = agreement(made, labels, margin=1.0, how=QUICK)
    assert (close.model_ties, close.overall.same.n) == (5, 0)


def test_two_models_beside_each_other() -> None:
    (labels,) = labels_of([said(f"t{i}", A) for i in range(10)], turns(10))
    good = agreement(scored(turns(10), [[1, 0]] * 10), labels, how=QUICK)
    half = agreement(scored(turns(10), [[i % 2, 0.5] for i in range(10)]), labels, how=QUICK)
    found = compare_agreement(good, half, QUICK)
    assert (found.difference.value, found.difference.n) == (0.5, 10)
    (other,) = labels_of([said("t0", A, judge="else")], turns(10))
    with pytest.raises(ValueError, match="not of the same labels"):
        compare_agreement(good, agreement(scored(turns(10), [[1, 0]] * 10), other, how=QUICK))
