"""A language model's grades as scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from handrail.asking import Prompts
from handrail.judges import MTSingleGrader
from handrail.records import AskProgress, JudgeError, LanguageModel, Rating, Turn


class GradedScorer:
    """Scores replies by MT-Bench's single-answer grade from 1 to 10; NaN where it failed.

    Grades are few, so that many replies tie.
    """

    trained_with = "grades"  # as a reward model says it: its scores claim an order

    def __init__(self, model: LanguageModel, prompts: Prompts | None = None) -> None:
        self.model, self.name = model, f"model:{model.name}"
        self.errors: list[JudgeError] = []
        self._grader = MTSingleGrader(model, prompts)

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """One grade per reply."""
        return self.score_all([(turn, reply) for reply in replies])

    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        """One grade per reply, in their order."""
        graded = self._grader.grade_all(replies, progress)
        self.errors += [one for one in graded if isinstance(one, JudgeError)]
        return [one.value if isinstance(one, Rating) else math.nan for one in graded]
