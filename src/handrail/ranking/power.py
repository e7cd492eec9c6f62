"""How many items does a paired comparison need, and what difference can so many show?

Two systems answer the same prompts; on each item one does better, or neither. `difference` is the
share won by the one less the share won by the other, `discordance` the share of items on which
they differ at all. The test is the two-sided one of their difference (McNemar's without
continuity, or the sign test of wins against losses, ties left out).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from scipy import optimize, stats


@dataclass(frozen=True)
class Design:
    """What is known or assumed of the comparison.

    Attributes:
        discordance: share of items on which the two systems differ.
        alpha: level of the test.
        per_cluster: items in a cluster (turns of a conversation).
        icc: how alike the differences within a cluster are, 0 to 1 (intraclass correlation).
    """

    discordance: float
    alpha: float = 0.05
    per_cluster: float = 1.0
    icc: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 < self.discordance <= 1:
            raise ValueError("the discordance is a share above 0, at most 1")
        if not 0 < self.alpha < 1:
            raise ValueError("alpha lies between 0 and 1")
        if self.per_cluster < 1:
            raise ValueError("a cluster has one item or more")
        if not 0 <= self.icc <= 1:
            raise ValueError("the intraclass correlation lies between 0 and 1")

    @property
    def effect(self) -> float:
        """The design effect: how many clustered items are worth one independent item (Kish)."""
        return 1.0 + (self.per_cluster - 1.0) * self.icc


@dataclass(frozen=True)
class SampleSize:
    """Items needed for a wanted difference. `clusters` of them hold `items` in all."""

    difference: float
    power: float
    items: int
    clusters: int
    design: Design
    method: str = "normal approximation to McNemar's test (Connor 1987), Kish's design effect"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def paired_shares(baseline: float, difference: float, correlation: float = 0.0) -> float:
    """Discordance of two systems' shares on the same items.

    Args:
        baseline: share of the one (acceptable replies, say).
        difference: share of the other less that.
        correlation: of their 0/1 scores; 0 where they succeed and fail independently, which asks
            for the most items.

    Raises:
        ValueError: the shares leave [0, 1], or no two such shares correlate so highly.
    """
    p, q = baseline, baseline + difference
    if not (0 <= p <= 1 and 0 <= q <= 1 + 1e-12):
        raise ValueError("baseline, and baseline plus difference, are shares between 0 and 1")
    spread = math.sqrt(max(0.0, p * (1 - p) * q * (1 - q)))
    discordance = p * (1 - q) + q * (1 - p) - 2 * correlation * spread
    if discordance < abs(difference) - 1e-12:
        raise ValueError("two such shares cannot correlate so highly: lower the correlation")
    return discordance


def sample_size(difference: float, design: Design, power: float = 0.8) -> SampleSize:
    """Items so that a true difference is found with this power.

    n = (z_a sqrt(psi) + z_b sqrt(psi - d^2))^2 / d^2, with d the difference, psi the discordance,
    z_a and z_b the normal quantiles of 1 - alpha / 2 and of the power (Connor 1987, "Sample size
    for testing differences in proportions for the paired-sample design", equation 3); times the
    design effect, rounded up to whole clusters.

    Raises:
        ValueError: no difference, or one larger than the discordance; a power not within
            (alpha, 1).
    """
    d, psi = abs(difference), design.discordance
    if d == 0:
        raise ValueError("a difference of 0 cannot be found with any number of items")
    if d > psi + 1e-12:
        raise ValueError("the difference cannot be larger than the discordance")
    if not design.alpha < power < 1:
        raise ValueError("the power lies between alpha and 1")
    z_a, z_b = stats.norm.ppf(1 - design.alpha / 2), stats.norm.ppf(power)
    root = z_a * math.sqrt(psi) + z_b * math.sqrt(max(0.0, psi - d * d))
    items = (root / d) ** 2 * design.effect
    clusters = math.ceil(items / design.per_cluster - 1e-9)
    return SampleSize(
        difference=difference,
        power=power,
        items=math.ceil(clusters * design.per_cluster - 1e-9),
        clusters=clusters,
        design=design,
    )


def power_of(items: int, difference: float, design: Design) -> float:
    """The chance to find a true difference with so many items (the same approximation)."""
    d, psi = abs(difference), design.discordance
    if d > psi + 1e-12:
        raise ValueError("the difference cannot be larger than the discordance")
    if items < 1:
        raise ValueError("one item or more")
    z_a = float(stats.norm.ppf(1 - design.alpha / 2))
    effective = items / design.effect
    spread = math.sqrt(max(1e-12, psi - d * d))
    reach = z_a * math.sqrt(psi)
    up, down = (s * d * math.sqrt(effective) for s in (1, -1))
    return float(stats.norm.cdf((up - reach) / spread) + stats.norm.cdf((down - reach) / spread))


def detectable(items: int, design: Design, power: float = 0.8) -> float:
    """The smallest true difference that so many items find with this power; NaN where none is."""
    if not design.alpha < power < 1:
        raise ValueError("the power lies between alpha and 1")

    def short(d: float) -> float:
        return power_of(items, d, design) - power

    most = design.discordance
    if short(most) < 0:
        return float("nan")
    return float(optimize.brentq(short, 1e-9, most))
