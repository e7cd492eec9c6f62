"""Data tasks: guardrails and tags against the world's truth, breaks that break, texts written."""

import json
import warnings
from collections import Counter
from typing import Any

import pytest

from handrail.asking import show
from handrail.records import CheckResult, Conversation, Message, Turn
from handrail.synthesis.forms import READINGS
from handrail.synthesis.prompts import CATEGORIES
from handrail.world import Oracle, Player, families, generate, guardrail, training_turns, turns
from handrail.world.playing.breaking import KINDS
from handrail.world.playing.rules import known
from tests.world.playing_helpers import answer, prompt, said

PLAYER = Player()


@pytest.fixture(scope="module")
def talks() -> list[Conversation]:
    return generate(60, seed=77)


@pytest.fixture(scope="module")
def made() -> list[Turn]:
    return training_turns(10, seed=31)


def read(task: str, **values: Any) -> Any:
    """The player's answer, read as the loops read it."""
    return READINGS[task].read(answer(PLAYER, task, **values))


def rule_key(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    found = known(text)
    assert found is not None
    return found.family.id, found.values


def kept_rules(talk: Conversation) -> set[str]:
    """The ids of a conversation's guardrails that some agent message keeps."""
    return {name for turn in turns(talk) for name in turn.replies[0].keeps}


def test_guardrails_of_conversations_are_found(talks: list[Conversation]) -> None:
    right = told = visible = found = 0
    for talk in talks:
        assert talk.playbook is not None
        truth = {rule_key(g.text): g.id for g in talk.playbook.guardrails}
        values = {"conversation": show.conversation(talk.messages), "at_most": 9}
        texts = read("guardrails", **values).guardrails
        keys = {rule_key(text) for text in texts}
        assert len(keys) == len(texts) <= 9
        right += len(keys & set(truth))
        told += len(keys)
        seen = kept_rules(talk)
        asks = {k for k, name in truth.items() if name in seen and not families()[name].forbids}
        visible += len(asks)
        found += len(asks & keys)
    precision, recall = right / told, found / visible
    warnings.warn(
        f"guardrails: precision {precision:.1%} of {told}, recall of kept asking rules "
        f"{recall:.1%} of {visible}",
        stacklevel=1,
    )
    assert precision > 0.8
    assert recall > 0.7


def test_at_most_keeps_the_surest(talks: list[Conversation]) -> None:
    values = {"conversation": show.conversation(talks[3].messages)}
    many = read("guardrails", **values, at_most=9).guardrails
    assert read("guardrails", **values, at_most=2).guardrails == many[:2]
    assert len(many) >= 2


def test_tags_are_the_checks(talks: list[Conversation]) -> None:
    count = 0
    for talk in talks[:30]:
        assert talk.playbook is not None
        values = {
            "guardrails": show.guardrails(talk.playbook),
            "conversation": show.conversation(talk.messages),
        }
        tags = {tag.message: tag.guardrails for tag in read("tags", **values).tags}
        for turn in turns(talk):
            number = len(turn.context) + 1
            told = show.guardrail_ids(talk.playbook, tags.get(number, []))
            assert set(told or ()) == set(turn.replies[0].keeps)
            count += len(told or ())
    assert count > 300


def test_tags_are_checked_against_the_checks(made: list[Turn]) -> None:
    for turn in made:
        for reply in turn.replies:
            values = {**show.turn(turn), "reply": reply.text}
            checks = read("tag_check", **values).checks
            follows = [one.guardrail for one in checks if one.follows]
            assert show.guardrail_ids(turn.playbook, follows) == reply.keeps
            assert len(checks) == len(show.guardrails(turn.playbook))


def test_an_unknown_guardrail_is_not_followed_and_told() -> None:
    talk = said(("user", "I lost my card."))
    told = read("tag_check", guardrails={"1": "Be kind."}, conversation=talk, reply="Yes.")
    assert told.checks[0].follows is False
    assert "cannot tell" in told.checks[0].reason


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (guardrail("refund_days", 0, n=5), guardrail("refund_days", 2, n=5), True),
        (guardrail("refund_days", 0, n=5), guardrail("refund_days", 0, n=7), False),
        (guardrail("no_slang"), guardrail("no_joke"), False),
    ],
)
def test_guardrails_of_one_family_and_value_are_one(a: Any, b: Any, same: bool) -> None:
    told = read("merge", a=a.text, b=b.text)
    assert told.same is same
    assert told.text == (a.text if same else "")


