"""Scatter plots: one number against another, one plot per system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handrail.reports.curves import color
from handrail.reports.html import Safe, figure, join, tag
from handrail.reports.numbers import compact
from handrail.reports.plane import Plane, around, legend

_GROUPS, _PARTS = 7, 10


@dataclass(frozen=True)
class ScatterPanel:
    """One plot: points (x, y, group), and a note with their correlation, say."""

    name: str
    points: Sequence[tuple[float, float, str]]
    note: str = ""


@dataclass(frozen=True)
class Scatter:
    """Points of each panel, coloured by group, with the mean of each tenth of them by x.

    The x axis ends at the 99.5th percentile; points beyond stand at its end.
    """

    panels: Sequence[ScatterPanel]
    x_label: str
    y_label: str
    title: str
    note: str = ""

    def html(self) -> Safe:
        """A legend where there are groups, the panels, the note; nothing without points."""
        shown = [panel for panel in self.panels if panel.points]
        if not shown:
            return Safe("")
        groups = list(dict.fromkeys(g for panel in shown for _, _, g in panel.points if g))
        several = groups if 1 < len(groups) <= _GROUPS else []
        parts = [legend((f"line-{color(i)}", g) for i, g in enumerate(several))] if several else []
        parts.append(tag("div", *(self._panel(p, several) for p in shown), class_="panels"))
        note = f"{self.note} Line: the means of tenths of the points, by {self.x_label}.".strip()
        return join([*parts, tag("p", note, class_="note")])

    def _panel(self, panel: ScatterPanel, groups: Sequence[str]) -> Safe:
        xs = np.array([x for x, _, _ in panel.points])
        ys = np.array([y for _, y, _ in panel.points])
        right = float(np.quantile(xs, 0.995))
        told = (
            f"{len(xs)} points; {self.x_label} {compact(float(xs.min()))} to "
            f"{compact(float(xs.max()))}, {self.y_label} {compact(float(ys.min()))} to "
            f"{compact(float(ys.max()))}. {panel.note}"
        )
        plane = Plane(
            f"{panel.name}: {self.title}",
            told,
            around([float(xs.min()), right], 0.03),
            around(map(float, ys)),
            (self.x_label, self.y_label),
        )
        for x, y, group in panel.points:
            code = color(groups.index(group)) if group in groups else 0
            plane.svg.circle(*plane.at(x, y), 2, f"speck dot-{code}")
        if len(xs) >= 2 * _PARTS:
            parts = np.array_split(np.argsort(xs, kind="stable"), _PARTS)
            means = [(float(xs[p].mean()), float(ys[p].mean())) for p in parts]
            plane.svg.path([plane.at(*one) for one in means], "curve trend")
        return figure(plane.done(), panel.name, panel.note)
