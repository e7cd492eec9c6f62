"""Rankings as drawings: strengths with intervals, and the win-rate matrix as a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from handrail.ranking import Estimate, Rated, Ratings, WinMatrix
from handrail.reports.dots import dot_plot, percent0, shorten
from handrail.reports.html import Safe, figure, join, tag
from handrail.reports.numbers import DASH, compact, n_text, percent, share_text
from handrail.reports.svg import Svg, width_of

_SHOWN = 14  # systems up to which each cell of the heat map has its figure
_WIDTH = 760.0


@dataclass(frozen=True)
class StrengthDots:
    """Each system's rating with its interval, best first; who is clearly above whom below."""

    ratings: Ratings
    title: str = "Strengths"

    def html(self) -> Safe:
        """The dots, the ranks, and what is not on the scale."""
        found = self.ratings
        parts = []
        if found.rated:
            parts.append(self._dots())
        if found.apart:
            items = [tag("li", f"{one.system}: {one.why}") for one in found.apart]
            parts.append(tag("p", "Not on this scale:"))
            parts.append(tag("ul", *items, class_="remarks"))
        return join(parts)

    def _dots(self) -> Safe:
        found = self.ratings
        ends = [
            v for r in found.rated for v in (r.rating.low, r.rating.value, r.rating.high)
            if math.isfinite(v)
        ]  # fmt: skip
        pad = (max(ends) - min(ends)) * 0.04 or 1.0
        rows = [
            (
                f"{one.rank}  {one.system}",
                one.rating,
                f"{compact(round(one.rating.value))}   {_ranks(one)}",
                "dot",
                f"{_span(one.rating)}; ranks {one.rank_low} to {one.rank_high}; "
                f"{n_text(one.rating.n)}",
            )
            for one in found.rated
        ]
        pairs = len(rows) * (len(rows) - 1) // 2
        note = (
            "Points of Elo's scale: 400 are odds of ten to one. Whiskers: "
            f"{found.settings.level:.0%} intervals; beside the rating the ranks in as many "
            "of the replicates. In "
            f"{len(found.above):,} of {pairs:,} pairs the interval of the difference excludes 0. "
            f"{found.method}."
        )
        if found.anchor:
            note += f" {found.anchor} is held where it stands."
        if found.unbounded:
            note += f" In {found.unbounded:,} rounds some system won or lost everything."
        if any(math.isinf(v) for one in found.rated for v in (one.rating.low, one.rating.high)):
            note += " A whisker that ends at the edge of the plot has no bound there."
        domain = (min(ends) - pad, max(ends) + pad)
        drawn = dot_plot(rows, domain, "Strengths", compact, wide=True)
        return figure(drawn, "Strengths of the systems", note, quiet=True)


@dataclass(frozen=True)
class ShareDots:
    """One share per system (a mean win rate, say) with its interval, as (system, estimate)."""

    shares: Sequence[tuple[str, Estimate]]
    note: str = ""
    title: str = "Ranking"

    def html(self) -> Safe:
        """The dots, in the order given."""
        if not self.shares:
            return Safe("")
        ends = [v for _, one in self.shares for v in (one.low, one.value, one.high) if v == v]
        low, high = max(0.0, min(ends) - 0.02), min(1.0, max(ends) + 0.02)
        rows = [
            (f"{i}  {name}", one, percent(one.value), "dot", share_text(one))
            for i, (name, one) in enumerate(self.shares, 1)
        ]
        drawn = dot_plot(rows, (low, high), self.title, percent0, wide=True)
        return figure(drawn, self.title, self.note, quiet=True)


@dataclass(frozen=True)
class WinHeatMap:
    """Who wins how often against whom: green where the row wins more, red where it loses more.

    Args:
        matrix: of `win_matrix`.
        order: systems from top to bottom; those of the matrix where left out.
    """

    matrix: WinMatrix
    order: Sequence[str] = ()
    title: str = "Win rates of each pair"

    def html(self) -> Safe:
        """The heat map, or nothing without comparisons."""
        systems = list(self.order) or list(self.matrix.systems)
        systems += [s for s in self.matrix.systems if s not in systems]
        if not self.matrix.cells:
            return Safe("")
        note = (
            f"Row against column, win rate = {self.matrix.rule}. Under the pointer: the "
            f"{self.matrix.settings.level:.0%} interval and n. Empty: the two never met."
        )
        return figure(self._drawn(systems), "Win rates of each pair", note, quiet=True)

    def _drawn(self, systems: Sequence[str]) -> Safe:
        k = len(systems)
        left = min(170.0, max(width_of(s) for s in systems) + 12)
        size = min(46.0, max(8.0, (_WIDTH - left) / k))
        font = 12.0 if size >= 13 else 8.0
        label = min(left, 120.0)
        svg = Svg(
            left + size * k + label * 0.75, label + size * k + 6, "Win rates", _told(self.matrix)
        )
        for i, one in enumerate(systems):
            y = label + size * (i + 0.5)
            if size >= 8.5:
                svg.text(left - 8, y, shorten(one, left - 10, font), _kind(size), "end")
            x = left + size * (i + 0.5)
            svg.add(
                "text",
                shorten(one, label, font),
                transform=f"translate({x:.1f} {label - 6:.1f}) rotate(-45)",
                class_=_kind(size),
                dominant_baseline="central",
            )
            for j, other in enumerate(systems):
                self._cell(svg, one, other, (left + size * j, y - size / 2, size), k)
        return tag("div", svg.done(), class_="scroll")

    def _cell(
        self, svg: Svg, one: str, other: str, place: tuple[float, float, float], k: int
    ) -> None:
        cell = self.matrix.cells.get((one, other))
        if cell is None:
            return
        x, y, size = place
        share = cell.estimate.value
        hint = f"{one} against {other}: {share_text(cell.estimate)}"
        svg.add(
            "rect",
            tag("title", hint),
            x=x + 0.5,
            y=y + 0.5,
            width=size - 1,
            height=size - 1,
            class_="won" if share >= 0.5 else "lost",
            fill_opacity=f"{0.06 + 1.5 * abs(share - 0.5):.2f}",
        )
        if k <= _SHOWN:
            svg.text(x + size / 2, y + size / 2, f"{100 * share:.0f}", "cell", "middle")


def _ranks(one: Rated) -> str:
    if one.rank_low == one.rank_high:
        return f"rank {one.rank_low}"
    return f"ranks {one.rank_low}{DASH}{one.rank_high}"


def _kind(size: float) -> str:
    return "label" if size >= 13 else "tiny"


def _span(one: Estimate) -> str:
    low, high = (compact(round(v)) if math.isfinite(v) else DASH for v in (one.low, one.high))
    return f"{low} to {high}"


def _told(matrix: WinMatrix) -> str:
    best = [f"{s} {percent(matrix.mean[s].value)}" for s in matrix.systems[:10]]
    return "Mean win rates: " + ", ".join(best)
