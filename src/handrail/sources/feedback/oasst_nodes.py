"""Open Assistant's messages: out of a tree, or a row each, into one shape.

The export of Köpf et al., "OpenAssistant Conversations" (2023), has a tree per line; the data sets
`OpenAssistant/oasst1` and `oasst2` of the hub a message per row; other copies name the columns of a
message `user_message_id` and `parent_message_id`. `rank` 0 is the best reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from handrail.records import RecordError
from handrail.sources.feedback.cells import Cells

ROLES: dict[str, Literal["user", "assistant"]] = {
    "prompter": "user",
    "user": "user",
    "assistant": "assistant",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One message; `rank` is 1 for the best of its siblings, `labels` in 0..1, `text` "" if null.

    `state` is its tree's, "" where the data does not say.
    """

    id: str
    parent: str | None
    role: Literal["user", "assistant"]
    text: str
    where: str
    lang: str = ""
    rank: int | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    deleted: bool = False
    reviewed: bool | None = None
    synthetic: bool = False
    author: str = ""
    state: str = ""


def is_tree(row: Cells) -> bool:
    """Whether a row is a tree, and not a message."""
    return row.has("prompt") or (row.has("message_tree_id") and not row.has("text"))


def tree_nodes(row: Cells) -> tuple[list[Node], int]:
    """The messages of a tree, each after its parent, and how many entries of its lists are null.

    Raises:
        RecordError: a cell that is missing or of another type.
    """
    state, nulls = row.text_or("tree_state"), 0
    waiting: list[tuple[Cells, str | None]] = [(row.inner("prompt", row["prompt"]), None)]
    nodes: list[Node] = []
    while waiting:
        message, parent = waiting.pop()
        node = _node(message, "message_id", parent, state)
        nodes.append(node)
        replies = message.list("replies") if message.given("replies") else []
        inner = [message.inner("replies", one) for one in replies if one is not None]
        nulls += len(replies) - len(inner)
        waiting += [(one, node.id) for one in reversed(inner)]
    return nodes, nulls


def message_node(row: Cells) -> Node:
    """The message of a row.

    Raises:
        RecordError: a cell that is missing or of another type.
    """
    parent = row.any_of("parent_id", "parent_message_id")
    above = row[parent]
    key = row.any_of("message_id", "user_message_id")
    return _node(row, key, None if above is None else row.key(parent), row.text_or("tree_state"))


def _node(row: Cells, key: str, parent: str | None, state: str) -> Node:
    rank = row.count_or_none("rank")
    return Node(
        id=row.key(key),
        parent=parent,
        role=row.one_of("role", ROLES),
        text=row.text_or_none("text") or "",
        where=row.row.where,
        lang=row.text_or("lang"),
        rank=None if rank is None else rank + 1,
        labels=_labels(row),
        deleted=bool(row.flag_or_none("deleted")),
        reviewed=row.flag_or_none("review_result"),
        synthetic=bool(row.flag_or_none("synthetic")),
        author=row.text_or("model_name"),
        state=state,
    )


def _labels(row: Cells) -> dict[str, float]:
    """A message's labels by name, 0..1: from {name: {value, count}} or from lists side by side.

    Raises:
        RecordError: a label without a number from 0 to 1.
    """
    if not row.given("labels"):
        return {}
    held = row.object("labels")
    if set(held) >= {"name", "value"} and isinstance(held["name"], list):
        of = row.inner("labels", held)
        names, values = of.list("name"), of.list("value")
        if len(names) != len(values) or not all(isinstance(name, str) for name in names):
            raise RecordError("field 'labels': its names and values do not match", "Mend the row")
        found = dict(zip(names, values, strict=True))
    else:
        found = {name: one.get("value") if isinstance(one, dict) else one
                 for name, one in held.items()}  # fmt: skip
    inner = row.inner("labels", {f"labels.{name}": value for name, value in found.items()})
    return {
        name: inner.between(f"labels.{name}", 1.0)
        for name, value in found.items()
        if value is not None
    }
