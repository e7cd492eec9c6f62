"""From verdicts on pairs to rankings: ballots of each judge, and ranked pairs with rank ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from handrail.ranking.comparisons import Judged
from handrail.ranking.estimates import Resampling
from handrail.ranking.matches import Matches, draws
from handrail.ranking.strengths import ROUNDS
from handrail.ranking.voting import (
    RankedPairs,
    TooManyTies,
    ranked_pairs,
    ranked_pairs_winners,
)
from handrail.records import Outcome, Verdict

_WORTH = {Outcome.A: 1.0, Outcome.B: 0.0}


@dataclass(frozen=True)
class MajorityRanking:
    """Ranked pairs of all comparisons, and the ranks in the middle 95 % of the replicates.

    `ranges[s]` is (lowest number, highest number). `winners` are those who win under some order of
    the equal margins; None where there are too many orders to try. Margins are wins less losses.
    """

    pairs: RankedPairs
    ranges: Mapping[str, tuple[int, int]]
    winners: tuple[str, ...] | None
    n: int
    clusters: int
    settings: Resampling
    method: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, systems best first."""
        order = [system for tier in self.pairs.order for system in tier]
        return {
            **self.pairs.as_dict(),
            "method": self.method,
            "systems": [
                {
                    "system": s,
                    "rank": self.pairs.ranks[s],
                    "rank_low": self.ranges[s][0],
                    "rank_high": self.ranges[s][1],
                }
                for s in order
            ],
            "winners": None if self.winners is None else list(self.winners),
            "n": self.n,
            "clusters": self.clusters,
            "settings": asdict(self.settings),
        }


def majority_ranking(matches: Matches, how: Resampling = ROUNDS) -> MajorityRanking:
    """Rank systems by ranked pairs of all their comparisons (ties half a win each).

    Pairs that never met have no margin. Equal margins are taken in the systems' order by name.
    """
    named = sorted(range(len(matches.systems)), key=lambda i: matches.systems[i])
    names = [matches.systems[i] for i in named]
    k = len(names)
    wins_KK = matches.win_matrix()[np.ix_(named, named)]
    found = ranked_pairs(wins_KK, names)
    try:
        winners: tuple[str, ...] | None = ranked_pairs_winners(wins_KK, names)
    except TooManyTies:
        winners = None
    ranges = {s: (r, r) for s, r in found.ranks.items()}
    told = "no interval"
    if how.resamples and matches.clusters > 1:
        table, pairs = matches.wins()
        seen = []
        for drawn in draws(matches.clusters, how.resamples, how.seed, 200):
            flat = np.zeros((len(drawn), k * k))
            flat[:, pairs] = drawn @ table
            for wins in flat.reshape(-1, k, k):
                ranks = ranked_pairs(wins[np.ix_(named, named)], names).ranks
                seen.append([ranks[s] for s in names])
        tail = (1 - how.level) / 2
        ends = np.quantile(np.array(seen), (tail, 1 - tail), axis=0, method="inverted_cdf")
        ranges = {
            s: (min(int(low), found.ranks[s]), max(int(high), found.ranks[s]))
            for s, low, high in zip(names, *ends, strict=True)
        }
        told = f"ranks over {how.resamples} draws of {matches.clusters} clusters"
    return MajorityRanking(
        pairs=found,
        ranges=ranges,
        winners=winners,
        n=matches.n,
        clusters=matches.clusters,
        settings=how,
        method=f"{found.method}; {told}",
    )


@dataclass(frozen=True)
class Ballots:
    """Each judge's ranking of the systems at each turn, made of its verdicts on their pairs.

    `incomplete` counts (turn, judge) with a pair of its systems that the judge did not decide:
    these give no ranking.
    """

    rankings: tuple[Mapping[str, int], ...]
    turns: tuple[str, ...]
    judges: tuple[str, ...]
    incomplete: int


def ballots_of(judged: Judged) -> Ballots:
    """Rank the systems of each turn by how many others each beat there (a tie is half).

    Verdicts of one judge on one pair (both orders) count their mean; equal sums tie.
    """
    cells: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for one in judged:
        if isinstance(one, Verdict):
            v = one if one.a <= one.b else one.swap()
            worth = _WORTH.get(v.outcome, 0.5)
            cells.setdefault((v.turn, v.judge), {}).setdefault((v.a, v.b), []).append(worth)
    rankings: list[Mapping[str, int]] = []
    where: list[tuple[str, str]] = []
    for place, pairs in cells.items():
        systems = sorted({s for pair in pairs for s in pair})
        if any(pair not in pairs for pair in combinations(systems, 2)):
            continue
        rankings.append(_ranking(systems, pairs))
        where.append(place)
    return Ballots(
        rankings=tuple(rankings),
        turns=tuple(turn for turn, _ in where),
        judges=tuple(judge for _, judge in where),
        incomplete=len(cells) - len(where),
    )


def _ranking(
    systems: Sequence[str], pairs: Mapping[tuple[str, str], list[float]]
) -> dict[str, int]:
    beaten = dict.fromkeys(systems, 0.0)
    for (a, b), worth in pairs.items():
        mean = sum(worth) / len(worth)
        beaten[a] += mean
        beaten[b] += 1 - mean
    rounded = {s: round(points, 9) for s, points in beaten.items()}
    return {s: 1 + sum(p > points for p in rounded.values()) for s, points in rounded.items()}
