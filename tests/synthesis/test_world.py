"""Stages 1 and 2 with the care world as the language model, against what the world knows."""

from __future__ import annotations

import pytest

from handrail import world
from handrail.asking import DirectModel
from handrail.judges import ModelAssessor
from handrail.records import CheckResult, Conversation, Playbook, Turn
from handrail.synthesis import (
    Asking,
    Broken,
    Found,
    break_replies,
    by_reason,
    choose_points,
    find_guardrails,
)
from handrail.world.faults import Faults
from handrail.world.player import Player
from handrail.world.playing.rules import known

Rule = tuple[str, tuple[tuple[str, str], ...]]  # family and values


def asking(**faults: float) -> Asking:
    return Asking(DirectModel(Player(Faults(**faults)).reply, "world"))


def rule(text: str) -> Rule:
    """What a text means, whatever its wording."""
    one = known(text)
    assert one is not None, text
    return one.family.id, one.values


def rules(book: Playbook) -> set[Rule]:
    return {rule(g.text) for g in book.guardrails}


def visible(talk: Conversation) -> set[Rule]:
    """The guardrails of the true playbook that some message keeps by an act."""
    assert talk.playbook is not None
    kept: set[str] = set()
    for i, message in enumerate(talk.messages):
        if message.role == "assistant":
            results = talk.playbook.results(talk.messages[:i], message.content)
            kept |= {g for g, r in results.items() if r is CheckResult.KEPT}
    ruled = {g.id: known(g.text) for g in talk.playbook.guardrails}
    return {
        (one.family.id, one.values)
        for g, one in ruled.items()
        if g in kept and one is not None and not one.family.forbids
    }


TALKS = world.generate(20, seed=900)


@pytest.fixture(scope="module")
def found() -> Found:
    return find_guardrails(TALKS, asking())


@pytest.fixture(scope="module")
def broken(found: Found) -> Broken:
    points, _ = choose_points(found.turns)
    model = asking()
    return break_replies(points, model, ModelAssessor(model.model))


def test_found_guardrails_are_mostly_those_in_force(found: Found) -> None:
    """An agent that keeps a rule by an act shows it; what agents do anyway may look like one."""
    truth = {t.id: (rules(t.playbook), visible(t)) for t in TALKS if t.playbook}
    named = right = seen = shown = 0
    for talk in found.conversations:
        assert talk.playbook is not None
        got = rules(talk.playbook)
        whole, acts = truth[talk.id]
        named, right = named + len(got), right + len(got & whole)
        seen, shown = seen + len(got & acts), shown + len(acts)
    assert right / named > 0.8
    assert seen / shown > 0.6


def test_merging_leaves_each_rule_once(found: Found) -> None:
    """Whatever its wording, a rule of one family and values is one guardrail."""
    assert found.playbook is not None
    meant = [rule(g.text) for g in found.playbook.guardrails]
    assert found.counts["after merging"] < found.counts["guardrails found"]
    assert len(meant) - len(set(meant)) <= 0.05 * len(meant)


def test_tags_are_what_the_checks_say(found: Found) -> None:
    by_id = {t.id: t for t in TALKS}
    for turn in found.turns:
        assert turn.playbook is not None
        talk = by_id[turn.conversation_id]
        assert turn.context == talk.messages[: len(turn.context)]
        for name in turn.replies[0].keeps:
            one = known(turn.playbook[name].text)
            assert one is not None
            assert one.guardrail.check is not None
            pairs = tuple((m.role, m.content) for m in turn.context)
            assert one.guardrail.check.result(pairs, turn.replies[0].text) is CheckResult.KEPT


def checked(turn: Turn) -> Turn:
    """The turn under the world's own guardrails of the same meaning, which have checks."""
    assert turn.playbook is not None
    own = [
        one.guardrail.model_copy(update={"id": g.id})
        for g in turn.playbook.guardrails
        if (one := known(g.text)) is not None
    ]
    return turn.model_copy(update={"playbook": Playbook(guardrails=tuple(own))})


def test_the_oracle_confirms_broken_and_chosen_replies(broken: Broken) -> None:
    oracle = world.Oracle()
    assert broken.counts["made"] > 0.7 * broken.counts["points"]
    for turn in map(checked, broken.turns):
        chosen, rejected = (oracle.assess(turn, r.text) for r in turn.replies)
        assert turn.tags["guardrail"] in rejected.breaks
        assert turn.tags["guardrail"] in chosen.keeps
        assert not chosen.breaks


def test_kinds_of_break_that_can_be_made_are_level(broken: Broken) -> None:
    """What was seen in transcripts are acts, which nothing forbidden breaks."""
    made = [n for kind, n in broken.kinds.items() if kind != "forbidden act"]
    assert max(made) - min(made) <= 0.2 * sum(made)


def test_only_chosen_replies_that_break_something_are_left_out(broken: Broken) -> None:
    assert set(by_reason(broken.skipped)) <= {"the judge sees the chosen reply break a guardrail"}
    assert all(f.detail for f in broken.failed)


def test_a_model_that_errs_costs_points_but_few_wrong_pairs() -> None:
    """One answer in ten wrong, malformed or refused each: what is made is still mostly right."""
    model = asking(wrong=0.1, malformed=0.05, refuse=0.05)
    talks = TALKS[:8]
    found = find_guardrails(talks, model)
    points, _ = choose_points(found.turns)
    broken = break_replies(points, model, ModelAssessor(model.model))
    oracle = world.Oracle()
    sound = sum(
        t.tags["guardrail"] in oracle.assess(t, t.replies[1].text).breaks
        for t in map(checked, broken.turns)
    )
    assert found.counts["tags dropped"] > 0
    assert broken.counts["made"] > 0.3 * broken.counts["points"]
    assert sound >= 0.85 * len(broken.turns)
