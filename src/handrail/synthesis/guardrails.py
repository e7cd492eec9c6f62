"""Stage 1 of the guardrail-alignment paper: from transcripts to guardrails and who follows them.

Section V-A of "Alignment For Performance Improvement in Conversation Bots": a language model names
the guardrails of each conversation and tags the agent messages that follow them. Here every tag is
checked by a second call, and near-equal guardrails of different conversations are made one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from handrail.asking import show
from handrail.records import (
    Answer,
    Conversation,
    Embedder,
    Playbook,
    Reply,
    Skip,
    Turn,
)
from handrail.synthesis.ask import Asking, Progress, failed
from handrail.synthesis.merging import Merged, merge_guardrails, normal
from handrail.synthesis.tagging import Rules, tag_replies

KEEPS = "keeps"  # the tag of a conversation that says which messages keep which guardrails


@dataclass(frozen=True)
class Found:
    """What stage 1 made.

    Attributes:
        conversations: those with at least one guardrail, with playbook and the tag "keeps" (JSON:
            message numbers, from 1, to the ids of the guardrails that the message keeps).
        turns: one per agent message that keeps a guardrail, the message as reply.
        playbook: all guardrails, the most supported first; None where none was found.
        support: in how many conversations each guardrail was found, by id.
        counts: conversations, guardrails before and after merging, questions, tags.
        skipped: what was left out and why.
    """

    conversations: tuple[Conversation, ...]
    turns: tuple[Turn, ...]
    playbook: Playbook | None
    support: Mapping[str, int]
    counts: Mapping[str, int]
    skipped: tuple[Skip, ...] = field(default=())


def find_guardrails(
    conversations: Sequence[Conversation],
    asking: Asking,
    at_most: int = 8,
    playbooks: Literal["own", "shared"] = "own",
    least: float = 0.25,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> Found:
    """Find the guardrails of conversations, tag who follows them, merge those that are one.

    A conversation's own playbook, where it has one, is neither shown nor used.

    Args:
        conversations: transcripts; ids must differ.
        asking: the model with the prompts guardrails, tags, tag_check, merge.
        at_most: guardrails per conversation.
        playbooks: "own": each conversation gets its own guardrails in their merged wording, as in
            the paper; "shared": each gets all guardrails of all conversations.
        least: the least similarity of two guardrails that are asked about (`similar_pairs`).
        embedder: gives the vectors for it.
        progress: called as (stage, done, total).
    """
    told = progress or (lambda stage, done, total: None)
    found, skipped = _named(conversations, asking, at_most, told)
    numbered = [{str(n): t for n, t in enumerate(texts, start=1)} for texts in found]
    tagged = tag_replies(conversations, numbered, asking, told)
    merged = merge_guardrails(found, asking, least, embedder=embedder, progress=told)
    ids = [{n: merged.group[text] for n, text in rules.items()} for rules in numbered]
    made = [
        _assembled(c, rules, follows, _playbook(merged, rules, playbooks), asking)
        for c, rules, follows in zip(conversations, ids, tagged.follows, strict=True)
        if rules
    ]
    turns = tuple(turn for _, of_one in made for turn in of_one)
    return Found(
        conversations=tuple(c for c, _ in made),
        turns=turns,
        playbook=Playbook(guardrails=merged.guardrails) if merged.guardrails else None,
        support=merged.support,
        counts={
            "conversations": len(conversations),
            "with guardrails": len(made),
            "guardrails found": sum(map(len, found)),
            "after merging": len(merged.guardrails),
            "questions of merging": merged.asked,
            "tags": tagged.made,
            "tags checked": tagged.checked,
            "tags dropped": tagged.dropped,
            "turns": len(turns),
        },
        skipped=(*skipped, *tagged.skipped, *merged.skipped),
    )


def tag_by_playbooks(
    conversations: Sequence[Conversation], asking: Asking, progress: Progress | None = None
) -> Found:
    """Tag by the playbooks that the conversations have; those without one are left out, counted."""
    told = progress or (lambda stage, done, total: None)
    given = [c for c in conversations if c.playbook is not None]
    numbered = [show.guardrails(c.playbook) for c in given]
    tagged = tag_replies(given, numbered, asking, told)
    made = []
    for c, follows in zip(given, tagged.follows, strict=True):
        assert c.playbook is not None
        ids = {str(n): rule.id for n, rule in enumerate(c.playbook.guardrails, start=1)}
        made.append(_assembled(c, ids, follows, c.playbook, asking))
    without = len(conversations) - len(given)
    skips = []
    if without:
        skips.append(Skip(what="conversation", reason="it has no playbook", count=without))
    turns = tuple(turn for _, of_one in made for turn in of_one)
    rules = {rule.id: rule for c in given if c.playbook for rule in c.playbook.guardrails}
    support = {i: sum(i in set(ids.values()) for ids in map(_ids, given)) for i in rules}
    return Found(
        conversations=tuple(c for c, _ in made),
        turns=turns,
        playbook=Playbook(guardrails=tuple(rules.values())) if rules else None,
        support=support,
        counts={
            "conversations": len(conversations),
            "tags": tagged.made,
            "tags checked": tagged.checked,
            "tags dropped": tagged.dropped,
            "turns": len(turns),
        },
        skipped=(*skips, *tagged.skipped),
    )


def _ids(conversation: Conversation) -> dict[str, str]:
    assert conversation.playbook is not None
    return {str(n): g.id for n, g in enumerate(conversation.playbook.guardrails, start=1)}


def _named(
    conversations: Sequence[Conversation], asking: Asking, at_most: int, told: Progress
) -> tuple[list[list[str]], list[Skip]]:
    """Per conversation the guardrails that the model names, each once."""
    answers = asking.ask(
        [asking.request("guardrails", guardrail_values(c, at_most), about=c.id)
         for c in conversations],
        lambda done, total: told("guardrails", done, total),
    )  # fmt: skip
    found: list[list[str]] = []
    skipped: list[Skip] = []
    for c, answer in zip(conversations, answers, strict=True):
        texts: dict[str, str] = {}
        if isinstance(answer, Answer):
            for text in answer.data.guardrails:
                if text.strip():
                    texts.setdefault(normal(text), " ".join(text.split()))
            if not texts:
                reason = "the model names no guardrail in it"
                skipped.append(Skip(what="conversation", reason=reason, where=c.id))
        else:
            skipped.append(failed(answer, "conversation", c.id))
        found.append(list(texts.values())[:at_most])
        if len(texts) > at_most:
            reason = f"more than the {at_most} asked for"
            extra = len(texts) - at_most
            skipped.append(Skip(what="guardrail", reason=reason, where=c.id, count=extra))
    return found, skipped


def guardrail_values(conversation: Conversation, at_most: int) -> dict[str, object]:
    """What the task `guardrails` is asked with."""
    return {"conversation": show.conversation(conversation.messages), "at_most": at_most}


def _playbook(merged: Merged, ids: Rules, playbooks: Literal["own", "shared"]) -> Playbook | None:
    """A conversation's playbook: its own guardrails in the order in which they were named."""
    if not ids:
        return None
    if playbooks == "shared":
        return Playbook(guardrails=merged.guardrails)
    by_id = {rule.id: rule for rule in merged.guardrails}
    return Playbook(guardrails=tuple(by_id[i] for i in dict.fromkeys(ids.values())))


