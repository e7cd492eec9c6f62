"""A reward model as a judge: the reply with the higher score is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from handrail.records import (
    AskProgress,
    Comparison,
    JudgeError,
    Outcome,
    Scorer,
    Turn,
    Verdict,
)

PREFERENCE = ("preference",)


@runtime_checkable
class BatchScorer(Scorer, Protocol):
    """A scorer that scores replies to many turns at once, as a model with batches does."""

    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]: ...


@dataclass
class RewardJudge:
    """Prefers the reply that a reward model scores higher; a tie within `margin`.

    A score does not know the order in which replies are shown, so both orders agree; each distinct
    reply is scored once. A score that is no number is a `JudgeError`.
    """

    scorer: Scorer
    margin: float = 0.0
    dimensions: tuple[str, ...] = PREFERENCE
    name: str = ""

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise ValueError("the margin must be at least 0")
        self.name = self.name or f"reward:{self.scorer.name}"

    def compare(self, turn: Turn, first: str, second: str, dimension: str) -> Verdict | JudgeError:
        """One comparison; `compare_all` is the faster way to many."""
        return self.compare_all([Comparison(turn, first, second, dimension)])[0]

    def compare_all(
        self, comparisons: Sequence[Comparison], progress: AskProgress | None = None
    ) -> list[Verdict | JudgeError]:
        """A verdict for each, in their order."""
        shown = {
            (one.turn.id, reply): (one.turn, reply)
            for one in comparisons
            for reply in (one.first, one.second)
        }
        scores = dict(zip(shown, self._scores(list(shown.values()), progress), strict=True))
        return [
            self._verdict(one, scores[one.turn.id, one.first], scores[one.turn.id, one.second])
            for one in comparisons
        ]

    def _scores(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None
    ) -> list[float]:
        if isinstance(self.scorer, BatchScorer):
            return self.scorer.score_all(replies, progress)
        scores: list[float] = []
        for turn, reply in replies:
            scores += self.scorer.score(turn, [reply])
            if progress is not None:
                progress(len(scores), len(replies))
        return scores

    def _verdict(self, one: Comparison, first: float, second: float) -> Verdict | JudgeError:
        told = {
            "turn": one.turn.id,
            "a": "first",
            "b": "second",
            "dimension": one.dimension,
            "judge": self.name,
        }
        if not (math.isfinite(first) and math.isfinite(second)):
            which = "the first reply" if not math.isfinite(first) else "the second reply"
            return JudgeError(**told, problem=f"{which} has no score (too long for the model?)")
        gap = first - second
        outcome = Outcome.TIE if abs(gap) <= self.margin else Outcome.A if gap > 0 else Outcome.B
        return Verdict(**told, outcome=outcome, rationale=f"{first:.6g} and {second:.6g}")
