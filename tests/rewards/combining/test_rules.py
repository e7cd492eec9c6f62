"""Rules as scorers: a playbook's checks, and what length alone would say."""

from __future__ import annotations

import math

import pytest

from handrail.cli.rewarding.scorers import open_scorer
from handrail.records import Check, Guardrail, Message, Playbook, SettingError, Turn
from handrail.rewards.combining.rules import RULES, RuleScorer

BOOK = Playbook(
    guardrails=(
        Guardrail(id="polite", text="Say please.", check=Check(require=("please",))),
        Guardrail(id="calm", text="No shouting.", check=Check(forbid=("!",))),
        Guardrail(
            id="late", text="Refunds.", check=Check(when={"user": ["refund"]}, require=("5",))
        ),
        Guardrail(id="kind", text="Be kind."),
    )
)
TURN = Turn(id="t", playbook=BOOK, context=(Message(role="user", content="Hi"),))


def test_a_playbook_scores_kept_less_broken_of_the_checks_that_apply() -> None:
    replies = ["please wait", "please wait!", "wait", "wait!"]
    assert RuleScorer("playbook").score(TURN, replies) == [1.0, 0.0, 0.0, -1.0]
    asked = TURN.model_copy(update={"context": (Message(role="user", content="a refund"),)})
    assert RuleScorer("playbook").score(asked, ["please wait"]) == [pytest.approx(1 / 3)]


def test_nothing_applies_is_zero_and_no_check_is_no_score() -> None:
    late = Playbook(guardrails=(BOOK["late"],))
    assert RuleScorer("playbook").score(Turn(playbook=late), ["yes"]) == [0.0]
    unchecked = Playbook(guardrails=(BOOK["kind"],))
    for turn in (Turn(), Turn(playbook=unchecked)):
        assert math.isnan(RuleScorer("playbook").score(turn, ["yes"])[0])


def test_lengths_and_draws() -> None:
    assert RuleScorer("length").score(TURN, ["a", "abc"]) == [1.0, 3.0]
    assert RuleScorer("shorter").score(TURN, ["a", "abc"]) == [-1.0, -3.0]
    drawn = RuleScorer("random").score(TURN, ["a", "abc", "a"])
    assert drawn[0] == drawn[2] != drawn[1]
    assert all(0 <= score < 1 for score in drawn)


def test_rules_by_name() -> None:
    for name in RULES:
        assert open_scorer(name).name == f"rule:{name}"
    assert open_scorer("reward:rule:playbook").name == "rule:playbook"
    with pytest.raises(SettingError, match="Did you mean 'playbook'"):
        open_scorer("rule:playbok")
    with pytest.raises(SettingError, match="no scorer is named"):
        open_scorer("reward:")
