"""Asking a judge about labelled comparisons in both orders, and about labelled replies."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from handrail.cli.judge_raters import Rater
from handrail.cli.judge_work import requests_of
from handrail.judges import AssessorJudge, compare_each
from handrail.ranking.estimates import Resampling
from handrail.ranking.graded import GraderScore, grader_score
from handrail.ranking.meta import Key
from handrail.records import (
    DIMENSIONS,
    AskProgress,
    Comparison,
    Judge,
    JudgeError,
    Request,
    Turn,
    Verdict,
)
from handrail.sources.labelled import Labelled
from handrail.sources.labelled.nouns import is_by

Texts = Mapping[tuple[str, str], str]  # (turn, system) -> reply
ROUNDS = 500  # bootstrap rounds of correlations, each of which sorts all ratings


def ask_pairs(
    judge: Judge,
    keys: Sequence[Key],
    turns: Mapping[str, Turn],
    texts: Texts,
    progress: AskProgress | None = None,
) -> list[Verdict | JudgeError]:
    """The judge's verdicts on each comparison in both orders, in terms of its two systems.

    A judge that does not know the labels' dimension is asked on its own first one.
    """
    asked = _laid_out(judge, keys, turns, texts)
    said = compare_each(judge, [comparison for _, _, comparison in asked], progress)
    return [_told(one, key, swapped) for one, (key, swapped, _) in zip(said, asked, strict=True)]


def _laid_out(
    judge: Judge, keys: Sequence[Key], turns: Mapping[str, Turn], texts: Texts
) -> list[tuple[Key, bool, Comparison]]:
    """What a judge is shown of each comparison, as it stands and with b first."""
    known = DIMENSIONS if isinstance(judge, AssessorJudge) else getattr(judge, "dimensions", ())
    asked: list[tuple[Key, bool, Comparison]] = []
    for key in keys:
        turn, a, b, dimension = key
        on = dimension if dimension in known or not known else known[0]
        for swapped in (False, True):
            shown = (
                (texts[turn, b], texts[turn, a]) if swapped else (texts[turn, a], texts[turn, b])
            )
            asked.append((key, swapped, Comparison(turns[turn], *shown, on)))
    return asked


def questions(
    one: Rater,
    keys: Sequence[Key],
    rated: RatedReplies | None,
    turns: Mapping[str, Turn],
    texts: Texts,
) -> list[Request]:
    """What a judge's language model will be asked of a set; nothing of judges that have none."""
    made: list[Request] = []
    if one.model is None:
        return made
    if one.pair is not None:
        shown = [comparison for *_, comparison in _laid_out(one.pair, keys, turns, texts)]
        if isinstance(one.pair, AssessorJudge):
            replies = {(c.turn.id, t): (c.turn, t) for c in shown for t in (c.first, c.second)}
            made += requests_of(one.pair.assessor, list(replies.values()))
        else:
            made += requests_of(one.pair, shown)
    if one.grader is not None and rated is not None:
        made += requests_of(one.grader, [(turns[t], rated.texts[t, s]) for t, s in rated.keys])
    return made


def _told(one: Verdict | JudgeError, key: Key, swapped: bool) -> Verdict | JudgeError:
    """The answer in terms of the comparison's systems; what was shown first was "a"."""
    if swapped:
        one = one.swap() if isinstance(one, Verdict) else one.model_copy(update={"order": "BA"})
    return one.model_copy(update={"a": key[1], "b": key[2], "dimension": key[3]})


@dataclass(frozen=True)
class RatedReplies:
    """Replies with the ratings of one or more labellers, `values`; `keys` are (turn, system)."""

    keys: tuple[tuple[str, str], ...]
    values: tuple[tuple[float, ...], ...]
    clusters: tuple[str, ...]
    texts: Texts
    how: Resampling

    def score(
        self,
        one: Rater,
        turns: Mapping[str, Turn],
        progress: AskProgress,
        judged: list[Verdict | JudgeError],
    ) -> GraderScore:
        """How the judge's ratings follow the labellers' mean; failures are added to `judged`."""
        assert one.grade is not None
        replies = [(turns[turn], self.texts[turn, system]) for turn, system in self.keys]
        given = one.grade(replies, progress)
        judged += [
            value.model_copy(update={"a": key[1]})
            for key, value in zip(self.keys, given, strict=True)
            if isinstance(value, JudgeError)
        ]
        numbers = [float("nan") if isinstance(value, JudgeError) else value for value in given]
        means = [fmean(values) for values in self.values]
        return grader_score(numbers, means, self.clusters, one.same_scale, self.how)

    def others(self) -> GraderScore | None:
        """Each labeller's ratings by the mean of the others'; None with one labeller."""
        rows = [
            (value, fmean((*values[:i], *values[i + 1 :])), cluster)
            for values, cluster in zip(self.values, self.clusters, strict=True)
            if len(values) > 1
            for i, value in enumerate(values)
        ]
        if not rows:
            return None
        one, rest, clusters = zip(*rows, strict=True)
        return grader_score(one, rest, clusters, True, self.how)


def rate(
    labelled: Labelled,
    by: str,
    clusters: Mapping[str, str],
    limit: int | None,
    how: Resampling,
) -> RatedReplies | None:
    """The replies that labellers rated and that there are texts of; None where there are none."""
    texts = {(t.id, reply.author): reply.text for t in labelled.turns for reply in t.replies}
    ratings: dict[tuple[str, str], list[float]] = {}
    for one in labelled.ratings:
        if is_by(one.judge, by) and (one.turn, one.a) in texts:
            ratings.setdefault((one.turn, one.a), []).append(one.value)
    keys = list(ratings)
    if limit is not None and len(keys) > limit:
        keys = [keys[i] for i in sorted(random.Random(0).sample(range(len(keys)), limit))]
    if not keys:
        return None
    fewer = replace(how, resamples=min(how.resamples, ROUNDS))
    return RatedReplies(
        keys=tuple(keys),
        values=tuple(tuple(ratings[key]) for key in keys),
        clusters=tuple(clusters[turn] for turn, _ in keys),
        texts=texts,
        how=fewer,
    )
