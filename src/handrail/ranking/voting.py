"""From rankings to one ranking: ranked pairs (Tideman 1987) and Borda counts, with ties.

A ranking (a ballot) maps candidates to ranks: 1 is best, equal ranks tie, gaps between ranks mean
nothing. Shape suffixes: B ballots, K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np

from handrail.ranking.estimates import Floats

Ranking = Mapping[str, float]
Unranked = Literal["apart", "last"]
Equal = Literal["order", "drop"]
_EQUAL = {
    "order": "equal margins in the candidates' order",
    "drop": "equal margins that close a cycle dropped",
}
_STATES = 20_000  # partial results of tie-breaking held at once


class TooManyTies(ValueError):
    """Equal margins in so many orders that not all can be tried."""


@dataclass(frozen=True)
class RankedPairs:
    """The ranking of ranked pairs. `ranks[c]` is 1 + how many candidates stand above c for sure.

    `locked` are the majorities (winner, loser, margin) that were kept, strongest first, `dropped`
    those that would have closed a cycle. `tied` says that some margins are equal; whether their
    order matters for the winner, `ranked_pairs_winners` tells.
    """

    ranks: Mapping[str, int]
    locked: tuple[tuple[str, str, float], ...]
    dropped: tuple[tuple[str, str, float], ...]
    tied: bool
    method: str

    @property
    def order(self) -> tuple[tuple[str, ...], ...]:
        """The candidates best first, those of equal rank together."""
        ranked = sorted(self.ranks, key=lambda c: self.ranks[c])
        return tuple(tuple(tier) for _, tier in groupby(ranked, key=lambda c: self.ranks[c]))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": self.method,
            "ranks": dict(self.ranks),
            "locked": [list(one) for one in self.locked],
            "dropped": [list(one) for one in self.dropped],
            "tied": self.tied,
        }


def candidates_of(ballots: Sequence[Ranking]) -> tuple[str, ...]:
    """The candidates in the order in which they first appear."""
    return tuple(dict.fromkeys(c for ballot in ballots for c in ballot))


def support(
    ballots: Sequence[Ranking],
    candidates: Sequence[str],
    counts: Sequence[float] | None = None,
    unranked: Unranked = "apart",
) -> Floats:
    """How many ballots rank row above column, shape (K, K).

    Args:
        ballots: rankings, which may leave candidates out.
        candidates: rows and columns, in this order.
        counts: how often each ballot was cast; 1 where left out.
        unranked: what a ballot says of those that it leaves out: nothing ("apart"), or that they
            stand below all that it ranks and tie with each other ("last", as in elections).
    """
    column = {c: i for i, c in enumerate(candidates)}
    absent = np.inf if unranked == "last" else np.nan
    ranks_BK = np.full((len(ballots), len(candidates)), absent)
    for row, ballot in zip(ranks_BK, ballots, strict=True):
        for candidate, rank in ballot.items():
            row[column[candidate]] = rank
    weights = np.ones(len(ballots)) if counts is None else np.asarray(counts, np.float64)
    table = np.empty((len(candidates), len(candidates)))
    with np.errstate(invalid="ignore"):
        for i in range(len(candidates)):
            table[i] = weights @ (ranks_BK[:, i, None] < ranks_BK)
    return table


def ranked_pairs(
    support_KK: Floats, candidates: Sequence[str], equal: Equal = "order"
) -> RankedPairs:
    """Lock majorities in, the largest margin first, unless one contradicts those before it.

    Majorities of one margin are taken in the order of their winner among `candidates`, then of
    their loser: deterministic, without a say of chance; give the candidates in an order that you
    can stand by. With `equal="drop"` those on a cycle of their own or stronger margins are all
    dropped instead, so that no name is favoured and more candidates tie. A pair of which as many
    say the one as the other is no majority, so that candidates can end up tied.

    Args:
        support_KK: what speaks for row over column (`support`, or `Matches.win_matrix`).
        candidates: names of rows and columns.
        equal: what becomes of equal margins in a cycle.
    """
    margins = _margins(support_KK)
    edges = [(int(i), int(j)) for i, j in zip(*np.nonzero(margins > 0), strict=True)]
    edges.sort(key=lambda e: (-margins[e], e))
    below = [0] * len(candidates)  # bit b of below[a]: a stands above b
    locked, dropped = [], []
    for _, tied in groupby(edges, key=lambda e: margins[e]):
        members = list(tied)
        linked = list(below)
        for a, b in members if equal == "drop" else ():
            _link(linked, a, b)
        for a, b in members:
            named = (candidates[a], candidates[b], float(margins[a, b]))
            if (linked if equal == "drop" else below)[b] >> a & 1:
                dropped.append(named)
                continue
            locked.append(named)
            _lock(below, a, b)
    sizes = [float(margins[e]) for e in edges]
    return RankedPairs(
        ranks={c: 1 + sum(row >> i & 1 for row in below) for i, c in enumerate(candidates)},
        locked=tuple(locked),
        dropped=tuple(dropped),
        tied=len(set(sizes)) < len(sizes),
        method=f"ranked pairs by margins (Tideman 1987), {_EQUAL[equal]}",
    )


def _margins(support_KK: Floats) -> Floats:
    """Row's support over column's. Rounded: weights such as 1/6 add up to a tie all but a trace."""
    margins: Floats = np.round(support_KK - support_KK.T, 9)
    return margins


def _lock(below: list[int], a: int, b: int) -> None:
    """Put a above b, and with it all above a (and a) above all below b (and b)."""
    if below[a] >> b & 1:
        return
    more = below[b] | 1 << b
    for x in range(len(below)):
        if x == a or below[x] >> a & 1:
            below[x] |= more


def ranked_pairs_winners(support_KK: Floats, candidates: Sequence[str]) -> tuple[str, ...]:
    """Every candidate that wins under some order of the equal margins.

    Exact: margins are taken class by class; of a class, what cannot contradict anything is locked
    at once, and the rest in every order, equal partial results being merged.

    Raises:
        TooManyTies: more than 20,000 partial results at once.
    """
    margins = _margins(support_KK)
    edges = [(int(i), int(j)) for i, j in zip(*np.nonzero(margins > 0), strict=True)]
    edges.sort(key=lambda e: (-margins[e], e))
    states = {(0,) * len(candidates)}
    for _, tied in groupby(edges, key=lambda e: margins[e]):
        members = list(tied)
        states = {done for state in states for done in _every_order(state, members)}
        if len(states) > _STATES:
            raise TooManyTies("the equal margins can be put in too many orders to try them all")
    winners = {
        i
        for state in states
        for i in range(len(candidates))
        if not any(row >> i & 1 for row in state)
    }
    return tuple(candidates[i] for i in sorted(winners))


def _every_order(state: tuple[int, ...], edges: list[tuple[int, int]]) -> set[tuple[int, ...]]:
    """What `state` becomes when the edges are locked in any order."""
    together = list(state)  # relation with all of them: an edge on no cycle of it is safe
    for a, b in edges:
        _link(together, a, b)
    begun = list(state)
    for a, b in edges:
        if not together[b] >> a & 1:
            _lock(begun, a, b)
    risky = [e for e in edges if together[e[1]] >> e[0] & 1]
    ends: set[tuple[int, ...]] = set()
    seen: set[tuple[int, ...]] = set()
    stack = [tuple(begun)]
    while stack:
        now = stack.pop()
        if now in seen:
            continue
        seen.add(now)
        if len(seen) > _STATES:
            raise TooManyTies("the equal margins can be put in too many orders to try them all")
        free = [(a, b) for a, b in risky if not (now[b] >> a & 1 or now[a] >> b & 1)]
        if not free:
            ends.add(now)
        for a, b in free:
            after = list(now)
            _lock(after, a, b)
            stack.append(tuple(after))
    return ends


def _link(below: list[int], a: int, b: int) -> None:
    """As `_lock`, for a relation that may hold cycles."""
    more = below[b] | 1 << b
    for x in range(len(below)):
        if x == a or below[x] >> a & 1:
            below[x] |= more


def borda(
    ballots: Sequence[Ranking],
    counts: Sequence[float] | None = None,
    normalised: bool = False,
    candidates: Sequence[str] | None = None,
) -> dict[str, float]:
    """Borda's count of each candidate, over all ballots.

    Of k candidates on a ballot the first gets k - 1 points, the last 0 (the sum over ballots); or,
    `normalised`, (k - r + 1) / k at rank r (1, 0.67, 0.33 for three), and the mean over the ballots
    that rank the candidate. Tied candidates get the mean of the places that they share. A ballot
    that ranks fewer has fewer points to give (Emerson 2013).

    Returns:
        Points by candidate, NaN where normalised and no ballot ranks it.
    """
    names = candidates_of(ballots) if candidates is None else candidates
    total = dict.fromkeys(names, 0.0)
    cast = dict.fromkeys(names, 0.0)
    for ballot, n in zip(ballots, counts or [1.0] * len(ballots), strict=True):
        for candidate, points in ballot_points(ballot, normalised).items():
            total[candidate] += n * points
            cast[candidate] += n
    if not normalised:
        return total
    return {c: total[c] / cast[c] if cast[c] else float("nan") for c in names}


def ballot_points(ballot: Ranking, normalised: bool = True) -> dict[str, float]:
    """One ballot's Borda points; those who tie share the mean of their places."""
    k = len(ballot)
    ranks = sorted(ballot.values())
    points = {}
    for candidate, rank in ballot.items():
        before = ranks.index(rank)
        place = before + 1 + (ranks.count(rank) - 1) / 2
        points[candidate] = (k - place + 1) / k if normalised else k - place
    return points
