"""`handrail.judge_eval`: judges of replies, measured by what people said of the same replies."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.files import records_out
from handrail.cli.judge_asking import ask_pairs, rate
from handrail.cli.judge_raters import Rater, rater
from handrail.cli.judged import errors_beside
from handrail.ranking.estimates import DEFAULT, Estimate, Resampling
from handrail.ranking.graded import GraderScore
from handrail.ranking.labellers import People, people
from handrail.ranking.meta import JudgeScore, Labels, Verdicts
from handrail.records import (
    JudgeError,
    SettingError,
    Skip,
    Spent,
    Verdict,
    nearest,
    write_jsonl,
)
from handrail.records.store import OnError
from handrail.sources.labelled import LABELLED, Labelled, LabelledSource, present
from handrail.sources.labelled.nouns import is_by

if TYPE_CHECKING:
    from handrail.asking import Prompts
    from handrail.cli.judges import OpenModel

Progress = Callable[[str, float, float], None]


@dataclass(frozen=True)
class SetResult:
    """One data set: its labellers, and every judge measured by them.

    `by` says whose the labels are. `shown` counts the comparisons of which there are both texts;
    judges that are asked see those, recorded ones all. `agreement[judge][subset]` and
    `people_of[subset]` are of the parts of the set. Of ratings there are `graders`, with
    `other_ratings` of one labeller by the mean of the others.
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
    skipped: tuple[Skip, ...]
    warnings: tuple[Skip, ...]


@dataclass(frozen=True)
class JudgeEvaluation:
    """Judges on labelled data sets. `verdicts` and `errors` are of the judges that were asked."""

    judges: tuple[str, ...]
    sets: tuple[SetResult, ...]
    verdicts: tuple[Verdict, ...]
    errors: tuple[JudgeError, ...]

    def write(self, path: str | Path) -> Path | None:
        """Write the verdicts, and failed judgements beside them; returns the latter's path."""
        write_jsonl(records_out(path), self.verdicts)
        beside = errors_beside(path)
        if self.errors:
            write_jsonl(beside, self.errors)
            return beside
        beside.unlink(missing_ok=True)  # of an earlier evaluation
        return None

    def summary(self) -> dict[str, Any]:
        """All figures as plain data."""
        return {"judges": list(self.judges), "sets": {s.name: _plain_set(s) for s in self.sets}}


def judge_eval(
    data: str | Path,
    judges: Sequence[str] = ("rule:length", "rule:random"),
    sets: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    protocol: str = "helpful",
    open_model: OpenModel | None = None,
    prompts: Prompts | None = None,
    on_error: OnError = "stop",
    how: Resampling = DEFAULT,
    progress: Progress | None = None,
) -> JudgeEvaluation:
    """Measure judges by labels: agreement, kappa, flips, biases, failures, cost.

    Args:
        data: a folder that holds one folder for each data set, named after it (`llmbar`, ...).
        judges: "rule:length", "rule:random", ..., "model:NAME", "reward:PATH" (those of
            `handrail.judge`), and "recorded:NAME" for the verdicts of a program that a data set
            itself holds.
        sets: names of data sets; by default all that lie in the folder.
        limit: judge so many comparisons (or ratings) of each set, drawn with a fixed seed.
        protocol: how a language model is asked to compare: helpful, leaderboard, mt-pair, bins.
        open_model: gives the language model of a name, see `handrail.cli.judges.make_judge`.
        prompts: prompt files in the place of the packaged ones.
        on_error: "stop" at the first bad row of a data set, or "skip" and count them.
        how: settings of the intervals, which draw whole prompts.
        progress: called as (stage, done, total).

    Raises:
        HandrailError: unknown judges or sets, a file that is not as it should be, or a recorded
            judge that none of the sets holds.
    """
    raters = [rater(spec, protocol, open_model, prompts) for spec in dict.fromkeys(judges)]
    if not raters:
        raise SettingError("there is no judge to measure", "Name one, as in rule:length")
    if limit is not None and limit < 1:
        raise SettingError(f"the limit is {limit}", "Give 1 or more")
    names = _sets(data, sets)
    loaded = [LABELLED[name](Path(data) / name, on_error) for name in names]
    _check_recorded(raters, loaded)
    told = progress or (lambda stage, done, total: None)
    judged: list[Verdict | JudgeError] = []
    results = [
        _evaluate(LABELLED[one.name], one, raters, limit, how, told, judged) for one in loaded
    ]
    return JudgeEvaluation(
        judges=tuple(one.name for one in raters),
        sets=tuple(results),
        verdicts=tuple(one for one in judged if isinstance(one, Verdict)),
        errors=tuple(one for one in judged if isinstance(one, JudgeError)),
    )


