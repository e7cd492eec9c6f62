"""`handrail.judge_eval`: judges of replies, measured by what people said of the same replies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from handrail.asking import Prompts
from handrail.cli.judge_asking import RatedReplies, ask_pairs, questions, rate
from handrail.cli.judge_raters import Rater, rater
from handrail.cli.judge_results import JudgeEvaluation, SetResult
from handrail.cli.judges import AnyJudge
from handrail.ranking.estimates import DEFAULT, Estimate, Resampling
from handrail.ranking.graded import GraderScore
from handrail.ranking.labellers import people
from handrail.ranking.meta import JudgeScore, Labels, Verdicts
from handrail.records import (
    DIMENSIONS,
    AskProgress,
    JudgeError,
    LanguageModel,
    SettingError,
    Spent,
    Turn,
    Verdict,
    nearest,
)
from handrail.records.store import OnError
from handrail.sources.labelled import LABELLED, Labelled, LabelledSource, present
from handrail.sources.labelled.nouns import is_by

if TYPE_CHECKING:
    from handrail.sampling.server.prices import Estimate as Cost

Progress = Callable[[str, float, float], None]


class Asking(TypedDict, total=False):
    """What few need to say."""

    prompts: str | Path | None
    llm: Mapping[str, Any]
    how: Resampling
    tell: Callable[[str], None]
    dry_run: bool


def judge_eval(
    data: str | Path,
    judges: Sequence[str | AnyJudge] = ("rule:length", "rule:random"),
    sets: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    protocol: str = "helpful",
    on_error: OnError = "stop",
    progress: Progress | None = None,
    **more: Unpack[Asking],
) -> JudgeEvaluation:
    """Measure judges by labels: agreement, kappa, flips, biases, failures, cost.

    Args:
        data: a folder that holds one folder for each data set, named after it (`llmbar`, ...).
        judges: "rule:length", "rule:random", ..., "model:NAME", "reward:PATH" (those of
            `handrail.judge`), "recorded:NAME" for the verdicts of a program that a data set
            itself holds, or any judge, assessor or grader.
        sets: names of data sets; by default all that lie in the folder.
        limit: judge so many comparisons (or ratings) of each set, drawn with a fixed seed.
        protocol: how a language model is asked to compare: helpful, leaderboard, mt-pair, bins,
            assess. Rated replies are asked about by their own rubrics.
        on_error: "stop" at the first bad row of a data set, or "skip" and count them.
        progress: called as (stage, done, total).
        **more: prompts, a folder of prompt files. llm, how the endpoint is reached and what may
            be spent, as `open_model` takes it. how, settings of the intervals, which draw whole
            prompts. tell, called with one line on size and cost of each language model before the
            first question. dry_run, ask nothing and give these estimates (`costs`).

    Raises:
        HandrailError: unknown judges or sets, a file that is not as it should be, or a recorded
            judge that none of the sets holds.
    """
    how = more.get("how", DEFAULT)
    prompts = Prompts(more.get("prompts"))
    open_model = partial(_open_model, dict(more.get("llm") or {}))
    if not judges:
        raise SettingError("there is no judge to measure", "Name one, as in rule:length")
    if limit is not None and limit < 1:
        raise SettingError(f"the limit is {limit}", "Give 1 or more")
    named, names = _once(judges), _sets(data, sets)
    loaded = [LABELLED[name](Path(data) / name, on_error) for name in names]
    turns = [turn for one in loaded for turn in one.turns]
    _check_guardrails(named, protocol, loaded)
    raters = [rater(one, protocol, open_model, prompts, turns) for one in named]
    _check_recorded(raters, loaded)
    ready = [_Set.of(one, limit, how) for one in loaded]
    base = JudgeEvaluation(tuple(one.name for one in raters), costs=_costs(raters, ready))
    try:
        if more.get("dry_run"):
            return base
        for name, cost in base.costs.items():
            more.get("tell", _quiet)(f"{name}: {cost.text}")
        return _evaluated(base, ready, raters, how, progress or _quiet)
    finally:
        for one, given in zip(raters, named, strict=True):
            close = getattr(one.model, "close", None) if isinstance(given, str) else None
            if close is not None:
                close()  # it was opened here


def _evaluated(
    base: JudgeEvaluation,
    sets: Sequence[_Set],
    raters: Sequence[Rater],
    how: Resampling,
    told: Progress,
) -> JudgeEvaluation:
    """What every judge is worth by every set, and what those that were asked said."""
    judged: list[Verdict | JudgeError] = []
    results = [_evaluate(one, raters, how, told, judged) for one in sets]
    return replace(
        base,
        sets=tuple(results),
        verdicts=tuple(one for one in judged if isinstance(one, Verdict)),
        errors=tuple(one for one in judged if isinstance(one, JudgeError)),
    )


def _costs(raters: Sequence[Rater], sets: Sequence[_Set]) -> dict[str, Cost]:
    """What each language model will take for all sets, where it can tell."""
    costs: dict[str, Cost] = {}
    for one in raters:
        if one.model is not None and hasattr(one.model, "estimate"):
            asked = (questions(one, s.shown.keys, s.rated, s.turns, s.texts) for s in sets)
            costs[one.name] = one.model.estimate(list(chain(*asked)))
    return costs


def _quiet(*_: Any) -> None:
    return None


def _open_model(llm: Mapping[str, Any], name: str) -> LanguageModel:
    from handrail.cli.llm import open_model

    return open_model(name, **llm)


def _once(judges: Sequence[str | AnyJudge]) -> list[str | AnyJudge]:
    """Each name once.

    Raises:
        SettingError: two judges have one name, so that nobody could tell them apart.
    """
    named: dict[str, str | AnyJudge] = {}
    for one in judges:
        name = one if isinstance(one, str) else one.name
        if named.setdefault(name, one) != one:
            raise SettingError(f"two judges have the name '{name}'", "Give each its own")
    return list(named.values())


def _sets(data: str | Path, wanted: Sequence[str] | None) -> list[str]:
    if wanted is not None and not wanted:
        raise SettingError("no data set is named", f"Known: {', '.join(LABELLED)}")
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


def _check_guardrails(
    judges: Sequence[str | AnyJudge], protocol: str, loaded: Sequence[Labelled]
) -> None:
    """Refuse to pay for questions about guardrails where there are none.

    Labels of another dimension than a judge knows are asked about on its first, adherence.
    """
    models = any(isinstance(one, str) and one.startswith("model:") for one in judges)
    for one in loaded if models and protocol in ("bins", "assess") else ():
        asked = {v.dimension if v.dimension in DIMENSIONS else DIMENSIONS[0] for v in one.verdicts}
        if asked == {DIMENSIONS[0]} and not any(turn.playbook for turn in one.turns):
            raise SettingError(
                f"'{protocol}' asks which reply keeps its guardrails, and none of {one.name}'s "
                "prompts has any",
                "Use the protocol helpful, leaderboard or mt-pair, or leave the set out (--sets)",
            )


@dataclass(frozen=True)
class _Set:
    """One set, ready to be judged: `shown` are the labelled comparisons with both texts."""

    source: LabelledSource
    labelled: Labelled
    labels: Labels
    shown: Labels
    turns: Mapping[str, Turn]
    texts: Mapping[tuple[str, str], str]
    rated: RatedReplies | None

    @classmethod
    def of(cls, labelled: Labelled, limit: int | None, how: Resampling) -> _Set:
        """The labels by whom the source says, or `limit` of those with both texts."""
        source = LABELLED[labelled.name]
        turns = {turn.id: turn for turn in labelled.turns}
        clusters = {turn.id: turn.conversation_id or turn.id for turn in labelled.turns}
        subsets = {turn.id: turn.tags.get("subset", "") for turn in labelled.turns}
        by = [v for v in labelled.verdicts if is_by(v.judge, source.by)]
        labels = Labels.of(by, clusters, subsets, labelled.lengths)
        texts = {(t.id, reply.author): reply.text for t in labelled.turns for reply in t.replies}
        rows = [i for i, (t, a, b, _) in enumerate(labels.keys) if {(t, a), (t, b)} <= texts.keys()]
        if limit is not None and len(rows) > limit:
            rows = random.Random(0).sample(rows, limit)
        chosen = set(rows)
        shown = labels.take([i in chosen for i in range(len(labels.keys))])
        rated = rate(labelled, source.by, clusters, limit, how)
        known = shown if limit is not None else labels
        return cls(source, labelled, known, shown, turns, texts, rated)

    def verdicts(
        self, one: Rater, tell: AskProgress, judged: list[Verdict | JudgeError]
    ) -> Verdicts | None:
        """A judge's verdicts, recorded or asked for; None where there can be none."""
        if one.recorded:
            if is_by(one.recorded, self.source.by):
                return None
            said: list[Verdict | JudgeError] = [*self.labelled.verdicts, *self.labelled.errors]
            of_it = [v for v in said if v.judge == one.recorded]
            found = Verdicts.of(one.name, self.labels, of_it)
            return found if found.any else None
        if one.pair is None or not self.shown.keys:
            return None
        answers = ask_pairs(one.pair, self.shown.keys, self.turns, self.texts, tell)
        judged += answers
        return Verdicts.of(one.name, self.shown, answers)