def test_other_texts_are_one_where_their_words_are() -> None:
    assert read("merge", a="Be kind to guests.", b="be kind to the guest").same is True
    assert read("merge", a="Be kind.", b="Be quick.").same is False
    assert read("merge", a="Be kind.", b=guardrail("no_slang").text).same is False


def asks_for_an_act(name: str) -> bool:
    family = families()[name]
    return not family.forbids and not (family.own and family.kind == "order")


def test_violations_break_what_they_are_asked_to(made: list[Turn]) -> None:
    oracle = Oracle()
    seen: Counter[str] = Counter()
    for turn in made:
        ids = [g.id for g in turn.playbook.guardrails]  # type: ignore[union-attr]
        for name in turn.replies[0].keeps:
            for kind in KINDS:
                asks = asks_for_an_act(name)
                fits = kind != ("forbidden act" if asks else "omission")
                values = {
                    **show.turn(turn),
                    "reply": turn.replies[0].text,
                    "guardrail": str(ids.index(name) + 1),
                    "kind": kind,
                }
                heard = PLAYER.play(prompt("violate", **values))
                if not fits:
                    assert heard.declined, (name, kind, heard.text)
                    continue
                seen["fitting"] += 1
                if heard.declined:
                    continue
                text = READINGS["violate"].read(heard.text).reply  # type: ignore[attr-defined]
                judged = oracle.assess(turn, text)
                seen["broken"] += name in judged.breaks
                seen["only"] += judged.breaks == (name,)
                seen["natural"] += bool(judged.natural)
                seen["as asked"] += bool(judged.invented) == (kind == "invented fact")
    n = seen["fitting"]
    shares = {key: seen[key] / n for key in ("broken", "only", "natural", "as asked")}
    warnings.warn(
        f"violate, {n} fitting: " + ", ".join(f"{k} {v:.1%}" for k, v in shares.items()),
        stacklevel=1,
    )
    assert n > 400
    assert min(shares.values()) > 0.9


def test_what_cannot_be_broken_is_declined(made: list[Turn]) -> None:
    turn = made[0]
    values = {**show.turn(turn), "reply": turn.replies[0].text}
    for changes, problem in (
        ({"guardrail": "99", "kind": "omission"}, "no guardrail 99"),
        ({"guardrail": "1", "kind": "murder"}, 'no kind of break "murder"'),
        (
            {"guardrail": "1", "kind": "omission", "guardrails": {"1": "Be kind."}},
            "is not of the care world",
        ),
    ):
        heard = PLAYER.play(prompt("violate", **{**values, **changes}))
        assert heard.declined
        assert problem in heard.text


def test_another_sample_is_another_break(made: list[Turn]) -> None:
    turn = made[0]
    number = [g.id for g in turn.playbook.guardrails].index(turn.replies[0].keeps[0])  # type: ignore[union-attr]
    values = {**show.turn(turn), "reply": turn.replies[0].text, "guardrail": str(number + 1)}
    messages = prompt("violate", **values, kind="wrong tone")
    texts = {PLAYER.play(messages, seed=seed).text for seed in range(8)}
    assert len(texts) > 1
    assert PLAYER.play(messages, seed=3) == PLAYER.play(messages, seed=3)


def test_replies_keep_all_that_applies(made: list[Turn]) -> None:
    oracle = Oracle()
    clean = 0
    for turn in made:
        judged = oracle.assess(turn, answer(PLAYER, "reply", **show.turn(turn)))
        clean += not judged.breaks and bool(judged.natural) and not judged.invented
    assert clean >= 0.95 * len(made)


