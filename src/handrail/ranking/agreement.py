"""Do two judges (or a judge and the oracle) say the same?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handrail.ranking.comparisons import Judged
from handrail.ranking.estimates import (
    DEFAULT,
    Estimate,
    Floats,
    Partition,
    Resampling,
    percentile,
)
from handrail.records import Outcome, Verdict

_CODES = {outcome: i for i, outcome in enumerate(Outcome)}
_Key = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Agreement:
    """Share of equal outcomes and Cohen's kappa of two judges on the same comparisons.

    `only_first` and `only_second` count comparisons that the other judge did not decide.
    """

    share: Estimate
    kappa: Estimate
    only_first: int
    only_second: int


def agreement(
    first: Judged,
    second: Judged,
    clusters: Mapping[str, str] | None = None,
    how: Resampling = DEFAULT,
) -> Agreement:
    """Compare two judges' outcomes, matched by turn, pair (either way round), dimension, order.

    Kappa is Cohen's (1960), unweighted; its interval resamples clusters.
    """
    ones, others = dict(_outcomes(first)), dict(_outcomes(second))
    common = [key for key in ones if key in others]
    x_N = np.array([_CODES[ones[key]] for key in common], np.int64)
    y_N = np.array([_CODES[others[key]] for key in common], np.int64)
    names = [(clusters or {}).get(key[0], key[0]) for key in common]
    return Agreement(
        share=Partition.of([x_N == y_N], [names]).estimate(how),
        kappa=_kappa(x_N, y_N, names, how),
        only_first=len(ones) - len(common),
        only_second=len(others) - len(common),
    )


def _outcomes(judged: Judged) -> Iterator[tuple[_Key, Outcome]]:
    """Each verdict under a key with its two systems sorted, so that (b, a) meets (a, b)."""
    for one in judged:
        if isinstance(one, Verdict):
            v = one if one.a <= one.b else one.swap()
            yield (v.turn, v.a, v.b, v.dimension, v.order), v.outcome


def _kappa(
    x_N: NDArray[np.int64], y_N: NDArray[np.int64], names: Sequence[str], how: Resampling
) -> Estimate:
    if x_N.size == 0:
        return Estimate(float("nan"), -1.0, 1.0, 0, "no items", 0, how.level)
    k = len(_CODES)
    code = {name: i for i, name in enumerate(dict.fromkeys(names))}
    tables = np.zeros((len(code), k * k))
    rows_N = np.array([code[name] for name in names], np.int64)
    np.add.at(tables, (rows_N, x_N * k + y_N), 1.0)
    rng = np.random.default_rng(how.seed)
    draws = rng.multinomial(len(code), np.full(len(code), 1 / len(code)), how.resamples)
    value = float(_kappas(tables.sum(0)[None])[0])
    replicates = _kappas(draws @ tables)
    method = f"Cohen's kappa, bootstrap over {len(code)} clusters, {how.resamples} resamples"
    known = replicates[~np.isnan(replicates)]
    return percentile(known, value, x_N.size, method, len(code), how.level)


def _kappas(tables: Floats) -> Floats:
    """Kappa of each confusion table, shape (R, 25) -> (R,); NaN with one answer only."""
    k = len(_CODES)
    p = tables.reshape(-1, k, k) / tables.sum(1)[:, None, None]
    observed = np.trace(p, axis1=1, axis2=2)
    chance = (p.sum(2) * p.sum(1)).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
