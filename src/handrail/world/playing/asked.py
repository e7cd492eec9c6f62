"""What a prompt asks: the JSON object that it carries, read into the world's own nouns."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from handrail.records import Guardrail, Message, Playbook, Turn
from handrail.world.playing.rules import Known, known
from handrail.world.playing.topics import is_the_worlds

ROLES = {"user": "user", "agent": "assistant", "facts": "tool", "note": "system"}
_START = re.compile(r'\{\s*"task"\s*:')
_ANY_START = re.compile(r"\{")
_STARTS = 5000  # so many braces of one text are tried before it counts as holding no object
_HALVES = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder()


class CannotPlay(Exception):
    """The world has no answer; the text says why and is what the model replies."""


@dataclass(frozen=True)
class Entry:
    """One message of a conversation with its number in the prompt."""

    n: int
    message: Message


def asked_in(messages: Sequence[Message], draw: str = "") -> Asked:
    """What the newest JSON object with a "task" asks, of those in users' and system messages.

    `draw` tells apart the draws of what may be said in several ways.

    Raises:
        CannotPlay: no message carries one.
    """
    for message in reversed(messages):
        if message.role != "assistant":
            data = _newest(message.content)
            if data is not None:
                return Asked(data, draw)
    raise CannotPlay(
        "the world answers only prompts that carry their values as a JSON object with a "
        '"task" ({{ data }} in a prompt file), and this one carries none'
    )


def _newest(text: str) -> dict[str, Any] | None:
    """The last JSON object with a "task" in a text, not within another one."""
    starts = _START if _START.search(text) else _ANY_START
    found: dict[str, Any] | None = None
    at = 0
    for _ in range(_STARTS):
        start = starts.search(text, at)
        if start is None:
            break
        try:
            value, at = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.end()
            continue
        if isinstance(value, dict) and isinstance(value.get("task"), str):
            found = _whole(value) if _HALVES.search(text) else value
    return found


def _whole(value: Any) -> Any:
    """The value with "?" for each half of a surrogate pair, which JSON's escapes allow."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return value


@dataclass(frozen=True)
class Asked:
    """The values of a prompt. What is missing or of the wrong kind is told as `CannotPlay`."""

    data: Mapping[str, Any]
    draw: str = ""

    @property
    def task(self) -> str:
        """The prompt's name."""
        return str(self.data["task"])

    def text(self, name: str) -> str:
        """A value that is a text."""
        value = self.data.get(name)
        if not isinstance(value, str):
            raise CannotPlay(f'the prompt of "{self.task}" carries no text "{name}"')
        return value

    def number(self, name: str) -> int:
        """A value that is a whole number of at least 1."""
        value = self.data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise CannotPlay(f'the prompt of "{self.task}" carries no number "{name}"')
        return value

    def texts(self, name: str) -> list[str]:
        """A value that is a text or a list of texts."""
        value = self.data.get(name)
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise CannotPlay(f'the prompt of "{self.task}" carries no texts "{name}"')
        return value

    @cached_property
    def rules(self) -> dict[str, str]:
        """The guardrails' texts by number; none where the prompt carries none."""
        value = self.data.get("guardrails", {})
        if not isinstance(value, dict) or not all(
            isinstance(text, str) and text.strip() and number.strip()
            for number, text in value.items()
        ):
            raise CannotPlay(f'the "guardrails" of "{self.task}" are no object of texts')
        return value

    @cached_property
    def known(self) -> dict[str, Known]:
        """The guardrails of the world's by number."""
        found = {number: known(text) for number, text in self.rules.items()}
        return {number: one for number, one in found.items() if one is not None}

    @property
    def unknown(self) -> list[str]:
        """The numbers of the other guardrails."""
        return [number for number in self.rules if number not in self.known]

    @cached_property
    def entries(self) -> list[Entry]:
        """The conversation; messages without words are left out."""
        value = self.data.get("conversation")
        if not isinstance(value, list):
            raise CannotPlay(f'the prompt of "{self.task}" carries no list "conversation"')
        out: list[Entry] = []
        for at, one in enumerate(value, start=1):
            fine = isinstance(one, dict) and isinstance(one.get("from"), str)
            if not fine or one["from"] not in ROLES or not isinstance(one.get("text"), str):
                raise CannotPlay(f'message {at} of the "conversation" has no "from" and "text"')
            number = one.get("n", at)
            if one["text"].strip():
                out.append(
                    Entry(
                        number if isinstance(number, int) else at,
                        Message(role=ROLES[one["from"]], content=one["text"]),
                    )
                )
        return out

    @cached_property
    def context(self) -> tuple[Message, ...]:
        """The conversation's messages."""
        return tuple(entry.message for entry in self.entries)

    @cached_property
    def playbook(self) -> Playbook | None:
        """The guardrails as a playbook, their numbers as ids; the world's with their checks."""
        rules = tuple(
            Guardrail(
                id=number,
                text=text,
                check=self.known[number].guardrail.check if number in self.known else None,
                family=self.known[number].family.id if number in self.known else "",
            )
            for number, text in self.rules.items()
        )
        return Playbook(guardrails=rules) if rules else None

    @cached_property
    def turn(self) -> Turn:
        """The conversation so far under its playbook, as the oracle takes it."""
        return Turn(playbook=self.playbook, context=self.context)

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The conversation as checks take it: (role, text)."""
        return tuple((m.role, m.content) for m in self.context)

    @cached_property
    def at(self) -> str:
        """A digest of guardrails and conversation: the same for all prompts about a turn."""
        text = json.dumps([self.rules, self.data.get("conversation")])
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @cached_property
    def is_the_worlds(self) -> bool:
        """Whether the oracle may judge: a guardrail of the world's, or a customer of its own."""
        return bool(self.known) or is_the_worlds(self.context)
