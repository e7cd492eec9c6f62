"""What a judge's verdicts show of the judge: how it bends to order and length, how often it ties.

All figures are over all pairs and dimensions together, clustered by conversation. Both acceptable,
none acceptable and a tie are "no preference"; the verdicts for one reply are "decided".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from handrail.ranking.comparisons import Judged
from handrail.ranking.estimates import DEFAULT, Estimate, Partition, Resampling
from handrail.records import Outcome, Verdict

Lengths = Mapping[tuple[str, str], int]  # turn id and system -> characters of the reply


@dataclass(frozen=True)
class Preferences:
    """A judge's habits. `verdicts` were given, `decided` of them for one of the two replies.

    `flips`: share of comparisons, judged in both orders, whose two verdicts differ. `ties`: share
    of verdicts without a preference. `first`: share of the decided ones for the reply shown first
    (a half for a judge that does not look at the order, or decides at random). `longer`: share for
    the longer reply, of those whose replies differ in length; what is right may well be longer, so
    that it is a bias only where it exceeds that of people on the same pairs.
    """

    verdicts: int
    decided: int
    flips: Estimate
    ties: Estimate
    first: Estimate
    longer: Estimate


def preferences(
    judged: Judged,
    lengths: Lengths,
    clusters: Mapping[str, str] | None = None,
    how: Resampling = DEFAULT,
) -> Preferences:
    """A judge's habits from its verdicts.

    Args:
        judged: verdicts, and judgements that failed (which count nowhere).
        lengths: the lengths of the replies; one that is not there counts in no length figure.
        clusters: turn id to conversation; without it every turn is its own.
        how: settings of the intervals.
    """
    verdicts = [one for one in judged if isinstance(one, Verdict)]
    names = [(clusters or {}).get(one.turn, one.turn) for one in verdicts]

    def share(of: Callable[[Verdict], float]) -> Estimate:
        return Partition.of([np.array([of(v) for v in verdicts])], [names]).estimate(how)

    return Preferences(
        verdicts=len(verdicts),
        decided=sum(_decided(one) for one in verdicts),
        flips=_flips(verdicts, clusters or {}, how),
        ties=share(lambda v: float(not _decided(v))),
        first=share(_for_first),
        longer=share(lambda v: _for_longer(v, lengths)),
    )


def _flips(verdicts: Sequence[Verdict], clusters: Mapping[str, str], how: Resampling) -> Estimate:
    """Share of comparisons with both orders whose verdicts differ, clustered by conversation."""
    orders: dict[tuple[str, str, str, str], dict[str, Outcome]] = defaultdict(dict)
    for one in verdicts:
        orders[one.turn, one.a, one.b, one.dimension][one.order] = one.outcome
    both = {key: seen for key, seen in orders.items() if len(seen) == 2}
    flipped = np.array([float(seen["AB"] is not seen["BA"]) for seen in both.values()])
    return Partition.of([flipped], [[clusters.get(key[0], key[0]) for key in both]]).estimate(how)


def _decided(one: Verdict) -> bool:
    return one.outcome in (Outcome.A, Outcome.B)


def _for_first(one: Verdict) -> float:
    """1 where the reply shown first won, 0 where the second did, NaN where none."""
    if not _decided(one):
        return nan
    return float((one.outcome is Outcome.A) == (one.order == "AB"))


def _for_longer(one: Verdict, lengths: Lengths) -> float:
    """1 where the longer reply won, 0 where the shorter did, NaN where none won or none is."""
    a, b = lengths.get((one.turn, one.a)), lengths.get((one.turn, one.b))
    if not _decided(one) or a is None or b is None or a == b:
        return nan
    return float((one.outcome is Outcome.A) == (a > b))
