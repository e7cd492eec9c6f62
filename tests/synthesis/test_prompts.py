"""Prompts by scripted models: paraphrases, classes, questions, scores, preferences."""

from __future__ import annotations

from typing import Any

import pytest

from handrail.records import Message, RecordError, Reply, Turn
from handrail.synthesis import (
    CATEGORIES,
    PRINCIPLES,
    Domain,
    asked_text,
    by_reason,
    classify,
    label_preferences,
    paraphrase,
    paraphrase_requests,
    score_draws,
    scored_examples,
    write_questions,
    write_score_prompts,
)
from tests.synthesis.scripted import Scripted


def user(*texts: str, **more: Any) -> Turn:
    return Turn(context=tuple(Message(role="user", content=t) for t in texts), **more)


def test_what_the_user_asked_is_what_came_since_the_last_reply() -> None:
    said = [("user", "a"), ("assistant", "b"), ("user", "c"), ("tool", "d"), ("user", "e")]
    turn = Turn(context=tuple(Message(role=r, content=t) for r, t in said))
    assert asked_text(turn) == "c\ne"
    assert asked_text(Turn()) == ""


def test_paraphrases_keep_numbers_replies_and_context_and_are_new() -> None:
    texts = ["May I wait 5 days?", "how long, 5 days", "how long, 6 days?", "MAY I wait 5 days? "]
    turn = Turn(
        id="t",
        context=(Message(role="user", content="Hi"), Message(role="assistant", content="Yes?"),
                 Message(role="user", content="How long, 5 days?")),
        replies=(Reply(text="Yes.", rank=1),),
    )  # fmt: skip
    model = Scripted(paraphrase=lambda data: {"paraphrases": texts})
    made = paraphrase([turn, Turn(id="e")], model.asking(), count=4)
    assert [t.id for t in made.turns] == ["t~1", "t~2"]
    assert [t.context[-1].content for t in made.turns] == texts[:2]
    assert all(t.context[:2] == turn.context[:2] for t in made.turns)
    assert all(t.replies == turn.replies for t in made.turns)
    assert made.turns[0].provenance.parents == ("t",)
    assert by_reason(made.skipped) == {
        "the user says nothing in it": 1,
        "it changes a number": 1,
        "it says nothing new": 1,
    }


def test_what_is_planned_to_be_paraphrased_is_what_is_asked() -> None:
    said = [Message(role="user", content=text) for text in ("Hello.", "Where is parcel 7?")]
    silent = Turn(id="none", context=(Message(role="assistant", content="Hi"),))
    turns = [Turn(id="t", context=tuple(said)), silent]
    model = Scripted(paraphrase=lambda data: {"paraphrases": ["Parcel 7, where?"]})
    planned = paraphrase_requests(turns, model.asking(), 2)
    paraphrase(turns, model.asking(), 2)
    assert [one.messages for one in planned] == model.seen
    assert "Hello." not in planned[0].messages[-1].content


def test_more_paraphrases_than_asked_for_are_not_taken_and_garbage_is_counted() -> None:
    model = Scripted(paraphrase=lambda data: {"paraphrases": ["x y", "y z", "z x"]})
    assert len(paraphrase([user("a b")], model.asking(), count=2).turns) == 2
    made = paraphrase([user("a b")], Scripted(paraphrase=lambda d: "Sure!").asking())
    assert made.turns == ()
    assert made.skipped[0].reason.startswith("malformed")


def test_prompts_are_sorted_into_the_five_classes() -> None:
    def sort(data: dict[str, Any]) -> dict[str, Any]:
        return {"reason": "", "category": data["prompt"]}

    turns = [user(c) for c in CATEGORIES] + [user("poetry"), Turn()]
    made = classify(turns, Scripted(classify=sort).asking())
    assert [t.tags["category"] for t in made.turns] == list(CATEGORIES)
    assert made.counts == {"turns": 7, **dict.fromkeys(CATEGORIES, 1)}
    assert sorted(s.reason.split(":")[0] for s in made.skipped) == [
        "schema",
        "the user says nothing in it",
    ]


def test_questions_are_of_keywords_asked_about_each_once_and_no_more_than_asked() -> None:
    def write(data: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"keyword": k.upper(), "question": f"{data['rules'][0]} what of {k} {i}?"}
            for k in data["keywords"]
            for i in range(3)
            if k != "salt"
        ]
        extra = [{"keyword": "rum", "question": "?"}, {"keyword": "egg", "question": "ELI5 x"}]
        return {"questions": [*rows[:1], *rows, *extra]}

    domain = Domain(domain="baking", keywords=("egg", "flour", "salt"), rules=("ELI5",))
    model = Scripted(questions=write)
    made = write_questions([domain], model.asking(), count=3, together=2)
    assert model.asked["questions"] == 2
    assert [t.tags["keyword"] for t in made.turns] == ["egg"] * 2 + ["flour"] * 3
    assert all(t.context[0].content.startswith("ELI5 what of") for t in made.turns)
    assert all(t.replies == () and t.tags["domain"] == "baking" for t in made.turns)
    assert by_reason(made.skipped) == {
        "more than were asked for": 2,
        "its keyword was not asked about": 3,
        "it was written before": 1,
        "no question was written": 1,
    }
    assert made.counts == {"domains": 1, "keywords": 3, "questions": 5}


