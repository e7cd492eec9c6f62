"""All measures of one or more reward models on the same turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import get_args

import numpy as np

import handrail.rewards.measures as m
from handrail.ranking import Resampling
from handrail.records import AskProgress, Scorer, SettingError, Skip, Turn, nearest, sigmoid
from handrail.rewards.evaluating.results import (
    Compared,
    EvalSettings,
    Material,
    ModelResult,
    RewardEvaluation,
)
from handrail.rewards.measures.scored import Reads, prompt_of, ratings_of, set_of

_POINTS = 1500  # replies drawn in a scatter plot
_WHY: Mapping[Reads, str] = {
    "preference": "a preference model's score has no zero: only gaps within a prompt mean anything",
    "order": "its score orders replies and is on no scale of ratings",
    "rating": "",
}


def scale_of_model(scorer: Scorer, told: str = "") -> tuple[Reads, str]:
    """What a model's scores are, and why no rating can be read off them where none can.

    A model says it by `trained_with`: "bradley_terry" and "rating/...". One that was trained by
    others ("") is taken as a preference model, as nearly all published ones are. Everything else (a
    rule, a combined reward, a scorer that says nothing) claims an order only. `told` overrules.

    Raises:
        SettingError: `told` is no scale, or "rating" of a model that learnt preferences.
    """
    if told and told not in get_args(Reads):
        raise SettingError(f"there is no scale '{told}'", nearest(told, get_args(Reads)))
    trained = getattr(scorer, "trained_with", None)
    found: Reads = "preference" if trained in ("", "bradley_terry") else "order"
    if str(trained).startswith("rating/"):
        found = "rating"
    scale: Reads = told or found  # type: ignore[assignment]
    if scale == "rating" and trained == "bradley_terry":
        raise SettingError(
            f"'{scorer.name}' was trained on preferences, so its scores are no ratings",
            "Take it as 'preference'",
        )
    return scale, _WHY[scale]


def score_model(
    scorer: Scorer,
    turns: Sequence[Turn],
    scale: str = "",
    name: str = "",
    progress: AskProgress | None = None,
) -> m.Scored:
    """A model's scores of all replies; of a model of ratings also the ratings that it predicts.

    Args:
        scorer: the model.
        turns: with the replies.
        scale: what its scores are, where `scale_of_model` is to be overruled.
        name: of the model in reports; by default its own.
        progress: called as (done, total).

    Raises:
        HandrailError: as `scale_of_model`; or the scorer gave another number of scores.
    """
    kind, why = scale_of_model(scorer, scale)  # a scale that cannot be stops before the work
    scores = m.score_turns(scorer, turns, progress)
    predicted = None
    if kind == "rating":
        read = _reader(scorer)
        predicted = tuple(
            tuple(read(s) if math.isfinite(s) else math.nan for s in row) for row in scores
        )
    return m.Scored(name or scorer.name, kind, tuple(turns), scores, predicted, why)


def _reader(scorer: Scorer) -> Callable[[float], float]:
    """What makes a rating of a raw score: the model itself, else what it was trained with."""
    trained = str(getattr(scorer, "trained_with", ""))
    own: Callable[[float], float] | None = getattr(scorer, "probability", None)
    if own is not None and trained.startswith("rating/"):
        return own
    return float if trained == "rating/mse" else sigmoid


def evaluate(
    scored: Sequence[tuple[m.Scored, m.Scored | None]],
    given: Material,
    settings: EvalSettings | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> RewardEvaluation:
    """Every measure of every model, and the models beside each other.

    Args:
        scored: for each model its scores of `given.turns`, and of `given.probes` (None: not
            probed).
        given: what they are measured by.
        settings: ranges, bins, intervals.
        progress: called as (model, done, total).

    Raises:
        SettingError: two models have one name.
    """
    chosen = settings or EvalSettings()
    names = [one.model for one, _ in scored]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise SettingError(f"two models have the name '{twice}'", "Give each its own")
    results, items = [], []
    for done, (one, probed) in enumerate(scored):
        items.append(m.PairItems.of(one))
        results.append(_result(one, probed, items[-1], given, chosen))
        if progress is not None:
            progress(one.model, done + 1, len(scored))
    sets: dict[str, int] = {}
    for turn in given.turns:
        sets[set_of(turn)] = sets.get(set_of(turn), 0) + 1
    return RewardEvaluation(
        models=tuple(results),
        differences=tuple(_compared(items, results, chosen.how)),
        settings=chosen,
        sets=sets,
        prompts=len({prompt_of(turn) for turn in given.turns}),
        turns=len(given.turns),
        replies=sum(len(turn.replies) for turn in given.turns),
        probes=given.probes,
        skipped=(*given.skipped, *ratings_of(given.turns, chosen.label)[1], *_of(given.labels)),
        warnings=given.warnings,
    )


def _of(labels: Iterable[m.Labels]) -> list[Skip]:
    return [skip for one in labels for skip in one.skipped]


def _result(
    one: m.Scored,
    probed: m.Scored | None,
    items: m.PairItems,
    given: Material,
    s: EvalSettings,
) -> ModelResult:
    golds = m.gold_of(one, s.label) if given.gold is None else [given.gold]
    values = next((g.values for g in golds if g.name != "rank"), None)
    return ModelResult(
        model=one.model,
        scale=one.scale,
        replies=one.replies,
        unscored=one.unscored,
        pairs=m.pair_accuracy(items, s.how),
        kwise=m.kwise(one, s.how),
        ratings=m.rating_errors(one, s.label, s.edges, s.how),
        calibration=_calibration(one, items, s),
        best_of_n=tuple(m.best_of_n(one, gold, s.how) for gold in golds),
        length=m.length_bias(one, values, s.how),
        distribution=m.distribution(one, s.label, s.edges),
        agreement=tuple(m.agreement(one, labels, s.margin, s.how) for labels in given.labels),
        probe=None if probed is None else m.probe(probed, s.how),
        probe_scores={}
        if probed is None
        else {t.id: row for t, row in zip(probed.turns, probed.scores, strict=True)},
        points=_points(one),
    )


def _calibration(
    one: m.Scored, items: m.PairItems, s: EvalSettings
) -> m.Calibration | m.NoCalibration:
    if one.scale == "preference":
        return m.pair_calibration(items, s.bins, s.how)
    if one.scale == "rating":
        return m.rating_calibration(one, s.label, s.bins, s.how)
    return m.NoCalibration(one.model, "its scores claim no probability")


def _points(one: m.Scored) -> tuple[tuple[float, float, str], ...]:
    """Characters, score and author of the replies, or of `_POINTS` of them drawn with one seed."""
    every = [
        (float(len(reply.text)), score, reply.author)
        for turn, row in zip(one.turns, one.scores, strict=True)
        for reply, score in zip(turn.replies, row, strict=True)
        if math.isfinite(score)
    ]
    if len(every) <= _POINTS:
        return tuple(every)
    chosen = np.random.default_rng(0).choice(len(every), _POINTS, replace=False)
    return tuple(every[i] for i in sorted(chosen))


def _compared(
    items: Sequence[m.PairItems], results: Sequence[ModelResult], how: Resampling
) -> Iterable[Compared]:
    """Each two models on the pairs, and on the pairs that each judge decided."""
    for (x, a), (y, b) in combinations(zip(items, results, strict=True), 2):
        if len(x.gap_N):
            yield Compared(a.model, b.model, "pairs", m.compare_pairs_of(x, y, how))
        for one, other in zip(a.agreement, b.agreement, strict=True):
            if len(one.item_N):
                paired = m.compare_agreement(one, other, how)
                yield Compared(a.model, b.model, f"verdicts of {one.judge}", paired)
