"""How records are shown within a prompt: the values that prompt files may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handrail.records import Message, Playbook, Turn

SPEAKERS = {"user": "user", "assistant": "agent", "tool": "facts", "system": "note"}


def guardrails(playbook: Playbook | None) -> dict[str, str]:
    """The guardrails' texts under their numbers, from "1" (as in reference 000, fig. 1)."""
    rules = playbook.guardrails if playbook else ()
    return {str(n): rule.text for n, rule in enumerate(rules, start=1)}


def guardrail_ids(playbook: Playbook | None, numbers: Sequence[str]) -> tuple[str, ...] | None:
    """The ids of guardrails by the numbers of `guardrails`; None where a number is not there."""
    rules = playbook.guardrails if playbook else ()
    known = {str(n): rule.id for n, rule in enumerate(rules, start=1)}
    ids = [known.get(number) for number in numbers]
    return None if None in ids else tuple(dict.fromkeys(i for i in ids if i is not None))


def conversation(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages with who speaks, numbered from 1."""
    return [
        {"n": n, "from": SPEAKERS[m.role], "text": m.content}
        for n, m in enumerate(messages, start=1)
    ]


def turn(one: Turn) -> dict[str, Any]:
    """A turn's guardrails and its conversation so far: what every task about a turn is shown."""
    return {"guardrails": guardrails(one.playbook), "conversation": conversation(one.context)}
