"""Conversations of the unfiltered agents: shape, breach rate, rules tied to acts, determinism."""

import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from handrail.records import Conversation
from handrail.world import WorldSettings, families, generate, guardrail, topics, turns
from handrail.world.families import draw_values
from handrail.world.lexicon import content

N = 300


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    return generate(N, seed=42)


@pytest.fixture(scope="module")
def spoken(conversations: list[Conversation]) -> list:
    return [turn for conversation in conversations for turn in turns(conversation)]


def test_a_conversation_depends_on_seed_and_index_alone() -> None:
    few, more = generate(3, seed=7), generate(6, seed=7)
    assert few == more[:3]
    assert generate(2, seed=7, start=4) == more[4:]
    assert generate(3, seed=8) != few
    assert len({c.id for c in more}) == 6


def test_conversations_share_a_playbook_where_that_is_wanted() -> None:
    shared = WorldSettings(shared=3)
    made = generate(120, seed=7, settings=shared)
    assert generate(2, seed=7, settings=shared, start=4) == made[4:6]
    books = [made[i].playbook for i in range(0, 120, 3)]
    for i, conversation in enumerate(made):
        assert conversation.playbook == books[i // 3]
        assert conversation.tags["domain"] == made[i - i % 3].tags["domain"]
    assert len({b.model_dump_json() for b in books if b}) == 40
    assert len({c.messages for c in made}) == 120
    # The first under a playbook is what it is without sharing.
    assert made[3] == generate(1, seed=7, start=3)[0]
    # What an agent knows of itself agrees with the playbook, for siblings too.
    signed = [
        c for c in made if c.playbook and "sign_agent" in [g.family for g in c.playbook.guardrails]
    ]
    kept = [r for c in signed for t in turns(c) for r in t.replies if "sign_agent" in r.keeps]
    assert len(signed) > 10
    assert len(kept) > 0.7 * sum(len(turns(c)) for c in signed)


def test_rules_that_wait_can_be_made_common_and_rules_on_every_reply_rare() -> None:
    def share(of: set[str], settings: WorldSettings) -> float:
        books = [c.playbook for c in generate(200, seed=9, settings=settings)]
        found = [g.family in of for b in books if b for g in b.guardrails]
        return sum(found) / len(found)

    waiting = {f.id for f in families().values() if f.waits}
    every = {"call_term", "sign_agent", "slogan", "happy_help", "please_every"}
    assert not waiting & every
    assert all(not f.forbids for f in families().values() if f.id in waiting)
    plain = WorldSettings()
    assert share(waiting, WorldSettings(waiting=0.3)) > share(waiting, plain) + 0.15
    assert share(every, WorldSettings(every=0.1)) < 0.7 * share(every, plain)


def test_the_shape_of_conversations(conversations: list[Conversation]) -> None:
    lengths, sizes = Counter(), Counter()
    for conversation in conversations:
        roles = [m.role for m in conversation.messages]
        assert roles[0] == "user"
        assert roles[-1] == "assistant"
        for before, after in pairwise(roles):
            assert (before, after) not in {("assistant", "assistant"), ("assistant", "tool")}
        lengths[roles.count("assistant")] += 1
        assert conversation.playbook is not None
        sizes[len(conversation.playbook.guardrails)] += 1
        for message in conversation.messages:
            assert not set("<>[]|") & set(message.content), message.content
            assert "  " not in message.content
    assert set(lengths) <= set(range(3, 9))
    assert len(lengths) >= 5
    assert set(sizes) == set(range(4, 10))


def test_topics_span_three_businesses(conversations: list[Conversation]) -> None:
    assert len(topics()) >= 18
    assert {t.domain for t in topics().values()} == {"bank", "telecom", "retail"}
    seen = {c.tags["topic"] for c in conversations}
    assert seen == set(topics())
    only = generate(5, seed=1, settings=WorldSettings(domains=("telecom",)))
    assert {c.tags["domain"] for c in only} == {"telecom"}


def test_playbooks_never_contradict(conversations: list[Conversation]) -> None:
    for conversation in conversations:
        assert conversation.playbook is not None
        ids = {g.family for g in conversation.playbook.guardrails}
        for one in ids:
            assert not families()[one].conflicts & ids


def test_a_third_of_the_replies_break_a_rule(spoken: list) -> None:
    rate = sum(bool(t.replies[0].breaks) for t in spoken) / len(spoken)
    print(f"replies that break a rule: {rate:.3f} of {len(spoken)}")
    assert 0.28 <= rate <= 0.40


def test_most_turns_have_rules_that_apply_and_rules_that_do_not(spoken: list) -> None:
    some = both = 0
    for turn in spoken:
        applied = len(turn.replies[0].keeps) + len(turn.replies[0].breaks)
        some += applied > 0
        both += 0 < applied < len(turn.playbook.guardrails)
    print(
        f"turns with rules that apply {some / len(spoken):.3f}, and others {both / len(spoken):.3f}"
    )
    assert some / len(spoken) > 0.9
    assert both / len(spoken) > 0.8


def test_rules_that_apply_are_mostly_kept(spoken: list) -> None:
    kept, broken = Counter(), Counter()
    for turn in spoken:
        kept.update(turn.replies[0].keeps)
        broken.update(turn.replies[0].breaks)
    asked = [f.id for f in families().values() if not f.forbids]
    share = sum(kept[f] for f in asked) / sum(kept[f] + broken[f] for f in asked)
    print(f"required acts kept: {share:.3f}")
    assert 0.72 <= share <= 0.88
    assert all(kept[f] + broken[f] > 0 for f in families())


ACTS = {
    "call_term": r"dear (?:guest|member|friend)|valued client",
    "greet_brand": r"welcome to",
    "apologise_upset": r"sorry|apolog",
    "anything_else": r"anything else",
    "recorded": r"recorded",
}


@pytest.mark.parametrize("family", ACTS)
def test_an_act_depends_on_its_rule(family: str, spoken: list) -> None:
    """P(act | rule) far above P(act | no rule), at the turns where the rule would apply."""
    values = draw_values(families()[family], {}, "bank", random.Random(0))
    check = guardrail(family, **values).check
    assert check is not None
    counts = {True: [0, 0], False: [0, 0]}
    for turn in spoken:
        context = [(m.role, m.content) for m in turn.context]
        if check.when.holds(context, ""):
            has = family in {g.family for g in turn.playbook.guardrails}
            counts[has][0] += bool(re.search(ACTS[family], turn.replies[0].text, re.IGNORECASE))
            counts[has][1] += 1
    present, absent = (counts[k][0] / counts[k][1] for k in (True, False))
    print(f"{family}: with its rule {present:.2f}, without {absent:.2f}")
    assert present > 0.6
    assert absent < 0.35


def test_forbidden_acts_are_rare_with_and_without_their_rule(spoken: list) -> None:
    """Unfiltered agents slip now and then whatever the rules say: learning that is left to do."""
    with_rule, without = [0, 0], [0, 0]
    for family in families().values():
        if family.kind != "forbid" or family.params:
            continue
        check = guardrail(family.id).check
        assert check is not None
        for turn in spoken:
            has = family.id in {g.family for g in turn.playbook.guardrails}
            count = with_rule if has else without
            count[0] += check.result((), turn.replies[0].text) == "broken"
            count[1] += 1
    rates = with_rule[0] / with_rule[1], without[0] / without[1]
    print(f"forbidden acts per turn: {rates[0]:.4f} under the rule, {rates[1]:.4f} without")
    assert all(0.01 < rate < 0.06 for rate in rates)


def test_the_vocabulary_is_closed(conversations: list[Conversation]) -> None:
    words = {w for c in conversations for m in c.messages for w in content(m.content)}
    assert len([w for w in words if w.isalpha()]) < 2500
