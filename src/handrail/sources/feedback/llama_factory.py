"""LLaMA-Factory's columns: pairs in the ShareGPT form, and single answers that are good or bad.

The pairs (`dpo_en_demo`) have `conversations`, `chosen` and `rejected`; the answers (`kto_en_demo`,
for Ethayarajh et al.'s KTO, 2024) `messages`, the last of which is the answer, and `label`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from handrail.records import Message, RecordError, Reply
from handrail.sources.feedback.cells import LEAVE, Cells
from handrail.sources.feedback.maker import Maker, Table, ranked

Role = Literal["system", "user", "assistant", "tool"]
ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "observation": "tool",
    "tool": "tool",
}


def fill(made: Maker, table: Table, options: object) -> None:
    """One turn per row: two ranked replies, or one that is desirable or not."""

    def row(cells: Cells) -> None:
        pairs = cells.has("chosen") or cells.has("rejected")
        kind = "dpo" if pairs else "kto"
        context, replies = _pair(cells) if pairs else _labelled(cells)
        made.add(context, replies, cells.row.where, set=f"{made.name}_{kind}", split=table.split)

    made.each(table, row)


def _pair(row: Cells) -> tuple[list[Message], tuple[Reply, ...]]:
    context = _messages(row, "conversations")
    chosen, rejected = (_answer(row, name) for name in ("chosen", "rejected"))
    if chosen == rejected:
        raise RecordError("'chosen' and 'rejected' are the same", LEAVE)
    return context, ranked((chosen, rejected), (1, 2))


def _labelled(row: Cells) -> tuple[list[Message], tuple[Reply, ...]]:
    *context, last = _messages(row, "messages")
    if last.role != "assistant":
        raise RecordError("field 'messages': the last one is not the assistant's", LEAVE)
    label = row.flag(row.any_of("label", "kto_tag"))
    return context, (Reply(text=last.content, desirable=label),)


def _messages(row: Cells, name: str) -> list[Message]:
    """The messages of a list in either form: from and value, or role and content.

    Raises:
        RecordError: an empty list, a message without a field, or an unknown role.
    """
    found = [_message(row.inner(name, one)) for one in row.list(name)]
    if not found:
        raise RecordError(f"field '{name}': the list is empty", LEAVE)
    return found


def _message(one: Cells) -> Message:
    said: Mapping[str, Any] = one.row.fields
    role, text = ("from", "value") if "from" in said else ("role", "content")
    return Message(role=one.one_of(role, ROLES), content=one.text(text))


def _answer(row: Cells, name: str) -> str:
    """The assistant's words in a cell: one message, or a text."""
    if isinstance(row[name], str):
        return row.text(name)
    message = _message(row.inner(name, row[name]))
    if message.role != "assistant":
        raise RecordError(f"field '{name}' is not the assistant's", LEAVE)
    return message.content
