"""Judging the judges: how a judge's verdicts and ratings compare with labels, people's for choice.

An item is one labelled comparison. Its label is what most of its labellers said; where several
answers are equally frequent, each counts for its share (as if one of them were drawn). A judge that
saw both orders has two half verdicts per item. Both acceptable and none acceptable are ties here.

Shape suffixes: N items, C clusters, R bootstrap replicates, 3 answers (a better, b better, tie).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from handrail.ranking.estimates import (
    DEFAULT,
    Estimate,
    Floats,
    Partition,
    Resampling,
    percentile,
)
from handrail.records import JudgeError, Outcome, Verdict

ANSWERS = ("A", "B", "tie")
_CODE = {Outcome.A: 0, Outcome.B: 1, Outcome.BOTH: 2, Outcome.NEITHER: 2, Outcome.TIE: 2}
Key = tuple[str, str, str, str]  # turn, a, b, dimension


def _sorted(turn: str, a: str, b: str, dimension: str) -> Key:
    """What a judgement is of, whichever way round its two systems stand."""
    return turn, min(a, b), max(a, b), dimension


def _as(one: Verdict, key: Key) -> Verdict:
    """The verdict with its two systems the way round in which they stand in the key."""
    return one if one.a == key[1] else one.swap()


@dataclass(frozen=True)
class Labels:
    """Labelled comparisons: `votes_N3[i, k]` of the labellers of item i gave answer k.

    `keys` are the way round in which each comparison first came; `clusters` the items' prompts,
    `subsets` their parts of the data set, `longer_N` the characters of a less those of b (NaN
    where unknown).
    """

    keys: tuple[Key, ...]
    votes_N3: Floats
    clusters: tuple[str, ...]
    subsets: tuple[str, ...]
    longer_N: Floats

    @classmethod
    def of(
        cls,
        verdicts: Iterable[Verdict],
        clusters: Mapping[str, str],
        subsets: Mapping[str, str],
        lengths: Mapping[tuple[str, str], int],
    ) -> Labels:
        """Count the labellers' verdicts per comparison.

        Args:
            verdicts: the labels, one for each labeller and item.
            clusters: turn id to prompt.
            subsets: turn id to part of the data set.
            lengths: turn id and system to characters of the reply.
        """
        first: dict[Key, Key] = {}
        votes: dict[Key, list[float]] = {}
        for one in verdicts:
            own = (one.turn, one.a, one.b, one.dimension)
            key = first.setdefault(_sorted(*own), own)
            votes.setdefault(key, [0.0, 0.0, 0.0])[_CODE[_as(one, key).outcome]] += 1
        unknown = float("nan")
        longer = [
            lengths.get((t, a), unknown) - lengths.get((t, b), unknown) for t, a, b, _ in votes
        ]
        return cls(
            keys=tuple(votes),
            votes_N3=np.array(list(votes.values()), np.float64).reshape(-1, 3),
            clusters=tuple(clusters.get(key[0], key[0]) for key in votes),
            subsets=tuple(subsets.get(key[0], "") for key in votes),
            longer_N=np.array(longer, np.float64),
        )

    def take(self, keep: Sequence[bool]) -> Labels:
        """The items where `keep` is true."""
        rows = np.flatnonzero(np.asarray(keep, bool))
        return Labels(
            tuple(self.keys[i] for i in rows),
            self.votes_N3[rows],
            tuple(self.clusters[i] for i in rows),
            tuple(self.subsets[i] for i in rows),
            self.longer_N[rows],
        )

    @cached_property
    def label_N3(self) -> Floats:
        """The share of each answer in the label: 1 for the most frequent one, 1/2 for two, ..."""
        return _modal(self.votes_N3)


def _modal(votes_N3: Floats) -> Floats:
    most = votes_N3 == votes_N3.max(1, keepdims=True)
    return most / most.sum(1, keepdims=True)


@dataclass(frozen=True)
class JudgeScore:
    """What a judge's verdicts are worth, measured by labels.

    `agreement`: share of verdicts that are the label; a tie is right where the label is one.
    `without_ties`: the same over verdicts and labels that are both decided.
    `kappa`: Cohen's, unweighted.
    `as_one_more`: agreement with what most of the other labellers said, each left out in turn;
        `People.left_out` is that of the one left out, so the two can be compared.
    `flips`: share of items judged in both orders whose verdicts differ.
    `first`: how much more often the judge picks what it was shown first, rather than second,
        than the labels do (in both orders the labels cancel).
    `longer`: share of decided verdicts that are for the longer reply.
    `wrongly_longer`: share of verdicts for the longer reply where the label is the shorter one;
        `wrongly_shorter` the other way round.
    `failures` counts judgements that are none by kind; `unjudged` items without any verdict.
    """

    judge: str
    items: int
    unjudged: int
    agreement: Estimate
    without_ties: Estimate
    kappa: Estimate
    as_one_more: Estimate
    flips: Estimate
    first: Estimate
    longer: Estimate
    wrongly_longer: Estimate
    wrongly_shorter: Estimate
    ties: Estimate
    failures: Mapping[str, int]


@dataclass(frozen=True)
class Verdicts:
    """A judge's verdicts on the items of `labels`: `said_2N3`, order AB and BA, in terms of a, b.

    A row is one answer, or NaN where there is no verdict.
    """

    judge: str
    labels: Labels
    said_2N3: Floats
    failures: Mapping[str, int]

    @classmethod
    def of(cls, judge: str, labels: Labels, judged: Iterable[Verdict | JudgeError]) -> Verdicts:
        """Match judgements to the items; those of other comparisons are left out."""
        row = {_sorted(*key): i for i, key in enumerate(labels.keys)}
        said = np.full((2, len(row), 3), np.nan)
        failures: Counter[str] = Counter()
        for one in judged:
            i = row.get(_sorted(one.turn, one.a, one.b, one.dimension))
            if i is None:
                continue
            if isinstance(one, JudgeError):
                failures[one.kind or "other"] += 1
                continue
            straight = _as(one, labels.keys[i])
            said[0 if straight.order == "AB" else 1, i] = np.eye(3)[_CODE[straight.outcome]]
        return cls(judge, labels, said, dict(failures))

    @cached_property
    def shares_N3(self) -> Floats:
        """The share of each answer over the orders judged; NaN where there is none."""
        known = ~np.isnan(self.said_2N3[:, :, :1])
        total = np.where(known, self.said_2N3, 0.0).sum(0)
        count = known.sum(0)
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)

    @property
    def any(self) -> bool:
        """Whether there is any verdict or failure on these items."""
        return bool(self.failures) or bool((~np.isnan(self.said_2N3)).any())

    def part(self, subset: str) -> Verdicts:
        """The verdicts on the items of one subset."""
        keep = [name == subset for name in self.labels.subsets]
        said = self.said_2N3[:, np.flatnonzero(keep)]
        return Verdicts(self.judge, self.labels.take(keep), said, self.failures)

    def agreement(self, how: Resampling = DEFAULT) -> Estimate:
        """Share of verdicts that are the label."""
        return self._mean((self.shares_N3 * self.labels.label_N3).sum(1), how)

    def score(self, how: Resampling = DEFAULT) -> JudgeScore:
        """All figures."""
        labels, said, label = self.labels, self.shares_N3, self.labels.label_N3
        decided = label[:, :2].max(1) == 1
        picked, wanted = for_longer(said, labels.longer_N), for_longer(label, labels.longer_N)
        nan = np.nan
        return JudgeScore(
            judge=self.judge,
            items=len(labels.keys),
            unjudged=int(np.isnan(said[:, 0]).sum()),
            agreement=self.agreement(how),
            without_ties=self._mean(
                np.where(decided, ratio((said * label)[:, :2].sum(1), said[:, :2].sum(1)), nan), how
            ),
            kappa=_kappa(said[:, :, None] * label[:, None, :], labels.clusters, how),
            as_one_more=self._mean(left_out(labels.votes_N3, said), how),
            flips=self._mean(self._flipped(), how),
            first=self._mean(self._first(), how, signed=True),
            longer=self._mean(ratio(picked[0], picked.sum(0)), how),
            wrongly_longer=self._mean(np.where(wanted[1] == 1, picked[0], nan), how),
            wrongly_shorter=self._mean(np.where(wanted[0] == 1, picked[1], nan), how),
            ties=self._mean(said[:, 2], how),
            failures=self.failures,
        )

    def _mean(self, scores_N: Floats, how: Resampling, signed: bool = False) -> Estimate:
        return Partition.of([scores_N], [self.labels.clusters]).estimate(how, signed)

    def _flipped(self) -> Floats:
        straight, swapped = self.said_2N3
        differ = (straight != swapped).any(1).astype(np.float64)
        return np.where(np.isnan(straight[:, 0] + swapped[:, 0]), np.nan, differ)

    def _first(self) -> Floats:
        label = self.labels.label_N3[:, 0] - self.labels.label_N3[:, 1]
        lead_2N = self.said_2N3[:, :, 0] - self.said_2N3[:, :, 1] - label
        lead_2N[1] *= -1  # b was shown first
        known = ~np.isnan(lead_2N)
        return ratio(np.where(known, lead_2N, 0.0).sum(0), known.sum(0).astype(np.float64))


def left_out(votes_N3: Floats, said_N3: Floats | None) -> Floats:
    """How often an answer is what most of the others said, each labeller left out in turn.

    The answer is the one left out itself, or a judge's in its place (`said_N3`); shape (N,), NaN
    with fewer than two labellers.
    """
    total = np.zeros(len(votes_N3))
    for k in range(3):
        others = votes_N3 - np.eye(3)[k]
        answer = np.eye(3)[k] if said_N3 is None else said_N3
        right = (_modal(others) * answer).sum(1)
        total += np.where(votes_N3[:, k] > 0, votes_N3[:, k] * right, 0.0)
    count_N = votes_N3.sum(1)
    return np.where(count_N > 1, total / np.maximum(count_N, 1), np.nan)


def for_longer(shares_N3: Floats, longer_N: Floats) -> Floats:
    """Shares of the longer and of the shorter reply, shape (2, N); NaN where none is longer."""
    a, b = shares_N3[:, 0], shares_N3[:, 1]
    longer = np.where(longer_N > 0, a, b)
    shorter = np.where(longer_N > 0, b, a)
    known = ~np.isnan(longer_N) & (longer_N != 0)
    return np.where(known, np.stack([longer, shorter]), np.nan)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Part over whole, NaN where the whole is 0 or unknown."""
    out = np.full(np.shape(part), np.nan)
    return np.divide(part, whole, out=out, where=whole > 0)


