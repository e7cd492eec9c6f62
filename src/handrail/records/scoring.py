"""Many replies scored, at once by a scorer that can, else one by one; what models are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handrail.records.asked import AskProgress
from handrail.records.protocols import BatchScorer, Scorer
from handrail.records.types import Turn


def score_each(
    scorer: Scorer, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
) -> list[float]:
    """The score of each reply, in their order; NaN where it has none."""
    if isinstance(scorer, BatchScorer):
        return scorer.score_all(replies, progress)
    scores: list[float] = []
    for turn, reply in replies:
        scores += scorer.score(turn, [reply])
        if progress is not None:
            progress(len(scores), len(replies))
    return scores


def called(model: str | Path) -> str:
    """How reports call a model: by the last part of its path, a run's `final` folder by its run."""
    path = Path(model)
    return (path.parent.name if path.name == "final" else "") or path.name or str(model)
