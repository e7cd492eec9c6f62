"""Dots with whiskers: rates of each system, and gains seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from handrail.ranking import Estimate, SeedDifference, SystemRate
from handrail.reports.html import Safe, figure, tag
from handrail.reports.numbers import (
    Scale,
    linear,
    n_text,
    not_resampled,
    p_text,
    percent,
    points,
    share_text,
    span,
    ticks,
)
from handrail.reports.svg import CHAR, Svg, width_of

_ROW, _TOP, _PLOT = 26.0, 14.0, 190.0


@dataclass(frozen=True)
class RateDots:
    """Share of acceptable replies per system, one panel per dimension."""

    rates: Sequence[SystemRate]
    title: str = "How good each system is by itself"

    def html(self) -> Safe:
        """Panels side by side; systems in the same order in each."""
        known = [rate for rate in self.rates if rate.estimate.n]
        dimensions = list(dict.fromkeys(rate.dimension for rate in known))
        if not known:
            return Safe("")
        level = known[0].estimate.level
        panels = [self._panel(d, [r for r in known if r.dimension == d]) for d in dimensions]
        note = (
            f"Dot: share of acceptable replies; whisker: {level:.0%} interval by bootstrap over "
            "conversations (and training seeds where there are several)"
            f"{not_resampled(rate.estimate for rate in known)}. Axes differ."
        )
        return Safe(tag("div", *panels, class_="panels") + tag("p", note, class_="note"))

    def _panel(self, dimension: str, rates: Sequence[SystemRate]) -> Safe:
        low = min(rate.estimate.low for rate in rates)
        high = max(rate.estimate.high for rate in rates)
        low, high = max(0.0, low - 0.02), min(1.0, high + 0.02)
        rows = [
            (
                rate.system,
                rate.estimate,
                percent(rate.estimate.value),
                "dot",
                share_text(rate.estimate),
            )
            for rate in rates
        ]
        lost = sum(rate.errors + rate.unknown for rate in rates)
        counts = sorted({rate.estimate.n for rate in rates})
        n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        caption = f"{dimension.capitalize()}: acceptable replies"
        note = f"{n_text(n)} replies each."
        if lost:
            note += f" {lost:,} replies in all could not be judged."
        svg = dot_plot(rows, (low, high), f"{dimension}: acceptable replies per system", percent0)
        return figure(svg, caption, note)


@dataclass(frozen=True)
class Gains:
    """What each training seed gained, all seeds together, and Student's interval over seeds.

    `differences` maps a label ("SFT→IPO minus M1-SFT, adherence") to its difference. `seeds` are
    the numbers of the training seeds in the differences' order; counted from 0 where left out.
    """

    differences: Mapping[str, SeedDifference]
    title: str = "Gains over training seeds"
    seeds: Sequence[int] = ()

    def html(self) -> Safe:
        """One panel per difference."""
        panels = [_gain(label, one, self.seeds) for label, one in self.differences.items()]
        others = not_resampled(one.pooled.difference for one in self.differences.values())
        note = (
            "In percentage points; n: paired replies. “All” resamples seeds and conversations "
            f"together (pigeonhole bootstrap){others}; “t” is Student's interval over the seeds' "
            "own differences, which is wide with few seeds and takes the test prompts as given. "
            "p: permutation test by conversation."
        )
        if not panels:
            return Safe("")
        if all(len(one.per_seed) == 1 for one in self.differences.values()):
            note = (
                "In percentage points; n: paired replies. One training seed: the interval, by "
                f"bootstrap over conversations{others}, does not hold the luck of the seed. "
                "p: permutation test by conversation."
            )
        return Safe(tag("div", *panels, class_="panels") + tag("p", note, class_="note"))


def _gain(label: str, one: SeedDifference, seeds: Sequence[int]) -> Safe:
    rows = []
    for seed, found in zip(seeds or range(len(one.per_seed)), one.per_seed, strict=True):
        gap = found.difference
        rows.append((f"seed {seed}", gap, points(gap.value), "dot small", span(gap, True)))
    gap = one.pooled.difference
    if len(one.per_seed) > 1:
        rows.append(("all", gap, points(gap.value), "dot strong", span(gap, True)))
        over = one.over_seeds
        rows.append(("t", over, points(over.value), "dot hollow", span(over, True)))
    known = [row[1] for row in rows if row[1].n and row[1].low == row[1].low]
    reach = [0.0, *(e.low for e in known), *(e.high for e in known)]
    pad = (max(reach) - min(reach)) * 0.05 or 0.01
    domain = (max(-1.0, min(reach) - pad), min(1.0, max(reach) + pad))
    note = "Nothing could be paired."
    if gap.n:
        p = p_text(one.pooled.permutation.p_value)
        note = f"{points(gap.value)} points ({span(gap, True)}); {n_text(gap.n)}, {p}."
    return figure(dot_plot(rows, domain, label, points0), label, note)


def percent0(value: float) -> str:
    """An axis label in percent."""
    return percent(value, 0)


def points0(value: float) -> str:
    """An axis label in points."""
    return points(value, 0 if abs(round(100 * value) - 100 * value) < 1e-6 else 1)


def dot_plot(
    rows: Sequence[tuple[str, Estimate, str, str, str]],
    domain: tuple[float, float],
    title: str,
    label: Callable[[float], str],
    wide: bool = False,
) -> Safe:
    """Rows of (name, estimate, value text, class of the dot, hint) over one axis.

    `wide` ones have the page's width to themselves: longer names and values, a longer axis.
    """
    left = min(290.0 if wide else 170.0, max(width_of(name) for name, *_ in rows) + 12)
    plot = 380.0 if wide else _PLOT
    right = max(width_of(row[2]) for row in rows) + 16 if wide else 56.0
    width, height = left + plot + right, _TOP + _ROW * len(rows) + 24
    told = "; ".join(f"{name}: {shown} ({hint})" for name, _, shown, _, hint in rows)
    svg = Svg(width, height, title, told)
    x = linear(*domain, left, left + plot)
    _axis(svg, x, domain, height, label)
    for i, (name, one, shown, class_, hint) in enumerate(rows):
        y = _TOP + _ROW * (i + 0.5)
        svg.text(left - 10, y, shorten(name, left - 10), "label", "end")
        if one.n and one.low == one.low:
            ends = [min(max(v, domain[0]), domain[1]) for v in (one.low, one.high)]
            svg.line(x(ends[0]), y, x(ends[1]), y, "whisker")
        if one.n:
            svg.circle(x(one.value), y, 4.5, class_, f"{name}: {hint}")
        svg.text(left + plot + 8, y, shown, "value")
    return svg.done()


def _axis(
    svg: Svg, x: Scale, domain: tuple[float, float], height: float, label: Callable[[float], str]
) -> None:
    for tick in ticks(*domain, 4):
        svg.line(x(tick), _TOP - 4, x(tick), height - 22, "zero" if tick == 0 else "grid")
        svg.text(x(tick), height - 10, label(tick), "tick", "middle")


def shorten(label: str, room: float, size: float = 12) -> str:
    """A label that fits the room, its end cut with an ellipsis."""
    if width_of(label, size) <= room:
        return label
    return label[: max(1, int(room / (size * CHAR)) - 1)] + "…"
