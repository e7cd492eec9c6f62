"""What a language model is asked, what it answers, and what that cost.

These are what `synthesis` and `judges` share with whatever asks (an endpoint over HTTP, a function
in a test) without importing it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from handrail.records.types import Message


class Unreadable(Exception):
    """A reply that does not hold what was asked for. `problem` is told to the model and the user.

    `kind` is "refusal" where the model declined, else "malformed" (no such thing in the text) or
    "schema" (it is there, with wrong fields or values).
    """

    def __init__(
        self, problem: str, kind: Literal["malformed", "schema", "refusal"] = "malformed"
    ) -> None:
        super().__init__(problem)
        self.problem, self.kind = problem, kind


class Reading(Protocol):
    """How a reply's text becomes data. `schema`: the JSON schema it should have; None for text."""

    @property
    def schema(self) -> dict[str, Any] | None: ...

    def read(self, text: str) -> BaseModel:
        """The data that the text holds; raises `Unreadable`."""
        ...


@dataclass(frozen=True)
class Request:
    """One question to a language model.

    `task` and `version` name the prompt file and its content's hash. `sample` tells draws with
    equal messages apart. `about` (a turn's id) is for people; no answer depends on it.
    """

    task: str
    version: str
    messages: tuple[Message, ...]
    reading: Reading
    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    sample: int = 0
    about: str = ""

    @property
    def label(self) -> str:
        """The prompt and its version, as records name what made them: `bins@0f3a...`."""
        return f"{self.task}@{self.version}"


@dataclass(frozen=True)
class Usage:
    """Tokens of one or more calls, as the endpoint counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True)
class Answer:
    """A reply that could be read. `cost` is in the price table's currency; None: no price known.

    `cached`: it was not asked again, so that `usage` and `cost` are those of the first time.
    `repairs` counts the rounds in which the model was told what was wrong with its reply.
    """

    data: Any
    text: str
    model: str = ""
    usage: Usage = Usage()
    cost: float | None = None
    cached: bool = False
    repairs: int = 0
    finish: str = "stop"


FailureKind = Literal[
    "malformed",  # no answer of the wanted form in the text, after repair
    "schema",  # of the form, but with wrong fields or values, after repair
    "refusal",  # the model declined
    "truncated",  # cut off at max_tokens
    "endpoint",  # errors or time-outs that outlasted the retries
    "limit",  # not asked: the limit on requests or cost was reached
]


@dataclass(frozen=True)
class Failure:
    """A question without a usable answer. `raw` is the last reply's text, as it came."""

    kind: FailureKind
    problem: str
    raw: str = ""
    model: str = ""
    usage: Usage = Usage()
    cost: float | None = None
    cached: bool = False


@dataclass(frozen=True)
class Spent:
    """What the questions cost so far. `cost` is of the priced calls; `unpriced` counts others.

    `requests` went over the wire (retries and repairs with them), `cached` did not.
    """

    questions: int = 0
    requests: int = 0
    cached: int = 0
    retries: int = 0
    repairs: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    usage: Usage = Usage()
    cost: float = 0.0
    unpriced: int = 0
    currency: str = "USD"

    def since(self, before: Spent) -> Spent:
        """What was spent after `before` was."""
        counts = {
            name: getattr(self, name) - getattr(before, name)
            for name in ("questions", "requests", "cached", "retries", "repairs", "unpriced")
        }
        failed = {k: n - before.failures.get(k, 0) for k, n in self.failures.items()}
        return replace(
            self,
            **counts,
            failures={k: n for k, n in failed.items() if n},
            usage=Usage(
                self.usage.prompt_tokens - before.usage.prompt_tokens,
                self.usage.completion_tokens - before.usage.completion_tokens,
            ),
            cost=self.cost - before.cost,
        )


AskProgress = Callable[[int, int], None]  # (answered, asked)


@runtime_checkable
class LanguageModel(Protocol):
    """Answers questions, many at once; one `Answer` or `Failure` each, in the order asked.

    Raises a `HandrailError` only for what no question can survive (a wrong key, an unknown model).
    """

    @property
    def name(self) -> str: ...

    @property
    def spent(self) -> Spent: ...

    def ask(
        self, requests: Sequence[Request], progress: AskProgress | None = None
    ) -> list[Answer | Failure]: ...
