"""Calibration: does what a score claims come true as often as it claims?

A Bradley-Terry score claims P(a better than b) = sigmoid(score a - score b); a rating model claims
the rating itself. Claims are put in bins of equal width, and each bin's mean claim is compared with
what came true. The error is the expected calibration error (Naeini et al. 2015; Guo et al. 2017),
the mean over items of the distance of their bin's two means; it is above 0 also by chance, the more
so the fewer items there are in a bin.

Shape suffixes: N items, B bins, R bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from handrail.ranking import Estimate, Resampling
from handrail.ranking.estimates import DEFAULT, Floats
from handrail.records import SettingError
from handrail.rewards.measures.pairs import PairItems
from handrail.rewards.measures.resample import FROM_0, SHARE, estimate_of, mean_of, sums_by_cluster
from handrail.rewards.measures.scored import Scored, prompt_of, ratings_of


@dataclass(frozen=True)
class Bin:
    """Claims from `low` to `high`: their mean, and the mean of what came true."""

    low: float
    high: float
    claimed: float
    true: Estimate


@dataclass(frozen=True)
class Calibration:
    """A calibration curve; empty bins are left out.

    `of` says what was claimed: "pairs", that the reply with the higher score is the better one (1/2
    to 1), or "ratings" (0 to 1). `error` is the expected calibration error; `bias` the mean claim
    less what came true: above 0 the model is too sure (pairs), or too kind (ratings).
    """

    model: str
    of: Literal["pairs", "ratings"]
    bins: tuple[Bin, ...]
    error: Estimate
    bias: Estimate


@dataclass(frozen=True)
class NoCalibration:
    """Why a model has no calibration curve."""

    model: str
    why: str


def pair_calibration(
    items: PairItems, bins: int = 10, how: Resampling = DEFAULT
) -> Calibration | NoCalibration:
    """Of a preference model: each pair is a claim for the reply that it scores higher.

    So claims lie in 1/2 to 1, and which of two replies is named first plays no part. A tie of the
    scores claims 1/2 and comes true by half.
    """
    known = ~np.isnan(items.gap_N)
    names = [c for c, one in zip(items.clusters, known, strict=True) if one]
    if not names:
        return NoCalibration(items.model, "no pair has an order and two scores")
    claim_N = expit(np.abs(items.gap_N[known]))
    found = curve(claim_N, items.right_N[known], names, (0.5, 1.0), check_bins(bins), how)
    return Calibration(items.model, "pairs", *found)


def rating_calibration(
    scored: Scored, label: str = "quality", bins: int = 10, how: Resampling = DEFAULT
) -> Calibration | NoCalibration:
    """Of a rating model: the mean rating of replies whose predictions are alike."""
    if scored.predicted is None:
        return NoCalibration(scored.model, scored.why)
    gold_rows, _ = ratings_of(scored.turns, label)
    gold_N = np.concatenate([*gold_rows, np.empty(0)])
    claim_N = np.array([p for row in scored.predicted for p in row], np.float64)
    names = [prompt_of(turn) for turn in scored.turns for _ in turn.replies]
    known = ~np.isnan(gold_N) & np.isfinite(claim_N)
    names = [c for c, one in zip(names, known, strict=True) if one]
    if not names:
        return NoCalibration(scored.model, "no reply has both a rating and a score")
    found = curve(claim_N[known], gold_N[known], names, (0.0, 1.0), check_bins(bins), how)
    return Calibration(scored.model, "ratings", *found)


def check_bins(bins: int) -> int:
    """The number of bins; raises `SettingError` below 2."""
    if bins < 2:
        raise SettingError(f"calibration in {bins} bins shows no curve", "Give 2 bins or more")
    return bins


def curve(
    claim_N: Floats,
    true_N: Floats,
    clusters: Sequence[str],
    domain: tuple[float, float],
    bins: int,
    how: Resampling = DEFAULT,
) -> tuple[tuple[Bin, ...], Estimate, Estimate]:
    """Bins of equal width over the domain, the expected calibration error, and the bias.

    A claim on an edge is in the upper bin; claims beyond the domain are in its first or last bin.
    """
    low, high = domain
    place_N = np.floor((claim_N - low) / (high - low) * bins).clip(0, bins - 1).astype(np.int64)
    edges = np.linspace(low, high, bins + 1)
    found = []
    for b in np.unique(place_N):
        inside = place_N == b
        names = [c for c, one in zip(clusters, inside, strict=True) if one]
        true = mean_of(true_N[inside], names, "mean", how, SHARE)
        found.append(Bin(float(edges[b]), float(edges[b + 1]), float(claim_N[inside].mean()), true))
    gap_NB = np.zeros((len(claim_N), bins + 1))
    gap_NB[np.arange(len(claim_N)), place_N] = claim_N - true_N
    gap_NB[:, bins] = 1.0
    sums_CB = sums_by_cluster(gap_NB, clusters)

    def error(sums_RB: Floats) -> Floats:
        out: Floats = np.abs(sums_RB[:, :-1]).sum(1) / sums_RB[:, -1]
        return out

    name = f"expected calibration error, {bins} bins"
    ece = estimate_of(error, sums_CB, len(claim_N), name, how, FROM_0)
    return tuple(found), ece, mean_of(claim_N - true_N, clusters, "mean", how)
