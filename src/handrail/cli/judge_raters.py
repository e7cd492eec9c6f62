"""The judges of `judge-eval`, by name: what compares two replies, and what rates one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handrail.cli.judges import PAIRS, AnyJudge, OpenModel, make_judge
from handrail.records import (
    AskProgress,
    Assessor,
    Grader,
    Judge,
    JudgeError,
    LanguageModel,
    Rating,
    SettingError,
    Spent,
    Turn,
    score_each,
)

if TYPE_CHECKING:
    from handrail.asking import Prompts
    from handrail.judges import RubricGrader

RECORDED = "recorded:"
Replies = Sequence[tuple[Turn, str]]


@dataclass(frozen=True)
class Rater:
    """A judge as `judge-eval` uses it.

    `pair` compares two replies; `grade` gives each reply a number (None where it failed), on the
    labels' own scale where `same_scale`. None where the judge cannot do that. `recorded` is the
    name under which a data set holds its judgements; `grader` asks `model` for the numbers.
    """

    name: str
    pair: Judge | None = None
    grade: Callable[[Replies, AskProgress | None], list[float | JudgeError]] | None = None
    same_scale: bool = False
    recorded: str = ""
    model: LanguageModel | None = None
    grader: Grader | None = None

    @property
    def spent(self) -> Spent | None:
        """What the judge's language model was asked so far; None where it has none."""
        return None if self.model is None else self.model.spent


def rater(
    judge: str | AnyJudge,
    protocol: str = "helpful",
    open_model: OpenModel | None = None,
    prompts: Prompts | None = None,
    turns: Sequence[Turn] = (),
) -> Rater:
    """The judge of a name: those of `handrail judge`, and `recorded:NAME`.

    Args:
        judge: "recorded:NAME" (what a data set holds of a program), a name as `make_judge` takes
            it, or a judge.
        protocol: how a language model compares; ratings by rubric have a prompt of their own.
        open_model: gives the model of a name.
        prompts: the prompt files.
        turns: what will be judged; the care world's oracle warns of others.

    Raises:
        HandrailError: an unknown name or protocol, or a model that cannot be opened.
    """
    if not isinstance(judge, str):
        return _rater(judge.name, judge, prompts)
    if judge.startswith(RECORDED):
        name = judge.removeprefix(RECORDED)
        if not name:
            raise SettingError("'recorded:' names nobody", "As in recorded:gpt4")
        return Rater(judge, recorded=name)
    if protocol not in PAIRS:
        known = ", ".join(PAIRS)
        raise SettingError(
            f"'{protocol}' does not compare two replies",
            f"Known: {known}; rated replies are asked about by their own rubrics",
        )
    made = make_judge(judge, protocol=protocol, open_model=open_model, prompts=prompts, turns=turns)
    return _rater(judge, made, prompts)


def _rater(spec: str, made: AnyJudge, prompts: Prompts | None) -> Rater:
    """What a judge can do here: compare, grade, or both."""
    model = getattr(made, "model", None)
    if isinstance(made, Judge):
        if model is not None:
            grader = _by_rubric(model, prompts)
            return Rater(spec, made, _graded(grader), True, model=model, grader=grader)
        return Rater(spec, made, _scored(made))
    if isinstance(made, Assessor):
        from handrail.judges import AssessorJudge

        return Rater(spec, AssessorJudge(made), model=model)
    return Rater(spec, None, _graded(made), model=model, grader=made)


def _graded(grader: Grader) -> Callable[[Replies, AskProgress | None], list[float | JudgeError]]:
    def grade(replies: Replies, progress: AskProgress | None) -> list[float | JudgeError]:
        rated = grader.grade_all(replies, progress)
        return [one.value if isinstance(one, Rating) else one for one in rated]

    return grade


def _scored(judge: Any) -> Callable[[Replies, AskProgress | None], list[float | JudgeError]] | None:
    """What a reward model's judge or a rule of length prefers, as numbers that order replies."""
    from handrail.judges import RewardJudge, RuleJudge

    sign = (
        {"length": 1.0, "shorter": -1.0}.get(judge.rule) if isinstance(judge, RuleJudge) else None
    )
    if sign is None and not isinstance(judge, RewardJudge):
        return None

    def grade(replies: Replies, progress: AskProgress | None) -> list[float | JudgeError]:
        if sign is not None:
            return [sign * len(reply) for _, reply in replies]
        scores = score_each(judge.scorer, replies, progress)
        return [
            score if math.isfinite(score) else _no_number(turn, judge.name, score)
            for (turn, _), score in zip(replies, scores, strict=True)
        ]

    return grade


def _no_number(turn: Turn, judge: str, score: float) -> JudgeError:
    problem = f"the score is no number ({score})"
    return JudgeError(turn=turn.id, a="", b="", dimension="rating", judge=judge, problem=problem)


def _by_rubric(model: LanguageModel, prompts: Prompts | None) -> RubricGrader:
    """Rates each reply by the rubric and the reference in its turn's tags (Prometheus)."""
    from handrail.judges import RubricGrader, checked_rubric

    class TaggedRubricGrader(RubricGrader):
        """As `RubricGrader`, with a rubric for each turn."""

        def values(self, turn: Turn, reply: str) -> dict[str, Any]:
            return {
                **super().values(turn, reply),
                "rubric": checked_rubric(json.loads(turn.tags["rubric"]), turn.id),
                "reference": turn.tags.get("reference"),
            }

    none = dict.fromkeys(("criterion", "1", "2", "3", "4", "5"), "see the turn")
    return TaggedRubricGrader(model, none, prompts)