def test_it_replies_in_the_worlds_conversations_only() -> None:
    talk = said(("user", "Tell me about volcanoes."))
    heard = PLAYER.play(prompt("reply", guardrails={}, conversation=talk))
    assert heard.declined
    mine = said(("user", "I lost my card."), ("agent", "I am sorry."))
    assert PLAYER.play(prompt("reply", guardrails={}, conversation=mine)).declined


def test_a_guardrail_is_paraphrased_by_its_other_wordings() -> None:
    rule = guardrail("refund_days", 0, n=5)
    told = read("paraphrase", text=rule.text, count=2).paraphrases
    assert set(told) == {guardrail("refund_days", k, n=5).text for k in (1, 2)}


def test_customers_are_paraphrased_with_their_slots() -> None:
    text = "My account number is 123456. How long will this take?"
    told = read("paraphrase", text=text, count=4).paraphrases
    assert len(set(told)) == 4
    assert text not in told
    assert all("123456" in one for one in told)
    heard = PLAYER.play(prompt("paraphrase", text="Volcanoes erupt.", count=2))
    assert heard.declined


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Write a poem about the sea.", "creative"),
        ("How do I fix a flat tyre?", "problem-solving"),
        ("Why is the sky blue?", "reasoning"),
        ("Should I move to Oslo?", "open-ended"),
        ("Who was the first person on the moon?", "fact-based"),
        ("Trains!", "open-ended"),
    ],
)
def test_prompts_are_sorted_by_their_words(text: str, category: str) -> None:
    assert read("classify", prompt=text).category == category


def test_the_classes_are_the_ones_that_are_read() -> None:
    from handrail.world.playing.writing import _CLASSES

    assert set(_CLASSES) == set(CATEGORIES)


def test_questions_come_per_keyword_and_differ() -> None:
    told = read("questions", domain="home", keywords=["ovens", "bread"], rules=[], count=15)
    by = Counter(one.keyword for one in told.questions)
    assert by == {"ovens": 15, "bread": 15}
    assert len({one.question for one in told.questions}) == 30
    assert all(one.keyword in one.question for one in told.questions)


@pytest.mark.parametrize("task", ["questions", "score_prompts"])
def test_more_questions_than_it_knows_are_declined(task: str) -> None:
    values = {"domain": "home", "keywords": ["ovens"], "rules": [], "count": 10**30}
    examples = [{"domain": "cars", "question": "Is oil dear?", "answer": "x", "score": 1.0}]
    heard = PLAYER.play(prompt(task, **values, examples=examples))
    assert heard.declined
    assert "at most 48" in heard.text


def test_prompts_from_scores_go_to_the_weak_domain() -> None:
    examples = [
        {"domain": "cars", "question": "Which engine oil is best?", "answer": "x", "score": 1.0},
        {"domain": "cars", "question": "Why do my brakes squeal so?", "answer": "x", "score": 2.0},
        {"domain": "food", "question": "How long do I cook rice?", "answer": "x", "score": 9.0},
    ]
    told = read("score_prompts", examples=examples, count=3)
    assert told.weak_domains == ["cars"]
    assert {one.domain for one in told.questions} == {"cars"}
    assert len({one.question for one in told.questions}) == 3
    assert told.patterns


def test_a_break_is_of_a_reply_that_the_rule_applies_to() -> None:
    rule = guardrail("refund_days", n=5)
    assert rule.check is not None
    talk = [Message(role="user", content="I lost my card yesterday.")]
    pairs = [(m.role, m.content) for m in talk]
    assert rule.check.result(pairs, "Hello.") is CheckResult.NOT_APPLICABLE
    values = {"guardrails": {"1": rule.text}, "conversation": show.conversation(talk)}
    heard = PLAYER.play(prompt("violate", **values, reply="Hello.", guardrail="1", kind="omission"))
    assert heard.declined
    assert "does not apply" in heard.text


def test_answers_are_json_of_one_object(made: list[Turn]) -> None:
    text = answer(PLAYER, "tag_check", **show.turn(made[0]), reply="Hello.")
    assert set(json.loads(text)) == {"checks"}
