"""Curves with bands, scatter plots, box plots, histograms, scored replies."""

from __future__ import annotations

import re

import pytest

from handrail.ranking import Estimate
from handrail.reports import (
    BandCurves,
    BandLine,
    BandPanel,
    Box,
    BoxPanel,
    BoxPlots,
    Histograms,
    ReplyScores,
    Report,
    Scatter,
    ScatterPanel,
    ScoredReplies,
    render,
)
from handrail.reports.plane import HEIGHT, WIDTH, Plane, around

NAN = float("nan")


def point(value: float, half: float = 0.1) -> Estimate:
    return Estimate(value, value - half, value + half, 9, "test")


def coordinates(html: str) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)"', str(html))
    ]


def test_a_plane_maps_both_domains_and_holds_points_within() -> None:
    plane = Plane("t", "told", (0, 10), (0, 1), ("x", "y"))
    left, bottom = plane.at(0, 0)
    right, top = plane.at(10, 1)
    assert 0 < left < right < WIDTH
    assert 0 < top < bottom < HEIGHT
    assert plane.at(99, -5) == (right, bottom)
    assert "told" in plane.done()
    assert around([1.0, NAN, 3.0]) == (0.9, 3.1)
    assert around([]) == (0.0, 1.0)
    low, high = around([2.0])
    assert low < 2.0 < high


def test_bands_whiskers_and_dashes() -> None:
    line = BandLine("a", [1, 2, 4], [point(0.1), point(0.2), point(0.3)])
    other = BandLine("best", [1, 4], [point(0.2), point(0.9)], dashed=True)
    drawn = BandCurves([BandPanel("P", [line, other])], "n", "gain", "T", "N").html()
    assert drawn.count('class="band dot-0"') == 1
    assert drawn.count("dashed") == 1
    assert len(coordinates(drawn)) == 3
    assert "a: 0.2 at 2 (0.1 to 0.3; n\u00a0=\u00a09)" in drawn
    assert "legend" not in drawn  # one name
    whiskers = BandCurves([BandPanel("P", [line], diagonal=True)], "n", "y", "T", whiskers=True)
    assert "band" not in whiskers.html()
    assert whiskers.html().count('class="curve line-0"') == 3 + 1
    assert BandCurves([BandPanel("P", [BandLine("a", [], [])])], "n", "y", "T").html() == ""


def test_points_without_a_number_are_not_drawn() -> None:
    missing = Estimate(NAN, NAN, NAN, 0, "none")
    bare = Estimate(0.5, NAN, NAN, 1, "none")
    line = BandLine("a", [1, 2, 3], [point(0.1), missing, bare])
    drawn = BandCurves([BandPanel("P", [line])], "n", "y", "T").html()
    assert len(coordinates(drawn)) == 2
    assert not re.search(r"\bnan\b", drawn, re.IGNORECASE)


def test_scatter_colours_groups_and_draws_the_means_of_tenths() -> None:
    points = [(float(i), float(i), "ab"[i % 2]) for i in range(40)]
    drawn = Scatter([ScatterPanel("m", points, "r = 1")], "length", "score", "T", "N.").html()
    assert drawn.count("speck dot-0") == drawn.count("speck dot-1") == 20
    assert drawn.count("curve trend") == 1
    assert drawn.count("<li>") == 2
    xs = [x for x, _ in coordinates(drawn)]
    assert xs == sorted(xs)
    few = Scatter([ScatterPanel("m", points[:5])], "length", "score", "T").html()
    assert "trend" not in few
    many = [(1.0, 1.0, str(i)) for i in range(9)]
    assert "legend" not in Scatter([ScatterPanel("m", many)], "x", "y", "T").html()
    assert Scatter([ScatterPanel("m", [])], "x", "y", "T").html() == ""


def test_boxes_stand_in_order_over_one_axis() -> None:
    boxes = [
        Box("all", 10, -1.0, 0.0, 0.5, 1.0, 2.0, 0.4),
        Box("best", 5, 0.0, 0.5, 1.0, 1.5, 2.0, 1.1, outside=2, gap=True),
    ]
    drawn = BoxPlots([BoxPanel("m", boxes)], "T").html()
    rows = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', drawn)
    (x1, y1, w1), (x2, y2, _) = [tuple(map(float, row)) for row in rows]
    assert x1 < x2 <= x1 + w1
    assert y2 - y1 > 26
    assert "2 beyond the whiskers" in drawn
    flat = BoxPlots([BoxPanel("m", [Box("c", 3, 1, 1, 1, 1, 1, 1)])], "T").html()
    assert 'width="1"' in flat
    assert BoxPlots([BoxPanel("m", [])], "T").html() == ""


def test_histogram_bars_are_as_high_as_the_counts() -> None:
    drawn = Histograms([("m", [0.0, 1.0, 2.0], [10, 5])], "score", "T", "N").html()
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class="bin"', drawn)]
    assert heights[0] / heights[1] == pytest.approx(2, rel=0.01)
    assert Histograms([("m", [0.0, 1.0], [0])], "score", "T").html() == ""


def test_scored_replies_and_the_page() -> None:
    one = ScoredReplies("How & why?", [("best", "So <b>.", [1.0, NAN]), ("bad", "No.", [0.5, 2])])
    section = ReplyScores([one], ["a", "b"], "Examples", "N")
    html = section.html()
    assert "How &amp; why?" in html
    assert "So &lt;b&gt;." in html
    assert html.count("<tr>") == 4
    assert ReplyScores([], ["a"], "Examples").html() == ""
    page = render(Report("T", [section]))
    assert "http" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
