"""The nouns of judging: one reply by itself, two replies compared, a judgement that failed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from handrail.records.types import Noun

DIMENSIONS = ("adherence", "naturalness", "hallucination")

# A judge's words. Half of a surrogate pair becomes "?": a file could not hold it, and what was
# judged before would be lost with it.
Words = Annotated[str, AfterValidator(lambda text: text.encode("utf-8", "replace").decode("utf-8"))]


class Assessment(Noun):
    """One reply judged by itself on the three dimensions of the guardrail-alignment paper.

    `natural` and `grounded` are None where the assessor cannot tell (rule checks know neither).
    `invented` lists the spans that neither context nor playbook holds.
    """

    keeps: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    natural: bool | None = None
    invented: tuple[str, ...] | None = None
    reason: Words = ""

    def acceptable(self, dimension: str) -> bool | None:
        """Whether the reply is acceptable on one of `DIMENSIONS`; None where unknown."""
        if dimension == "adherence":
            return not self.breaks
        if dimension == "naturalness":
            return self.natural
        if dimension == "hallucination":
            return None if self.invented is None else not self.invented
        raise ValueError(f"unknown dimension {dimension!r}")


class Outcome(StrEnum):
    """What a comparison said. BOTH and NEITHER: both acceptable, none acceptable."""

    A = "A"
    B = "B"
    BOTH = "BOTH"
    NEITHER = "NEITHER"
    TIE = "TIE"

    def swap(self) -> Outcome:
        """The same verdict with the two replies exchanged."""
        return {Outcome.A: Outcome.B, Outcome.B: Outcome.A}.get(self, self)


class Verdict(Noun):
    """A judged comparison of replies `a` and `b` (names of systems) at one turn.

    `order` tells which was shown first: "AB" or "BA". `outcome` is always in terms of a and b.
    """

    turn: str
    a: str
    b: str
    dimension: str
    outcome: Outcome
    order: Literal["AB", "BA"] = "AB"
    judge: str = ""
    rationale: Words = ""

    def swap(self) -> Verdict:
        """The same verdict with a and b exchanged; outcome and order flip with them."""
        order: Literal["AB", "BA"] = "BA" if self.order == "AB" else "AB"
        return self.model_copy(
            update={"a": self.b, "b": self.a, "outcome": self.outcome.swap(), "order": order}
        )


class Rating(Noun):
    """One reply of system `a` graded by itself: a `value` between `low` and `high`, 1 to 10, say.

    `label` is the judge's own word where it gives one ("full refusal"); equal labels have equal
    values.
    """

    turn: str
    a: str
    dimension: str
    value: float
    low: float
    high: float
    label: str = ""
    judge: str = ""
    rationale: Words = ""

    @model_validator(mode="after")
    def _within(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"the value {self.value} is not within {self.low} to {self.high}")
        return self


class JudgeError(Noun):
    """A judgement that failed or could not be parsed: counted, never a tie, never a zero.

    `b` is empty where a reply was judged by itself. `kind` is the language model's `FailureKind`,
    empty for other judges; `raw` its last reply.
    """

    turn: str
    a: str
    b: str
    dimension: str
    judge: str = ""
    problem: Words
    kind: str = ""
    order: Literal["AB", "BA"] = "AB"
    raw: Words = ""
