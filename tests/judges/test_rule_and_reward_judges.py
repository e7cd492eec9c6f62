from __future__ import annotations

import math

import pytest

from handrail.judges import RewardJudge, RuleJudge, compare_systems
from handrail.ranking import preferences
from handrail.records import Comparison, JudgeError, Outcome, SettingError, Turn, Verdict

from .helpers import turn


@pytest.mark.parametrize(
    ("rule", "outcomes"),
    [("length", "B A TIE"), ("shorter", "A B TIE"), ("first", "A A A")],
)
def test_rules_that_know_nothing_of_quality(rule: str, outcomes: str) -> None:
    judge = RuleJudge(rule)
    pairs = [("a", "bb"), ("bb", "a"), ("cc", "dd")]
    assert [
        judge.compare(turn(), *p, "preference").outcome.value for p in pairs
    ] == outcomes.split()
    assert judge.name == f"rule:{rule}"


def test_random_is_fair_seeded_and_draws_each_order_anew() -> None:
    turns = [turn(i) for i in range(400)]
    replies = {"x": ["one"] * 400, "y": ["another"] * 400}

    def judged(seed: int) -> list[Verdict | JudgeError]:
        return compare_systems(turns, replies, RuleJudge("random", seed), [("x", "y")], ("any",))

    assert judged(1) == judged(1)
    assert judged(1) != judged(2)
    habits = preferences(judged(1), {})
    for figure in (habits.first, habits.flips):
        assert figure.low < 0.5 < figure.high


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="Did you mean 'length'"):
        RuleJudge("lenght")


class Lengths:
    """Scores a reply by its length; "?" has no score."""

    name = "lengths"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, turn: Turn, replies: list[str]) -> list[float]:
        self.asked += replies
        return [math.nan if reply == "?" else float(len(reply)) for reply in replies]


def test_a_reward_prefers_the_higher_score_and_ties_within_the_margin() -> None:
    scorer = Lengths()
    judge = RewardJudge(scorer, margin=1.0)
    asked = [
        Comparison(turn(), first, second, "preference")
        for first, second in [("a", "abc"), ("abc", "a"), ("a", "ab"), ("ab", "a"), ("a", "a")]
    ]
    judged = judge.compare_all(asked)
    outcomes = [one.outcome for one in judged if isinstance(one, Verdict)]
    assert outcomes == [Outcome.B, Outcome.A, Outcome.TIE, Outcome.TIE, Outcome.TIE]
    assert sorted(scorer.asked) == ["a", "ab", "abc"]  # each once
    assert judge.name == "reward:lengths"
    failed = judge.compare(turn(), "a", "?", "preference")
    assert isinstance(failed, JudgeError)
    with pytest.raises(ValueError, match="margin"):
        RewardJudge(scorer, margin=-1)
