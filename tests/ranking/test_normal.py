from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from handrail.ranking import Resampling, normal_interval, rank_correlation, standard_error, wilson

# Table 16 (win rates in percent, n = 100) and table 23 (their standard errors in percent, as
# printed) of the thesis on combined rewards; rows and columns preference, abs, crs_025, sft.
TABLE_16 = ((None, 34, 39, 29), (66, None, 63, 45), (61, 37, None, 39), (71, 55, 61, None))
TABLE_23 = (
    (None, "4.76", "4.90", "4.56"),
    ("4.76", None, "4.85", "5.0"),
    ("4.90", "4.85", None, "4.90"),
    ("4.56", "5.0", "4.90", None),
)
CELLS = [
    (i, j, rate / 100, printed)
    for i, (rates, errors) in enumerate(zip(TABLE_16, TABLE_23, strict=True))
    for j, (rate, printed) in enumerate(zip(rates, errors, strict=True))
    if rate is not None and printed is not None
]


def as_printed(error: float, printed: str) -> str:
    return f"{100 * error:.{len(printed.split('.')[1])}f}"


@pytest.mark.parametrize(("i", "j", "p", "printed"), CELLS)
def test_every_cell_of_table_23_has_n_minus_1(i: int, j: int, p: float, printed: str) -> None:
    assert as_printed(standard_error(p, 100, sample=True), printed) == printed
    assert TABLE_16[j][i] == 100 - round(100 * p)


def test_equation_7_1_agrees_with_two_cells_of_twelve() -> None:
    same = {
        (i, j)
        for i, j, p, printed in CELLS
        if as_printed(standard_error(p, 100), printed) == printed
    }
    assert same == {(1, 3), (3, 1)}  # those printed with one decimal
    off = {p: round(100 * standard_error(p, 100), 2) for _, _, p, _ in CELLS}
    assert off[0.66] == off[0.34] == 4.74
    assert off[0.39] == off[0.61] == 4.88
    assert off[0.29] == off[0.71] == 4.54
    assert off[0.63] == off[0.37] == 4.83
    assert off[0.45] == off[0.55] == pytest.approx(4.97, abs=0.011)
    assert all(0.01 < float(printed) - off[p] < 0.031 for _, _, p, printed in CELLS)


@pytest.mark.parametrize(
    ("p", "printed", "agrees"),
    [
        (0.66, 9.33, True),
        (0.63, 9.33, False),
        (0.61, 9.6, True),
        (0.55, 9.8, True),
        (0.71, 8.93, False),
    ],
)
def test_the_intervals_in_the_text(p: float, printed: float, agrees: bool) -> None:
    found = normal_interval(p, 100, sample=True)
    half = 100 * (found.high - found.low) / 2
    digits = len(str(printed).split(".")[1])
    assert (round(half, digits) == printed) is agrees
    if p == 0.63:  # 9.33 is the other cell's; its own is 9.51, so "at least 3.67 %" is 3.49
        assert round(half, 2) == 9.51
        assert round(100 * found.low - 50, 2) == 3.49
    if p == 0.71:  # 8.938, cut and not rounded
        assert math.floor(100 * half) / 100 == printed


def test_beside_wilson_and_at_the_edge() -> None:
    plain, better = normal_interval(0.66, 100), wilson(66, 100)
    assert plain.low == pytest.approx(0.66 - 1.95996 * 0.047371, abs=1e-5)
    assert (round(plain.low, 3), round(plain.high, 3)) == (0.567, 0.753)
    assert (round(better.low, 3), round(better.high, 3)) == (0.563, 0.745)
    edge = normal_interval(1.0, 20)
    assert (edge.low, edge.high) == (1.0, 1.0)
    assert wilson(20, 20).low < 0.85
    for p, n in ((1.1, 5), (0.5, 0)):
        with pytest.raises(ValueError, match="a share"):
            standard_error(p, n)
    with pytest.raises(ValueError, match="two with"):
        standard_error(0.5, 1, sample=True)


@pytest.mark.parametrize("kind", ["kendall", "spearman"])
def test_correlations_are_scipys_with_an_interval(kind: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 8, 40).astype(float)
    y = x + rng.normal(0, 3, 40)
    y[3] = math.nan
    found = rank_correlation(x, y, kind, how=Resampling(resamples=200))
    peer = stats.kendalltau if kind == "kendall" else stats.spearmanr
    keep = ~np.isnan(y)
    assert found.value == pytest.approx(peer(x[keep], y[keep]).statistic)
    assert found.low < found.value < found.high
    assert found.n == 39


def test_a_correlation_of_nothing_is_unknown() -> None:
    assert rank_correlation([], []).n == 0
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3], how=Resampling(20)).value)
    with pytest.raises(ValueError, match="differ in length"):
        rank_correlation([1], [1, 2])