def _kappa(tables_N33: Floats, clusters: Sequence[str], how: Resampling) -> Estimate:
    """Cohen's kappa (1960) of items' confusion tables, its interval by bootstrap over clusters."""
    known = ~np.isnan(tables_N33.sum((1, 2)))
    code: dict[str, int] = {}
    rows = [code.setdefault(c, len(code)) for c, one in zip(clusters, known, strict=True) if one]
    if not rows:
        return Estimate(float("nan"), -1.0, 1.0, 0, "no items", 0, how.level)
    tables_C9 = np.zeros((len(code), 9))
    np.add.at(tables_C9, np.array(rows), tables_N33[known].reshape(-1, 9))
    rng = np.random.default_rng(how.seed)
    draws = rng.multinomial(len(code), np.full(len(code), 1 / len(code)), how.resamples)
    value = float(_kappas(tables_C9.sum(0)[None])[0])
    replicates = _kappas(draws @ tables_C9)
    method = f"Cohen's kappa, bootstrap over {len(code)} clusters, {how.resamples} resamples"
    known_R = replicates[~np.isnan(replicates)]
    return percentile(known_R, value, len(rows), method, len(code), how.level, (-1.0, 1.0))


def _kappas(tables_R9: Floats) -> Floats:
    """Kappa of each confusion table; NaN with one answer only."""
    p = tables_R9.reshape(-1, 3, 3) / tables_R9.sum(1)[:, None, None]
    chance = (p.sum(2) * p.sum(1)).sum(1)
    return 1 - ratio(1 - np.trace(p, axis1=1, axis2=2), 1 - chance)
