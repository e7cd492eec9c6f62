"""A language model behind an endpoint: many questions at once, each answered, or failed and why."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from handrail.records import (
    Answer,
    AskProgress,
    Failure,
    HandrailWarning,
    Request,
    SettingError,
    Spent,
    Unreadable,
)
from handrail.sampling.server.cache import AnswerCache, Kept, Keys
from handrail.sampling.server.ledger import Ledger
from handrail.sampling.server.loop import LoopThread
from handrail.sampling.server.prices import Estimate, Prices, estimate
from handrail.sampling.server.rounds import Asked, Rounds
from handrail.sampling.server.settings import EndpointSettings


class Endpoint:
    """Implements `LanguageModel` over HTTP.

    The first question goes alone, so that a wrong key, name or address is told before anything
    is spent; then `in_flight` at a time. From the first answer on nothing raises: an endpoint
    that dies leaves failures, and another run asks only for what is missing, given a cache.
    Equal questions of a call are asked once.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        cache: AnswerCache | None = None,
        prices: Prices | None = None,
    ) -> None:
        """`cache` None keeps nothing; `prices` None is the packaged table.

        Raises:
            SettingError: a limit on the cost of a model without a price.
        """
        self.settings, self.cache = settings, cache
        self.prices = Prices.read() if prices is None else prices
        price = self.prices.of(settings.model)
        if settings.max_cost is not None and price is None:
            raise SettingError(
                f"there is no price for '{settings.model}', so its cost cannot be limited",
                "Give one with --prices FILE, or limit the requests (--max-requests)",
            )
        self._keys = Keys(settings.model)
        self._ledger = Ledger(price, settings.max_requests, settings.max_cost, self.prices.currency)
        self._rounds = Rounds(settings, self._ledger)
        self._thread = LoopThread()
        self._told = 0  # notes of the endpoint that the user was told
        self._cache_told = self._missing_told = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Endpoint, (self.settings, self.cache, self.prices)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.settings.model

    @property
    def spent(self) -> Spent:
        """What was asked so far, and what it cost."""
        return self._ledger.spent

    def ask(
        self, requests: Sequence[Request], progress: AskProgress | None = None
    ) -> list[Answer | Failure]:
        """One answer or failure each, in the order asked.

        Raises:
            ModelError: before the first answer: no or a wrong key, an unknown model, an endpoint
                that cannot be reached or answers nothing.
            RunError: the cache cannot be read.
        """
        self._ledger.count("questions", len(requests))
        keys = [self._keys(request) for request in requests]
        known = self._known(keys, requests)
        missing: dict[bytes, Request] = {}
        for key, request in zip(keys, requests, strict=True):
            if key not in known:
                missing.setdefault(key, request)
        done = sum(key in known for key in keys)
        asked: dict[bytes, Answer | Failure] = {}
        if progress is not None:
            progress(done, len(requests))
        if missing:
            asked = self._ask(missing, done, len(requests), progress)
        answers, seen = [], set()
        for key in keys:
            one = known.get(key) or asked[key]
            if isinstance(one, Answer):
                if key in known or key in seen:
                    self._ledger.count("cached")
                    one = one if one.cached else _again(one)
            else:
                self._ledger.failed(one.kind)
            seen.add(key)
            answers.append(one)
        if progress is not None and missing:
            progress(len(requests), len(requests))
        return answers

    def estimate(self, requests: Sequence[Request]) -> Estimate:
        """What asking these would take, about; what the cache holds costs nothing."""
        keys = [self._keys(request) for request in requests]
        found = self.cache.find(sorted(set(keys))) if self.cache else {}
        missing = {k: r for k, r in zip(keys, requests, strict=True) if k not in found}
        cached = len(requests) - len(missing)
        return estimate(list(missing.values()), self.prices, self.name, cached)

    def close(self) -> None:
        """Let go of the connections and the cache; what was answered stays."""
        self._thread.close(self._rounds.wire.close)
        if self.cache is not None:
            self.cache.close()

    def _known(self, keys: Sequence[bytes], requests: Sequence[Request]) -> dict[bytes, Answer]:
        """What the cache holds and can be read as asked for now."""
        known: dict[bytes, Answer] = {}
        if self.cache is None:
            return known
        kept = self.cache.find(list(dict.fromkeys(keys)))
        for key, request in zip(keys, requests, strict=True):
            row = kept.get(key)
            if row is None or key in known:
                continue
            try:
                data = request.reading.read(row.text)
            except Unreadable:
                continue  # it will be asked again, and the row replaced
            known[key] = Answer(
                data=data,
                text=row.text,
                model=self.name,
                usage=row.usage,
                cost=self._ledger.price.cost(row.usage) if self._ledger.price else None,
                cached=True,
                repairs=row.repairs,
                finish=row.finish,
            )
        return known

    def _ask(
        self,
        missing: dict[bytes, Request],
        done: int,
        total: int,
        progress: AskProgress | None,
    ) -> dict[bytes, Answer | Failure]:
        """Ask over the wire; what is answered goes into the cache as it comes."""
        asked = Asked(missing, self._keep)
        self._rounds.wire.open()
        shown = done

        def tick() -> None:
            nonlocal shown
            if progress is not None and (now := done + len(asked.answers)) > shown:
                shown = now
                progress(now, total)

        try:
            self._thread.run(self._rounds.all(asked), tick)
        finally:
            if self.cache is not None:
                self.cache.flush()
            self._tell(asked)
        return asked.answers

    def _keep(self, key: bytes, request: Request, answer: Answer, served: str) -> None:
        if self.cache is not None:
            kept = Kept(
                text=answer.text,
                finish=answer.finish,
                usage=answer.usage,
                repairs=answer.repairs,
                model=self.name,
                served=served,
                prompt=request.label,
            )
            self.cache.keep(key, kept)

    def _tell(self, asked: Asked) -> None:
        """Warn of what the user would not see in the answers."""
        for note in self._rounds.wire.dialect.notes[self._told :]:
            self._warn(note)
        self._told = len(self._rounds.wire.dialect.notes)
        if self.cache is not None and self.cache.problem and not self._cache_told:
            self._cache_told = True
            self._warn(
                f"the cache {self.cache.path} stopped ({self.cache.problem}): further answers are "
                "not kept for another run"
            )
        missing = list(asked.warnings())
        for text in missing if not self._missing_told else ():
            self._warn(text)
        # Told once, not for each stage that follows; and anew where questions were answered.
        self._missing_told = bool(missing)

    def _warn(self, text: str) -> None:
        warnings.warn(f"{self.name}: {text}", HandrailWarning, stacklevel=4)


def _again(answer: Answer) -> Answer:
    """The answer to a question that was asked once already."""
    return replace(answer, cached=True)
