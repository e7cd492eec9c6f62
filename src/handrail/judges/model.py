"""Judges that ask a language model: what all of them share.

A judge is a prompt file, the values that it shows, a reading of the answer, and what that means.
`pairs.py`, `graders.py` and `assessing.py` have them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from operator import is_
from typing import Any, ClassVar

from handrail.asking import Prompts
from handrail.records import (
    AskProgress,
    Comparison,
    Failure,
    JudgeError,
    LanguageModel,
    Message,
    Outcome,
    Rating,
    Reading,
    Request,
    SettingError,
    Turn,
    Verdict,
    nearest,
)

IDENTICAL = "the replies are identical: a tie without asking"
References = Mapping[str, Sequence[str]]  # turn id -> the reference answer to each user turn


class Asker:
    """Asks a model with one prompt file.

    `name` is `model:NAME/PROMPT@HASH`, so that another prompt never passes for this one.
    """

    prompt: ClassVar[str]
    max_tokens: ClassVar[int] = 1024

    def __init__(self, model: LanguageModel, prompts: Prompts | None = None) -> None:
        self.model = model
        self.file = (prompts or Prompts())[self.prompt]
        self.name = f"model:{model.name}/{self.file.label}"

    def request(self, values: Mapping[str, Any], reading: Reading, about: str) -> Request:
        """The question for these values; greedy, so that one judgement is one answer."""
        return Request(
            task=self.prompt,
            version=self.file.version,
            messages=self.file.render(values),
            reading=reading,
            max_tokens=self.max_tokens,
            about=about,
        )

    def error(self, turn: Turn, failure: Failure, dimension: str, pair: bool = False) -> JudgeError:
        """What became of a question without a usable answer."""
        return JudgeError(
            turn=turn.id,
            a="first" if pair else "reply",
            b="second" if pair else "",
            dimension=dimension,
            judge=self.name,
            problem=failure.problem,
            kind=failure.kind,
            raw=failure.raw,
        )


class Referenced(Asker):
    """An asker that shows the judge reference answers of the turns that have them."""

    def __init__(
        self,
        model: LanguageModel,
        prompts: Prompts | None = None,
        references: References | None = None,
    ) -> None:
        super().__init__(model, prompts)
        self.references = references or {}

    def reference(self, turn: Turn, answers: int) -> list[str] | None:
        """The turn's reference answers, one for each of the answers judged; None without any.

        Raises:
            SettingError: there are more or fewer.
        """
        found = self.references.get(turn.id)
        if found is None:
            return None
        if len(found) != answers:
            raise SettingError(
                f"the reference for turn {turn.id} has {len(found)} answers where {answers} are "
                "judged",
                "Give one for each message of the agent's, in a turn of the same conversation",
            )
        return list(found)


class ModelJudge(Asker, ABC):
    """Compares two replies by asking a language model; many comparisons at once.

    A subclass says what it shows and what the answer means. With `asks_identical` False, a tie is
    the only thing that can be said of two equal replies, and is not paid for (AlpacaEval does
    likewise); the four bins still have to say whether both are acceptable or neither.
    """

    dimensions: ClassVar[tuple[str, ...]]
    reading: ClassVar[Reading]
    asks_identical: ClassVar[bool] = False
    _newest: tuple[list[Comparison], list[Request]] = ([], [])

    @abstractmethod
    def values(self, one: Comparison) -> dict[str, Any]:
        """What the prompt may use."""

    @abstractmethod
    def outcome(self, data: Any) -> Outcome:
        """What the answer says; A is the reply shown first."""

    def compare(self, turn: Turn, first: str, second: str, dimension: str) -> Verdict | JudgeError:
        """One comparison; `compare_all` is the faster way to many."""
        return self.compare_all([Comparison(turn, first, second, dimension)])[0]

    def compare_all(
        self, comparisons: Sequence[Comparison], progress: AskProgress | None = None
    ) -> list[Verdict | JudgeError]:
        """A verdict for each, in their order; a `JudgeError` where the model gave none.

        Raises:
            HandrailError: a dimension that this judge does not know, a prompt that cannot be
                used, or a model that no question can reach.
        """
        asked = [one for one in comparisons if not self.decided(one)]
        answers = iter(self.model.ask(self.requests(comparisons), progress) if asked else [])
        judged: list[Verdict | JudgeError] = []
        for one in comparisons:
            if self.decided(one):
                judged.append(self._verdict(one, Outcome.TIE, IDENTICAL))
                continue
            answer = next(answers)
            if isinstance(answer, Failure):
                judged.append(self.error(one.turn, answer, one.dimension, pair=True))
            else:
                reason = getattr(answer.data, "reason", "")
                judged.append(self._verdict(one, self.outcome(answer.data), reason))
        return judged

    def requests(self, comparisons: Sequence[Comparison]) -> list[Request]:
        """The questions that these comparisons need; none for those decided without asking.

        Those of the newest comparisons are kept: what was estimated is asked next.
        """
        kept, made = self._newest
        if len(kept) == len(comparisons) and all(map(is_, kept, comparisons)):
            return made
        made = self._made(comparisons)
        self._newest = (list(comparisons), made)
        return made

    def _made(self, comparisons: Sequence[Comparison]) -> list[Request]:
        for dimension in {one.dimension for one in comparisons} - set(self.dimensions):
            raise SettingError(
                f"'{self.prompt}' does not judge '{dimension}'", nearest(dimension, self.dimensions)
            )
        return [
            self.request(self.values(one), self.reading, one.turn.id)
            for one in comparisons
            if not self.decided(one)
        ]

    def decided(self, one: Comparison) -> bool:
        """Whether the replies, and the answers before them, are equal and that says it all."""
        same_before = one.before is None or said(one.before[0]) == said(one.before[1])
        return not self.asks_identical and one.first == one.second and same_before

    def _verdict(self, one: Comparison, outcome: Outcome, reason: str) -> Verdict:
        return Verdict(
            turn=one.turn.id,
            a="first",
            b="second",
            dimension=one.dimension,
            outcome=outcome,
            judge=self.name,
            rationale=reason,
        )


class ModelGrader(Asker, ABC):
    """Grades single replies from `low` to `high` by asking a language model, many at once."""

    dimension: ClassVar[str]
    low: ClassVar[float]
    high: ClassVar[float]
    reading: ClassVar[Reading]

    @abstractmethod
    def values(self, turn: Turn, reply: str) -> dict[str, Any]:
        """What the prompt may use."""

    @abstractmethod
    def graded(self, data: Any) -> tuple[float, str]:
        """The grade that the answer gives, and the judge's own word for it ("" for none)."""

    def grade_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[Rating | JudgeError]:
        """A rating for each, in their order; a `JudgeError` where the model gave none.

        Raises:
            HandrailError: a prompt that cannot be used, or a model that no question can reach.
        """
        rated: list[Rating | JudgeError] = []
        answers = self.model.ask(self.requests(replies), progress) if replies else []
        for (turn, _), answer in zip(replies, answers, strict=True):
            if isinstance(answer, Failure):
                rated.append(self.error(turn, answer, self.dimension))
                continue
            value, label = self.graded(answer.data)
            rated.append(
                Rating(
                    turn=turn.id,
                    a="reply",
                    dimension=self.dimension,
                    value=value,
                    low=self.low,
                    high=self.high,
                    label=label,
                    judge=self.name,
                    rationale=answer.data.reason,
                )
            )
        return rated

    def requests(self, replies: Sequence[tuple[Turn, str]]) -> list[Request]:
        """The questions that these replies need."""
        return [
            self.request(self.values(turn, reply), self.reading, turn.id) for turn, reply in replies
        ]


def said(messages: Sequence[Message]) -> list[str]:
    """What the agent said in a conversation."""
    return [message.content for message in messages if message.role == "assistant"]


def asked(turn: Turn) -> tuple[Message, ...]:
    """A turn's conversation without what the agent said: the questions, and what goes with them."""
    return tuple(message for message in turn.context if message.role != "assistant")
