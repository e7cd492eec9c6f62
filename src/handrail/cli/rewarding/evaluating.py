"""`handrail.evaluate_reward`: how good reward models are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args

from handrail.cli.rewarding.eval_input import (
    Data,
    material_of,
    read_data,
    read_labelled,
    read_verdicts,
)
from handrail.cli.rewarding.scorers import (
    LANGUAGE,
    RULE,
    check_spelling,
    is_scores,
    kept,
    open_scorer,
    plain_name,
    short_names,
)
from handrail.records import Loaded, RecordError, Scorer, SettingError, Turn, Verdict, nearest
from handrail.records.store import OnError
from handrail.rewards.evaluating.evaluation import evaluate, score_model
from handrail.rewards.evaluating.results import EvalSettings, Material, RewardEvaluation
from handrail.rewards.evaluating.scores import FileScorer
from handrail.rewards.measures import Gold
from handrail.rewards.measures.scored import Reads

if TYPE_CHECKING:
    from handrail.rewards.measures import Scored

Progress = Callable[[str, float, float], None]
AnyScorer = str | Path | Scorer


class More(TypedDict, total=False):
    """What few need to say."""

    sets: Sequence[str] | None
    scales: Mapping[str, str]
    gold: str | Scorer | None
    probe: bool
    keep: str | Path | None
    llm: Mapping[str, Any]


def evaluate_reward(
    models: AnyScorer | Sequence[AnyScorer],
    data: Data | Sequence[Data] = (),
    *,
    labelled: str | Path | None = None,
    verdicts: Sequence[str | Path | Iterable[Verdict]] = (),
    settings: EvalSettings | None = None,
    on_error: OnError = "stop",
    progress: Progress | None = None,
    **more: Unpack[More],
) -> RewardEvaluation:
    """Measure reward models: pairs, orders, ratings, calibration, best-of-n, agreement, probes.

    handrail.evaluate_reward(["runs/rm/final", "length"], "test.jsonl").summary()

    Args:
        models: names as `handrail reward eval` takes them (a folder or hub name, a YAML file of a
            combined reward, a file of scores, "length" or another rule, "model:NAME"), or any
            `Scorer`.
        data: turns whose replies have feedback, or files of them.
        labelled: a folder of labelled data sets, as for `handrail.judge_eval`.
        verdicts: a judge's verdicts on replies of `data`, whose authors are the systems' names.
        settings: ranges of ratings, bins, the intervals.
        on_error: "stop" at the first bad line or row, or "skip" and count them.
        progress: called as (stage, done, total).
        **more: sets, the names of the labelled sets (all that lie there). scales, what a model's
            scores are ("preference", "rating", "order") by its name in the report, where it does
            not say so itself. gold, what best-of-n picks are valued by instead of the data's
            ratings and ranks: "world" (the care world's true quality), "label:NAME", or a scorer.
            probe, whether the thirty probes are asked (True). keep, a folder in which scores are
            kept as they come. llm, how the endpoint of a language model is reached.

    Raises:
        HandrailError: a file that is not as it should be, nothing to measure by, an unknown or
            unloadable model, two models of one name.
    """
    named = [models] if isinstance(models, str | Path | Scorer) else list(models)
    if not named:
        raise SettingError("there is no model to measure", "Name one, or a rule such as length")
    chosen = settings or EvalSettings()
    named = [_file_or_model(one) for one in named]
    told = progress or (lambda *_: None)
    given = _material(data, labelled, verdicts, on_error, chosen, more)
    names = _names(named, more.get("scales") or {})
    openers = [_opener(one, more.get("keep"), more.get("llm")) for one in named]
    given = replace(given, gold=_gold(more.get("gold"), given.turns, told))
    scored = []
    for name in names:
        scorer = openers.pop(0)()  # what the last one held is free again
        scale = (more.get("scales") or {}).get(name, "")
        if not scale and str(scorer.name).startswith(LANGUAGE):
            scale = "order"  # grades from 1 to 10
        say = partial(told, f"score {name}")
        one = score_model(scorer, given.turns, scale, name, say)
        asked = given.probes and not isinstance(scorer, FileScorer)  # files know no probe
        probed = score_model(scorer, given.probes, scale, name) if asked else None
        scored.append((one, probed))
        _check_some(one, probed)
    return evaluate(scored, given, chosen, lambda _, done, of: told("measure", done, of))


def _file_or_model(one: AnyScorer) -> AnyScorer:
    """The scorer of a file of scores, read before the data is; other models as they are."""
    return open_scorer(str(one)) if isinstance(one, str | Path) and is_scores(str(one)) else one


def _material(
    data: Data | Sequence[Data],
    labelled: str | Path | None,
    verdicts: Sequence[str | Path | Iterable[Verdict]],
    on_error: OnError,
    settings: EvalSettings,
    more: More,
) -> Material:
    """Everything that is read, before the first model is loaded."""
    turns, skips, warnings = read_data(_several(data), on_error)
    said, lost = read_verdicts(verdicts, on_error)
    if labelled is not None:
        found, others, left, told = read_labelled(labelled, more.get("sets"), on_error)
        turns, said = [*turns, *found], [*said, *others]
        skips, warnings = [*skips, *left], [*warnings, *told]
    probed = more.get("probe", True)
    if not turns and not probed:
        raise RecordError("there is nothing to measure by", "Give data, labelled sets or the probe")
    return material_of(turns, said, ([*skips, *lost], warnings), probed, settings.dimension)


def _several(data: Any) -> list[Data]:
    """The data as a list of files or groups of turns."""
    if isinstance(data, str | Path | Loaded):
        return [data]
    found = list(data)
    return [found] if found and isinstance(found[0], Turn) else found


def _names(models: Sequence[AnyScorer], scales: Mapping[str, str]) -> list[str]:
    """How the models are called (`short_names`).

    Raises:
        SettingError: one model is named twice, a scale is none or for none of them.
    """
    given = [one if isinstance(one, str | Path) else one.name for one in models]
    names = short_names([plain_name(str(one)) for one in given])
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise SettingError(f"the model '{twice}' is named twice", "Name each once")
    for name, scale in scales.items():
        if name not in names:
            raise SettingError(f"a scale is given for '{name}'", f"Models: {', '.join(names)}")
        if scale not in get_args(Reads):
            raise SettingError(f"there is no scale '{scale}'", nearest(scale, get_args(Reads)))
    return names


def _opener(
    one: AnyScorer, keep: str | Path | None, llm: Mapping[str, Any] | None
) -> Callable[[], Scorer]:
    """What opens a model; a name that cannot be one stops here, before the first is loaded."""
    if not isinstance(one, str | Path):
        return lambda: one
    name = plain_name(str(one))
    if name.startswith(RULE):
        scorer = open_scorer(name)
        return lambda: scorer
    opened = open_scorer(name, lambda spec: kept(spec, None if keep is None else Path(keep), llm))
    return lambda: opened


def _gold(gold: str | Scorer | None, turns: Sequence[Turn], told: Progress) -> Gold | None:
    """What best-of-n picks are valued by, where it is not the data's feedback.

    Raises:
        SettingError: no reply has the label.
    """
    if gold is None:
        return None
    if isinstance(gold, str) and gold.startswith("label:"):
        name = gold.removeprefix("label:")
        values = tuple(
            tuple(reply.labels.get(name, math.nan) for reply in turn.replies) for turn in turns
        )
        if all(math.isnan(v) for row in values for v in row):
            known = sorted({n for turn in turns for r in turn.replies for n in r.labels})
            raise SettingError(
                f"no reply has the label '{name}'", f"Known: {', '.join(known) or 'none'}"
            )
        return Gold(name, values)
    if isinstance(gold, str):
        check_spelling(plain_name(gold), ["world"])
    if gold == "world":
        from handrail.world.quality import TrueQuality

        gold = TrueQuality("the world's quality")
    scorer = open_scorer(gold) if isinstance(gold, str) else gold
    one = score_model(scorer, turns, "", "", partial(told, "gold"))
    return Gold(scorer.name, one.scores)


def _check_some(one: Scored, probed: Scored | None) -> None:
    """Raises `RecordError` where a model has no score for anything."""
    replies = one.replies + (0 if probed is None else probed.replies)
    unscored = one.unscored + (0 if probed is None else probed.unscored)
    if replies and replies == unscored:
        raise RecordError(
            f"'{one.model}' has no score for any of {replies:,} replies",
            "Every prompt may be too long for it, or the model is broken",
        )
