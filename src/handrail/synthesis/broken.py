"""What stage 2 makes: turns with a rejected reply, and the points that failed with every try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handrail.records import Skip, Turn
from handrail.records.types import Noun


class Try(Noun):
    """One reply that was made and did not serve. `failure` is the model's `FailureKind`, if any."""

    kind: str
    sample: int
    reply: str = ""
    problem: str
    failure: str = ""


class FailedPoint(Noun):
    """A turn without a rejected reply, and why: `reason`, what is of this one alone, each try."""

    turn: str
    guardrail: str
    reason: str
    detail: str = ""
    tries: tuple[Try, ...] = ()


@dataclass(frozen=True)
class Broken:
    """What stage 2 made: `turns` with a chosen and a rejected reply, in the order given.

    `counts` are points, tries, and what became of them; `kinds` how many of each kind of break.
    """

    turns: tuple[Turn, ...]
    failed: tuple[FailedPoint, ...]
    counts: Mapping[str, int]
    kinds: Mapping[str, int]

    @property
    def skipped(self) -> list[Skip]:
        """The failed points, each as something left out."""
        return [Skip(what="point", reason=f.reason, where=f.turn) for f in self.failed]
