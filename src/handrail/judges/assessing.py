"""A language model that judges one reply by itself: guardrails, naturalness, inventions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from handrail.asking import Form, JsonReading, show
from handrail.judges.model import Asker
from handrail.records import (
    AskProgress,
    Assessment,
    Failure,
    HandrailError,
    JudgeError,
    Turn,
)


class Assessed(Form):
    """What a model says of one reply; guardrails by their numbers."""

    reason: str = ""
    keeps: tuple[str, ...]
    breaks: tuple[str, ...]
    natural: bool
    invented: tuple[str, ...]


class ModelAssessor(Asker):
    """Assesses replies on all three dimensions with one question each.

    Two replies that are compared on three dimensions cost two questions instead of three, or six
    in both orders (`AssessorJudge`); what it costs is that the model does not see them together.
    """

    prompt = "assess"

    def assess(self, turn: Turn, reply: str) -> Assessment:
        """One assessment; `assess_all` is the faster way to many.

        Raises:
            HandrailError: the model gave none that could be read.
        """
        (one,) = self.assess_all([(turn, reply)])
        if isinstance(one, JudgeError):
            raise HandrailError(f"no assessment: {one.problem}", where=f"turn {turn.id}")
        return one

    def assess_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[Assessment | JudgeError]:
        """An assessment for each, in their order; a `JudgeError` where the model gave none."""
        answers = self.model.ask(self.requests(replies), progress) if replies else []
        return [
            self.error(turn, answer, "any")
            if isinstance(answer, Failure)
            else _assessment(turn, answer.data)
            for (turn, _), answer in zip(replies, answers, strict=True)
        ]

    def requests(self, replies: Sequence[tuple[Turn, str]]) -> list[Any]:
        """The questions that these replies need."""
        return [
            self.request(
                {**show.turn(turn), "reply": reply},
                JsonReading(Assessed, _numbers_of(turn)),
                turn.id,
            )
            for turn, reply in replies
        ]


def _numbers_of(turn: Turn) -> Callable[[Any], str]:
    """A check of the numbers that an answer names: the turn's guardrails, each once at most."""
    known = show.guardrails(turn.playbook)

    def fault(data: Assessed) -> str:
        for number in (*data.keeps, *data.breaks):
            if number not in known:
                return f"'{number[:40]}' is no guardrail's number"
        both = set(data.keeps) & set(data.breaks)
        return f"guardrail {min(both)} is said to be kept and broken" if both else ""

    return fault


def _assessment(turn: Turn, data: Assessed) -> Assessment:
    # The reading has seen to it that each number is a guardrail's.
    return Assessment(
        keeps=show.guardrail_ids(turn.playbook, data.keeps) or (),
        breaks=show.guardrail_ids(turn.playbook, data.breaks) or (),
        natural=data.natural,
        invented=data.invented,
        reason=data.reason,
    )
