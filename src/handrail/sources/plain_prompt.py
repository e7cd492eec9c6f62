"""A prompt as one plain text, as CSV needs it, and the messages back from that text.

The rules come first, then a line per message that names its speaker, then an open "Agent:". A
message may hold lines that look as if another one began: then its text alone does not tell the
messages, and an export writes them as JSON beside it, into the column `prompt_messages`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from handrail.records import Message, Playbook, RecordError

BESIDE = "prompt_messages"
# The columns that every export of Handrail's has, and other data sets do not have together.
OURS = {"playbook", "source", "conversation_id"}
_SPEAKERS = {"user": "User", "assistant": "Agent", "tool": "Facts", "system": "System"}
_ROLES: dict[str, Any] = {name: role for role, name in _SPEAKERS.items()}
_BEGIN = re.compile(rf"^({'|'.join(_ROLES)}): ", re.MULTILINE)
_OPEN = "Agent:"
_MESSAGES = TypeAdapter(tuple[Message, ...])


def rules_text(playbook: Playbook) -> str:
    """The guardrails as the text of a system message."""
    return "Follow these rules:\n" + "\n".join(f"- {g.text}" for g in playbook.guardrails)


def _text(messages: Sequence[Message], playbook: Playbook | None) -> str:
    lines = [f"{_SPEAKERS[m.role]}: {m.content}" for m in messages]
    return _head(playbook) + "\n".join([*lines, _OPEN])


def _head(playbook: Playbook | None) -> str:
    return rules_text(playbook) + "\n\n" if playbook else ""


def prompt_columns(messages: Sequence[Message], playbook: Playbook | None) -> dict[str, str]:
    """The columns of a plain prompt: its text, and the messages where the text does not tell."""
    text = _text(messages, playbook)
    try:
        told = _told(text, playbook) == tuple(messages)
    except RecordError:
        told = False
    return {"prompt": text, BESIDE: "" if told else _MESSAGES.dump_json(tuple(messages)).decode()}


def is_plain(row: dict[str, Any]) -> bool:
    """Whether a row's prompt is a text that Handrail's export wrote."""
    return isinstance(row.get("prompt"), str) and set(row) >= OURS


def prompt_messages(row: dict[str, Any], playbook: Playbook | None) -> tuple[Message, ...]:
    """The messages of a prompt that Handrail's export wrote as a plain text.

    Args:
        row: its columns; without `prompt_messages` the text alone has to tell.
        playbook: what the row's own column `playbook` holds; its rules open the prompt.

    Raises:
        RecordError: the prompt is not that text (any more), or does not tell where its messages
            begin.
    """
    text, beside = row["prompt"], row.get(BESIDE)
    if beside:
        try:
            messages = _MESSAGES.validate_json(beside)
        except (ValidationError, ValueError):
            raise RecordError(
                f"column '{BESIDE}' is no JSON list of messages", "Export the turns again"
            ) from None
        if _unix(_text(messages, playbook)) != _unix(text):
            raise RecordError(
                f"the columns 'prompt' and '{BESIDE}' hold different messages",
                f"Change both, or empty '{BESIDE}' if every line of the prompt that names a "
                "speaker begins a message",
            )
        return messages
    messages = _told(text, playbook)
    sides = ("user", "assistant")
    if BESIDE not in row and any(a.role == b.role in sides for a, b in pairwise(messages)):
        raise RecordError(
            "column 'prompt': it does not tell whether two messages of one side stand in a row, "
            "or one whose lines begin with a speaker's name",
            f"Export the turns again: the column '{BESIDE}' then tells it",
        )
    return messages


def _told(text: str, playbook: Playbook | None) -> tuple[Message, ...]:
    """The messages that a prompt's text tells, each begun by a line that names its speaker."""
    head = _head(playbook)
    if not text.startswith(head):
        text, head = _unix(text), _unix(head)
    if not text.startswith(head):
        raise RecordError(
            "column 'prompt': it does not open with the rules of the column 'playbook'",
            "Change the rules in both, or export the turns again",
        )
    body = text[len(head) :]
    if body == _OPEN:
        return ()
    talk = body.removesuffix("\n" + _OPEN)
    begins = list(_BEGIN.finditer(talk))
    if talk == body or not begins or begins[0].start() > 0:
        raise RecordError(
            "column 'prompt': it is not a prompt as the export writes it",
            f"Begin each message with one of {', '.join(_ROLES)}, a colon and a space on a line of "
            f"its own, and end with a line '{_OPEN}'",
        )
    ends = [begin.start() - 1 for begin in begins[1:]] + [len(talk)]
    try:
        return tuple(
            Message(role=_ROLES[begin[1]], content=talk[begin.end() : end])
            for begin, end in zip(begins, ends, strict=True)
        )
    except ValidationError:
        raise RecordError(
            "column 'prompt': a message in it has no words", "Write them, or leave the row out"
        ) from None


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")
