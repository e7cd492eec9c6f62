"""Many replies assessed: at once by an assessor that can, else one by one."""

from __future__ import annotations

from collections.abc import Sequence

from handrail.records.asked import AskProgress
from handrail.records.errors import HandrailError
from handrail.records.judged import Assessment, JudgeError
from handrail.records.protocols import Assessor, BatchAssessor
from handrail.records.types import Turn


def assess_each(
    assessor: Assessor, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
) -> list[Assessment | JudgeError]:
    """The assessor's answer to each reply, in their order; a `JudgeError` where it fails."""
    if isinstance(assessor, BatchAssessor):
        return assessor.assess_all(replies, progress)
    assessed: list[Assessment | JudgeError] = []
    for turn, reply in replies:
        try:
            assessed.append(assessor.assess(turn, reply))
        except HandrailError as error:
            assessed.append(no_assessment(turn, assessor.name, error.problem))
        if progress is not None:
            progress(len(assessed), len(replies))
    return assessed


def no_assessment(turn: Turn, judge: str, problem: str) -> JudgeError:
    """Why a reply at a turn has no assessment; whose reply it is, the caller knows."""
    return JudgeError(turn=turn.id, a="", b="", dimension="any", judge=judge, problem=problem)
