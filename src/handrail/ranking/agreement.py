"""Do two judges (or a judge and the oracle) say the same?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from handrail.ranking.comparisons import Judged
from handrail.ranking.estimates import DEFAULT, Estimate, Partition, Resampling
from handrail.ranking.kappa import kappa_of
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
        kappa=kappa_of(x_N, y_N, len(_CODES), names, how),
        only_first=len(ones) - len(common),
        only_second=len(others) - len(common),
    )


def _outcomes(judged: Judged) -> Iterator[tuple[_Key, Outcome]]:
    """Each verdict under a key with its two systems sorted, so that (b, a) meets (a, b)."""
    for one in judged:
        if isinstance(one, Verdict):
            v = one if one.a <= one.b else one.swap()
            yield (v.turn, v.a, v.b, v.dimension, v.order), v.outcome
