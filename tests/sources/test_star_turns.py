"""STAR's rejected replies, and the match of replies to canonical acts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from rapidfuzz import fuzz

from handrail.records import Conversation, Guardrail, Message, Playbook, RecordError, Reply, Turn
from handrail.records.checks import Check
from handrail.sources.rejected import NEAR_EQUAL, Candidate, Tally, add_rejected
from handrail.sources.star_flow import same_act
from handrail.sources.star_guide import Guide
from handrail.sources.star_turns import ReplyPool, StarTurns, fill, turns


def test_rejected_replies_break_a_guardrail_differ_and_are_not_allowed(
    star_made: StarTurns, guide: Guide
) -> None:
    pairs = [t for t in star_made.turns if len(t.replies) > 1]
    origins = Counter(r.author for t in pairs for r in t.replies[1:])
    print(f"{len(pairs)} pairs of {len(star_made.turns)} turns; {dict(origins)}")
    assert len(pairs) > 0.5 * len(star_made.turns)
    assert origins["offered"] > 500
    assert origins["retrieved"] > 300
    for turn in pairs:
        chosen = turn.replies[0]
        assert turn.best() == 0
        assert chosen.keeps
        assert not chosen.breaks
        for reply in turn.replies[1:]:
            assert reply.breaks
            assert turn.playbook is not None
            assert set(reply.breaks) <= {g.id for g in turn.playbook.guardrails}
            assert fuzz.ratio(reply.text.lower(), chosen.text.lower()) < NEAR_EQUAL + 1
            assert not guide.allows(turn, reply.text)
            assert (0, turn.replies.index(reply)) in list(turn.pairs())


def test_the_page_on_sources_tells_these_figures(star_made: StarTurns) -> None:
    pairs = [t for t in star_made.turns if len(t.replies) > 1]
    by = Counter(reply.author for t in pairs for reply in t.replies[1:])
    refused: Counter[str] = Counter()
    for skip in star_made.tally.skips():
        kind = next((w for w in ("allow", "keeps every", "equal") if w in skip.reason), "enough")
        refused[kind] += skip.count
    told = (
        f"Dev: {len(pairs):,} of {len(star_made.turns):,} turns get one "
        f"({by['offered']:,} offered, {by['offered, worded elsewhere']} offered and "
        f"worded elsewhere, {by['retrieved']:,} retrieved); refused: "
        f"allowed by the chart {refused['allow']:,}, keeps every guardrail "
        f"{refused['keeps every']:,}, equal or near-equal {refused['equal']:,}."
    )
    page = Path(__file__).parents[2] / "docs" / "sources.md"
    assert told in " ".join(page.read_text("utf-8").split())


def test_every_candidate_is_kept_or_counted_with_its_reason(
    star_dev: list[Conversation], guide: Guide
) -> None:
    made = turns(star_dev[:40], guide)
    tally = made.tally
    assert sum(tally.kept.values()) == sum(len(t.replies) - 1 for t in made.turns)
    skips = tally.skips()
    assert len(skips) == len(tally.refused)
    assert any("the guidelines allow it here" in s.reason for s in skips)
    assert any("equal" in s.reason for s in skips)


def test_turns_are_the_same_each_time(star_dev: list[Conversation], guide: Guide) -> None:
    pool = ReplyPool(star_dev)
    first = turns(star_dev[:15], guide, pool=pool).turns
    again = turns(star_dev[:15], guide, pool=pool).turns
    assert first == again
    assert len({t.id for t in first}) == len(first)


def test_turns_carry_action_and_options(star_made: StarTurns) -> None:
    acted = [t for t in star_made.turns if t.tags["action"]]
    assert len(acted) > 2000
    assert all(t.tags["action"] in json.loads(t.tags["options"]) for t in acted)
    assert all(t.tags["action"] in json.loads(t.tags["allowed"]) for t in acted)


def test_match_action_on_the_human_replies_of_dev(
    star_dev: list[Conversation], guide: Guide
) -> None:
    right = labelled = 0
    for conversation in star_dev:
        acts = json.loads(conversation.tags["acts"])
        replies = [m.content for m in conversation.messages if m.role == "assistant"]
        for reply, act in zip(replies, acts, strict=True):
            if act["action"] in (None, "custom"):
                continue
            labelled += 1
            found = guide.match_action(reply, conversation.tags["tasks"].split(","))
            right += found is not None and same_act(found) == same_act(act["action"])
    print(f"match_action on dev: {right} of {labelled} = {right / labelled:.4f}")
    assert labelled > 2000
    assert right / labelled >= 0.95


@pytest.mark.parametrize(
    ("reply", "act"),
    [
        ("your current balance is 12 in credit", "bank_inform_balance"),
        ("Sure! Can you tell me your account number, please?", "bank_ask_account_number"),
        ("Could you tell me your account number please", "bank_ask_account_number"),
        ("Is there anything else I can do for you?", "anything_else"),
        ("Thanks and goodbye", "bank_bye"),
        ("The moon is made of cheese.", None),
        ("", None),
    ],
)
def test_match_action(guide: Guide, reply: str, act: str | None) -> None:
    found = guide.match_action(reply, "bank_balance")
    assert (found and same_act(found)) == (act and same_act(act))


def test_match_action_of_an_unknown_task(guide: Guide) -> None:
    with pytest.raises(RecordError, match="Did you mean 'weather'"):
        guide.match_action("Hi", "wether")


def test_fill_takes_values_from_the_lookup_or_gives_none() -> None:
    lookups = [{"item": {"DoctorName": "Dr. Morgan"}, "constraints": [{"StartTimeHour": '"3 pm"'}]}]
    template = "Alright, {doctor_name:s} is available at {time:s}."
    assert fill(template, lookups) == "Alright, Dr. Morgan is available at 3 pm."
    assert fill(template, []) is None
    assert fill("Please wait.", []) == "Please wait."
    query = [{"item": {}, "constraints": [{"Day": 'api.is_one_of(["Monday"])'}]}]
    assert fill("On {day:s}", query) is None


def _turn(desirable: bool = True) -> Turn:
    rule = Guardrail(id="no-pin", text="Never ask for the PIN.", check=Check(forbid=("your PIN",)))
    return Turn(
        id="t",
        playbook=Playbook(guardrails=(rule,)),
        context=(Message(role="user", content="Hi"),),
        replies=(Reply(text="What is your name?", desirable=desirable),),
    )


def test_add_rejected_counts_each_refusal() -> None:
    tally = Tally()
    candidates = [
        Candidate("What is your name?", "own sample"),
        Candidate("What is your name", "own sample"),
        Candidate(" ", "own sample"),
        Candidate("How may I help?", "own sample"),
        Candidate("Tell me your PIN now, forbidden?", "own sample"),
        Candidate("Tell me your PIN.", "own sample"),
        Candidate("Give me your PIN and card at once.", "own sample"),
    ]
    made = add_rejected(
        _turn(), candidates, allows=lambda turn, text: "forbidden" in text, tally=tally
    )
    assert [r.text for r in made.replies] == ["What is your name?", "Tell me your PIN."]
    assert made.replies[1].breaks == ("no-pin",)
    assert (made.replies[0].rank, made.replies[1].rank) == (1, 2)
    assert {reason: n for (_, reason), n in tally.refused.items()} == {
        "equal to a reply of the turn": 1,
        "near-equal to a reply of the turn": 1,
        "empty": 1,
        "keeps every guardrail that applies": 1,
        "the guidelines allow it here": 1,
    }
    assert tally.kept.total() == 1


def test_add_rejected_needs_a_chosen_reply() -> None:
    tally = Tally()
    turn = _turn(desirable=False)
    assert add_rejected(turn, [Candidate("x", "own sample")], tally=tally) is turn
    assert sum(tally.refused.values()) == 1
