"""The drawings, piece by piece: goldens for small ones, geometry for the rest."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.ranking import (
    Bins,
    Estimate,
    breach_table,
    compare_pairs,
    difference_over_seeds,
)
from handrail.records import Assessment, Outcome, RecordError, Turn, Verdict
from handrail.reports import (
    BreachHeatMap,
    Curves,
    Gains,
    Headline,
    Lengths,
    TrainingRun,
    gain_finding,
)
from handrail.reports.bars import OutcomeBars, shares, spread
from handrail.reports.curves import bounds, thin
from handrail.reports.examples import marked
from handrail.reports.lengths import density
from handrail.reports.numbers import compact, linear, p_text, percent, points, span, ticks
from handrail.reports.svg import Svg, width_of
from handrail.reports.winrates import WinRateTable


def test_golden_drawing() -> None:
    svg = Svg(20, 10.04, "T", "D & d")
    svg.rect(0, 1.26, 5, 2, "bar", hint="<5>")
    svg.line(0, 0, -0.01, 10, "axis")
    svg.text(1, 2, "x", "tick", "end")
    svg.circle(3, 4, 1.5, "dot")
    svg.path([(0, 0), (1.25, 2)], "curve", closed=True)
    svg.path([], "curve")
    assert svg.done() == (
        '<svg viewBox="0 0 20 10" width="20" height="10" role="img" aria-label="T">'
        "<title>T</title><desc>D &amp; d</desc>"
        '<rect x="0" y="1.3" width="5" height="2" class="bar"><title>&lt;5&gt;</title></rect>'
        '<line x1="0" y1="0" x2="0" y2="10" class="axis"></line>'
        '<text x="1" y="2" class="tick" text-anchor="end" dominant-baseline="central">x</text>'
        '<circle cx="3" cy="4" r="1.5" class="dot"></circle>'
        '<path d="M0 0L1.2 2Z" class="curve"></path></svg>'
    )


def test_numbers_as_written() -> None:
    assert percent(0.769) == "76.9%"
    assert percent(float("nan")) == "–"
    assert [points(x) for x in (0.061, -0.02, 0.0, -0.0001)] == ["+6.1", "−2.0", "0.0", "0.0"]
    assert span(Estimate(0.1, -0.004, 0.031, 9, ""), signed=True) == "−0.4 to +3.1"
    assert span(Estimate(float("nan"), 0, 1, 0, "")) == "no interval"
    assert [compact(x) for x in (0, 1234, 123456, 0.00012, -2.5)] == [
        "0",
        "1,234",
        "123k",
        "1.2e−04",
        "−2.5",
    ]
    assert p_text(0.0002) == "p\u00a0<\u00a00.001"
    assert p_text(0.25) == "p\u00a0=\u00a00.25"


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_are_few_round_and_inside(low: float, width: float, count: int) -> None:
    high = low + width
    found = ticks(low, high, count)
    assert len(found) <= count + 2
    slack = 1e-6 * max(abs(low), abs(high), width)
    assert all(low - slack <= tick <= high + slack for tick in found)
    assert found == sorted(found)


def test_scales_meet_their_ends_and_survive_no_width() -> None:
    scale = linear(2, 4, 10, 30)
    assert [scale(x) for x in (2, 3, 4)] == [10, 20, 30]
    assert linear(1, 1, 0, 10)(99) == 5
    assert ticks(1, 1) == [1]


def verdicts(counts: dict[str, int], dimension: str = "adherence") -> list[Verdict]:
    names = [name for name, count in counts.items() for _ in range(count)]
    return [
        Verdict(turn=f"t{i}", a="x", b="y", dimension=dimension, outcome=Outcome(name), order=order)
        for i, name in enumerate(names)
        for order in ("AB", "BA")
    ]


def test_bars_fill_their_width_and_every_share_is_labelled() -> None:
    results = compare_pairs(verdicts({"A": 2, "B": 30, "BOTH": 67, "NEITHER": 1}))
    body = OutcomeBars(results, {("x", "y"): "Fig. 4a"}).html()
    for shown in ("2.0%", "30.0%", "67.0%", "1.0%"):
        assert body.count(f">{shown}</text>") == 1
    assert "x against y (Fig. 4a)" in body
    assert "n\u00a0=\u00a0100" in body
    assert sum(share for *_, share in shares(results[0].bins, "x", "y")) == pytest.approx(1)
    assert shares(Bins(0, 0, 0, 0, 0), "x", "y") == []


@given(st.lists(st.floats(104, 520), min_size=1, max_size=4))
def test_narrow_labels_never_touch(middles: list[float]) -> None:
    labels = [(x, "12.3%") for x in sorted(middles)]
    at = spread(labels)
    room = width_of("12.3%", 11)
    assert all(b - a >= room for a, b in pairwise(at))
    assert at[0] >= 0
    assert at[-1] <= 520


def test_win_rate_table_in_the_papers_layout() -> None:
    results = compare_pairs(verdicts({"A": 10, "B": 16, "BOTH": 60, "NEITHER": 14}))
    reference = {("x", "y"): ((70.4, 47.7, 95.8), (76.9, 65.5, 92.8))}
    body = WinRateTable(results, {("x", "y"): "Fig. 4a"}, reference).html()
    assert "<b>76.0%</b>" in body
    assert "<td>70.0%<small>" in body
    assert '<td class="paper"><b>76.9%</b></td>' in body
    assert '<td class="paper">+6.5</td>' in body
    assert ">+6.0</span>" in body
    assert "(wins + both acceptable)/n" in body
    assert "n\u00a0=\u00a0100" in body
    plain = WinRateTable(results).html()
    assert "paper" not in plain
    assert WinRateTable([]).html() == ""


def difference(a: list[float], b: list[float]) -> object:
    return difference_over_seeds([a], [b], [[str(i) for i in range(len(a))]])


def test_headlines_say_what_came_out() -> None:
    n = 60
    gain = gain_finding("ipo", "sft", difference([1.0] * n, [1.0] * 40 + [0.0] * 20))
    assert gain.sentence == "ipo gives 33.3 points more replies within the guardrails than sft."
    assert "100.0% against 66.7%" in gain.detail
    assert "One training seed" in gain.detail
    loss = gain_finding("ipo", "sft", difference([0.0] * n, [1.0] * n), "naturalness")
    assert loss.sentence == "ipo gives 100.0 points fewer natural replies than sft."
    assert gain.clear
    assert loss.clear
    # Five discordant turns, all for one side: the interval leaves zero out, the test not.
    close = difference([1.0] * 20, [1.0] * 15 + [0.0] * 5)
    assert close.pooled.permutation.p_value == 2 * 0.5**5
    unsure = gain_finding("ipo", "sft", close)
    assert unsure.estimate.excludes_zero
    assert not unsure.clear
    assert "25.0 points more" in unsure.sentence
    assert "the test is not certain" in unsure.sentence
    assert "card flat" in Headline([unsure]).html()
    assert "card up" in Headline([gain]).html()
    assert "card down" in Headline([loss]).html()
    none = gain_finding("ipo", "sft", difference([1.0, 0.0] * 30, [0.0, 1.0] * 30), "hallucination")
    assert none.sentence.startswith("No gain shown")
    nan = float("nan")
    unknown = gain_finding("ipo", "sft", difference([nan], [1.0]))
    assert "could not be compared" in unknown.sentence


def test_gains_show_each_seed_and_both_intervals() -> None:
    rng = np.random.default_rng(0)
    a, b = [list((rng.random((3, 50)) < p).astype(float)) for p in (0.8, 0.5)]
    found = difference_over_seeds(a, b, [[str(i) for i in range(50)]] * 3)
    body = Gains({"a minus b": found}, seeds=[4, 5, 6]).html()
    for name in ("seed 4", "seed 6", "all", "t"):
        assert f">{name}</text>" in body
    assert ">seed 0</text>" in Gains({"a minus b": found}).html()
    assert body.count("<circle") == 5
    assert "Student" in body


def test_heat_map_marks_few_and_never() -> None:
    keep, broken = Assessment(keeps=("a",)), Assessment(breaks=("a", "b"))
    runs = {"x": [broken] * 12 + [keep] * 12, "y": [Assessment()] * 24}
    body = BreachHeatMap(breach_table(runs, turns=[Turn(id=f"t{i}") for i in range(24)])).html()
    assert body.count("the rule never applied") == 3
    assert "12 of 24: 50.0%" in body
    assert "100%" in body
    few = breach_table({"x": [broken]}, turns=[Turn(id="t")])
    assert 'class="few"' in BreachHeatMap(few).html()


def test_heat_map_of_many_systems_has_narrow_columns() -> None:
    for n, wanted in ((6, 'class="heat"'), (7, 'class="heat many"')):
        table = breach_table(
            {f"s{i}": [Assessment(breaks=("a",))] for i in range(n)}, turns=[Turn(id="t")]
        )
        assert wanted in BreachHeatMap(table).html()


def test_curves_average_and_break_where_not_finite() -> None:
    values = [1.0, float("nan"), 3.0, 2.0, float("inf"), 1.0]
    run = TrainingRun("r", {"loss": (list(range(6)), values)})
    body = Curves([run]).html()
    assert "2 values are not finite" in body
    assert body.count('class="curve') == 3
    steps, means = thin(list(range(1000)), [float(i) for i in range(1000)])
    assert len(steps) == 100
    assert steps == means
    assert means[0] == 4.5
    assert Curves([]).html() == ""


def test_outliers_do_not_flatten_a_curve() -> None:
    low, high = bounds([1.0] * 200 + [1.5] * 200 + [1000.0])
    assert high < 3
    assert 0 <= low < 1
    assert bounds([]) == (0.0, 1.0)
    assert bounds([2.0])[1] > 2


def test_metrics_file_with_a_last_line_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1, "lr": 0.1}\n{"step": 3, "lo')
    run = TrainingRun.read("r", path, ("loss", "lr"), group="g")
    assert run.series == {"loss": ([1.0, 2.0], [2.0, 1.0]), "lr": ([2.0], [0.1])}
    path.write_text('nonsense\n{"step": 1}\n')
    with pytest.raises(RecordError, match="line 1"):
        TrainingRun.read("r", path, ("loss",))


def test_lengths_state_median_and_n() -> None:
    body = Lengths({"chosen": [1, 2, 3, 4, 5], "bot": [7] * 9, "none": []}, "chosen").html()
    assert ">3 (2 to 4), 5</text>" in body
    assert ">7 (7 to 7), 9</text>" in body
    assert "none" not in body
    assert "ridge standard" in body
    heights = density(np.array([7.0] * 9), 20)
    assert heights.max() == 1
    assert math.isclose((heights.argmax() + 0.5) * 20 / 90, 7, abs_tol=0.2)
    assert density(np.array([]), 5).max() == 0


@pytest.mark.parametrize(
    ("reply", "spans", "expected"),
    [
        ("a $5 b $50", ("$5", "$50"), "a <mark>$5</mark> b <mark>$50</mark>"),
        ("x <b>", ("<b>",), "x <mark>&lt;b&gt;</mark>"),
        ("x", ("y", ""), "x"),
    ],
)
def test_invented_spans_are_marked(reply: str, spans: tuple[str, ...], expected: str) -> None:
    assert marked(reply, spans) == expected
