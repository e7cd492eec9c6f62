"""Which column or field of a user's file holds what: as named, else by the usual names."""

from __future__ import annotations

from typing import Any

from handrail.records import RecordError
from handrail.records.types import Noun
from handrail.sources.drafts import have

_NAMES: dict[str, tuple[str, ...]] = {
    "conversation": (
        "conversation", "conversation_id", "dialogue_id", "dialog_id", "session_id", "session",
        "chat_id", "thread_id", "ticket_id", "call_id", "id",
    ),
    "role": ("role", "speaker", "from", "author", "sender", "participant"),
    "text": ("text", "content", "message", "value", "utterance", "body"),
    "messages": ("messages", "turns", "conversations", "dialogue", "utterances"),
}  # fmt: skip


class Mapping(Noun):
    """Which column or field holds what; None finds the usual names by itself.

    `agent`, `customer`, `tool` and `system` are the names that the roles have in the file, beside
    the usual ones. `playbook` names a column with a playbook file's name or a list of rules.
    `messages` is the field with the list where one row is a whole conversation.
    """

    conversation: str | None = None
    role: str | None = None
    text: str | None = None
    order: str | None = None
    messages: str | None = None
    playbook: str | None = None
    agent: str | tuple[str, ...] = ()
    customer: str | tuple[str, ...] = ()
    tool: str | tuple[str, ...] = ()
    system: str | tuple[str, ...] = ()

    def find(self, what: str, fields: dict[str, Any], where: str, optional: bool = False) -> str:
        """The name of the field that holds `what` in these fields; "" where it is optional.

        Raises:
            RecordError: there is none.
        """
        asked = getattr(self, what)
        names = (asked,) if asked else _NAMES[what]
        name = next((n for n in names if n in fields), "")
        if not name and not optional:
            wanted = f"'{asked}'" if asked else f"for the {what}"
            raise RecordError(
                f"there is no field {wanted}",
                f"{have(fields)}; say which one with --map {what}=FIELD ({what}= in Python)",
                where,
            )
        return name

    def is_whole(self, fields: dict[str, Any]) -> bool:
        """Whether a row is a conversation by itself: it has a list of messages, or should."""
        if self.messages:
            return True
        name = self.find("messages", fields, "", optional=True)
        value = fields.get(name)
        if not name or isinstance(value, list):
            return bool(name)
        # A column of that name may hold a number of turns, say, beside one message; where there is
        # no text, or neither text nor role, the list is missing.
        text = self.find("text", fields, "", optional=True)
        role = self.find("role", fields, "", optional=True)
        scalar = isinstance(value, str | int | float) and not str(value).lstrip().startswith("[")
        return not text and not (scalar and role)
