"""An answer before it is written down, with the other answers that a mistaken player would give."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def as_object(value: dict[str, Any]) -> str:
    """An answer that is a JSON object or list."""
    return json.dumps(value, ensure_ascii=False)


def as_text(value: str) -> str:
    """An answer that is free text."""
    return value


@dataclass(frozen=True)
class Played:
    """The right answer and how it is written.

    `others`: wrong answers, of which one is drawn at `Faults.wrong`. `first`: what a judge says
    that prefers what it was shown first; `longer`: what one says that prefers the longer reply.
    Both are None where a task compares nothing, or where the replies are of one length.
    """

    value: Any
    write: Callable[[Any], str] = as_object
    others: list[Any] = field(default_factory=list)
    first: Any = None
    longer: Any = None
