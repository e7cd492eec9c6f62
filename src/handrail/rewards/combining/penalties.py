"""What is taken off a reward for a reply's form: its length, what it says again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from handrail.records import SettingError


@runtime_checkable
class Penalty(Protocol):
    """A number of at least 0 that is taken off a reply's reward."""

    @property
    def name(self) -> str: ...

    def penalty(self, reply: str) -> float: ...


def count_words(text: str) -> int:
    """Words between white space."""
    return len(text.split())


@dataclass(frozen=True)
class LengthPenalty:
    """Takes `rate` off for each word (or token) too many, or away from a target.

    Of a reply of n words it is rate * max(0, n - over), or rate * |n - target|, and at most `most`.

    Attributes:
        rate: taken off for each unit, above 0.
        over: from where on units count; either this or `target`.
        target: the length that costs nothing.
        most: no reply loses more than this.
        count: how long a text is; words by default, a tokenizer's count for tokens.
    """

    rate: float
    over: int | None = None
    target: int | None = None
    most: float = math.inf
    count: Callable[[str], int] = count_words

    def __post_init__(self) -> None:
        _positive("rate", self.rate)
        _positive("most", self.most)
        limits = [n for n in (self.over, self.target) if n is not None]
        if len(limits) != 1:
            raise SettingError("a length penalty has either 'over' or 'target'", "Give one of them")
        if limits[0] < 0:
            raise SettingError(f"a length of {limits[0]} is impossible", "Give at least 0")

    @property
    def name(self) -> str:
        """Its kind."""
        return "length"

    def penalty(self, reply: str) -> float:
        """What the reply's length costs."""
        length = self.count(reply)
        if self.over is not None:
            away = max(0, length - self.over)
        else:
            away = abs(length - (self.target or 0))
        return min(self.most, self.rate * away)


@dataclass(frozen=True)
class RepetitionPenalty:
    """Takes `rate` times the share of n-grams off that stood in the reply before.

    With g n-grams of words (in lower case), d of them distinct, it is rate * (1 - d / g); 0 for a
    reply of fewer than n words. The share is one less distinct-n (Li et al. 2016, "A
    Diversity-Promoting Objective Function for Neural Conversation Models").
    """

    rate: float = 1.0
    n: int = 3

    def __post_init__(self) -> None:
        _positive("rate", self.rate)
        if self.n < 1:
            raise SettingError(f"n-grams of {self.n} words are impossible", "Give n of at least 1")

    @property
    def name(self) -> str:
        """Its kind."""
        return "repetition"

    def penalty(self, reply: str) -> float:
        """What the reply says again costs."""
        words = reply.lower().split()
        grams = [tuple(words[i : i + self.n]) for i in range(len(words) - self.n + 1)]
        return self.rate * (1 - len(set(grams)) / len(grams)) if grams else 0.0


def _positive(name: str, value: float) -> None:
    if not value > 0 or (name == "rate" and math.isinf(value)):
        raise SettingError(f"'{name}' of a penalty is {value}", "Give a number above 0")