def _sets(data: str | Path, wanted: Sequence[str] | None) -> list[str]:
    for name in wanted or ():
        if name not in LABELLED:
            raise SettingError(f"there is no labelled set '{name}'", nearest(name, LABELLED))
    return list(dict.fromkeys(wanted)) if wanted else present(data)


def _check_recorded(raters: Sequence[Rater], loaded: Sequence[Labelled]) -> None:
    known = sorted(
        {j for one in loaded for j in one.judges() if not is_by(j, LABELLED[one.name].by)}
    )
    for one in raters:
        if one.recorded and one.recorded not in known:
            held = ", ".join(f"recorded:{name}" for name in known) or "none"
            raise SettingError(f"no set holds verdicts of '{one.recorded}'", f"Recorded: {held}")


def _evaluate(
    source: LabelledSource,
    labelled: Labelled,
    raters: Sequence[Rater],
    limit: int | None,
    how: Resampling,
    told: Progress,
    judged: list[Verdict | JudgeError],
) -> SetResult:
    """One set with all judges; what was asked is added to `judged`."""
    turns = {turn.id: turn for turn in labelled.turns}
    clusters = {turn.id: turn.conversation_id or turn.id for turn in labelled.turns}
    subsets = {turn.id: turn.tags.get("subset", "") for turn in labelled.turns}
    by = [v for v in labelled.verdicts if is_by(v.judge, source.by)]
    labels = Labels.of(by, clusters, subsets, labelled.lengths)
    texts = {(t.id, reply.author): reply.text for t in labelled.turns for reply in t.replies}
    can = [(t, a) in texts and (t, b) in texts for t, a, b, _ in labels.keys]
    if limit is not None:
        chosen = _drawn([i for i, one in enumerate(can) if one], limit)
        labels = labels.take([i in chosen for i in range(len(can))])
        can = [True] * len(labels.keys)
    shown = labels.take(can)
    scores: dict[str, JudgeScore] = {}
    agreement: dict[str, dict[str, Estimate]] = {}
    graders: dict[str, GraderScore] = {}
    spent: dict[str, Spent] = {}
    rated = rate(labelled, source.by, clusters, limit, how)
    for one in raters:
        before, tell = one.spent, partial(told, f"{source.name}, {one.name}")
        verdicts = _verdicts(one, source.by, labelled, labels)
        if one.pair is not None and shown.keys:
            answers = ask_pairs(one.pair, shown.keys, turns, texts, tell)
            judged += answers
            verdicts = Verdicts.of(one.name, shown, answers)
        if verdicts is not None:
            scores[one.name] = verdicts.score(how)
            agreement[one.name] = {
                name: verdicts.part(name).agreement(how) for name in _names(labels.subsets)
            }
        if one.grade is not None and rated is not None:
            graders[one.name] = rated.score(one, turns, tell, judged)
        if one.spent is not None and before is not None:
            spent[one.name] = one.spent.since(before)
    parts = {n: labels.take([s == n for s in labels.subsets]) for n in _names(labels.subsets)}
    return SetResult(
        name=source.name,
        by=source.by,
        prompts=len({*labels.clusters, *(rated.clusters if rated else ())}),
        shown=sum(can),
        people=people(labels, how) if labels.keys else None,
        people_of={name: people(part, how) for name, part in parts.items()},
        scores=scores,
        agreement=agreement,
        graders=graders,
        other_ratings=rated.others() if rated else None,
        ratings=len(rated.keys) if rated else 0,
        spent=spent,
        skipped=labelled.skipped,
        warnings=labelled.warnings,
    )


def _drawn(rows: Sequence[int], limit: int) -> set[int]:
    return set(rows) if len(rows) <= limit else set(random.Random(0).sample(list(rows), limit))


def _names(subsets: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(subsets) if name]


def _verdicts(one: Rater, by: str, labelled: Labelled, labels: Labels) -> Verdicts | None:
    """What the data set holds of a recorded judge; None of one that is asked, or that labelled."""
    if not one.recorded or is_by(one.recorded, by):
        return None
    said: list[Verdict | JudgeError] = [*labelled.verdicts, *labelled.errors]
    found = Verdicts.of(one.name, labels, [v for v in said if v.judge == one.recorded])
    return found if found.any else None


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
        "spent": {name: plain(spent) for name, spent in one.spent.items()},
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