def _assembled(
    conversation: Conversation,
    ids: Rules,
    follows: Mapping[int, tuple[str, ...]],
    playbook: Playbook | None,
    asking: Asking,
) -> tuple[Conversation, list[Turn]]:
    """The conversation with its playbook and tags, and its turns that keep a guardrail."""
    tasks: tuple[str, ...] = ("guardrails", "tags", "tag_check", "merge")
    tasks = tasks if playbook is not conversation.playbook else tasks[1:3]
    made = asking.made(conversation.provenance, *tasks, parents=(conversation.id,))
    keeps = {i: tuple(dict.fromkeys(ids[n] for n in numbers)) for i, numbers in follows.items()}
    shown = json.dumps({str(i + 1): list(names) for i, names in keeps.items()})
    tagged = conversation.model_copy(
        update={
            "playbook": playbook,
            "tags": {**conversation.tags, KEEPS: shown},
            "provenance": made,
        }
    )
    replies = [i for i, m in enumerate(conversation.messages) if m.role == "assistant"]
    turns = [
        Turn(
            id=f"{conversation.id}/{number}",
            conversation_id=conversation.id,
            playbook=playbook,
            context=conversation.messages[:i],
            replies=(
                Reply(
                    text=conversation.messages[i].content,
                    author="agent",
                    rank=1,
                    desirable=True,
                    keeps=keeps[i],
                ),
            ),
            tags=conversation.tags,
            provenance=made,
        )
        for number, i in enumerate(replies)
        if i in keeps
    ]
    return tagged, turns