def rated(domain: str, n: int, score: float) -> list[Turn]:
    return [
        user(
            f"{domain} question {i}",
            tags={"domain": domain},
            replies=(Reply(text=f"answer {i}", rating=score + i),),
        )
        for i in range(n)
    ]


def test_score_prompts_show_so_many_of_each_domain_and_ask_for_new_ones() -> None:
    examples = scored_examples([*rated("law", 20, 0.0), *rated("tea", 3, 9.0), user("unrated")])
    draws = score_draws(examples, rounds=2, per_domain=15, seed=1)
    assert [len(d) for d in draws] == [18, 18]
    assert draws[0] != draws[1]
    assert draws == score_draws(examples, rounds=2, per_domain=15, seed=1)
    assert draws[0][0].keys() == {"domain", "question", "answer", "score"}

    def write(data: dict[str, Any]) -> dict[str, Any]:
        assert data["count"] == 3
        questions = [{"domain": d, "question": f"new {d}?"} for d in ("LAW", "tea", "art", "law")]
        return {"weak_domains": ["Law", "art"], "patterns": ["short", ""], "questions": questions}

    made = write_score_prompts(draws, Scripted(score_prompts=write).asking(), count=3)
    assert [(t.tags["domain"], t.tags["round"]) for t in made.turns] == [("law", "1"), ("tea", "1")]
    assert made.weak_domains == {"law": 2}
    assert made.patterns == ("short",)
    assert by_reason(made.skipped) == {"its domain was not shown": 2, "it was written before": 2}


def test_scores_without_ratings_or_domains_are_errors() -> None:
    with pytest.raises(RecordError, match="no reply has a rating"):
        scored_examples([user("x")])
    with pytest.raises(RecordError, match="has the tag 'topic'"):
        scored_examples(rated("law", 2, 0.0), tag="topic")


def pair(a: str, b: str, **more: Any) -> Turn:
    return user("Hi", replies=(Reply(text=a, **more), Reply(text=b)), id=f"{a}|{b}")


def longer(data: dict[str, Any]) -> dict[str, Any]:
    return {"reason": "", "preferred": "a" if len(data["a"]) > len(data["b"]) else "b"}


def test_a_preference_stands_where_both_orders_agree() -> None:
    turns = [pair("long one", "short"), pair("x", "longer", rating=1.0), user("Hi", id="none")]
    turns.append(turns[0].model_copy(update={"id": "same", "replies": (turns[0].replies[0],) * 2}))
    model = Scripted(prefer=longer)
    made = label_preferences(turns, model.asking())
    assert [[r.rank for r in t.replies] for t in made.turns] == [[1, 2], [2, 1]]
    assert [list(t.pairs()) for t in made.turns] == [[(0, 1)], [(1, 0)]]
    assert all(r.rating is None for t in made.turns for r in t.replies)
    assert made.counts == {"turns": 4, "labelled": 2, "orders disagree": 0}
    assert model.asked["prefer"] == 4
    assert by_reason(made.skipped) == {"it has 0 replies, not 2": 1, "its two replies are equal": 1}


def test_a_model_that_prefers_the_first_shown_gives_no_label() -> None:
    first = Scripted(prefer=lambda data: {"reason": "", "preferred": "a"})
    made = label_preferences([pair("x", "y")], first.asking())
    assert not made.turns
    assert made.counts["orders disagree"] == 1
    assert by_reason(made.skipped) == {"the two orders disagree": 1}


def test_agreement_with_the_feedback_that_there_was_is_counted() -> None:
    known = pair("long one", "short", rank=1)
    known = known.model_copy(
        update={"replies": (known.replies[0], known.replies[1].model_copy(update={"rank": 2}))}
    )
    other = known.model_copy(update={"id": "o", "replies": known.replies[::-1]})
    wrong = known.model_copy(
        update={"id": "w", "replies": (Reply(text="a", rank=1), Reply(text="bb", rank=2))}
    )
    made = label_preferences([known, other, wrong], Scripted(prefer=longer).asking())
    assert (made.compared, made.agreed) == (3, 2)


def test_a_turns_principle_is_one_in_both_orders_and_all_are_drawn() -> None:
    seen: dict[str, set[str]] = {}

    def note(data: dict[str, Any]) -> dict[str, Any]:
        seen.setdefault("|".join(sorted((data["a"], data["b"]))), set()).add(data["principle"])
        return longer(data)

    turns = [pair(f"{i} long", f"{i}") for i in range(30)]
    made = label_preferences(turns, Scripted(prefer=note).asking())
    assert all(len(principles) == 1 for principles in seen.values())
    assert {p for ps in seen.values() for p in ps} == set(PRINCIPLES)
    assert {t.tags["principle"] for t in made.turns} == {"1", "2", "3"}


def test_no_pairs_is_an_error_and_failures_are_counted() -> None:
    with pytest.raises(RecordError, match="no turn has two"):
        label_preferences([user("x")], Scripted().asking())
    made = label_preferences([pair("x", "y")], Scripted(prefer=lambda d: "a!").asking())
    assert made.skipped[0].reason.startswith("malformed")
