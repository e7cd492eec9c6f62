"""Annotators' rankings to winning points: merged per prompt, counted per group, averaged.

The pipeline of the thesis on combined rewards (section 5.5.2, table 17): the rankings of one
prompt are merged by ranked pairs, the merged ranking gives normalised Borda points, these are
averaged over the prompts of a group of annotators, and the groups' figures are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, pstdev, stdev
from typing import Any

import numpy as np

from handrail.ranking.estimates import DEFAULT, Estimate, Resampling, rate_over_seeds
from handrail.ranking.voting import (
    Ranking,
    ballot_points,
    candidates_of,
    ranked_pairs,
    support,
)


@dataclass(frozen=True)
class Points:
    """One system's normalised Borda points: per group, their mean, and how they spread.

    `estimate` pools the prompts of all groups and resamples prompts and groups; it equals `mean`
    where all groups have equally many. `sd` divides by the number of groups, as the thesis does,
    `sd_sample` by one less (NaN with one group).
    """

    system: str
    per_group: tuple[float, ...]
    mean: float
    sd: float
    sd_sample: float
    estimate: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "system": self.system,
            "per_group": list(self.per_group),
            "mean": self.mean,
            "sd": self.sd,
            "sd_sample": None if np.isnan(self.sd_sample) else self.sd_sample,
            **self.estimate.as_dict(),
        }


@dataclass(frozen=True)
class PointsTable:
    """Winning points of all systems, the best first. `rankings` counts the ballots merged."""

    points: tuple[Points, ...]
    groups: tuple[str, ...]
    prompts: int
    rankings: int
    settings: Resampling
    method: str = "ranked pairs per prompt, then normalised Borda points over prompts and groups"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": self.method,
            "groups": list(self.groups),
            "prompts": self.prompts,
            "rankings": self.rankings,
            "systems": [one.as_dict() for one in self.points],
            "settings": asdict(self.settings),
        }


def spread(per_group: Sequence[float]) -> tuple[float, float, float]:
    """Mean, standard deviation over n and over n - 1 (NaN for one) of the groups' points."""
    sample = stdev(per_group) if len(per_group) > 1 else float("nan")
    return fmean(per_group), pstdev(per_group), sample


def merge(ballots: Sequence[Ranking]) -> dict[str, int]:
    """The rankings of one prompt as one, by ranked pairs; a cycle of equal margins is a tie."""
    candidates = candidates_of(ballots)
    return dict(ranked_pairs(support(ballots, candidates), candidates, "drop").ranks)


def winning_points(
    ballots: Sequence[Ranking],
    prompts: Sequence[str],
    groups: Sequence[str] | None = None,
    how: Resampling = DEFAULT,
    clusters: Mapping[str, str] | None = None,
) -> PointsTable:
    """Points of each system from the rankings of several annotators.

    Args:
        ballots: one ranking per annotator and prompt.
        prompts: what each ranks replies to.
        groups: which group of annotators each is of; all are one where left out.
        how: settings of the intervals.
        clusters: prompt to conversation; each prompt is its own without it.

    Raises:
        ValueError: the columns differ in length.
    """
    group_of = list(groups) if groups is not None else ["all"] * len(ballots)
    if not len(ballots) == len(prompts) == len(group_of):
        raise ValueError("the columns differ in length")
    cells: dict[str, dict[str, list[Ranking]]] = {}
    for ballot, prompt, group in zip(ballots, prompts, group_of, strict=True):
        cells.setdefault(group, {}).setdefault(prompt, []).append(ballot)
    merged = {
        group: {prompt: ballot_points(merge(some)) for prompt, some in of.items()}
        for group, of in cells.items()
    }
    found = []
    for system in candidates_of(ballots):
        scores = [[p.get(system, np.nan) for p in of.values()] for of in merged.values()]
        known = [float(np.nanmean(s)) for s in scores if not np.isnan(s).all()]
        mean, sd, sample = spread(known)
        drawn = [[(clusters or {}).get(p, p) for p in of] for of in merged.values()]
        estimate = rate_over_seeds(scores, drawn, how)
        found.append(Points(system, tuple(known), mean, sd, sample, estimate))
    return PointsTable(
        points=tuple(sorted(found, key=lambda one: -one.mean)),
        groups=tuple(cells),
        prompts=len(set(prompts)),
        rankings=len(ballots),
        settings=how,
    )
