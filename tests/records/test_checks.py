"""The check language: three answers, conditions, negation, what must be recalled."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import Check, CheckResult, When
from handrail.records.checks import asserted, negated

KEPT, BROKEN, NONE = CheckResult.KEPT, CheckResult.BROKEN, CheckResult.NOT_APPLICABLE
CONTEXT = (("user", "I want a refund. My name is Anna Lopez."), ("tool", "Reference KT204."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please tell me your PIN.", True),
        ("I will not ask for your PIN.", False),
        ("I will never ask you for your PIN.", False),
        ("Don't worry, tell me your PIN.", True),
        ("I cannot see it, but tell me your PIN.", True),
        ("I do not need much; tell me your PIN.", True),
        ("Your PIN is not needed.", False),
        ("A PIN isn't required here.", False),
        ("I don\u2019t want your PIN.", False),
        ("There is no problem. What is your PIN?", True),
        ("I am not sure, and I need your PIN.", True),
        ("We need neither your card nor your PIN.", False),
        ("Nobody wants your PIN.", False),
        ("Your PIN I do not need.", False),
        ("We dont want your PIN.", False),
        ("I cannot help until you tell me your PIN.", True),
        ("Don't forget to send your PIN.", True),
        ("Won't you tell me your PIN?", True),
        ("I cannot thank you enough for your PIN.", True),
        ("If you do not mind, tell me your PIN.", True),
        ("I cannot see it, a PIN is needed.", True),
        ("It needs no more than your PIN.", True),
    ],
)
def test_a_mention_counts_unless_its_own_clause_denies_it(text: str, expected: bool) -> None:
    check = Check(forbid=(r"\bPIN\b",))
    assert (check.result((), text) is BROKEN) is expected


def test_what_a_group_named_skip_matched_does_not_count() -> None:
    check = Check(forbid=(r"(?P<skip>\bif you agree,[^.]*)|\bI will send it\b",))
    assert check.result((), "If you agree, I will send it.") is KEPT
    assert check.result((), "If you agree, I will wait. I will send it.") is BROKEN


def test_required_patterns_want_one_and_require_all_wants_each() -> None:
    one = Check(require=("a plan", "a deal"))
    each = Check(require_all=("a plan", "a deal"))
    assert one.result((), "Here is a deal.") is KEPT
    assert each.result((), "Here is a deal.") is BROKEN
    assert each.result((), "Here is a deal, and here is a plan.") is KEPT
    assert one.result((), "I have no deal.") is BROKEN


def test_mentions_count_even_when_negated() -> None:
    assert Check(forbid_mention=("policy",)).result((), "It is not our policy.") is BROKEN
    never = Check(require_mention=("never share your PIN",))
    assert never.result((), "Please never share your PIN.") is KEPT


def test_bounds_on_words_and_questions() -> None:
    assert Check(max_words=3).result((), "one two three") is KEPT
    assert Check(max_words=3).result((), "one two three four") is BROKEN
    assert Check(min_words=2).result((), "one") is BROKEN
    assert Check(max_questions=1).result((), "So? And?") is BROKEN


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        (When(first=True), True),
        (When(first=False), False),
        (When(user=("refund",)), True),
        (When(user=("loan",)), False),
        (When(user=("refund",), user_not=("Anna",)), False),
        (When(context=("KT\\d+",)), True),
        (When(context_not=("KT\\d+",)), False),
        (When(shown=("reference",)), True),
        (When(shown=("refund",)), False),
        (When(said=("sorry",)), False),
        (When(unsaid=("sorry",)), True),
        (When(reply=("offer",)), True),
        (When(reply=("discount",)), False),
    ],
)
def test_conditions(when: When, applies: bool) -> None:
    result = Check(when=when, require=("voucher",)).result(CONTEXT, "I offer nothing yet.")
    assert result is (BROKEN if applies else NONE)


def test_shown_looks_only_at_what_came_since_the_agent_spoke() -> None:
    check = Check(when=When(shown=("reference",)), require=("reference",))
    assert check.result((*CONTEXT, ("assistant", "Done."), ("user", "Ok")), "Bye.") is NONE


def test_recall_wants_what_the_customer_or_the_card_said() -> None:
    name = Check(recall=(r"(?-i:[Mm]y name is ([A-Z][a-z]+)(?: ([A-Z][a-z]+))?)",))
    assert name.result(CONTEXT, "Thank you, Anna.") is KEPT
    assert name.result(CONTEXT, "Thank you, Ms Lopez.") is KEPT
    assert name.result(CONTEXT, "Thank you, Maria.") is BROKEN
    assert name.result((("user", "Hello"),), "Hi.") is KEPT
    number = Check(recall=(r"reference ([A-Z]{2}\d{3})",))
    assert number.result(CONTEXT, "It is KT204.") is KEPT
    assert number.result(CONTEXT, "It is KT240.") is BROKEN


def test_an_act_forbidden_until_another_was_said() -> None:
    """Order rules by hand: no booking before the agent asked for the name."""
    check = Check(when=When(unsaid=(r"what is your name",)), forbid=(r"\bI have booked\b",))
    asked = (("assistant", "What is your name?"), ("user", "Ben"))
    assert check.result((), "I have booked it.") is BROKEN
    assert check.result((), "What is your name?") is KEPT
    assert check.result(asked, "I have booked it.") is NONE


def test_checks_are_plain_data() -> None:
    check = Check(when=When(user=("refund",), shown=("x",)), require=("5 days",), max_words=30)
    data = json.loads(check.model_dump_json(exclude_defaults=True))
    assert data == {
        "when": {"user": ["refund"], "shown": ["x"]},
        "require": ["5 days"],
        "max_words": 30,
    }
    assert Check.model_validate(data) == check


def test_a_pattern_that_does_not_compile_is_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match=r"does not compile.*backslash"):
        Check(forbid=("(PIN",))


def test_negation_ends_with_its_clause() -> None:
    text = "I do not mind, I will help"
    assert not negated(text, text.index("will"))
    assert negated(text, text.index("mind"))
    assert asserted(("help",), text)


@given(st.text(max_size=200))
def test_any_text_gets_one_of_the_three_answers(text: str) -> None:
    check = Check(require=("a",), forbid=("b",), recall=("(c+)",))
    assert check.result((("user", text), ("tool", text)), text) in (KEPT, BROKEN)
