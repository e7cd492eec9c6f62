"""What stage 2 makes: turns with a rejected reply, and the points that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handrail.records import FailedPoint, Skip, Turn


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
