"""Curves with intervals: a figure against something it was measured at, one line per system."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from handrail.ranking import Estimate
from handrail.reports.curves import color
from handrail.reports.html import Safe, figure, join, tag
from handrail.reports.numbers import compact, n_text
from handrail.reports.plane import Domain, Plane, around, legend


@dataclass(frozen=True)
class BandLine:
    """One line: an estimate at each `xs`. `dashed` ones are for comparison (chance, the truth)."""

    name: str
    xs: Sequence[float]
    estimates: Sequence[Estimate]
    dashed: bool = False


@dataclass(frozen=True)
class BandPanel:
    """One plot of lines. `diagonal` draws where both axes are equal; domains follow the data."""

    name: str
    lines: Sequence[BandLine]
    diagonal: bool = False
    x: Domain | None = None
    y: Domain | None = None
    note: str = ""


@dataclass(frozen=True)
class BandCurves:
    """Small plots of lines, the intervals as bands, or as whiskers where `whiskers`.

    Lines of one name have one colour in all panels.
    """

    panels: Sequence[BandPanel]
    x_label: str
    y_label: str
    title: str
    note: str = ""
    whiskers: bool = False
    dots: bool = True

    def html(self) -> Safe:
        """A legend where there are several names, the panels, the note; nothing without lines."""
        shown = [p for p in self.panels if any(line.xs for line in p.lines)]
        if not shown:
            return Safe("")
        names = list(dict.fromkeys(line.name for p in shown for line in p.lines if not line.dashed))
        parts = [legend((f"line-{color(i)}", n) for i, n in enumerate(names))] if names[1:] else []
        drawn = [self._panel(panel, names) for panel in shown]
        parts.append(tag("div", *drawn, class_="panels"))
        parts += [tag("p", self.note, class_="note")] if self.note else []
        return join(parts)

    def _panel(self, panel: BandPanel, names: Sequence[str]) -> Safe:
        ends = [
            v
            for line in panel.lines
            for e in line.estimates
            for v in ((e.value,) if line.dashed else (e.low, e.value, e.high))
        ]
        x = panel.x or around((v for line in panel.lines for v in line.xs), 0.03)
        told = "; ".join(
            f"{line.name}: "
            + ", ".join(
                f"{compact(at)}: {compact(e.value)} ({compact(e.low)} to {compact(e.high)})"
                for at, e in zip(line.xs, line.estimates, strict=True)
            )
            for line in panel.lines
        )
        y = panel.y or around(ends)
        plane = Plane(f"{panel.name}: {self.title}", told, x, y, (self.x_label, self.y_label))
        if panel.diagonal:
            low, high = max(x[0], y[0]), min(x[1], y[1])
            plane.svg.line(*plane.at(low, low), *plane.at(high, high), "zero")
        for line in panel.lines:
            code = color(names.index(line.name)) if not line.dashed else 7
            self._line(plane, line, code)
        return figure(plane.done(), panel.name, panel.note)

    def _line(self, plane: Plane, line: BandLine, code: int) -> None:
        known = [
            (at, e) for at, e in zip(line.xs, line.estimates, strict=True) if math.isfinite(e.value)
        ]
        bounded = [(at, e) for at, e in known if math.isfinite(e.low) and math.isfinite(e.high)]
        if self.whiskers:
            for at, e in bounded if not line.dashed else ():
                plane.svg.line(*plane.at(at, e.low), *plane.at(at, e.high), f"curve line-{code}")
        elif len(bounded) > 1 and not line.dashed:
            upper = [plane.at(at, e.high) for at, e in bounded]
            lower = [plane.at(at, e.low) for at, e in reversed(bounded)]
            plane.svg.path([*upper, *lower], f"band dot-{code}", closed=True)
        kind = " dashed" if line.dashed else ""
        plane.svg.path([plane.at(at, e.value) for at, e in known], f"curve line-{code}{kind}")
        for at, e in known if self.dots and not line.dashed else ():
            interval = f"{compact(e.low)} to {compact(e.high)}; {n_text(e.n)}"
            hint = f"{line.name}: {compact(e.value)} at {compact(at)} ({interval})"
            plane.svg.circle(*plane.at(at, e.value), 3, f"dot-{code}", hint)
