"""Role names of the user's files, and a look at whether the two sides were taken for each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from handrail.records import (
    Conversation,
    Loaded,
    Message,
    RecordError,
    SettingError,
    Skip,
    Turn,
    nearest,
)
from handrail.records.store import OnError

_USUAL: dict[str, tuple[str, ...]] = {
    "assistant": (
        "assistant", "agent", "bot", "advisor", "adviser", "representative", "rep", "support",
        "operator", "gpt", "model", "ai", "chatbot", "staff", "human agent",
    ),
    "user": ("user", "customer", "client", "human", "caller", "visitor", "consumer", "guest"),
    "tool": ("tool", "function", "action", "lookup", "knowledge base", "kb"),
    "system": ("system", "instruction"),
}  # fmt: skip
# What agents say and customers hardly ever do.
_AGENT_TALK = re.compile(
    r"how (?:can|may) i (?:help|assist)|thank you for (?:contacting|calling)|is there anything else"
    r"|(?:may|can|could) i (?:have|get) your (?:full )?name|have i resolved",
    re.IGNORECASE,
)
_ENOUGH = 3
# An advice for who stops there; the warning of what is read as it is goes without it.
_OR_READ = ", or read them as they are with --on-error skip (on_error='skip')"


class Roles:
    """Names in a file -> Handrail's roles."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = dict(table)

    def role(self, value: Any, field: str, where: str) -> str:
        """The role of a name; unknown ones are an error that says how to name them."""
        name = _fold(value) if isinstance(value, str) else ""
        if name in self.table:
            return self.table[name]
        if not name:
            raise RecordError(
                f"field '{field}' names no role", "Say who speaks in each message", where
            )
        hint = nearest(name, self.table)
        mend = hint if hint.startswith("Did") else ""
        raise RecordError(
            f"field '{field}': the role {str(value)[:40]!r} is not known",
            f"{mend} Say whose it is with --map agent=NAME or --map customer=NAME "
            "(agent=, customer= in Python)".strip(),
            where,
        )


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def role_table(names: Mapping[str, str | tuple[str, ...]]) -> Roles:
    """The usual names with the user's own on top; one name for two roles is an error."""
    own: dict[str, str] = {}
    for role, given in names.items():
        for name in (given,) if isinstance(given, str) else given:
            folded = _fold(name)
            if own.get(folded, role) != role:
                raise SettingError(
                    f"the name '{name}' is given to two roles",
                    "Give each role its own names",
                    "mapping",
                )
            own[folded] = role
    table = {n: role for role, usual in _USUAL.items() for n in usual}
    return Roles({**table, **own})


def note_swapped(loaded: Loaded[Any], where: str, on_error: OnError) -> None:
    """`check_swapped`: the error stops, or stands in `loaded.warnings` with on_error="skip"."""
    try:
        check_swapped(loaded.records, where)
    except RecordError as error:
        if on_error == "stop":
            raise
        told = error.told.replace(_OR_READ, "")
        loaded.warnings.append(Skip(what="warning", reason=told, where=where))


def check_swapped(records: Iterable[Conversation | Turn], where: str) -> None:
    """Stop where customers, and not agents, say what only agents say.

    Of turns their contexts are looked at; what turns of one conversation share counts once.

    Raises:
        RecordError: with the mend.
    """
    said = {"assistant": 0, "user": 0}
    seen: set[tuple[str, Message]] = set()
    example = ""
    for record in records:
        if isinstance(record, Conversation):
            kind, talk, messages = "conversation", record.id, record.messages
        else:
            kind, talk, messages = "turn", record.conversation_id or record.id, record.context
        for message in messages:
            if message.role not in said or (talk, message) in seen:
                continue
            seen.add((talk, message))
            if _AGENT_TALK.search(message.content):
                said[message.role] += 1
                if message.role == "user" and not example:
                    example = f"{kind} '{record.id}': {message.content[:60]!r}"
    if said["user"] >= _ENOUGH and said["user"] > 3 * said["assistant"]:
        raise RecordError(
            f"the roles look swapped: of {sum(said.values())} messages in words of an agent, "
            f"{said['user']} are a customer's ({example})",
            "Exchange them (on import of transcripts: --map agent=NAME --map customer=NAME; "
            "agent=, customer= in Python)" + _OR_READ,
            where,
        )
