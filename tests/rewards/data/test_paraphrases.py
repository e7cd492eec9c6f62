"""Shorter wordings by rule: what they say, and that they say something else than the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import Skip
from handrail.rewards.data.paraphrases import Paraphraser, RuleParaphraser


def said(text: str) -> str | Skip:
    return RuleParaphraser().paraphrase([text])[0]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("I am really sorry about this.", "Sorry about this."),
        ("It is done (see the letter). I will check it.", "It's done. I'll check it."),
        ("We do not need a lot of time.", "We don't need much time."),
        ("One. Two. Three of it. Let me know.", "One. Two. Three of it."),
        ("Of course, we will call you.", "We'll call you."),
        ("Pay $5 in order to go on.", "Pay $5 to go on."),
    ],
)
def test_what_the_rules_do(text: str, short: str) -> None:
    assert said(text) == short


@pytest.mark.parametrize("text", ["Goodbye.", "Sí, claro.", "???", "Really."])
def test_where_nothing_is_found(text: str) -> None:
    found = said(text)
    assert isinstance(found, Skip)
    assert found.reason == "the rules find nothing to shorten"


@given(st.text(min_size=1))
def test_any_text_gives_another_one_that_can_be_a_reply_or_none(text: str) -> None:
    found = said(text)
    assert isinstance(found, Skip) or (found.strip() and found != text.strip())
    assert found == said(text)


def test_it_is_a_paraphraser() -> None:
    assert isinstance(RuleParaphraser(), Paraphraser)