def _evaluate(
    one: _Set,
    raters: Sequence[Rater],
    how: Resampling,
    told: Progress,
    judged: list[Verdict | JudgeError],
) -> SetResult:
    """One set with all judges; what was asked is added to `judged`."""
    labels, rated = one.labels, one.rated
    subsets = [name for name in dict.fromkeys(labels.subsets) if name]
    scores: dict[str, JudgeScore] = {}
    agreement: dict[str, dict[str, Estimate]] = {}
    graders: dict[str, GraderScore] = {}
    spent: dict[str, Spent] = {}
    problems: dict[str, str] = {}
    for judge in raters:
        name, before, begin = judge.name, judge.spent, len(judged)
        tell = partial(told, f"{one.source.name}, {name}")
        verdicts = one.verdicts(judge, tell, judged)
        if verdicts is not None:
            scores[name] = verdicts.score(how)
            agreement[name] = {part: verdicts.part(part).agreement(how) for part in subsets}
        if judge.grade is not None and rated is not None:
            graders[name] = rated.score(judge, one.turns, tell, judged)
        failed = Counter(e.problem for e in judged[begin:] if isinstance(e, JudgeError))
        if failed:
            problems[name] = failed.most_common(1)[0][0]
        if judge.spent is not None and before is not None:
            spent[name] = judge.spent.since(before)
    parts = {name: labels.take([s == name for s in labels.subsets]) for name in subsets}
    return SetResult(
        name=one.source.name,
        by=one.source.by,
        prompts=len({*labels.clusters, *(rated.clusters if rated else ())}),
        shown=len(one.shown.keys),
        people=people(labels, how) if labels.keys else None,
        people_of={name: people(part, how) for name, part in parts.items()},
        scores=scores,
        agreement=agreement,
        graders=graders,
        other_ratings=rated.others() if rated else None,
        ratings=len(rated.keys) if rated else 0,
        spent=spent,
        problems=problems,
        skipped=one.labelled.skipped,
        warnings=one.labelled.warnings,
    )
