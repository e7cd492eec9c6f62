"""Who wins how often against whom: the win-rate matrix with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from handrail.ranking.comparisons import WinRule
from handrail.ranking.estimates import (
    DEFAULT,
    Estimate,
    Floats,
    Partition,
    Resampling,
    percentile,
    wilson,
)
from handrail.ranking.matches import Matches, draws


@dataclass(frozen=True)
class WinCell:
    """One system's win rate against another: cluster bootstrap, and Wilson's interval beside it.

    `estimate.n` counts ballots.
    """

    system: str
    against: str
    estimate: Estimate
    wilson: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "system": self.system,
            "against": self.against,
            **self.estimate.as_dict(),
            "wilson": self.wilson.as_dict(),
        }


@dataclass(frozen=True)
class WinMatrix:
    """Win rates of all pairs that met; `cells[i, j]` is i's against j, absent where they did not.

    `mean` holds each system's mean over the opponents that it met, each opponent weighing alike
    (table 10 of the thesis on combined rewards); systems come best first by it.
    """

    systems: tuple[str, ...]
    cells: Mapping[tuple[str, str], WinCell]
    mean: Mapping[str, Estimate]
    rule: WinRule
    n: int
    clusters: int
    settings: Resampling

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": f"win rate = {self.rule}",
            "systems": [{"system": s, **self.mean[s].as_dict()} for s in self.systems],
            "pairs": [cell.as_dict() for cell in self.cells.values()],
            "n": self.n,
            "clusters": self.clusters,
            "settings": asdict(self.settings),
        }


def win_matrix(
    matches: Matches, rule: WinRule = WinRule.TIES_HALF, how: Resampling = DEFAULT
) -> WinMatrix:
    """Win rates of every ordered pair that met, and every system's mean over its opponents.

    All cells share their draws of clusters. A draw without any comparison of a pair is left out of
    that pair's interval; where all of a pair's ballots or clusters say the same, the interval is
    Wilson's over clusters (`Partition.estimate`).

    Args:
        matches: the comparisons (`matches_of` with the same rule).
        rule: named in the result.
        how: settings of the intervals.
    """
    k, clusters = len(matches.systems), matches.clusters
    (won, pairs), (played, _) = matches.wins(), matches.games()
    won, played = won.tocsc(), played.tocsc()
    rates_RP = _rates(won, played, clusters, how)
    distinct = _distinct(matches)
    cells: dict[tuple[str, str], WinCell] = {}
    mean: dict[str, Estimate] = {}
    for i, system in enumerate(matches.systems):
        columns = np.flatnonzero(pairs // k == i)
        rates = rates_RP[:, columns]
        for place, column in enumerate(columns):
            against = matches.systems[int(pairs[column]) % k]
            sums, counts = won[:, [column]].toarray().T, played[:, [column]].toarray().T
            full = counts[0] > 0
            part = Partition(sums[:, full], counts[:, full], distinct[int(pairs[column])])
            cells[system, against] = _cell(system, against, part, rates[:, place], how)
        values = [cells[system, matches.systems[int(pairs[c]) % k]].estimate for c in columns]
        mean[system] = _mean(values, rates, clusters, how)
    order = sorted(matches.systems, key=lambda s: -mean[s].value)
    return WinMatrix(tuple(order), cells, mean, rule, matches.n, clusters, how)


def _rates(
    won: sparse.csc_array, played: sparse.csc_array, clusters: int, how: Resampling
) -> Floats:
    """Win rates of each directed pair in each draw, shape (R, P); NaN where it did not meet."""
    parts = [np.zeros((0, won.shape[1]))]
    with np.errstate(invalid="ignore", divide="ignore"):
        for drawn in draws(clusters, how.resamples, how.seed):
            parts.append((drawn @ won) / (drawn @ played))
    return np.concatenate(parts)


def _distinct(matches: Matches) -> dict[int, frozenset[float]]:
    """Of each directed pair, by its code, up to three distinct values of its ballots' worth."""
    k = len(matches.systems)
    weight_B = np.bincount(matches.ballot_N, matches.weight_N)
    seen: dict[int, set[float]] = {}
    _, place = np.unique(matches.ballot_N, return_index=True)
    for one, other, worth_N in (
        (matches.first_N, matches.second_N, matches.worth_first_N),
        (matches.second_N, matches.first_N, matches.worth_second_N),
    ):
        with np.errstate(invalid="ignore", divide="ignore"):
            worth_B = np.bincount(matches.ballot_N, worth_N * matches.weight_N) / weight_B
        codes_B = one[place] * k + other[place]
        for code, worth in np.unique(np.column_stack([codes_B, worth_B.round(9)]), axis=0):
            values = seen.setdefault(int(code), set())
            if len(values) < 3 and not np.isnan(worth):
                values.add(float(worth))
    return {code: frozenset(values) for code, values in seen.items()}


def _cell(system: str, against: str, part: Partition, rates_R: Floats, how: Resampling) -> WinCell:
    wins = min(max(part.mean * part.n, 0.0), part.n) if part.n else 0.0
    known = rates_R[~np.isnan(rates_R)]
    clusters = part.sums_SC.shape[1]
    even = len(part.values) == 1 or np.allclose(
        part.sums_SC, part.mean * part.counts_SC, rtol=0, atol=1e-9
    )
    if part.n == 0 or clusters < 2 or even or not known.size:
        estimate = part.estimate(how)
    else:
        method = f"bootstrap over {clusters} clusters, {how.resamples} resamples"
        estimate = percentile(known, part.mean, part.n, method, clusters, how.level, (0.0, 1.0))
    return WinCell(system, against, estimate, wilson(wins, part.n, how.level))


def _mean(values: list[Estimate], rates_RP: Floats, clusters: int, how: Resampling) -> Estimate:
    """The mean of a system's win rates over its opponents.

    Where all draws are alike, resampling sees no spread (it won every time, say): the ends are
    then the means of those of its pairs, which is wide enough however these hang together.
    """
    n = sum(one.n for one in values)
    if not values:
        return Estimate(float("nan"), 0.0, 1.0, 0, "no opponents", 0, how.level)
    value = float(np.mean([one.value for one in values]))
    method = f"mean over {len(values)} opponents"
    if not how.resamples:
        nan = float("nan")
        return Estimate(value, nan, nan, n, f"{method}, no interval", clusters, how.level)
    if clusters < 2 or not len(rates_RP):
        return Estimate(value, 0.0, 1.0, n, f"{method}, none (one cluster)", clusters, how.level)
    known = ~np.isnan(rates_RP)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(known, rates_RP, 0.0).sum(1) / known.sum(1)
    means = means[~np.isnan(means)]
    if means.size and np.ptp(means) < 1e-9:
        low, high = (float(np.mean([getattr(v, end) for v in values])) for end in ("low", "high"))
        method += ", ends of its pairs' intervals (every cluster says the same)"
        return Estimate(value, low, high, n, method, clusters, how.level)
    method += f", bootstrap over {clusters} clusters, {how.resamples} resamples"
    return percentile(means, value, n, method, clusters, how.level, (0.0, 1.0))
