"""What was asked and spent, and whether more may be: shared by all questions of an endpoint."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from handrail.records import Request, Spent, Usage
from handrail.sampling.server.prices import Price

# Tokens that an endpoint's own form adds to a message, at most.
_PER_MESSAGE = 16


@dataclass(frozen=True)
class Reserved:
    """What one request may cost at most, set aside while it is on its way."""

    cost: float


class Ledger:
    """Counts, and sets aside the most that a request may cost before it is sent.

    So the limits hold whatever the replies turn out to be: a request that could go over is not
    sent.
    """

    def __init__(
        self,
        price: Price | None,
        max_requests: int | None = None,
        max_cost: float | None = None,
        currency: str = "USD",
    ) -> None:
        self.currency = currency
        self.price, self.max_requests, self.max_cost = price, max_requests, max_cost
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._usage = Usage()
        self._cost = 0.0
        self._lost = 0.0  # what requests without an answer may have cost
        self._reserved = 0.0  # what those on their way may cost
        self._away = 0

    @property
    def spent(self) -> Spent:
        """All that was asked so far."""
        with self._lock:
            return Spent(
                **{
                    name: self._counts[name]
                    for name in ("questions", "requests", "cached", "retries", "repairs")
                },
                failures=dict(self._failures),
                usage=self._usage,
                cost=self._cost,
                unpriced=self._counts["unpriced"],
                currency=self.currency,
            )

    def count(self, name: str, times: int = 1) -> None:
        """Count questions, cached answers, retries or repairs."""
        with self._lock:
            self._counts[name] += times

    def failed(self, kind: str) -> None:
        """Count a question without a usable answer."""
        with self._lock:
            self._failures[kind] += 1

    def reserve(self, request: Request, tokens: int) -> Reserved | None:
        """Set aside what a request of at most so many prompt tokens may cost; None if too much."""
        most = 0.0
        if self.price is not None:
            most = self.price.cost(Usage(tokens, request.max_tokens))
        with self._lock:
            if self.max_requests is not None and self._counts["requests"] >= self.max_requests:
                return None
            gone = self._cost + self._lost + self._reserved
            if self.max_cost is not None and gone + most > self.max_cost:
                return None
            self._counts["requests"] += 1
            self._reserved += most
            self._away += 1
        return Reserved(most)

    @property
    def hopeless(self) -> bool:
        """Whether no request can be sent any more, whatever those on their way turn out to cost."""
        with self._lock:
            if self.max_requests is not None and self._counts["requests"] >= self.max_requests:
                return True
            return self._away == 0

    def settle(self, reserved: Reserved, usage: Usage | None) -> float | None:
        """Take back what was set aside and count what it was; the cost, where it is known.

        `usage` is None where the endpoint did not say: the limit then counts the most that it may
        have been, and the cost shown nothing.
        """
        with self._lock:
            self._back(reserved)
            self._usage += usage or Usage()
            if usage is None or self.price is None:
                self._counts["unpriced"] += 1
                self._lost += reserved.cost
                return None
            cost = self.price.cost(usage)
            self._cost += cost
            return cost

    def lost(self, reserved: Reserved, billed: bool) -> None:
        """Take back what was set aside for a request without a reply.

        Where it may have been `billed` all the same (a time-out), the limit counts it.
        """
        with self._lock:
            self._back(reserved)
            self._lost += reserved.cost if billed else 0.0

    def _back(self, reserved: Reserved) -> None:
        self._away -= 1
        self._reserved = self._reserved - reserved.cost if self._away else 0.0


def most_tokens(messages: int, size: int) -> int:
    """The most tokens that so many messages of `size` bytes of UTF-8 can have.

    A token of a byte-level vocabulary is one byte at least.
    """
    return size + _PER_MESSAGE * (messages + 1)
