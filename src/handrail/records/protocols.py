"""What the layers need from each other without importing each other.

A sampler, a judge or an assessor is passed in by a recipe; anything with these methods serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from pydantic import Field

from handrail.records.asked import AskProgress
from handrail.records.judged import Assessment, JudgeError, Rating, Verdict
from handrail.records.types import Message, Noun, Turn


class SamplingParams(Noun):
    """How replies are drawn. `temperature` 0 is greedy; `seed` makes a draw repeatable."""

    n: int = Field(default=1, ge=1)
    temperature: float = Field(default=0.7, ge=0.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int = Field(default=128, ge=1)
    seed: int = 0


class Sample(Noun):
    """One drawn reply. `logprob` sums its tokens' log-probabilities under the sampler (nats).

    `finish` is "stop" when the end-of-turn token came, "length" when `max_tokens` cut it.
    """

    text: str
    finish: Literal["stop", "length"] = "stop"
    n_tokens: int = 0
    logprob: float | None = None


@runtime_checkable
class Sampler(Protocol):
    """Draws `params.n` replies for each turn's context and playbook (its replies are ignored)."""

    @property
    def name(self) -> str: ...

    def sample(self, turns: Sequence[Turn], params: SamplingParams) -> list[list[Sample]]: ...


@runtime_checkable
class Scorer(Protocol):
    """Gives one number per reply; more is better."""

    @property
    def name(self) -> str: ...

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]: ...


@runtime_checkable
class BatchScorer(Scorer, Protocol):
    """A scorer that scores replies to many turns at once, as a model with batches does.

    NaN stands for a reply without a score (too long for the model).
    """

    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]: ...


@runtime_checkable
class Assessor(Protocol):
    """Judges one reply by itself: which guardrails it keeps and breaks, natural, grounded."""

    @property
    def name(self) -> str: ...

    def assess(self, turn: Turn, reply: str) -> Assessment: ...


@runtime_checkable
class Judge(Protocol):
    """Compares two replies at a turn, in the order shown, on one dimension."""

    @property
    def name(self) -> str: ...

    def compare(
        self, turn: Turn, first: str, second: str, dimension: str
    ) -> Verdict | JudgeError: ...


@dataclass(frozen=True)
class Comparison:
    """Two replies at a turn, to be judged on one dimension in the order in which they stand.

    `before` holds the conversations in which they were given, where these are not the turn's
    context: in a talk of two turns each system has answered the first question in its own way.
    """

    turn: Turn
    first: str
    second: str
    dimension: str
    before: tuple[tuple[Message, ...], tuple[Message, ...]] | None = None


@runtime_checkable
class BatchJudge(Judge, Protocol):
    """A judge that judges many comparisons at once, as one that asks over a network does."""

    def compare_all(
        self, comparisons: Sequence[Comparison], progress: AskProgress | None = None
    ) -> list[Verdict | JudgeError]: ...


@runtime_checkable
class BatchAssessor(Assessor, Protocol):
    """An assessor that assesses many replies at once; a `JudgeError` for each that failed."""

    def assess_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[Assessment | JudgeError]: ...


@runtime_checkable
class Grader(Protocol):
    """Grades single replies on a scale: helpfulness from 1 to 10, a rubric, refusal, safety."""

    @property
    def name(self) -> str: ...

    def grade_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[Rating | JudgeError]: ...


@runtime_checkable
class Embedder(Protocol):
    """Maps texts to vectors, one row each (list of floats), for similarity and clusters."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]: ...
