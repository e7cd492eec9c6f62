"""The oracle for many prompts: turns and assessments are kept, as prompts about a turn recur."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from handrail.records import Assessment
from handrail.world.oracle import Oracle
from handrail.world.playing.asked import Asked, CannotPlay

V = TypeVar("V")


class Newest(Generic[V]):
    """What was made last, by key: at most `size`, and what was not used longest goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key, made where it is not kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = self._kept[key] = make()
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value


class KeptOracle:
    """Assesses replies at the turn of a prompt; the guardrails are named by their numbers."""

    def __init__(self, turns: int = 256, assessments: int = 20_000) -> None:
        self._turns: Newest[Oracle] = Newest(turns)
        self._assessed: Newest[Assessment] = Newest(assessments)

    def assess(self, asked: Asked, reply: str) -> Assessment:
        """The oracle's assessment; raises `CannotPlay` for a reply that holds no text."""
        if not reply.strip():
            raise CannotPlay("a reply is empty, and the world judges what was said")
        shown = tuple((m.role, m.content) for m in asked.context)
        key = (tuple(asked.rules.items()), shown)
        # An oracle keeps what its newest turn holds, so each turn has its own.
        oracle = self._turns.get(key, Oracle)
        return self._assessed.get((key, reply), lambda: _assess(oracle, asked, reply))


def _assess(oracle: Oracle, asked: Asked, reply: str) -> Assessment:
    return oracle.assess(asked.turn, reply)
