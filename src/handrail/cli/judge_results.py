"""What `judge-eval` found, as results and as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.judged import write_judgements
from handrail.cli.llm import spent_summary
from handrail.ranking.estimates import Estimate
from handrail.ranking.graded import GraderScore
from handrail.ranking.labellers import People
from handrail.ranking.meta import JudgeScore
from handrail.records import JudgeError, Skip, Spent, Verdict

if TYPE_CHECKING:
    from handrail.sampling.server.prices import Estimate as Cost


@dataclass(frozen=True)
class SetResult:
    """One data set: its labellers, and every judge measured by them.

    `by` says whose the labels are. `shown` counts the comparisons of which there are both texts;
    judges that are asked see those, recorded ones all. `agreement[judge][subset]` and
    `people_of[subset]` are of the parts of the set. Of ratings there are `graders`, with
    `other_ratings` of one labeller by the mean of the others.
    `problems` tells what most of a judge's failures were.
    """

    name: str
    by: str
    prompts: int
    shown: int
    people: People | None
    people_of: Mapping[str, People]
    scores: Mapping[str, JudgeScore]
    agreement: Mapping[str, Mapping[str, Estimate]]
    graders: Mapping[str, GraderScore]
    other_ratings: GraderScore | None
    ratings: int
    spent: Mapping[str, Spent]
    problems: Mapping[str, str]
    skipped: tuple[Skip, ...]
    warnings: tuple[Skip, ...]


@dataclass(frozen=True)
class JudgeEvaluation:
    """Judges on labelled data sets. `verdicts` and `errors` are of the judges that were asked.

    `costs` is what language models were thought to cost before, by judge.
    """

    judges: tuple[str, ...]
    sets: tuple[SetResult, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    errors: tuple[JudgeError, ...] = ()
    costs: Mapping[str, Cost] = field(default_factory=dict)

    def write(self, path: str | Path) -> Path | None:
        """Write the verdicts, and failed judgements beside them; returns the latter's path."""
        return write_judgements(path, self.verdicts, self.errors)

    def summary(self) -> dict[str, Any]:
        """All figures as plain data."""
        sets = {one.name: _plain_set(one) for one in self.sets}
        made: dict[str, Any] = {"judges": list(self.judges), "sets": sets}
        if self.costs:
            made["estimates"] = {name: vars(cost) for name, cost in self.costs.items()}
        return made


def _plain_set(one: SetResult) -> dict[str, Any]:
    return {
        "labels_by": one.by,
        "prompts": one.prompts,
        "comparisons": one.people.items if one.people else 0,
        "shown": one.shown,
        "labels": one.people.labels if one.people else 0,
        "ratings": one.ratings,
        "people": plain(one.people),
        "people_by_subset": {
            name: {"items": p.items, "left_out": p.left_out.as_dict(), "always": p.always.as_dict()}
            for name, p in one.people_of.items()
        },
        "judges": {name: plain(score) for name, score in one.scores.items()},
        "agreement_by_subset": {
            name: {subset: value.as_dict() for subset, value in values.items()}
            for name, values in one.agreement.items()
        },
        "graders": {name: plain(score) for name, score in one.graders.items()},
        "other_ratings": plain(one.other_ratings),
        "spent": {name: spent_summary(spent) for name, spent in one.spent.items()},
        "problems": dict(one.problems),
        "skipped": [skip.model_dump() for skip in one.skipped],
        "warnings": [skip.model_dump() for skip in one.warnings],
    }


def plain(one: Any) -> Any:
    """A frozen result as plain data, its estimates too; None stays None."""
    if isinstance(one, Estimate):
        return one.as_dict()
    if one is None or isinstance(one, str | int | float):
        return one
    if isinstance(one, Mapping):
        return dict(one)
    return {field.name: plain(getattr(one, field.name)) for field in fields(one)}
