"""A small plot with two axes: what curves with bands, scatter plots and histograms share."""

from __future__ import annotations

import math
from collections.abc import Iterable

from handrail.reports.html import Safe, tag
from handrail.reports.numbers import Scale, compact, linear, ticks
from handrail.reports.svg import Svg

WIDTH, HEIGHT = 360.0, 234.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 12.0, 26.0, 38.0
Domain = tuple[float, float]


class Plane:
    """Axes over two domains, with round ticks, the names of both, and the scales to draw by."""

    def __init__(
        self, title: str, told: str, x: Domain, y: Domain, labels: tuple[str, str]
    ) -> None:
        self.svg = Svg(WIDTH, HEIGHT, title, told)
        self.x: Scale = linear(*x, _LEFT, WIDTH - _RIGHT)
        self.y: Scale = linear(*y, HEIGHT - _BOTTOM, _TOP)
        self.domains = x, y
        for tick in ticks(*y, 4):
            kind = "zero" if tick == 0 and y[0] < 0 else "grid"
            self.svg.line(_LEFT, self.y(tick), WIDTH - _RIGHT, self.y(tick), kind)
            self.svg.text(_LEFT - 6, self.y(tick), compact(tick), "tick", "end")
        for tick in ticks(*x, 5):
            self.svg.line(
                self.x(tick), HEIGHT - _BOTTOM, self.x(tick), HEIGHT - _BOTTOM + 3, "axis"
            )
            self.svg.text(self.x(tick), HEIGHT - _BOTTOM + 12, compact(tick), "tick", "middle")
        self.svg.text(WIDTH - _RIGHT, HEIGHT - 8, labels[0], "tick", "end")
        self.svg.text(4, 9, labels[1], "tick")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies, held within the plot."""
        (x0, x1), (y0, y1) = self.domains
        return self.x(min(max(x, x0), x1)), self.y(min(max(y, y0), y1))

    def done(self) -> Safe:
        """The drawing."""
        return self.svg.done()


def around(values: Iterable[float], pad: float = 0.05) -> Domain:
    """The range of finite values with some room at both ends."""
    known = [v for v in values if math.isfinite(v)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * pad or max(abs(high) * 0.1, 0.05)
    return low - room, high + room


def legend(names: Iterable[tuple[str, str]]) -> Safe:
    """A list of (class of the key, name)."""
    keys = [tag("li", tag("i", class_=f"key {class_}"), name) for class_, name in names]
    return tag("ul", *keys, class_="legend")
