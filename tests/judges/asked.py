"""Language models in tests that see what a prompt shows and answer by a rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from handrail.asking import DirectModel
from handrail.records import Message

Shown = dict[str, Any]


def shown(messages: Sequence[Message]) -> Shown:
    """The JSON object that the first user message holds, with the names of its values."""
    text = next(m.content for m in messages if m.role == "user")
    found: Shown = json.JSONDecoder().raw_decode(text, text.index('{\n "task"'))[0]
    return found


def model(say: Callable[[Shown], str], repairs: int = 0) -> DirectModel:
    """A model that answers by what it was shown."""
    return DirectModel(lambda messages: say(shown(messages)), "m", repairs)


def drawn(data: Shown, *more: str) -> float:
    """A number from 0 to 1 that depends on what was shown only."""
    text = json.dumps([data, *more], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
