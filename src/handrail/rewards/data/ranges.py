"""The ranges of ratings that reward models are looked at by: low, middle and high.

The RLHF thesis counts 0 to 0.40 as low, 0.41 to 0.89 as the middle and 0.9 to 1.0 as high
(section 5.3.1). Ratings are means of several people's, so that values between its ranges occur
(0.4042, say): here the middle reaches from the one edge to the other, without the edges.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from handrail.records import SettingError, Turn

Range = Literal["low", "middle", "high"]


@dataclass(frozen=True)
class Edges:
    """Where the middle begins and ends: `low` belongs to the low range, `high` to the high one."""

    low: float = 0.4
    high: float = 0.9

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < self.high <= 1.0:
            raise SettingError(
                f"the middle cannot reach from {self.low} to {self.high}",
                "Give two edges from 0 to 1, the lower one first",
            )

    def of(self, rating: float) -> Range:
        """The range of a rating in 0..1."""
        if rating <= self.low:
            return "low"
        return "high" if rating >= self.high else "middle"

    @property
    def middle(self) -> tuple[float, float]:
        """From where to where its bins reach: 0.41 to 0.89 between 0.4 and 0.9.

        What the middle holds beyond belongs to the first and the last bin.
        """
        inset = min(0.01, (self.high - self.low) / 4)
        return round(self.low + inset, 12), round(self.high - inset, 12)

    @property
    def names(self) -> tuple[str, str, str]:
        """The ranges as a table names them, from low to high."""
        low, high = f"{self.low:g}", f"{self.high:g}"
        return f"{low} and below", f"between {low} and {high}", f"{high} and above"


@dataclass(frozen=True)
class RangeCounts:
    """How many replies have a rating in each range, and how many have none."""

    low: int = 0
    middle: int = 0
    high: int = 0
    unrated: int = 0

    @classmethod
    def of(cls, turns: Iterable[Turn], edges: Edges) -> RangeCounts:
        """Of the replies of turns with ratings in 0..1."""
        found = {"low": 0, "middle": 0, "high": 0, "unrated": 0}
        for turn in turns:
            for reply in turn.replies:
                found["unrated" if reply.rating is None else edges.of(reply.rating)] += 1
        return cls(**found)

    @property
    def rated(self) -> int:
        """The replies with a rating."""
        return self.low + self.middle + self.high
