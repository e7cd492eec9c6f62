"""Agreement with another judge: does the model name the same winner, data set by data set?

The layout is that of the thesis's tables 12 to 14, 18 and 19: models in rows, data sets in columns.
A judge's several verdicts on one pair (both orders, several people) are one label: what most of
them said, and a tie where the two most frequent answers are level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handrail.ranking import Estimate, PairedDifference, Resampling, cohen, paired_difference
from handrail.ranking.estimates import DEFAULT, Floats, Partition
from handrail.records import Outcome, Skip, Turn, Verdict
from handrail.rewards.measures.scored import Scored, prompt_of, set_of

ANSWERS = ("A", "B", "tie")
_CODE = {Outcome.A: "A", Outcome.B: "B"}


@dataclass(frozen=True)
class Labels:
    """One judge's answer ("A", "B" or "tie") on pairs of replies: turn, reply a, reply b."""

    judge: str
    pairs: tuple[tuple[int, int, int], ...]
    answers: tuple[str, ...]
    skipped: tuple[Skip, ...] = ()


def labels_of(
    verdicts: Iterable[Verdict], turns: Sequence[Turn], dimension: str | None = None
) -> list[Labels]:
    """What each judge said of replies that `turns` hold, the systems being their authors.

    Args:
        verdicts: of any judges; a person's name after "human:" is one labeller of "human".
        turns: with the replies.
        dimension: takes the verdicts on this one; without it those on any, each by itself one
            more vote.
    """
    place = {turn.id: t for t, turn in enumerate(turns)}
    authors = [Counter(r.author for r in turn.replies) for turn in turns]
    author = [{r.author: i for i, r in enumerate(turn.replies)} for turn in turns]
    votes: dict[str, dict[tuple[int, int, int], Counter[str]]] = {}
    lost: Counter[tuple[str, str]] = Counter()
    for one in verdicts:
        judge = one.judge.partition(":")[0] if one.judge.startswith("human:") else one.judge
        if dimension is not None and one.dimension != dimension:
            continue
        t = place.get(one.turn)
        if t is None:
            lost[judge, "there is no such turn in the data"] += 1
            continue
        i, j = author[t].get(one.a), author[t].get(one.b)
        if i is None or j is None:
            lost[judge, "the turn has no reply by one of the two systems"] += 1
            continue
        if max(authors[t][one.a], authors[t][one.b]) > 1:
            lost[judge, "the turn has several replies by one of the two systems"] += 1
            continue
        said = one if i < j else one.swap()
        key = (t, min(i, j), max(i, j))
        counts = votes.setdefault(judge, {}).setdefault(key, Counter())
        counts[_CODE.get(said.outcome, "tie")] += 1
    judges = list(dict.fromkeys([*votes, *(judge for judge, _ in lost)]))
    return [
        Labels(
            judge,
            tuple(votes.get(judge, {})),
            tuple(_most(counts) for counts in votes.get(judge, {}).values()),
            tuple(
                Skip(what="verdict", reason=why, where=judge, count=n)
                for (who, why), n in lost.items()
                if who == judge
            ),
        )
        for judge in judges
    ]


def _most(counts: Counter[str]) -> str:
    """The most frequent answer; a tie where two are level."""
    ranked = counts.most_common()
    level = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
    return "tie" if level else ranked[0][0]


@dataclass(frozen=True)
class Agreed:
    """Agreement on some pairs under both tie policies.

    `same` leaves out pairs on which either says tie; `with_ties` takes a tie as an answer of its
    own, right where the judge says tie too. `kappa` and `kappa_with_ties` are Cohen's (1960) on
    the same pairs.
    """

    same: Estimate
    with_ties: Estimate
    kappa: Estimate
    kappa_with_ties: Estimate


@dataclass(frozen=True)
class Agreement:
    """A model's agreement with a judge, overall and by data set.

    `ties` counts the judge's ties, `model_ties` the model's, `unscored` pairs of which a reply has
    no score. `item_N` is each pair's 1 (same winner), 0 or NaN, for comparing models.
    """

    model: str
    judge: str
    overall: Agreed
    by_set: Mapping[str, Agreed]
    ties: int
    model_ties: int
    unscored: int
    item_N: Floats
    clusters: tuple[str, ...]


def agreement(
    scored: Scored, labels: Labels, margin: float = 0.0, how: Resampling = DEFAULT
) -> Agreement:
    """How far a model names the winners that a judge names.

    Args:
        scored: of the turns that the labels are of.
        labels: from `labels_of`.
        margin: scores this close are a tie of the model's.
        how: settings of the intervals.
    """
    said: list[str | None] = []
    for t, i, j in labels.pairs:
        gap = scored.scores[t][i] - scored.scores[t][j]
        said.append(None if not np.isfinite(gap) else _answer(gap, margin))
    names = tuple(prompt_of(scored.turns[t]) for t, _, _ in labels.pairs)
    sets = [set_of(scored.turns[t]) for t, _, _ in labels.pairs]
    item_N = np.array(
        [
            np.nan if x is None or "tie" in (x, y) else float(x == y)
            for x, y in zip(said, labels.answers, strict=True)
        ],
        np.float64,
    )
    every = range(len(said))
    return Agreement(
        model=scored.model,
        judge=labels.judge,
        overall=_agreed(said, labels.answers, names, every, how),
        by_set={
            name: _agreed(said, labels.answers, names, [n for n in every if sets[n] == name], how)
            for name in dict.fromkeys(sets)
        },
        ties=sum(one == "tie" for one in labels.answers),
        model_ties=sum(one == "tie" for one in said),
        unscored=sum(one is None for one in said),
        item_N=item_N,
        clusters=names,
    )


def _answer(gap: float, margin: float) -> str:
    return "tie" if abs(gap) <= margin else "A" if gap > 0 else "B"


def _agreed(
    said: Sequence[str | None],
    answers: Sequence[str],
    names: Sequence[str],
    rows: Iterable[int],
    how: Resampling,
) -> Agreed:
    kept = [n for n in rows if said[n] is not None]
    decided = [n for n in kept if "tie" not in (said[n], answers[n])]

    def share(of: list[int]) -> Estimate:
        right = [float(said[n] == answers[n]) for n in of]
        return Partition.of([right], [[names[n] for n in of]]).estimate(how)

    def kappa(of: list[int]) -> Estimate:
        ours, theirs = [said[n] for n in of], [answers[n] for n in of]
        return cohen(ours, theirs, [names[n] for n in of], how=how).kappa

    return Agreed(share(decided), share(kept), kappa(decided), kappa(kept))


def compare_agreement(a: Agreement, b: Agreement, how: Resampling = DEFAULT) -> PairedDifference:
    """The share of the same winner of a less that of b, on pairs that all three decided.

    Raises:
        ValueError: the two are not of the same judge's labels.
    """
    if a.judge != b.judge or a.clusters != b.clusters:
        raise ValueError("the two agreements are not of the same labels")
    return paired_difference(a.item_N, b.item_N, a.clusters, how)
