"""Rankings as drawings: what is shown, what is escaped, what is left out."""

from __future__ import annotations

import re

import numpy as np
import pytest

from handrail.ranking import Estimate, Matches, Resampling, bradley_terry, win_matrix
from handrail.reports import ShareDots, StrengthDots, WinHeatMap

QUICK = Resampling(resamples=60)


def matches(k: int, seed: int = 0) -> Matches:
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{i}", f"s{j}", float(rng.random() < 0.5 + 0.08 * (j - i)), int(c))
        for i in range(k)
        for j in range(i)
        for c in range(12)
    ]
    first, second, score, cluster = zip(*rows, strict=True)
    return Matches.of(first, second, score, cluster)


def test_strengths_show_ranks_and_who_is_clearly_above() -> None:
    ratings = bradley_terry(matches(4), QUICK, anchor="s1")
    page = StrengthDots(ratings).html()
    assert page.count("<circle") == 4
    assert "s1 is held where it stands." in page
    assert f"In {len(ratings.above)} of 6 pairs" in page
    for one in ratings.rated:
        shown = (
            f"rank {one.rank_low}" if one.rank_low == one.rank_high else f"ranks {one.rank_low}–"
        )
        assert shown in page
    assert "NaN" not in page
    assert "inf" not in page


def test_systems_off_the_scale_are_listed_with_the_reason() -> None:
    one_way = Matches.of(["<a>", "b", "b", "<a>"], ["b", "c", "c", "c"], [1, 1, 0, 1])
    page = StrengthDots(bradley_terry(one_way, QUICK)).html()
    assert "&lt;a&gt;: above the ranked systems" in page
    assert "<a>" not in page
    nothing = StrengthDots(bradley_terry(Matches.of(["a"], ["b"], [1]), QUICK)).html()
    assert "<svg" not in nothing
    assert "Not on this scale" in nothing


def test_an_interval_without_an_end_is_drawn_to_the_edge() -> None:
    clusters = [str(i) for i in range(10)]
    rows = Matches.of(["a"] * 10, ["b"] * 10, [1] * 9 + [0], clusters)
    ratings = bradley_terry(rows, Resampling(resamples=400))
    assert np.isinf(ratings.rated[0].rating.high)
    page = StrengthDots(ratings).html()
    assert "inf" not in page
    assert "some system won or lost everything" in page
    assert "has no bound there" in page
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', page)[1])
    ends = [float(x) for x in re.findall(r'x2="([\d.]+)"', page)]
    assert max(ends) <= width


@pytest.mark.parametrize("k", [3, 20, 70])
def test_the_heat_map_has_a_cell_for_each_pair_that_met(k: int) -> None:
    matrix = win_matrix(matches(k), how=Resampling(resamples=5))
    page = WinHeatMap(matrix, order=["s1", "s0"]).html()
    assert page.count("<rect") == k * (k - 1)
    assert page.index(">s1<") < page.index(">s0<")
    cells = len(re.findall(r'class="cell"', page))
    assert cells == (k * (k - 1) if k <= 14 else 0)
    won = page.count('class="won"')
    assert won >= k * (k - 1) // 2
    assert won + page.count('class="lost"') == k * (k - 1)


def test_pairs_that_never_met_are_empty_and_nothing_gives_nothing() -> None:
    rows = Matches.of(["a", "b"], ["b", "c"], [1, 0.5], ["p", "q"])
    page = WinHeatMap(win_matrix(rows, how=QUICK)).html()
    assert page.count("<rect") == 4
    assert "a against c" not in page
    assert WinHeatMap(win_matrix(rows.among([0]), how=QUICK)).html() == ""
    assert ShareDots([]).html() == ""


def test_shares_are_in_the_order_given() -> None:
    shares = [("x", Estimate(0.6, 0.5, 0.7, 9, "")), ("y", Estimate(0.4, 0.3, 0.5, 9, ""))]
    page = ShareDots(shares, "A note.", "Means").html()
    assert page.index("1  x") < page.index("2  y")
    assert "60.0%" in page
    assert "A note." in page
