"""Merging: groups as an obvious closure gives them, ids by content, candidates found."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail import world
from handrail.asking import DirectModel
from handrail.records import Answer, Failure
from handrail.synthesis import Asking, merge_guardrails, similar_pairs
from handrail.synthesis.merging import guardrail_id, normal
from tests.synthesis.scripted import Scripted

# Rules as (topic, wording): two of one topic are one rule.
WORDINGS = {f"{topic} rule wording {k}": topic for topic in "abcdef" for k in range(4)}


def of_topic(data: dict[str, Any]) -> dict[str, Any]:
    same = WORDINGS[data["a"]] == WORDINGS[data["b"]]
    return {"same": same, "text": data["b"] if same else ""}


def closure(texts: set[str]) -> set[frozenset[str]]:
    """Obvious: compare all with all."""
    groups = [{text} for text in texts]
    for a, b in combinations(sorted(texts), 2):
        if WORDINGS[a] == WORDINGS[b]:
            ga = next(g for g in groups if a in g)
            gb = next(g for g in groups if b in g)
            if ga is not gb:
                ga |= gb
                groups.remove(gb)
    return {frozenset(g) for g in groups}


@given(st.lists(st.lists(st.sampled_from(sorted(WORDINGS)), unique=True, max_size=6), max_size=8))
def test_groups_are_the_closure_of_all_pairs_with_fewer_questions(found: list[list[str]]) -> None:
    model = Scripted(merge=of_topic)
    merged = merge_guardrails(found, model.asking(), least=-1.0, most=1000)
    texts = {text for texts in found for text in texts}
    made = {frozenset(w) for w in merged.wordings.values()}
    assert made == closure(texts)
    assert set(merged.group) == texts
    every = len(texts) * (len(texts) - 1) // 2
    assert every == merged.candidates
    assert merged.asked == model.asked["merge"] <= every + merged.same
    assert merged.same == len(texts) - len(made)
    for rule in merged.guardrails:
        words = set(merged.wordings[rule.id])
        assert rule.text in words
        assert merged.support[rule.id] == sum(bool(words & set(of_one)) for of_one in found)


@given(st.lists(st.lists(st.sampled_from(sorted(WORDINGS)), unique=True, max_size=6), max_size=6))
def test_the_order_of_conversations_does_not_matter(found: list[list[str]]) -> None:
    one = merge_guardrails(found, Scripted(merge=of_topic).asking(), least=-1.0)
    other = merge_guardrails(found[::-1], Scripted(merge=of_topic).asking(), least=-1.0)
    assert one == other


def test_the_most_frequent_wording_is_kept_and_a_vote_counts() -> None:
    a, b, c = "a rule wording 0", "a rule wording 1", "a rule wording 2"
    merged = merge_guardrails([[a], [b], [b], [b], [c]], Scripted(merge=of_topic).asking(), -1.0)
    assert merged.guardrails[0].text == b
    assert merged.wordings[merged.guardrails[0].id] == {a: 1, b: 3, c: 1}

    def first(data: dict[str, Any]) -> dict[str, Any]:
        return {"same": True, "text": a}

    voted = merge_guardrails([[a], [c]], Scripted(merge=first).asking(), -1.0)
    assert voted.guardrails[0].text == a
    own = Scripted(merge=lambda data: {"same": True, "text": "A wording of the model's own."})
    assert merge_guardrails([[a], [c]], own.asking(), -1.0).guardrails[0].text in (a, c)


def test_a_merger_needs_both_orders_to_agree() -> None:
    hasty = Scripted(merge=lambda data: {"same": data["a"] < data["b"], "text": data["a"]})
    merged = merge_guardrails([["one rule"], ["two rule"]], hasty.asking(), -1.0)
    assert len(merged.guardrails) == 2
    assert (merged.asked, merged.same) == (2, 0)


def test_texts_equal_but_for_case_spaces_and_full_stop_are_merged_without_a_question() -> None:
    model = Scripted(merge=of_topic)
    merged = merge_guardrails([["Say hello."], ["say  Hello"]], model.asking())
    assert len(merged.guardrails) == 1
    assert not model.asked
    assert merged.group == {
        "Say hello.": merged.guardrails[0].id,
        "say  Hello": merged.guardrails[0].id,
    }


def test_ids_are_by_content_and_readable() -> None:
    assert guardrail_id("Never ask for the PIN.") == guardrail_id("never ask for  the pin")
    assert guardrail_id("Never ask for the PIN.").startswith("never-ask-pin-")
    assert guardrail_id("Never ask for the PIN.") != guardrail_id("Never ask for the PUK.")
    assert len(guardrail_id("请" * 400)) < 40


def test_nothing_found_merges_to_nothing() -> None:
    merged = merge_guardrails([[], []], Scripted().asking())
    assert merged.guardrails == ()
    assert merged.candidates == 0


def test_similar_pairs_are_the_cosines_of_the_vectors_given() -> None:
    class Vectors:
        name = "vectors"

        def embed(self, texts: Any) -> list[list[float]]:
            rows = {"x": [1.0, 0.0], "y": [1.0, 1.0], "z": [0.0, 3.0], "o": [0.0, 0.0]}
            return [rows[t] for t in texts]

    pairs = similar_pairs(["x", "y", "z", "o"], least=0.5, embedder=Vectors())
    assert [(i, j) for i, j, _ in pairs] == [(0, 1), (1, 2)]
    np.testing.assert_allclose([p[2] for p in pairs], [2**-0.5, 2**-0.5], atol=1e-6)


@pytest.mark.parametrize("most", [1, 3])
def test_each_text_brings_its_nearest_only(most: int) -> None:
    texts = [f"say the number {i}" for i in range(20)]
    pairs = similar_pairs(texts, least=0.0, most=most)
    assert len(pairs) <= 20 * most
    assert {i for p in pairs for i in p[:2]} == set(range(20))


def test_most_true_pairs_of_the_worlds_wordings_are_candidates() -> None:
    """Recall of candidates: wordings of one family with the same parameters are one rule."""
    talks = world.generate(120, seed=5)
    rules = {g.text: (g.family or g.id, str(g.check)) for c in talks for g in c.playbook.guardrails}
    texts = sorted(rules, key=normal)
    true = {
        (i, j) for i, j in combinations(range(len(texts)), 2) if rules[texts[i]] == rules[texts[j]]
    }
    found = {(i, j) for i, j, _ in similar_pairs(texts)}
    assert len(true) > 50
    assert len(true & found) / len(true) > 0.7
    assert len(found) < 0.2 * len(texts) * (len(texts) - 1) / 2


def test_a_model_that_is_gone_is_not_asked_about_every_pair() -> None:
    class Dying(DirectModel):
        calls = 0

        def ask(self, requests: Any, progress: Any = None) -> list[Answer | Failure]:
            Dying.calls += 1
            if Dying.calls > 1:
                return [Failure("endpoint", "it is gone") for _ in requests]
            return super().ask(requests, progress)

    found = [[f"Say hello to each of the {n} guests"] for n in range(30)]
    model = Dying(Scripted(merge=lambda data: {"same": False, "text": ""}), "dying", repairs=0)
    merged = merge_guardrails(found, Asking(model))
    assert Dying.calls == 2
    assert len(merged.guardrails) == 30
    (left,) = merged.skipped
    assert left.reason == "endpoint: it is gone"
    assert left.count == merged.candidates - merged.asked > 20
