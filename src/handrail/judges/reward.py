"""A reward model as a judge: the reply with the higher score is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from handrail.records import (
    AskProgress,
    Comparison,
    JudgeError,
    Outcome,
    Scorer,
    Turn,
    Verdict,
    score_each,
)

PREFERENCE = ("preference",)


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
        scores = dict(
            zip(shown, score_each(self.scorer, list(shown.values()), progress), strict=True)
        )
        return [
            self._verdict(one, scores[one.turn.id, one.first], scores[one.turn.id, one.second])
            for one in comparisons
        ]

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
