"""Which systems can be put on one scale at all: the structure of who beat whom.

Strengths exist for systems that are strongly connected by wins: from each to each other leads a
chain of wins (Ford 1957, "Solution of a Ranking Problem from Binary Comparisons"). A system that
never lost to the others would be infinitely strong, and of one that never met them nothing is
known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from handrail.ranking.estimates import Floats

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Apart:
    """A system that is not on the scale of the others. `why` says it in words."""

    system: str
    why: str


def main_component(wins_KK: Floats) -> Flags:
    """The systems of the largest strongly connected component, shape (K,).

    Of several of one size it is the one with most comparisons, then the one that comes first.
    """
    _, label_K = _strong(wins_KK)
    games_KK = wins_KK + wins_KK.T
    best, chosen = (-1, -1.0), label_K == 0
    for label in dict.fromkeys(label_K.tolist()):
        inside = label_K == label
        size = (int(inside.sum()), float(games_KK[np.ix_(inside, inside)].sum()))
        if size > best:
            best, chosen = size, inside
    return chosen


def standing(wins_KK: Floats, inside_K: Flags) -> Floats:
    """Where each system stands to those `inside`: 0 one of them, +inf above, -inf below, NaN apart.

    Above: a chain of wins leads from it to them, and none back.
    """
    k = len(wins_KK)
    reaches = _reach(wins_KK)
    inner = int(np.flatnonzero(inside_K)[0])
    above, below = reaches[:, inner], reaches[inner]
    out = np.full(k, np.nan)
    out[above] = np.inf
    out[below] = -np.inf
    out[inside_K] = 0.0
    return out


def components(wins_KK: Floats, systems: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The strongly connected components by name, the largest first."""
    return _named(_strong(wins_KK)[1], systems)


def _named(label_K: NDArray[np.int64], systems: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    groups: dict[int, list[str]] = {}
    for system, label in zip(systems, label_K.tolist(), strict=True):
        groups.setdefault(label, []).append(system)
    return tuple(tuple(g) for g in sorted(groups.values(), key=len, reverse=True))


def met_groups(met_KK: Floats, systems: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The systems that comparisons connect, be it by way of others, the largest group first."""
    _, label_K = csgraph.connected_components(sparse.csr_array(met_KK > 0), directed=False)
    return _named(label_K, systems)


def apart(wins_KK: Floats, systems: tuple[str, ...], inside_K: Flags) -> tuple[Apart, ...]:
    """Each system outside, and why it has no strength on the scale of those inside."""
    played_KK = (wins_KK + wins_KK.T) > 0
    _, group_K = csgraph.connected_components(sparse.csr_array(played_KK), directed=False)
    main = group_K[inside_K.argmax()]
    stands = standing(wins_KK, inside_K)
    told = []
    for i in np.flatnonzero(~inside_K):
        direct = bool(played_KK[i][inside_K].any())
        chain = "" if direct else ", by way of others"
        if np.isnan(stands[i]):
            why = "not comparable: no chain of wins leads to the ranked systems or from them"
            if group_K[i] != main:
                why = "not comparable: no comparison links it to the ranked systems"
        elif stands[i] > 0:
            why = f"above the ranked systems: it never lost to them{chain}, so it has no bound"
        else:
            why = f"below the ranked systems: it never won against them{chain}, so it has no bound"
        told.append(Apart(systems[i], why))
    return tuple(told)


def lone(stand_K: Floats) -> Floats:
    """Standings where the component is one system, which is then no measure of anything.

    It is itself above all others, or below them, or unknown.
    """
    inside = stand_K == 0
    others = stand_K[~inside]
    if inside.sum() > 1:
        return stand_K
    end = -others[0] if others.size and (others == others[0]).all() else np.nan
    return np.where(inside, end, stand_K)


def unrated(wins_KK: Floats, systems: tuple[str, ...]) -> tuple[Apart, ...]:
    """Every system, and why it has no strength, where no two are connected both ways."""
    told = []
    for i, system in enumerate(systems):
        won, lost = wins_KK[i].any(), wins_KK[:, i].any()
        if won and lost:
            why = "no chain of wins leads from it back to itself, so it has no strength"
        elif won:
            why = "it never lost, so it has no bound above"
        elif lost:
            why = "it never won, so it has no bound below"
        else:
            why = "it was compared with no other"
        told.append(Apart(system, why))
    return tuple(told)


def unbounded(wins_RKK: Floats) -> Flags:
    """Which data sets are not strongly connected, shape (R,).

    One is where its first system reaches all others by chains of wins, and all reach it.
    """
    beats_RKK = (wins_RKK > 0).astype(np.float32)
    whole = np.ones(len(wins_RKK), bool)
    for graph in (beats_RKK, beats_RKK.transpose(0, 2, 1)):
        reached = np.zeros(wins_RKK.shape[:2], bool)
        reached[:, :1] = True
        count = -1
        while (now := int(reached.sum())) > count:
            count = now
            reached |= (reached[:, None, :].astype(np.float32) @ graph)[:, 0] > 0
        whole &= reached.all(1)
    return ~whole


def _strong(wins_KK: Floats) -> tuple[int, NDArray[np.int64]]:
    graph = sparse.csr_array(wins_KK > 0)
    count, labels = csgraph.connected_components(graph, directed=True, connection="strong")
    return int(count), labels.astype(np.int64)


def _reach(wins_KK: Floats) -> Flags:
    """Whether a chain of wins leads from row to column."""
    distances = csgraph.shortest_path(sparse.csr_array(wins_KK > 0), unweighted=True)
    reach: Flags = np.isfinite(distances)
    return reach
