"""Conversations while their rows are collected: order, empty, repeated and joined messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handrail.records import RecordError, Skip
from handrail.sources.decoding import MOJIBAKE

Piece = tuple[Any, str, str, str]  # place in the order, role, text, where it stands


@dataclass
class Draft:
    """A conversation while its rows are collected; `whole`: one row holds all of it."""

    where: str
    whole: bool = False
    pieces: list[tuple[Any, str, str, str]] = field(
        default_factory=list
    )  # order, role, text, where
    playbook: Any = None
    bad: bool = False


def cleaned(draft: Draft, order: str) -> tuple[list[tuple[str, str]], Counter[str], list[Skip]]:
    """(role, text) of a conversation in order, what was mended, and warnings.

    Empty messages are dropped, repeated ones merged, messages of one side in a row joined.

    Raises:
        RecordError: order values that cannot be compared, or no message of the agent.
    """
    counts: Counter[str] = Counter()
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
        raise RecordError(
            "no message of the agent in this conversation",
            "Name your agent's role with --map agent=NAME (agent= in Python)",
            draft.where,
        )
    return [(role, "\n".join(texts)) for role, texts in joined], counts, warnings


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
