"""The oracle for many prompts: turns and findings are kept, as prompts about a turn recur."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from handrail.records import Assessment
from handrail.world.grounding import invented
from handrail.world.natural import unnatural
from handrail.world.oracle import adherence
from handrail.world.playing.asked import Asked, CannotPlay
from handrail.world.source import Source, straight

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
    """Judges replies at the turn of a prompt; the guardrails are named by their numbers.

    What was found is kept for each dimension by itself, as a prompt may ask for one only.
    """

    def __init__(self, turns: int = 512, findings: int = 50_000) -> None:
        self._turns: Newest[Source] = Newest(turns)
        self._found: Newest[Any] = Newest(findings)

    def assess(self, asked: Asked, reply: str) -> Assessment:
        """What `world.Oracle` says of the reply; `CannotPlay` for one that holds no text."""
        keeps, breaks = self.adherence(asked, reply)
        reason = self.naturalness(asked, reply)
        return Assessment(
            keeps=keeps,
            breaks=breaks,
            natural=not reason,
            invented=self.hallucination(asked, reply),
            reason=reason,
        )

    def adherence(self, asked: Asked, reply: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The guardrails that the reply keeps and breaks."""
        found: tuple[tuple[str, ...], tuple[str, ...]]
        found = self._finding(asked, reply, "adherence", lambda source: adherence(source, reply))
        return found

    def naturalness(self, asked: Asked, reply: str) -> str:
        """Why the reply is not natural; empty where it is."""
        return str(self._finding(asked, reply, "natural", lambda source: unnatural(source, reply)))

    def hallucination(self, asked: Asked, reply: str) -> tuple[str, ...]:
        """What the reply invents."""
        found: tuple[str, ...] = self._finding(
            asked, reply, "invented", lambda source: invented(source, straight(reply))
        )
        return found

    def _finding(
        self, asked: Asked, reply: str, dimension: str, find: Callable[[Source], Any]
    ) -> Any:
        if not reply.strip():
            raise CannotPlay("a reply is empty, and the world judges what was said")
        source = self._turns.get(asked.at, lambda: Source(asked.turn))
        return self._found.get((asked.at, reply, dimension), lambda: find(source))
