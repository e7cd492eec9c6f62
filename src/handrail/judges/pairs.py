"""Language models that compare two replies, each in the form of a paper (docs/judging.md)."""

from __future__ import annotations

from typing import Any, Literal

from handrail.asking import (
    BracketLetterReading,
    Form,
    JsonReading,
    LetterReading,
    RanksReading,
    show,
)
from handrail.judges.model import ModelJudge, Referenced, asked, said
from handrail.records import DIMENSIONS, Comparison, Outcome

_LETTERS = {"A": Outcome.A, "B": Outcome.B, "C": Outcome.TIE}


class Bin(Form):
    """Which replies are acceptable."""

    reason: str = ""
    verdict: Literal["a", "b", "both", "neither"]


class BinsJudge(ModelJudge):
    """Four bins on adherence, naturalness or hallucination: both acceptable, neither, one better.

    The guardrail-alignment paper, section V-D.
    """

    prompt = "bins"
    dimensions = DIMENSIONS
    reading = JsonReading(Bin)
    asks_identical = True

    def values(self, one: Comparison) -> dict[str, Any]:
        """The dimension, guardrails, conversation and both replies."""
        replies = {"a": one.first, "b": one.second}
        return {"dimension": one.dimension, **show.turn(one.turn), **replies}

    def outcome(self, data: Bin) -> Outcome:
        """The bin."""
        return Outcome(data.verdict.upper())


class HelpfulJudge(ModelJudge):
    """One letter for the more helpful reply, C for alike (self-improving alignment paper, 6.1)."""

    prompt = "helpful"
    dimensions = ("helpfulness",)
    reading = LetterReading()
    max_tokens = 16

    def values(self, one: Comparison) -> dict[str, Any]:
        """The conversation and both replies."""
        return _conversation_and_replies(one)

    def outcome(self, data: Any) -> Outcome:
        """The letter; C is a tie."""
        return _LETTERS[data.letter]


class LeaderboardJudge(ModelJudge):
    """A ranking of two models by what people would prefer: AlpacaEval's form (Li et al. 2023)."""

    prompt = "leaderboard"
    dimensions = ("preference",)
    reading = RanksReading()
    max_tokens = 256

    def values(self, one: Comparison) -> dict[str, Any]:
        """The conversation and both replies."""
        return _conversation_and_replies(one)

    def outcome(self, data: Any) -> Outcome:
        """The model ranked first; equal ranks are a tie."""
        first, second = data.ranks["model_1"], data.ranks["model_2"]
        if first == second:
            return Outcome.TIE
        return Outcome.A if first < second else Outcome.B


def _conversation_and_replies(one: Comparison) -> dict[str, Any]:
    conversation = show.conversation(one.turn.context)
    return {"conversation": conversation, "a": one.first, "b": one.second}


class MTPairJudge(Referenced, ModelJudge):
    """MT-Bench's pairwise judge (Zheng et al. 2023): words, then `[[A]]`, `[[B]]` or `[[C]]`.

    Talks of several turns are shown whole, each with its own earlier answers, and judged by the
    last one. Where a turn has a reference answer, the judge is shown it.
    """

    prompt = "mt_pair"
    dimensions = ("quality",)
    reading = BracketLetterReading()
    max_tokens = 2048

    def values(self, one: Comparison) -> dict[str, Any]:
        """The questions, the answers of both, the reference."""
        before = one.before or (one.turn.context, one.turn.context)
        a, b = [*said(before[0]), one.first], [*said(before[1]), one.second]
        return {
            "conversation": show.conversation(asked(one.turn)),
            "a": a,
            "b": b,
            "reference": self.reference(one.turn, len(a)),
        }

    def outcome(self, data: Any) -> Outcome:
        """The letter; C is a tie."""
        return _LETTERS[data.letter]
