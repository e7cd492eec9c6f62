"""Bradley-Terry strengths of many systems, with intervals, rank ranges and who is clearly above.

Ties count half a win for each side, as evalica counts them: its win matrix is wins plus 0.5 times
the symmetric matrix of ties. Shape suffixes as in `matches`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from handrail.ranking.connected import (
    Apart,
    apart,
    components,
    lone,
    main_component,
    standing,
    unbounded,
    unrated,
)
from handrail.ranking.ends import FEW, expanded_tail
from handrail.ranking.estimates import Estimate, Floats, Resampling
from handrail.ranking.matches import Matches, draws
from handrail.ranking.newton import fit

ROUNDS = Resampling(resamples=1000)
ELO = 400 / math.log(10)  # points of Elo's scale to one natural logarithm of odds
CENTRE = 1000.0
_HELD = 4_000_000  # cells of replicates' win matrices held at once (32 MB)


@dataclass(frozen=True)
class Rated:
    """One system's rating, and the ranks that it had in the middle 95 % of the replicates.

    `rank` is 1 + how many are rated higher. An end of an interval is infinite where so many
    replicates held no loss (or no win) of the system against the others.
    """

    system: str
    rating: Estimate
    rank: int
    rank_low: int
    rank_high: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not finite becomes None."""
        return {
            "system": self.system,
            "rank": self.rank,
            "rank_low": self.rank_low,
            "rank_high": self.rank_high,
            **self.rating.as_dict(),
        }


@dataclass(frozen=True)
class Ratings:
    """Ratings of the systems that share a scale, best first.

    `above` names pairs (higher, lower) whose difference's interval excludes 0. `apart` lists the
    systems without a rating, with the reason; `components` all groups within which strengths can
    be compared. `unbounded` counts replicates in which some system had no finite strength.
    """

    rated: tuple[Rated, ...]
    above: tuple[tuple[str, str], ...]
    apart: tuple[Apart, ...]
    components: tuple[tuple[str, ...], ...]
    n: int
    clusters: int
    unbounded: int
    anchor: str
    settings: Resampling
    method: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": self.method,
            "systems": [one.as_dict() for one in self.rated],
            "above": [list(pair) for pair in self.above],
            "apart": [asdict(one) for one in self.apart],
            "components": [list(group) for group in self.components],
            "n": self.n,
            "clusters": self.clusters,
            "unbounded_rounds": self.unbounded,
            "anchor": self.anchor or None,
            "settings": asdict(self.settings),
        }


def bradley_terry(
    matches: Matches, how: Resampling = ROUNDS, anchor: str = "", centre: float = CENTRE
) -> Ratings:
    """Bradley-Terry strengths on Elo's scale (400 points: ten to one), intervals by clusters.

    The strengths are evalica's, polished by Newton's method to the maximum of the likelihood;
    each bootstrap replicate draws clusters and is solved by Newton's method from there. Only the
    largest group of systems that wins connect is rated; the others are in `apart`.

    Args:
        matches: comparisons, ties as half a win each.
        how: rounds, level and seed of the intervals; no rounds, no intervals.
        anchor: the system that is held at `centre`; without one the mean of all is.
        centre: where the scale is fixed.

    Raises:
        ValueError: the matches count ties otherwise, or the anchor is not among the systems.
    """
    if not matches.halved:
        raise ValueError("strengths are fitted to ties as half a win each (WinRule.TIES_HALF)")
    if anchor and anchor not in matches.systems:
        raise ValueError(f"no system is named '{anchor}'")
    wins_KK = matches.win_matrix()
    inside_K = main_component(wins_KK) if matches.systems else np.zeros(0, bool)
    alone = inside_K.sum() < 2
    left_out = (
        unrated(wins_KK, matches.systems) if alone else apart(wins_KK, matches.systems, inside_K)
    )
    groups = components(wins_KK, matches.systems) if matches.systems else ()
    if alone or (anchor and any(anchor == one.system for one in left_out)):
        inside_K[:] = False
    kept = matches.among([int(i) for i in np.flatnonzero(inside_K)])
    method = _told(kept, how)
    if not kept.systems:
        nothing = Ratings((), (), (), (), kept.n, 0, 0, anchor, how, method)
        return replace(nothing, apart=left_out, components=groups)
    strength_K = _solve(kept)
    replicates_RK, lost = _replicates(kept, strength_K, how)
    at = kept.systems.index(anchor) if anchor else None
    values, spread = (_points(s, at, centre) for s in (strength_K[None], replicates_RK))
    found = ratings_of(kept, values[0], spread, how, method)
    return replace(found, apart=left_out, components=groups, unbounded=lost, anchor=anchor)


