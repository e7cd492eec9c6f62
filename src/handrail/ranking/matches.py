"""Comparisons of many systems as arrays: what matrices, strengths and games are counted from.

Shape suffixes: N rows (one verdict each), B ballots, K systems, C clusters, R replicates.

A ballot is what one judge said of one pair at one prompt. Where it is asked more than once (both
orders, several draws) its verdicts share the ballot's weight of 1.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from handrail.ranking.comparisons import _OUTCOMES, _WORTH, Judged, WinRule
from handrail.ranking.estimates import Floats
from handrail.records import Verdict

Ints = NDArray[np.int64]
_HELD = 4_000_000


@dataclass(frozen=True)
class Matches:
    """Comparisons of pairs of systems.

    `first_N` and `second_N` index `systems`; `worth_first_N` and `worth_second_N` in [0, 1] say
    what the outcome is worth to each; `ballot_N` and `cluster_N` number ballots and clusters from
    0; the weights of a ballot's rows add up to its weight, which is 1 where none was given.
    """

    systems: tuple[str, ...]
    first_N: Ints
    second_N: Ints
    worth_first_N: Floats
    worth_second_N: Floats
    weight_N: Floats
    ballot_N: Ints
    cluster_N: Ints

    @classmethod
    def of(
        cls,
        first: Sequence[str],
        second: Sequence[str],
        scores: ArrayLike,
        clusters: Sequence[Hashable] | None = None,
        weights: ArrayLike | None = None,
    ) -> Matches:
        """Comparisons from columns, each row a ballot of its own.

        Args:
            first: names, shape (N,).
            second: names, other than those of `first`.
            scores: worth to the first: 1 it won, 0 it lost, 0.5 a tie; NaN rows are left out.
            clusters: what each row belongs to (its prompt); without them each row is its own.
            weights: how often each row counts; 1 where left out.

        Raises:
            ValueError: the columns differ in length, a system meets itself, or a score or weight
                is out of range.
        """
        score_N = np.asarray(scores, np.float64)
        n = score_N.size
        weight_N = np.ones(n) if weights is None else np.asarray(weights, np.float64)
        names = range(n) if clusters is None else clusters
        if not len(first) == len(second) == n == weight_N.size == len(names):
            raise ValueError("the columns differ in length")
        if not (weight_N >= 0).all() or not np.isfinite(weight_N).all():
            raise ValueError("weights are finite and not negative")
        code: dict[Hashable, int] = {}
        kept = ~np.isnan(score_N)
        systems = {s: i for i, s in enumerate(dict.fromkeys([*first, *second]))}
        cluster_N = np.array([code.setdefault(c, len(code)) for c in names], np.int64)
        one_N = np.array([systems[s] for s in first], np.int64)
        two_N = np.array([systems[s] for s in second], np.int64)
        if (one_N == two_N).any():
            raise ValueError("a system is compared with itself")
        known = score_N[kept]
        if not ((known >= 0) & (known <= 1)).all():
            raise ValueError("scores lie between 0 and 1")
        return cls(
            systems=tuple(systems),
            first_N=one_N[kept],
            second_N=two_N[kept],
            worth_first_N=known,
            worth_second_N=1.0 - known,
            weight_N=weight_N[kept],
            ballot_N=np.arange(known.size),
            cluster_N=_renumbered(cluster_N[kept]),
        )

    @property
    def n(self) -> int:
        """How many ballots."""
        return int(self.ballot_N.max(initial=-1)) + 1

    @property
    def clusters(self) -> int:
        """How many clusters."""
        return int(self.cluster_N.max(initial=-1)) + 1

    @property
    def halved(self) -> bool:
        """Whether what one system gains the other loses (ties as half a win each)."""
        return bool(np.allclose(self.worth_first_N + self.worth_second_N, 1.0))

    def wins(self) -> tuple[sparse.csr_array, Ints]:
        """Weighted wins by cluster and directed pair: (C, P), and the pair codes, shape (P,).

        Pair code i K + j holds what i won against j; a pair that met stands in both directions,
        also where one of them never won.
        """
        return self._by_pair(self.worth_first_N, self.worth_second_N)

    def games(self) -> tuple[sparse.csr_array, Ints]:
        """As `wins`, of the ballots (their weight) whatever came of them."""
        return self._by_pair(np.ones(self.first_N.size), np.ones(self.first_N.size))

    def _by_pair(self, to_first_N: Floats, to_second_N: Floats) -> tuple[sparse.csr_array, Ints]:
        k = len(self.systems)
        codes = np.concatenate([self.first_N * k + self.second_N, self.second_N * k + self.first_N])
        values = np.concatenate([to_first_N * self.weight_N, to_second_N * self.weight_N])
        pairs, column = np.unique(codes, return_inverse=True)
        rows = np.concatenate([self.cluster_N, self.cluster_N])
        table = sparse.coo_array((values, (rows, column)), shape=(self.clusters, pairs.size))
        return table.tocsr(), pairs

    def win_matrix(self) -> Floats:
        """What each system won against each, shape (K, K), weighted."""
        table, pairs = self.wins()
        k = len(self.systems)
        flat = np.zeros(k * k)
        flat[pairs] = np.asarray(table.sum(axis=0)).ravel()
        return flat.reshape(k, k)

    def met(self) -> Floats:
        """How many ballots each pair has (their weight), shape (K, K), symmetric."""
        k = len(self.systems)
        codes_N = self.first_N * k + self.second_N
        flat = np.bincount(codes_N, self.weight_N, minlength=k * k).astype(np.float64)
        table = flat.reshape(k, k)
        return table + table.T

    def among(self, kept: Sequence[int]) -> Matches:
        """The comparisons among some of the systems (their indices), numbered anew."""
        new = np.full(len(self.systems), -1)
        new[list(kept)] = np.arange(len(kept))
        inside = (new[self.first_N] >= 0) & (new[self.second_N] >= 0)
        return replace(
            self,
            systems=tuple(self.systems[i] for i in kept),
            first_N=new[self.first_N[inside]],
            second_N=new[self.second_N[inside]],
            worth_first_N=self.worth_first_N[inside],
            worth_second_N=self.worth_second_N[inside],
            weight_N=self.weight_N[inside],
            ballot_N=_renumbered(self.ballot_N[inside]),
            cluster_N=_renumbered(self.cluster_N[inside]),
        )


def matches_of(
    judged: Judged,
    clusters: Mapping[str, str] | None = None,
    rule: WinRule = WinRule.TIES_HALF,
) -> Matches:
    """The verdicts as comparisons; failed judgements are left out (count them before).

    Args:
        judged: verdicts on one dimension. Those of one judge on one pair at one turn are one
            ballot, whichever way round the pair stands.
        clusters: turn id to conversation (`clusters_of`); without it every turn is its own.
        rule: what an outcome is worth to each of the two.
    """
    rows = [v if v.a <= v.b else v.swap() for v in judged if isinstance(v, Verdict)]
    names = clusters or {}
    systems = {s: i for i, s in enumerate(dict.fromkeys(x for v in rows for x in (v.a, v.b)))}
    ballots: dict[Hashable, int] = {}
    code: dict[str, int] = {}
    ballot_N = np.array(
        [ballots.setdefault((v.turn, v.a, v.b, v.dimension, v.judge), len(ballots)) for v in rows],
        np.int64,
    )
    worth = np.array(_WORTH[rule])
    outcome_N = np.array([_OUTCOMES.index(v.outcome) for v in rows], np.int64)
    return Matches(
        systems=tuple(systems),
        first_N=np.array([systems[v.a] for v in rows], np.int64),
        second_N=np.array([systems[v.b] for v in rows], np.int64),
        worth_first_N=worth[outcome_N],
        worth_second_N=worth[[1, 0, 2, 3, 4]][outcome_N],
        weight_N=1.0 / np.bincount(ballot_N, minlength=1)[ballot_N],
        ballot_N=ballot_N,
        cluster_N=np.array(
            [code.setdefault(names.get(v.turn, v.turn), len(code)) for v in rows], np.int64
        ),
    )


def draws(clusters: int, rounds: int, seed: int, chunk: int = _HELD) -> Iterator[Floats]:
    """How often each cluster is drawn in each bootstrap round: chunks of shape (at most chunk, C).

    A chunk never holds more than 4 million counts (32 MB), however many clusters there are. The
    draws depend on the seed and the numbers of clusters and rounds only, not on the chunks.
    """
    rng = np.random.default_rng(seed)
    shares = np.full(clusters, 1 / max(clusters, 1))
    step = max(1, min(chunk, _HELD // max(clusters, 1)))
    for begin in range(0, rounds if clusters else 0, step):
        yield rng.multinomial(clusters, shares, min(step, rounds - begin)).astype(np.float64)


def _renumbered(codes_N: Ints) -> Ints:
    """The same partition, numbered from 0 without gaps."""
    return np.unique(codes_N, return_inverse=True)[1].astype(np.int64)
