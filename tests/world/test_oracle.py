"""The oracle on the world's own replies, on shuffled ones, on facts in other spellings."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.records import Assessor, Message, Playbook, Turn
from handrail.world import Oracle, generate, guardrail, training_turns, turns
from handrail.world.facts import digits, facts

ORACLE = Oracle()
CONTEXT = (
    Message(role="user", content="Where is my refund for the desk lamp?"),
    Message(role="assistant", content="Hello. I will check. May I have your order number?"),
    Message(role="user", content="My order number is M9095. When did the lamp arrive?"),
    Message(role="tool", content="Desk lamp came back on May 3. Amount $42, under review."),
)
TURN = Turn(
    context=CONTEXT,
    playbook=Playbook(
        guardrails=(guardrail("refund_days", n=5), guardrail("slogan", slogan="we care"))
    ),
)


def test_it_is_an_assessor() -> None:
    assert isinstance(ORACLE, Assessor)
    seen = ORACLE.assess(TURN, "The lamp came back on May 3. We care.")
    assert seen.keeps == ("slogan",)
    assert seen.acceptable("adherence")
    assert seen.acceptable("naturalness")
    assert seen.acceptable("hallucination")


@pytest.mark.parametrize(
    "reply",
    [
        "It came back on 3 May, and the forty-two dollars are under review.",
        "The lamp arrived on the 3rd of May; $42.00 is being reviewed.",
        "Order M9095 is under review since May 3rd.",
        "Refunds take five working days. It arrived on May 3.",
        "I cannot promise a refund, as it is under review since May 3.",
        "It arrived on the third of May. Should a refund be approved, it takes 5 business days.",
        "Two things: it arrived on May 3, and refunds take 5 business days, so until May 8.",
    ],
)
def test_what_the_context_holds_is_no_invention(reply: str) -> None:
    assert ORACLE.assess(TURN, reply).invented == ()


@pytest.mark.parametrize(
    ("reply", "span"),
    [
        ("It came back on May 4.", "May 4"),
        ("The $24 is under review.", "$24"),
        ("It arrived on May 3 and takes 2 weeks.", "2 weeks"),
        ("Order M9059 arrived on May 3.", "M9059"),
        ("It arrived on May 3. You will get a full refund.", "You will get a full refund"),
        ("It arrived on May 3. Here is a voucher for you.", "voucher"),
        ("It arrived on May 3, says our colleague Jennifer.", "Jennifer"),
        ("It arrived on May 3. We will pay by Friday.", "Friday"),
        ("It arrived on May 3. See help.lamps.com.", "help.lamps.com"),
        ("It arrived on May 3. Ask for the Smart plan.", "Smart"),
        ("Your forty-two dollars are on their way back to you.", "42 dollars"),
        ("It arrived in June.", "June"),
        ("Our courier has lost the lamp.", "lost"),
        ("It is late because of the strike.", "strike"),
        ("Refunds take a week.", "1 week"),
        ("Our LampDesk tool shows May 3.", "LampDesk"),
    ],
)
def test_inventions_are_named(reply: str, span: str) -> None:
    assert any(span in found for found in ORACLE.assess(TURN, reply).invented or ())


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "...",
        "Hello and welcome. The lamp came back on May 3.",
        "Hello. I will check. May I have your order number?",
        "May I have your order number?",
        "The lamp came back on the",
        "Lamp the on back came May of the is.",
        "Tha lampp czme bxck on Mzy.",
        "My order has not come yet, can you help me?",
        "The weather is lovely today.",
        "I can help you with your loan.",
        "Goodbye.",
        "The lamp came back. The lamp came back on May 3. The lamp came back on May 3.",
        "User: The lamp came back on May 3.",
        "It came back on May 3. The penguin swims in the cold sea.",
        "It came back on May 3. Where is my refund for the desk lamp?",
        "It came back on May 3, which came back on May 3, which came back on May 3.",
    ],
)
def test_unnatural_replies(reply: str) -> None:
    seen = ORACLE.assess(TURN, reply)
    assert seen.natural is False
    assert seen.reason


def test_own_clean_replies_are_natural_and_shuffled_ones_are_not() -> None:
    made = training_turns(60, seed=77)
    own = [ORACLE.assess(t, t.replies[0].text) for t in made]
    texts = [t.replies[0].text for t in made]
    random.Random(0).shuffle(texts)
    shuffled = [ORACLE.assess(t, text) for t, text in zip(made, texts, strict=True)]
    natural = sum(bool(a.natural) for a in own) / len(made)
    moved = sum(bool(a.natural) for a in shuffled) / len(made)
    grounded = sum(not a.invented for a in shuffled) / len(made)
    print(f"natural: own {natural:.3f}, shuffled {moved:.3f}; shuffled grounded {grounded:.3f}")
    assert natural > 0.99
    assert moved < 0.45
    assert grounded < 0.6


def test_unfiltered_agents_stray_and_invent_now_and_then() -> None:
    spoken = [t for c in generate(60, seed=78) for t in turns(c)]
    seen = [ORACLE.assess(t, t.replies[0].text) for t in spoken]
    unnatural = sum(not a.natural for a in seen) / len(seen)
    inventing = sum(bool(a.invented) for a in seen) / len(seen)
    print(f"unfiltered: unnatural {unnatural:.3f}, inventing {inventing:.3f}")
    assert 0.01 < unnatural < 0.12
    assert 0.03 < inventing < 0.25


def test_it_is_fast() -> None:
    made = training_turns(20, seed=79)
    for turn in made[:5]:
        ORACLE.assess(turn, turn.replies[0].text)
    start = time.process_time()
    for turn in made:
        for reply in turn.replies:
            ORACLE.assess(turn, reply.text)
    rate = 2 * len(made) / max(time.process_time() - start, 1e-9)
    print(f"{rate:.0f} assessments per second of processor time")
    assert rate > 200


def test_numbers_and_dates_have_one_spelling() -> None:
    def values(text: str) -> set[tuple[str, str]]:
        return {(f.kind, f.value) for f in facts(text)}

    assert values("$25") == values("25 dollars") == values("twenty-five dollars")
    assert values("March 12") == values("12 March") == values("the 12th of March")
    assert values("two days") == values("2 days") == values("48 hours")
    assert values("9 am") == values("nine in the morning") == values("9:00 a.m.")
    assert values("10%") == values("ten percent")
    assert values("9 am") != values("9 pm")
    assert digits("one hundred and fifty") == "150"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_judged(text: str) -> None:
    seen = ORACLE.assess(TURN, text)
    assert seen.natural is not None
    assert seen.invented is not None