def ratings_of(
    matches: Matches, value_K: Floats, replicates_RK: Floats, how: Resampling, method: str
) -> Ratings:
    """Ratings from a value per system and its replicates (which may hold infinities).

    Where all replicates are alike, resampling sees no spread and there is no interval; nor is there
    one with few clusters, whose replicates do not reach far enough out (`ends.ends_of`).
    """
    known = np.where(np.isnan(replicates_RK), value_K, replicates_RK)
    if len(known) and np.allclose(known, value_K, rtol=0, atol=1e-6):
        replicates_RK = replicates_RK[:0]
        method += "; no interval, every cluster says the same"
    tail = (1 - how.level) / 2
    # Rounded: what is equal on paper differs by a trace.
    rank_K = _ranks(value_K[None].round(6))[0]
    ranks_RK = _ranks(replicates_RK.round(6))
    if len(replicates_RK) and matches.clusters < FEW:
        replicates_RK = replicates_RK[:0]
        method += f"; no interval, fewer than {FEW} clusters"
    level, clusters = how.level, matches.clusters
    count_K = matches.met().sum(1)
    rated = []
    for i in sorted(range(len(value_K)), key=lambda i: (rank_K[i], i)):
        n = round(float(count_K[i]))
        rating = Estimate(float(value_K[i]), np.nan, np.nan, n, method, clusters, level)
        rating = _interval(replicates_RK[:, i], rating)
        low = high = int(rank_K[i])
        if len(ranks_RK):
            ends = np.quantile(ranks_RK[:, i], (tail, 1 - tail), method="inverted_cdf")
            low, high = min(low, int(ends[0])), max(high, int(ends[1]))
        rated.append(Rated(matches.systems[i], rating, int(rank_K[i]), low, high))
    order = [matches.systems.index(one.system) for one in rated]
    return Ratings(
        rated=tuple(rated),
        above=_above(matches.systems, order, replicates_RK, clusters, level),
        apart=(),
        components=(matches.systems,),
        n=matches.n,
        clusters=clusters,
        unbounded=0,
        anchor="",
        settings=how,
        method=method,
    )


def _solve(kept: Matches) -> Floats:
    """Maximum-likelihood strengths, shape (K,), mean 0: evalica's, then Newton's last steps."""
    import evalica

    wins_KK = kept.win_matrix()
    rows, columns = np.nonzero(wins_KK)
    found = evalica.bradley_terry(
        rows.tolist(),
        columns.tolist(),
        [evalica.Winner.X] * rows.size,
        weights=wins_KK[rows, columns].tolist(),
        tolerance=1e-8,
        limit=2000,
    )
    scores_K = found.scores.reindex(range(len(wins_KK))).to_numpy(np.float64)
    start_K = np.log(np.clip(scores_K, 1e-12, 1e12))
    strengths: Floats = fit(wins_KK[None], (start_K - start_K.mean())[None])[0]
    return strengths


