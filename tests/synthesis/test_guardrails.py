"""Stage 1 with scripted models: good, lying, garbled, refusing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handrail.records import Guardrail, Playbook
from handrail.synthesis import by_reason, find_guardrails, plan_guardrails, tag_by_playbooks
from tests.synthesis.scripted import Scripted, talk

TALKS = [
    talk("a", "Hi", "Hello, I can help. Please wait 5 days.", "Thanks", "Bye."),
    talk("b", "Hey", "Hello there.", "Ok", "It takes 5 days."),
]
RULES = {
    "a": ["Greet the customer.", "Say that it takes 5 days."],
    "b": ["Say hello to the customer.", "Say that it takes 5 days.", "  "],
}


def named(data: dict[str, Any]) -> dict[str, Any]:
    first = data["conversation"][0]["text"]
    return {"guardrails": RULES["a" if first == "Hi" else "b"]}


def words(text: str) -> tuple[str, ...]:
    return ("5 days",) if "5 days" in text else ("Hello",)


def tagged(data: dict[str, Any]) -> dict[str, Any]:
    tags = [
        {"message": m["n"], "guardrails": list(data["guardrails"])}
        for m in data["conversation"]
        if m["from"] == "agent"
    ]
    return {"tags": tags}


def checked(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "checks": [
            {"guardrail": n, "follows": any(w in data["reply"] for w in words(t)), "reason": ""}
            for n, t in data["guardrails"].items()
        ]
    }


def merged(data: dict[str, Any]) -> dict[str, Any]:
    same = words(data["a"]) == words(data["b"])
    return {"same": same, "text": data["a"] if same else ""}


def good() -> Scripted:
    return Scripted(guardrails=named, tags=tagged, tag_check=checked, merge=merged)


def test_the_rules_of_two_conversations_become_one_playbook_with_checked_tags() -> None:
    model = good()
    found = find_guardrails(TALKS, model.asking(), least=0.0)
    assert found.playbook is not None
    texts = [g.text for g in found.playbook.guardrails]
    # The greeting went by two wordings, one vote each, and the model voted for the first by name.
    assert set(texts) == {"Say that it takes 5 days.", "Greet the customer."}
    assert set(found.support.values()) == {2}
    assert found.counts == {
        "conversations": 2,
        "with guardrails": 2,
        "guardrails found": 4,
        "after merging": 2,
        "questions of merging": model.asked["merge"],
        "tags": 8,
        "tags checked": 8,
        "tags dropped": 4,
        "turns": 3,
    }
    assert model.asked["tag_check"] == 4  # all tags of one agent message in one call
    greet = next(g.id for g in found.playbook.guardrails if g.text.startswith("Greet"))
    days = next(g.id for g in found.playbook.guardrails if "5 days" in g.text)
    assert [(t.id, t.replies[0].keeps) for t in found.turns] == [
        ("a/0", (greet, days)),
        ("b/0", (greet,)),
        ("b/1", (days,)),
    ]
    assert json.loads(found.conversations[0].tags["keeps"]) == {"2": [greet, days]}
    for turn in found.turns:
        assert turn.best() == 0
        assert turn.provenance.made_by.startswith("scripted with guardrails@")
        assert turn.provenance.parents == (turn.conversation_id,)


def test_the_order_of_conversations_changes_nothing_but_the_order() -> None:
    one = find_guardrails(TALKS, good().asking(), least=0.0)
    other = find_guardrails(TALKS[::-1], good().asking(), least=0.0)
    assert one.playbook == other.playbook
    assert {t.id: t for t in one.turns} == {t.id: t for t in other.turns}


def test_a_shared_playbook_holds_all_guardrails() -> None:
    found = find_guardrails(TALKS, good().asking(), playbooks="shared", least=0.0)
    assert {c.playbook for c in found.conversations} == {found.playbook}


def test_at_most_as_many_guardrails_as_asked_for_and_the_rest_counted() -> None:
    found = find_guardrails(TALKS, good().asking(), at_most=1, least=0.0)
    assert found.counts["guardrails found"] == 2
    assert by_reason(found.skipped)["more than the 1 asked for"] == 2


def test_tags_that_name_nothing_are_counted_and_numbers_may_be_numbers() -> None:
    model = good()
    model.scripts["tags"] = lambda data: {
        "tags": [
            {"message": 1, "guardrails": ["1"]},
            {"message": 99, "guardrails": ["1"]},
            {"message": 2, "guardrails": [1, "1", "7"]},
        ]
    }
    found = find_guardrails(TALKS, model.asking(), least=0.0)
    reasons = by_reason(found.skipped)
    assert reasons["it names a message that is not the agent's"] == 4
    assert reasons["it names a guardrail that does not exist"] == 2
    assert found.counts["tags"] == 2


def test_a_check_that_says_both_or_nothing_lets_no_tag_stand() -> None:
    model = good()
    model.scripts["tag_check"] = lambda data: {
        "checks": [
            {"guardrail": "1", "follows": True, "reason": ""},
            {"guardrail": "1", "follows": False, "reason": ""},
        ]
    }
    found = find_guardrails(TALKS, model.asking(), least=0.0)
    assert not found.turns
    assert found.counts["tags dropped"] == found.counts["tags"] == 8
    assert found.counts["tags checked"] == 4
    assert by_reason(found.skipped)["the check does not name it"] == 4


NUMBERS = st.lists(st.sampled_from(["1", "2", "3", "x", 1, 2]), max_size=4)
TAGS = st.lists(
    st.fixed_dictionaries({"message": st.integers(-1, 6), "guardrails": NUMBERS}), max_size=5
)
CHECKS = st.lists(
    st.fixed_dictionaries(
        {"guardrail": st.sampled_from(["1", "2", 1, "y"]), "follows": st.booleans()}
    ),
    max_size=5,
)


@given(TAGS, CHECKS)
def test_whatever_is_answered_only_confirmed_tags_of_agent_messages_stand(
    tags: list[dict[str, Any]], checks: list[dict[str, Any]]
) -> None:
    model = good()
    model.scripts["tags"] = lambda data: {"tags": tags}
    model.scripts["tag_check"] = lambda data: {"checks": checks}
    found = find_guardrails(TALKS[:1], model.asking(), least=0.0)
    kept = [name for turn in found.turns for name in turn.replies[0].keeps]
    assert found.counts["tags"] == len(kept) + found.counts["tags dropped"]
    assert found.counts["tags checked"] <= found.counts["tags"]
    told: dict[str, list[bool]] = {}
    for check in checks:
        told.setdefault(str(check["guardrail"]), []).append(check["follows"])
    assert found.playbook is not None
    number = {found.conversations[0].playbook.guardrails[i].id: str(i + 1) for i in range(2)}
    for turn in found.turns:
        at = len(turn.context)
        assert TALKS[0].messages[at].content == turn.replies[0].text
        asked = [str(n) for t in tags if t["message"] == at + 1 for n in t["guardrails"]]
        for name in turn.replies[0].keeps:
            assert number[name] in asked
            assert all(told[number[name]])


def test_a_garbled_model_gives_nothing_and_says_why() -> None:
    model = Scripted(guardrails=lambda data: "I found several guardrails!")
    found = find_guardrails(TALKS, model.asking())
    assert found.playbook is None
    assert not found.conversations
    assert found.counts["with guardrails"] == 0
    assert [s.where for s in found.skipped] == ["a", "b"]
    assert all(s.reason.startswith("malformed") for s in found.skipped)
    assert model.asked == {"guardrails": 2}  # nothing is asked about nothing


def test_a_failed_check_drops_its_tags_and_a_failed_merge_leaves_a_pair_apart() -> None:
    model = good()
    model.scripts["tag_check"] = lambda data: "no"
    model.scripts["merge"] = lambda data: "no"
    found = find_guardrails(TALKS, model.asking(), least=0.0)
    assert found.counts["tags checked"] == 0
    assert found.counts["after merging"] == 3
    what = {s.what for s in found.skipped}
    assert what == {"tag that was not checked", "pair of guardrails left apart"}


def test_a_conversation_without_guardrails_is_left_out() -> None:
    model = good()
    model.scripts["guardrails"] = lambda data: {"guardrails": []}
    found = find_guardrails(TALKS, model.asking())
    assert by_reason(found.skipped) == {"the model names no guardrail in it": 2}


def test_given_playbooks_are_tagged_by_as_they_are() -> None:
    book = Playbook(
        guardrails=(Guardrail(id="g", text="Say hello."), Guardrail(id="d", text="5 days"))
    )
    talks = [c.model_copy(update={"playbook": book}) for c in TALKS]
    model = good()
    found = tag_by_playbooks([*talks, talk("c", "Hi", "Hello")], model.asking())
    assert [(t.id, t.replies[0].keeps) for t in found.turns] == [
        ("a/0", ("g", "d")),
        ("b/0", ("g",)),
        ("b/1", ("d",)),
    ]
    assert all(t.playbook == book for t in found.turns)
    assert by_reason(found.skipped)["it has no playbook"] == 1
    assert "guardrails@" not in found.turns[0].provenance.made_by
    assert model.asked["merge"] == 0


def test_a_given_playbook_is_not_shown_when_guardrails_are_found() -> None:
    book = Playbook(guardrails=(Guardrail(id="secret", text="A rule nobody may see."),))
    model = good()
    found = find_guardrails(
        [c.model_copy(update={"playbook": book}) for c in TALKS], model.asking()
    )
    assert not any("nobody may see" in m.content for seen in model.seen for m in seen)
    assert all("secret" not in t.replies[0].keeps for t in found.turns)


def test_the_plan_asks_the_first_stage_exactly() -> None:
    model = good()
    planned = plan_guardrails(TALKS, model.asking())
    find_guardrails(TALKS, model.asking(), least=0.0)
    assert [(p.stage, p.exact) for p in planned] == [
        ("guardrails", True),
        ("tags", False),
        ("check", False),
        ("merge", False),
    ]
    asked = [messages for messages in model.seen if carried_task(messages) == "guardrails"]
    assert [r.messages for r in planned[0].requests] == asked
    assert len(planned[1].requests) == model.asked["tags"]


def carried_task(messages: Any) -> str:
    from tests.synthesis.scripted import carried

    return carried(messages)["task"]
