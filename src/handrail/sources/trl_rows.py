"""One row of TRL's columns: which shape it has, and what its cells hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ValidationError

from handrail.records import Message, Playbook, RecordError, Reply, content_id
from handrail.records.faults import one_of, plain

Kind = Literal["preference", "labelled", "completion", "messages"]
KINDS: dict[Kind, tuple[str, ...]] = {
    "preference": ("prompt", "chosen", "rejected"),
    "labelled": ("prompt", "completion", "label"),
    "completion": ("prompt", "completion"),
    "messages": ("messages",),
}


def kind_of(row: dict[str, Any]) -> Kind:
    """Which of TRL's shapes a row has; the error names what it has instead."""
    have = set(row)
    if {"chosen", "rejected"} <= have:
        return "preference"
    for kind in ("labelled", "completion", "messages"):
        if set(KINDS[kind]) <= have:
            return kind
    raise RecordError(
        f"the columns {', '.join(sorted(map(str, have))) or '(none)'} are none of TRL's shapes",
        "Give prompt/chosen/rejected, prompt/completion/label, prompt/completion or messages",
    )


def prompt_and_replies(
    row: dict[str, Any], kind: Kind
) -> tuple[tuple[Message, ...], tuple[Reply, ...]]:
    """The context and the replies of a row that has any; faults name the column."""
    if kind == "preference":
        prompt, chosen, rejected = _pair(row)
        if chosen == rejected:
            raise RecordError("chosen and rejected are the same", "Leave the row out")
        return prompt, (
            Reply(text=chosen, rank=1, desirable=True),
            Reply(text=rejected, rank=2, desirable=False),
        )
    prompt = _read_prompt(row["prompt"])
    text = _reply_text(row["completion"], "completion")
    if kind == "completion":
        return prompt, (Reply(text=text),)
    # CSV knows texts only.
    label = {"true": 1, "false": 0, "1": 1, "0": 0}.get(str(row["label"]).lower(), row["label"])
    if label not in (0, 1):
        raise RecordError(f"column 'label': expected true or false, found {label!r:.40}", "Mend it")
    return prompt, (Reply(text=text, desirable=bool(label)),)


def _pair(row: dict[str, Any]) -> tuple[tuple[Message, ...], str, str]:
    """Prompt, chosen and rejected text; a prompt that is only inside the two is taken out."""
    if row.get("prompt") is not None:
        prompt = _read_prompt(row["prompt"])
        return (
            prompt,
            _reply_text(row["chosen"], "chosen"),
            _reply_text(row["rejected"], "rejected"),
        )
    if isinstance(row["chosen"], str):
        raise RecordError("there is no column 'prompt'", "Add it, or give lists of messages")
    chosen = read_messages(row["chosen"], "chosen")
    rejected = read_messages(row["rejected"], "rejected")
    if not chosen or not rejected or chosen[:-1] != rejected[:-1]:
        raise RecordError(
            "chosen and rejected do not share all but their last message", "Add a column 'prompt'"
        )
    if chosen[-1].role != "assistant" or rejected[-1].role != "assistant":
        raise RecordError("the last message is not the assistant's", "Mend the roles")
    return chosen[:-1], chosen[-1].content, rejected[-1].content


def _read_prompt(value: Any) -> tuple[Message, ...]:
    if isinstance(value, str):
        return (_message("user", value, "prompt"),)
    return read_messages(value, "prompt")


def _reply_text(value: Any, column: str) -> str:
    """The words of a reply: a text, or a list with one assistant message."""
    if isinstance(value, str):
        return _message("assistant", value.removeprefix(" "), column).content
    messages = read_messages(value, column)
    if len(messages) != 1 or messages[0].role != "assistant":
        raise RecordError(
            f"column '{column}': expected a text or one assistant message",
            "Put what comes before the reply into 'prompt'",
        )
    return messages[0].content


def read_messages(value: Any, column: str) -> tuple[Message, ...]:
    """The messages that a column holds as a list."""
    if not isinstance(value, list | tuple):
        raise RecordError(
            f"column '{column}': expected a list of messages, found {type(value).__name__}",
            "Each message is {role, content}",
        )
    made = []
    for item in value:
        if not isinstance(item, dict) or "role" not in item or "content" not in item:
            raise RecordError(
                f"column '{column}': a message lacks 'role' or 'content'", "Mend the message"
            )
        made.append(_message(item["role"], item["content"], column))
    return tuple(made)


def _message(role: Any, content: Any, column: str) -> Message:
    """A message of a column; its fault names the column, and a role's fault the field."""
    try:
        return Message(role=role, content=content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = "" if first["loc"] == ("content",) else f"field '{first['loc'][0]}': "
        raise RecordError(
            f"column '{column}': {field}{plain(first)}",
            one_of(first) or "Mend the row or leave it out",
        ) from None


def read_playbook(row: dict[str, Any]) -> Playbook | None:
    """The playbook that an export wrote into its column."""
    value = row.get("playbook")
    if not value:
        return None
    try:
        return Playbook.model_validate(json.loads(value) if isinstance(value, str) else value)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise
        raise RecordError(
            f"column 'playbook' is not JSON ({error})", "Leave the column out"
        ) from None


def read_conversation(row: dict[str, Any], context: Sequence[Message]) -> str:
    """The conversation that a row belongs to: as its column says, else named by how it opens.

    Rows that open with the same system message and first message are taken for one conversation,
    so that a split by conversation parts none of its turns from the others.
    """
    value = row.get("conversation_id")
    if value is None:
        first = next((i for i, m in enumerate(context) if m.role != "system"), len(context) - 1)
        opening = [(m.role, m.content) for m in context[: first + 1]]
        return content_id("opening", opening) if opening else ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise RecordError(
            f"column 'conversation_id': expected a text, found {type(value).__name__}",
            "Give the conversation's name, or leave the column out",
        )
    return str(value)
