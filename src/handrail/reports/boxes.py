"""Distributions: box plots by group, and histograms, one drawing per system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from handrail.reports.dots import shorten
from handrail.reports.html import Safe, figure, join, tag
from handrail.reports.numbers import compact, linear, ticks
from handrail.reports.plane import Plane, around
from handrail.reports.svg import Svg, width_of

_ROW, _TOP, _PLOT = 26.0, 10.0, 190.0


@dataclass(frozen=True)
class Box:
    """One group: quartiles, the ends of the whiskers, mean, and how many lie beyond them.

    `gap` leaves room above it, to part it from the boxes before.
    """

    name: str
    n: int
    low: float
    q1: float
    median: float
    q3: float
    high: float
    mean: float
    outside: int = 0
    gap: bool = False


@dataclass(frozen=True)
class BoxPanel:
    """The boxes of one system over one axis."""

    name: str
    boxes: Sequence[Box]
    note: str = ""


@dataclass(frozen=True)
class BoxPlots:
    """Box plots, one panel per system; each has its own axis."""

    panels: Sequence[BoxPanel]
    title: str
    note: str = ""

    def html(self) -> Safe:
        """The panels and how to read them; nothing without boxes."""
        shown = [panel for panel in self.panels if panel.boxes]
        if not shown:
            return Safe("")
        note = (
            "Box: the middle half; bar: median; dot: mean; whiskers: the furthest within 1.5 "
            "boxes. Right: median, n. " + self.note
        ).strip()
        panels = [self._panel(panel) for panel in shown]
        return join([tag("div", *panels, class_="panels"), tag("p", note, class_="note")])

    def _panel(self, panel: BoxPanel) -> Safe:
        left = min(140.0, max(width_of(box.name) for box in panel.boxes) + 12)
        rows = [
            _ROW * (i + sum(b.gap for b in panel.boxes[: i + 1]) / 3)
            for i in range(len(panel.boxes))
        ]
        base = _TOP + rows[-1] + _ROW
        told = "; ".join(
            f"{b.name}: median {compact(b.median)}, middle half {compact(b.q1)} to "
            f"{compact(b.q3)}, n = {b.n}"
            for b in panel.boxes
        )
        svg = Svg(left + _PLOT + 100, base + 22, f"{panel.name}: {self.title}", told)
        domain = around(v for b in panel.boxes for v in (b.low, b.high))
        x = linear(*domain, left, left + _PLOT)
        for tick in ticks(*domain, 5):
            svg.line(x(tick), _TOP, x(tick), base, "grid")
            svg.text(x(tick), base + 12, compact(tick), "tick", "middle")
        for box, row in zip(panel.boxes, rows, strict=True):
            y = _TOP + row + _ROW / 2
            svg.text(left - 10, y, shorten(box.name, left - 10), "label", "end")
            svg.line(x(box.low), y, x(box.high), y, "axis")
            width = max(x(box.q3) - x(box.q1), 1.0)
            svg.rect(x(box.q1), y - 7, width, 14, "box", _hint(box), 2)
            svg.line(x(box.median), y - 7, x(box.median), y + 7, "middle")
            svg.circle(x(min(max(box.mean, domain[0]), domain[1])), y, 2.5, "dot")
            svg.text(left + _PLOT + 10, y, f"{compact(box.median)}, {box.n:,}", "value")
        return figure(svg.done(), panel.name, panel.note)


def _hint(box: Box) -> str:
    beyond = f"; {box.outside:,} beyond the whiskers" if box.outside else ""
    return (
        f"{box.name}: median {compact(box.median)}, middle half {compact(box.q1)} to "
        f"{compact(box.q3)}, mean {compact(box.mean)}{beyond}"
    )


@dataclass(frozen=True)
class Histograms:
    """Counts in equal bins, one plot per system: (name, edges, counts)."""

    panels: Sequence[tuple[str, Sequence[float], Sequence[int]]]
    x_label: str
    title: str
    note: str = ""

    def html(self) -> Safe:
        """The plots; nothing without counts."""
        shown = [panel for panel in self.panels if sum(panel[2])]
        if not shown:
            return Safe("")
        parts = [tag("div", *(self._panel(*panel) for panel in shown), class_="panels")]
        parts += [tag("p", self.note, class_="note")] if self.note else []
        return join(parts)

    def _panel(self, name: str, edges: Sequence[float], counts: Sequence[int]) -> Safe:
        most = max(counts)
        told = (
            f"{sum(counts)} in {len(counts)} bins from {compact(edges[0])} to {compact(edges[-1])}"
        )
        plane = Plane(
            f"{name}: {self.title}",
            told,
            (edges[0], edges[-1]),
            (0.0, most * 1.05),
            (self.x_label, "replies"),
        )
        for (a, b), count in zip(pairwise(edges), counts, strict=True):
            x, y = plane.at(a, count)
            hint = f"{compact(a)} to {compact(b)}: {count:,}"
            plane.svg.rect(x, y, plane.x(b) - x - 0.8, plane.y(0) - y, "bin", hint)
        return figure(plane.done(), name)
