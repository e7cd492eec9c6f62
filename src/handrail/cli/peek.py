"""Records as text that a person can read."""

from __future__ import annotations

import json
from typing import Any

from handrail.records import CheckResult, Conversation, Message, Playbook, Turn

WHO = {"user": "Customer", "assistant": "Agent", "tool": "Facts", "system": "Note"}


def record_text(record: Any) -> str:
    """Any record: conversations and turns as a script, others as indented JSON."""
    if isinstance(record, Conversation):
        return conversation_text(record)
    if isinstance(record, Turn):
        return turn_text(record)
    if isinstance(record, Playbook):
        return playbook_text(record)
    return str(record.model_dump_json(indent=2, exclude_defaults=True))


def playbook_text(book: Playbook | None) -> str:
    """The guardrails, numbered as in a prompt."""
    if book is None:
        return "No playbook."
    rules = (f"  {i}. [{g.id}] {g.text}" for i, g in enumerate(book.guardrails, 1))
    return "\n".join(["Playbook:", *rules])


def conversation_text(conversation: Conversation) -> str:
    """The playbook, then the messages; below an agent's message what it keeps and broke."""
    lines = [f"Conversation {conversation.id}", playbook_text(conversation.playbook), ""]
    kept = _kept(conversation)
    for i, message in enumerate(conversation.messages):
        lines.append(_line(message))
        lines += [f"    keeps: [{g}]" for g in kept.get(str(i + 1), ())]
        if message.role == "assistant" and conversation.playbook is not None:
            results = conversation.playbook.results(conversation.messages[:i], message.content)
            lines += [f"    broken: [{g}]" for g, r in results.items() if r is CheckResult.BROKEN]
    return "\n".join(lines)


def _kept(conversation: Conversation) -> dict[str, list[str]]:
    """What `handrail synthesize guardrails` tagged: message numbers, from 1, to guardrails."""
    try:
        kept = json.loads(conversation.tags.get("keeps", "{}"))
    except ValueError:  # a tag of that name which somebody else wrote
        return {}
    sound = isinstance(kept, dict) and all(isinstance(names, list) for names in kept.values())
    return kept if sound else {}


def turn_text(turn: Turn) -> str:
    """The playbook, the context, then each reply with the feedback about it, and the tags."""
    lines = [f"Turn {turn.id}", playbook_text(turn.playbook), "", *map(_line, turn.context), ""]
    best = turn.best()
    for i, reply in enumerate(turn.replies):
        notes = [f"rank {reply.rank}"] if reply.rank is not None else []
        notes += [f"rating {reply.rating:g}"] if reply.rating is not None else []
        notes += ["learnt by SFT"] if i == best else []
        notes += [f"keeps {', '.join(reply.keeps)}"] if reply.keeps else []
        notes += [f"breaks {', '.join(reply.breaks)}"] if reply.breaks else []
        lines.append(f"  Reply {i + 1} ({'; '.join(notes) or 'no feedback'}): {reply.text}")
    if turn.tags:
        lines.append("  Tags: " + ", ".join(f"{name}: {tag}" for name, tag in turn.tags.items()))
    return "\n".join(lines)


def _line(message: Message) -> str:
    return f"{WHO[message.role] + ':':10}{message.content}"
