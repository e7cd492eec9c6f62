"""`handrail.power`: how many items a comparison of two systems needs, and what so many can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, Unpack

from handrail.ranking import Design, detectable, paired_shares, power_of, sample_size
from handrail.records import SettingError


@dataclass(frozen=True)
class Plan:
    """Items needed for a difference at each power, or what a number of items can show.

    `rows` have the keys power, difference, items and clusters; `chance` is the power that the
    given items have for the given difference, where both were given.
    """

    rows: tuple[dict[str, float | int | None], ...]
    chance: float | None
    design: Design
    method: str

    def summary(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": list(self.rows),
            "chance": self.chance,
            "design": asdict(self.design) | {"design_effect": self.design.effect},
            "method": self.method,
        }


class Trial(TypedDict, total=False):
    """What else is known of the test.

    `alpha` is its two-sided level (0.05), `per_cluster` the items in a conversation (1), `icc` how
    alike differences within a conversation are, 0 to 1 (0).
    """

    alpha: float
    per_cluster: float
    icc: float


def power(
    difference: float | None = None,
    *,
    items: int | None = None,
    baseline: float | None = None,
    correlation: float = 0.0,
    ties: float | None = None,
    discordance: float | None = None,
    powers: Sequence[float] = (0.8, 0.9),
    **more: Unpack[Trial],
) -> Plan:
    """Plan a paired comparison of two systems on the same items.

    handrail.power(0.05, baseline=0.74).rows  # acceptable replies, 74 % against 79 %
    handrail.power(items=805, ties=0.1).rows  # what 805 comparisons can show

    The difference is the one system's share less the other's, 0.05 for five points. How often the
    two differ at all (the discordance) is given as such, or follows from `ties` (of a head-to-head
    comparison), or from `baseline` and `correlation` of the two systems' 0/1 scores.

    Args:
        difference: what shall be found; without it, what `items` can show.
        items: how many comparisons there are.
        baseline: share of the one system (acceptable replies, say).
        correlation: of the two systems' scores on the same items; 0 asks for the most items.
        ties: share of comparisons that neither wins.
        discordance: share of items on which the two differ.
        powers: wanted chances to find the difference.
        **more: of the test and its items (`Trial`).

    Raises:
        SettingError: neither difference nor items, more or less than one way to the discordance,
            or values that cannot be.
    """
    if difference is None and items is None:
        raise SettingError(
            "there is nothing to plan", "Give --difference (to get n) or --n (to get a difference)"
        )
    given = sum(value is not None for value in (baseline, ties, discordance))
    if given != 1:
        raise SettingError(
            f"how often the two systems differ is given in {given} ways",
            "Give one of --baseline (with --correlation), --ties and --discordance",
        )
    if correlation and baseline is None:
        raise SettingError("a correlation goes with --baseline", "Give --baseline, or leave it out")
    try:
        psi = _discordance(difference, baseline, correlation, ties, discordance)
        design = Design(psi, **more)
        method = "normal approximation to McNemar's test (Connor 1987), Kish's design effect"
        if difference is None:
            rows = tuple(_shown(items or 0, p, baseline, correlation, design) for p in powers)
            return Plan(rows, None, design, method)
        rows = tuple(_needed(difference, p, design) for p in powers)
        chance = None if items is None else power_of(items, difference, design)
    except ValueError as error:
        raise SettingError(str(error)) from None
    return Plan(rows, chance, design, method)


def _discordance(
    difference: float | None,
    baseline: float | None,
    correlation: float,
    ties: float | None,
    discordance: float | None,
) -> float:
    if discordance is not None:
        return discordance
    if ties is not None:
        if not 0 <= ties < 1:
            raise ValueError("ties are a share from 0, below 1")
        return 1.0 - ties
    assert baseline is not None
    return paired_shares(baseline, difference or 0.0, correlation)


def _needed(difference: float, wanted: float, design: Design) -> dict[str, float | int | None]:
    found = sample_size(difference, design, wanted)
    return {
        "power": wanted,
        "difference": difference,
        "items": found.items,
        "clusters": found.clusters,
    }


def _shown(
    items: int, wanted: float, baseline: float | None, correlation: float, design: Design
) -> dict[str, float | int | None]:
    """The smallest difference that so many items show; of a baseline, upwards from it.

    There the discordance depends on the difference, so that the two are found together.
    """
    if items < 1:
        raise ValueError("one item or more")
    found = detectable(items, design, wanted)
    for _ in range(50 if baseline is not None and not math.isnan(found) else 0):
        assert baseline is not None
        psi = paired_shares(baseline, min(found, 1.0 - baseline), correlation)
        again = detectable(items, Design(psi, design.alpha, design.per_cluster, design.icc), wanted)
        if math.isnan(again) or abs(again - found) < 1e-9:
            found = again
            break
        found = again
    if baseline is not None and found > 1.0 - baseline:
        found = float("nan")
    clusters = math.floor(items / design.per_cluster)
    value = None if math.isnan(found) else found
    return {"power": wanted, "difference": value, "items": items, "clusters": clusters}
