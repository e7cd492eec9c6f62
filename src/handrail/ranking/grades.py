"""What single replies were graded: each system's mean, how the grades fall, who grades higher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from handrail.ranking.estimates import DEFAULT, Estimate, Floats, Resampling, rate
from handrail.ranking.paired import PairedDifference, paired_difference
from handrail.records import JudgeError, Rating

Rated = Sequence[Rating | JudgeError]


@dataclass(frozen=True)
class GradeRow:
    """A system's grades from `low` to `high`: the mean, and how often each grade was given.

    `counts` are by the judge's own words where it has such, else by the grade. `errors` counts
    the judgements that failed, which are in no figure.
    """

    system: str
    dimension: str
    mean: Estimate
    low: float
    high: float
    counts: Mapping[str, int]
    errors: int


def grade_rows(
    rated: Mapping[str, Rated], clusters: Sequence[str], how: Resampling = DEFAULT
) -> tuple[GradeRow, ...]:
    """The grades of each system; those of which none was graded are left out.

    Args:
        rated: per system one rating for each turn.
        clusters: the conversation of each turn.
        how: settings of the intervals, which resample conversations.
    """
    rows = []
    for system, ratings in rated.items():
        known = [one for one in ratings if isinstance(one, Rating)]
        if not known:
            continue
        low, high = known[0].low, known[0].high
        mean = rate(_shares(ratings), clusters, how)
        counts = Counter((one.value, one.label or f"{one.value:g}") for one in known)
        rows.append(
            GradeRow(
                system=system,
                dimension=known[0].dimension,
                mean=_stretched(mean, low, high),
                low=low,
                high=high,
                counts={label: n for (_, label), n in sorted(counts.items())},
                errors=len(ratings) - len(known),
            )
        )
    return tuple(rows)


def grade_difference(
    a: Rated, b: Rated, clusters: Sequence[str], how: Resampling = DEFAULT
) -> PairedDifference:
    """The mean grade of a less that of b, on the same turns, as shares of the scale's length."""
    return paired_difference(_shares(a), _shares(b), clusters, how)


def _shares(ratings: Rated) -> Floats:
    """How far up the scale each grade is, 0 to 1, NaN where the judgement failed."""
    return np.array(
        [
            np.nan if isinstance(one, JudgeError) else (one.value - one.low) / (one.high - one.low)
            for one in ratings
        ],
        np.float64,
    )


def _stretched(mean: Estimate, low: float, high: float) -> Estimate:
    """A share of the scale as a grade."""
    ends = {name: low + (high - low) * getattr(mean, name) for name in ("value", "low", "high")}
    return replace(mean, **ends)
