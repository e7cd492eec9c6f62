"""Conversations while their rows are collected: order, empty, repeated and joined messages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handrail.records import RecordError, Skip
from handrail.sources.decoding import MOJIBAKE

# An advice for who stops at the first fault; it goes when such conversations are left out already.
OR_SKIP = ", or leave such conversations out with --on-error skip (on_error='skip')"
_TEXT_PARTS = ("text", "input_text", "output_text")
Piece = tuple[Any, str, str, str]  # place in the order, role, text, where it stands


@dataclass
class Draft:
    """A conversation while its rows are collected.

    `whole`: one row holds all of it. `calls`: tool calls of its messages, which are not read.
    """

    where: str
    whole: bool = False
    calls: int = 0
    pieces: list[tuple[Any, str, str, str]] = field(
        default_factory=list
    )  # order, role, text, where
    playbook: Any = None
    bad: bool = False


def cleaned(draft: Draft, order: str) -> tuple[list[tuple[str, str]], Counter[str], list[Skip]]:
    """(role, text) of a conversation in order, what was mended, and warnings.

    Empty messages are dropped, repeated ones merged, messages of one side in a row joined.

    Raises:
        RecordError: order values that cannot be compared, or no message of the agent
            that is not empty.
    """
    counts: Counter[str] = Counter({"tool calls left out": draft.calls} if draft.calls else {})
    warnings: list[Skip] = []
    joined: list[tuple[str, list[str]]] = []
    for _, role, text, where in _ordered(draft.pieces, order):
        text = text.strip()
        if not text:
            counts["empty messages dropped"] += 1
            continue
        if MOJIBAKE.search(text):
            counts["messages with wrongly decoded text"] += 1
            reason = "the text was decoded wrongly before it was saved (mojibake)"
            warnings.append(Skip(what="warning", reason=reason, where=where))
        if not joined or joined[-1][0] != role:
            joined.append((role, [text]))
        elif joined[-1][1][-1] == text:
            counts["repeated messages merged"] += 1
        else:
            counts["messages of one side joined"] += 1
            joined[-1][1].append(text)
    if not any(role == "assistant" for role, _ in joined):
        raise _no_agent(draft)
    return [(role, "\n".join(texts)) for role, texts in joined], counts, warnings


def _no_agent(draft: Draft) -> RecordError:
    """Why a conversation has nothing to learn: its agent is not named, or said nothing."""
    if any(role == "assistant" for _, role, _, _ in draft.pieces):
        calls = " (tool calls are not read)" if draft.calls else ""
        return RecordError(
            f"every message of the agent in this conversation is empty{calls}",
            "Give them their words" + OR_SKIP,
            draft.where,
        )
    return RecordError(
        "no message of the agent in this conversation",
        "Name your agent's role with --map agent=NAME (agent= in Python)",
        draft.where,
    )


def words(value: Any, field: str, where: str) -> str:
    """The text of a message: a text, nothing, or a list of parts, joined by a line break.

    Raises:
        RecordError: it is something else, or has a part that is no text; names the part's kind.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        raise RecordError(
            f"field '{field}': expected a text, found {type(value).__name__}",
            "Give the words that were said",
            where,
        )
    texts = []
    for number, part in enumerate(value, start=1):
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        text = part.get("text") if kind in _TEXT_PARTS else None
        if not isinstance(text, str):
            problem = "and has none" if kind in _TEXT_PARTS else "not text"
            raise RecordError(
                f"field '{field}': part {number} is of the kind {str(kind)[:40]!r}, {problem}",
                "Put what it says into a part of the kind 'text'" + OR_SKIP,
                where,
            )
        texts.append(text)
    return "\n".join(texts)


def listed(value: Any, field: str, where: str) -> list[Any]:
    """The list of messages that a field holds, also as JSON, as a CSV has it.

    Raises:
        RecordError: it is no list.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RecordError(
                f"field '{field}' is no JSON list of messages ({error})",
                "Write the list as JSON, or save the table as JSON Lines or Parquet",
                where,
            ) from None
    if not isinstance(value, list):
        raise RecordError(
            f"field '{field}' is not a list of messages, but {type(value).__name__}",
            "Give a list; where a row is one message, name its fields with --map role=FIELD "
            "--map text=FIELD (role=, text= in Python)",
            where,
        )
    return value


def tool_calls(fields: dict[str, Any]) -> int:
    """How many calls a message holds beside its text."""
    calls = fields.get("tool_calls")
    single = isinstance(fields.get("function_call"), dict)
    return (len(calls) if isinstance(calls, list) else 0) + single


def have(fields: dict[str, Any]) -> str:
    """The names of the fields that a row has, for an error's mend."""
    names = [str(k)[:40] for k in fields][:12]
    return "The row has: " + (", ".join(names) if names else "nothing")


def identity(value: Any, key: str, where: str) -> str:
    """A conversation's name from a field; `RecordError` where it is none."""
    name = str(value).strip() if isinstance(value, str | int) and value is not True else ""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = ""
    if not name:
        raise RecordError(
            f"field '{key}' does not name a conversation", "Give each row its conversation", where
        )
    return name


def _ordered(pieces: list[Piece], name: str) -> list[Piece]:
    """Pieces by their order value: all numbers, or all times; equal ones stay as they stand.

    Raises:
        RecordError: names the first value that is not what most of the others are.
    """
    if not name:
        return pieces
    found = [_keys(pieces, convert) for convert in (_number, _time, _zoned_time)]
    keys = max(found, key=len)
    if len(keys) == len(pieces):
        return [pieces[i] for i in sorted(keys, key=lambda i: (keys[i], i))]
    odd = next(piece for i, piece in enumerate(pieces) if i not in keys)
    raise RecordError(
        f"field '{name}': the values are neither all numbers nor all times; found {odd[0]!r:.60}",
        "Give numbers, or times like 2024-05-01 13:45:00, all with a time zone or all without",
        odd[3],
    )


def _keys(pieces: list[Piece], convert: Callable[[Any], Any]) -> dict[int, Any]:
    """What sorts the pieces, by their index; without those whose value does not convert."""
    keys = {}
    for i, piece in enumerate(pieces):
        with suppress(ValueError, TypeError, OverflowError):
            keys[i] = convert(piece[0])
    return keys


def _number(value: Any) -> float:
    number = float(value)
    if number != number:
        raise ValueError("not a number")
    return number


def _time(value: Any) -> datetime:
    time = _any_time(value)
    if time.tzinfo is not None:
        raise ValueError("with a time zone")
    return time


def _zoned_time(value: Any) -> datetime:
    time = _any_time(value)
    if time.tzinfo is None:
        raise ValueError("without a time zone")
    return time


def _any_time(value: Any) -> datetime:
    return datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
