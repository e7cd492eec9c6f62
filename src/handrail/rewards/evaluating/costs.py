"""What scores cost: time, tokens, parameters, money."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from handrail.records import Scorer, Spent, Turn


@dataclass(frozen=True)
class Cost:
    """What 1,000 scores take. None where it is not known.

    `seconds` as measured, `tokens` of prompts and replies, `parameters` of the model (not per
    score), `money` in `currency` for endpoints with a price (0 for models that run here).
    """

    seconds: float | None = None
    tokens: float | None = None
    parameters: int | None = None
    money: float | None = 0.0
    currency: str = ""

    @property
    def order(self) -> tuple[float, float, int]:
        """Cheaper ones come first: by money, then seconds, then parameters."""
        money = math.inf if self.money is None else self.money
        seconds = math.inf if self.seconds is None else self.seconds
        return money, seconds, self.parameters or 0

    def far_below(self, other: Cost) -> bool:
        """Whether this is cheaper by more than what varies from run to run.

        Less money, by a fifth; or no more money, and half the time at most.
        """
        money, seconds, _ = self.order
        others, others_seconds, _ = other.order
        if money != others and math.isfinite(money):
            return money <= 0.8 * others
        return money == others and math.isfinite(seconds) and seconds <= 0.5 * others_seconds

    def __add__(self, other: Cost) -> Cost:
        """What both take, as the parts of a combined reward do; None where one is not known."""
        parameters = _sum(self.parameters, other.parameters)
        return Cost(
            _sum(self.seconds, other.seconds),
            _sum(self.tokens, other.tokens),
            None if parameters is None else int(parameters),
            _sum(self.money, other.money),
            self.currency or other.currency,
        )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True)
class Paid:
    """What an endpoint was paid so far, and how many questions went over the wire for it."""

    money: float | None = 0.0
    asked: int | None = None

    def less(self, before: Paid, replies: int) -> tuple[float | None, int]:
        """What was paid since, and for how many of the replies."""
        if self.asked is None or before.asked is None:
            return 0.0, replies
        asked = self.asked - before.asked
        if self.money is None or before.money is None:
            return None, asked
        return self.money - before.money, asked


@dataclass(frozen=True)
class Opened:
    """A scorer with what it can tell of its cost.

    Attributes:
        scorer: gives the scores.
        parameters: of its model; None where nobody knows.
        count: tokens of a prompt with a reply; None where they cannot be counted.
        ledger: what an endpoint was asked and paid so far; None for what runs here.
    """

    scorer: Scorer
    parameters: int | None = None
    count: Callable[[Turn, str], int] | None = None
    ledger: Callable[[], Spent] | None = None

    @property
    def currency(self) -> str:
        """Of an endpoint's prices; "" where nothing is paid."""
        return "" if self.ledger is None else self.ledger().currency

    def spent(self) -> Paid:
        """What was paid so far."""
        if self.ledger is None:
            return Paid()
        spent = self.ledger()
        known = not spent.unpriced
        return Paid(spent.cost if known else None, spent.questions - spent.cached)

    def tokens(self, replies: Sequence[tuple[Turn, str]]) -> int | None:
        """Tokens of prompts and replies together."""
        if self.count is None:
            return None
        return sum(self.count(turn, reply) for turn, reply in replies)
