"""A data point that a language model could not make, and every try: kept, and counted."""

from __future__ import annotations

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
    tries: tuple[Try, ...]
