"""A question's way to its answer: tries, waits, repairs; and many questions side by side."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from handrail.asking import repair_messages
from handrail.records import (
    Answer,
    Failure,
    FailureKind,
    Message,
    ModelError,
    Request,
    Unreadable,
    Usage,
)
from handrail.sampling.server.ledger import Ledger, most_tokens
from handrail.sampling.server.reading import CutText
from handrail.sampling.server.settings import EndpointSettings
from handrail.sampling.server.wire import Fault, Received, Wire

_PROBES = 3  # questions that go alone, one after the other, until one is answered
_DEAD_AFTER = 5  # questions in a row that outlasted their retries, none answered in between
_RESENDS = 6  # other forms of a request that are tried

Keep = Callable[[bytes, Request, Answer, str], None]


@dataclass
class Asked:
    """The questions of one call by their keys, and what came of them so far."""

    requests: dict[bytes, Request]
    keep: Keep
    answers: dict[bytes, Answer | Failure] = field(default_factory=dict)
    stopped: str = ""  # why the rest is not asked
    lost: int = 0  # of these questions: without a reply, or not asked at all
    limited: int = 0

    def warnings(self) -> Iterator[str]:
        """What a user should know of questions that have no answer."""
        if self.limited:
            yield (
                f"the limit on requests or cost was reached: {self.limited:,} of "
                f"{len(self.requests):,} questions have no answer. Raise it and run again"
            )
        if self.stopped:
            yield (
                f"the endpoint stopped answering ({self.stopped}): {self.lost:,} of "
                f"{len(self.requests):,} questions have no answer. Run again once it is back"
            )


@dataclass
class _Tally:
    """What one question took so far, over its tries and rounds."""

    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    text: str = ""

    def add(self, received: Received, cost: float | None) -> None:
        self.usage += received.usage or Usage()
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        self.text = received.text


class Rounds:
    """Takes questions to their answers. All of it runs in one event loop."""

    def __init__(self, settings: EndpointSettings, ledger: Ledger) -> None:
        self.settings, self.ledger = settings, ledger
        self.wire = Wire(settings)
        self._answered = False  # the endpoint, once
        self._proved = False  # since it last stopped
        self._in_a_row = 0
        self._random = random.Random()
        self._settled: asyncio.Condition | None = None

    async def all(self, asked: Asked) -> None:
        """Answer all questions.

        Raises:
            ModelError: before the endpoint's first answer: none of the questions can have one.
        """
        self._settled = self._settled or asyncio.Condition()
        waiting = iter(asked.requests.items())
        if not self._proved:
            await self._probe(waiting, asked)

        async def work() -> None:
            for key, request in waiting:
                await self._one(key, request, asked)

        workers = [asyncio.ensure_future(work()) for _ in range(self.settings.in_flight)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _probe(self, waiting: Iterator[tuple[bytes, Request]], asked: Asked) -> None:
        """Ask the first questions alone, until one shows that the endpoint answers."""
        for probe in range(_PROBES):
            one = next(waiting, None)
            if one is None:
                return
            fault = await self._one(*one, asked)
            if self._proved:
                return
            if fault is None:
                return  # a limit, before anything was sent
            last = probe + 1 == _PROBES
            if not self._answered and (last or fault.then == "stop" or fault.unreachable):
                asked.stopped = ""  # the error tells
                raise ModelError(fault.problem, fault.mend)
            if last or fault.unreachable or (self._answered and fault.then == "retry"):
                asked.stopped = asked.stopped or fault.problem

    async def _one(self, key: bytes, request: Request, asked: Asked) -> Fault | None:
        """One question; the fault for which it has no reply."""
        tally = _Tally()
        if asked.stopped:
            asked.lost += 1
            asked.answers[key] = self._failure("endpoint", f"not asked: {asked.stopped}", tally)
            return None
        outcome = await self._rounds(request, asked, tally)
        if isinstance(outcome, Fault):
            asked.lost += 1
            asked.answers[key] = self._failure("endpoint", outcome.problem, tally)
            self._missed(outcome, asked)
            return outcome
        if isinstance(outcome, Failure):
            asked.limited += outcome.kind == "limit"
            asked.answers[key] = outcome
            return None
        answer, served = outcome
        asked.answers[key] = answer
        asked.keep(key, request, answer, served)
        return None

    async def _rounds(
        self, request: Request, asked: Asked, tally: _Tally
    ) -> tuple[Answer, str] | Failure | Fault:
        """Ask until the reply can be read, or no repair is left."""
        messages: Sequence[Message] = request.messages
        repairs = 0
        while True:
            received = await self._tried(request, messages, asked, tally)
            if received is None:
                return self._out_of_limit(repairs, tally)
            if isinstance(received, Fault):
                return received
            failed = self._unusable(request, received, tally)
            if failed is not None:
                return failed
            try:
                if not received.text.strip():
                    raise Unreadable("it is empty")
                data = request.reading.read(received.text)
            except Unreadable as error:
                if repairs >= self.settings.repairs:
                    return self._failure(error.kind, error.problem, tally)
                repairs += 1
                messages = repair_messages(request, received.text, error.problem)
                self.ledger.count("repairs")
                continue
            answer = Answer(
                data=data,
                text=received.text,
                model=self.settings.model,
                usage=tally.usage,
                cost=tally.cost,
                repairs=repairs,
                finish=received.finish,
            )
            return answer, received.served

    def _unusable(self, request: Request, received: Received, tally: _Tally) -> Failure | None:
        """A reply that no repair makes one: declined, or cut off."""
        if received.refusal or received.finish == "content_filter":
            why = received.refusal or "the endpoint's filter held the reply back"
            return self._failure("refusal", why, tally)
        if received.finish == "length" and not isinstance(request.reading, CutText):
            return self._failure(
                "truncated", f"the reply was cut off at {request.max_tokens:,} tokens", tally
            )
        return None

    def _out_of_limit(self, repairs: int, tally: _Tally) -> Failure:
        if repairs:
            return self._failure(
                "malformed", "it cannot be read, and the limit allows no repair", tally
            )
        return self._failure("limit", "the limit on requests or cost was reached", tally)

    async def _tried(
        self, request: Request, messages: Sequence[Message], asked: Asked, tally: _Tally
    ) -> Received | Fault | None:
        """A reply, after as many tries as it takes and are allowed; None where a limit is."""
        tries = resends = 0
        while True:
            got = await self._sent(request, messages, tally)
            if got is None:
                return None
            if isinstance(got, Received):
                self._in_a_row = 0
                self._answered = self._proved = True
                return got
            if got.then == "resend" and resends < _RESENDS:
                resends += 1
                self.ledger.count("retries")
                continue
            if got.then != "retry" or tries >= self._retries:
                return got
            if got.unreachable and not self._answered:
                return got  # nothing is there: told at once
            wait = self._wait(tries, got.wait)
            if wait > self.settings.longest_wait:
                return got
            await asyncio.sleep(wait)
            if asked.stopped:
                return got
            tries += 1
            self.ledger.count("retries")

    async def _sent(
        self, request: Request, messages: Sequence[Message], tally: _Tally
    ) -> Received | Fault | None:
        """One request, once the limits allow it; None where they never will."""
        assert self._settled is not None
        schema = request.reading.schema
        size = sum(len(m.content.encode("utf-8", "replace")) for m in messages)
        size += 0 if schema is None else len(str(schema))
        tokens = most_tokens(len(messages), size)
        async with self._settled:
            while (reserved := self.ledger.reserve(request, tokens)) is None:
                if self.ledger.hopeless:
                    return None
                await self._settled.wait()
        got: Received | Fault | None = None
        try:
            got = await self.wire.send(request, messages)
        finally:
            if isinstance(got, Received):
                tally.add(got, self.ledger.settle(reserved, got.usage))
            else:  # where it was cancelled, it may be billed
                self.ledger.lost(reserved, billed=got is None or got.billed)
        async with self._settled:
            self._settled.notify_all()
        return got

    @property
    def _retries(self) -> int:
        """Tries after the first: one, where the endpoint stopped answering before.

        So that who asks on, stage after stage, waits for a dead endpoint once and not each time.
        """
        once = self._answered and not self._proved
        return min(1, self.settings.retries) if once else self.settings.retries

    def _wait(self, tries: int, asked: float | None) -> float:
        """Seconds before the next try: doubling and scattered, or what the endpoint asks for.

        Scattered, so that requests that failed together do not come back together.
        """
        own = min(self.settings.wait * 2**tries, self.settings.longest_wait)
        scattered = own * self._random.uniform(0.5, 1.0)
        return scattered if asked is None else asked + scattered * 0.1

    def _missed(self, fault: Fault, asked: Asked) -> None:
        """Stop asking where the endpoint answers nobody any more."""
        if fault.then == "fail":
            return
        self._in_a_row += 1
        if fault.then == "stop" or self._in_a_row >= _DEAD_AFTER:
            asked.stopped = asked.stopped or fault.problem
            self._proved, self._in_a_row = False, 0

    def _failure(self, kind: FailureKind, problem: str, tally: _Tally) -> Failure:
        return Failure(
            kind=kind,
            problem=problem,
            raw=tally.text,
            model=self.settings.model,
            usage=tally.usage,
            cost=tally.cost,
        )