def _replicates(kept: Matches, strength_K: Floats, how: Resampling) -> tuple[Floats, int]:
    """Strengths under `how.resamples` draws of the clusters, shape (R, K), and how many unbounded.

    Where a draw does not connect all systems, those of its largest component are fitted and the
    others stand above (+inf) or below (-inf) them, or unknown (NaN) where no chain of wins says.
    """
    k, clusters = strength_K.size, kept.clusters
    if not how.resamples or clusters < 2:
        return np.zeros((0, k)), 0
    table, pairs = kept.wins()
    done, lost = [], 0
    for drawn in draws(clusters, how.resamples, how.seed, max(1, _HELD // (k * k))):
        wins = np.zeros((len(drawn), k * k))
        wins[:, pairs] = drawn @ table
        wins_RKK = wins.reshape(-1, k, k)
        torn = np.flatnonzero(unbounded(wins_RKK))
        stands = {}
        for r in torn:
            inside_K = main_component(wins_RKK[r])
            stands[r] = lone(standing(wins_RKK[r], inside_K))
            wins_RKK[r] *= np.outer(inside_K, inside_K)
        fitted = fit(wins_RKK, np.broadcast_to(strength_K, (len(drawn), k)))
        for r, stand_K in stands.items():
            fitted[r] = np.where(stand_K == 0, fitted[r], stand_K)
        lost += torn.size
        done.append(fitted)
    return np.concatenate(done), lost


def _interval(replicates_R: Floats, like: Estimate) -> Estimate:
    """`like` with its expanded percentile interval; what is unknown (NaN) is beyond both ends.

    Never between two replicates, so that these may be infinite.
    """
    if not len(replicates_R):
        return like
    tail = expanded_tail(like.clusters, like.level)
    low, high = (np.where(np.isnan(replicates_R), x, replicates_R) for x in (-np.inf, np.inf))
    return replace(
        like,
        low=float(np.quantile(low, tail, method="inverted_cdf")),
        high=float(np.quantile(high, 1.0 - tail, method="inverted_cdf")),
    )


def _points(strength_RK: Floats, anchor: int | None, centre: float) -> Floats:
    """Strengths on Elo's scale, the anchor (or the mean of all) at `centre`.

    Beside an anchor that lost everything in a replicate the others are infinitely strong. Without
    an anchor the systems that have finite strengths keep the mean of the full data's, which is
    where `fit` left them.
    """
    if anchor is None:
        return ELO * strength_RK + centre
    with np.errstate(invalid="ignore"):  # inf - inf is unknown
        points = ELO * (strength_RK - strength_RK[:, [anchor]])
    points[:, anchor] = 0.0
    return points + centre


def _ranks(value_RK: Floats) -> Floats:
    """1 + how many are higher, in each row; what is unknown counts as lowest."""
    known = np.where(np.isnan(value_RK), -np.inf, value_RK)
    return 1.0 + (known[:, None, :] > known[:, :, None]).sum(2)


def _above(
    systems: tuple[str, ...],
    order: list[int],
    replicates_RK: Floats,
    clusters: int,
    level: float,
) -> tuple[tuple[str, str], ...]:
    """Pairs (higher, lower) whose difference is above 0 at the lower end of its interval."""
    if clusters < 2 or not len(replicates_RK):
        return ()
    tail = expanded_tail(clusters, level)
    place = int(np.ceil(tail * len(replicates_RK))) - 1  # of the interval's end, counted from below
    found = []
    for rank, i in enumerate(order):
        rest = order[rank + 1 :]
        with np.errstate(invalid="ignore"):  # inf - inf: both above the rest, unknown to each other
            gaps = replicates_RK[:, [i]] - replicates_RK[:, rest]
        gaps[np.isnan(gaps)] = -np.inf
        lows = np.partition(gaps, max(0, place), axis=0)[max(0, place)]
        found += [(systems[i], systems[j]) for j, low in zip(rest, lows, strict=True) if low > 1e-6]
    return tuple(found)


def _told(kept: Matches, how: Resampling) -> str:
    over = f"bootstrap over {kept.clusters} clusters, {how.resamples} rounds"
    if not how.resamples or kept.clusters < 2:
        over = "no interval (one cluster)" if how.resamples else "no interval"
    return f"Bradley-Terry (maximum likelihood, ties half a win each, Elo's scale), {over}"
