from __future__ import annotations

import json
from pathlib import Path

import pytest

from handrail.ranking import (
    Estimate,
    SystemRate,
    breach_table,
    compare_pairs,
    rate,
    system_rates,
)
from handrail.records import Assessment, Outcome, Turn, Verdict
from handrail.reports import (
    RateDots,
    breach_rows,
    console_table,
    markdown_table,
    rate_rows,
    summary,
    win_rate_rows,
    write_summary,
)
from handrail.reports.numbers import not_resampled

TURNS = [Turn(id=f"t{i}") for i in range(20)]
RUN = {
    "sft": [Assessment(breaks=("pin",) if i < 8 else (), natural=True) for i in range(20)],
    "ipo": [Assessment(keeps=("pin",), natural=True)] * 20,
}
RATES = system_rates(RUN, clusters=[t.id for t in TURNS])
RESULTS = compare_pairs(
    [
        Verdict(
            turn=f"t{i}",
            a="sft",
            b="ipo",
            dimension="adherence",
            outcome=Outcome.B if i < 8 else Outcome.BOTH,
            order=order,
        )
        for i in range(20)
        for order in ("AB", "BA")
    ]
)
GAIN = Estimate(0.061, 0.03, 0.092, 900, "bootstrap over 300 clusters", 300)


def test_summary_has_a_stable_schema(tmp_path: Path) -> None:
    made = summary(GAIN, {"naturalness": GAIN}, RATES, RESULTS, {"seconds": 3})
    path = write_summary(tmp_path / "summary.json", made)
    read = json.loads(path.read_text("utf-8"))
    assert set(read) == {"schema", "adherence_gain", "gains", "rates", "win_rates", "seconds"}
    assert read["schema"] == 1
    assert read["adherence_gain"] == {
        "estimate": 0.061,
        "low": 0.03,
        "high": 0.092,
        "n": 900,
        "method": "bootstrap over 300 clusters",
        "clusters": 300,
        "level": 0.95,
    }
    (pair,) = read["win_rates"]
    assert pair["win_rate_b"]["estimate"] == 1.0
    assert pair["bins"] == {"a_better": 0, "b_better": 8, "both": 12, "neither": 0, "tie": 0}
    assert pair["difference"]["estimate"] == pytest.approx(-0.4)
    unknown = next(r for r in read["rates"] if r["dimension"] == "hallucination")
    assert unknown["estimate"] is None
    assert (unknown["n"], unknown["unknown"]) == (0, 20)


def test_summary_is_never_invalid_json(tmp_path: Path) -> None:
    path = write_summary(tmp_path / "s.json", {"x": float("nan"), "y": [float("inf"), GAIN]})
    read = json.loads(path.read_text("utf-8"))
    assert read["x"] is None
    assert read["y"][0] is None
    assert read["y"][1]["estimate"] == 0.061
    assert summary()["adherence_gain"] is None
    with pytest.raises(ValueError, match="rates"):
        summary(extra={"rates": 1})


def test_console_tables() -> None:
    assert console_table(("Name", "n"), [("ä\nb", "1"), ("c", "200")]) == (
        "Name    n\n----  ---\nä b     1\nc     200\n"
    )
    text = console_table(*win_rate_rows(RESULTS))
    lines = text.splitlines()
    assert lines[0].split() == ["Model", "Adherence"]
    assert "60.0% (" in lines[2]
    assert "100.0% (" in lines[3]
    assert "+40.0 (" in lines[4]
    assert "n = 20" in lines[4]
    rates = console_table(*rate_rows(RATES))
    assert "60.0%" in rates
    assert "–" in rates
    breaches = console_table(*breach_rows(breach_table(RUN, turns=TURNS)))
    assert "100.0% of 8" in breaches
    assert breaches.splitlines()[-1].startswith("all")


def test_wide_characters_keep_columns_straight() -> None:
    lines = console_table(("a", "b"), [("漢字", "x"), ("abcd", "y")]).splitlines()
    assert lines[2] == "漢字  x"
    assert lines[3] == "abcd  y"


def test_markdown_tables_escape_bars() -> None:
    assert markdown_table(("a|b", "n"), [("x", "1|2")]) == (
        "| a\\|b | n |\n| --- | ---: |\n| x | 1\\|2 |\n"
    )


def test_captions_name_the_intervals_that_no_bootstrap_gave() -> None:
    assert not_resampled([GAIN]) == ""
    even = rate([1.0] * 4, list("abcd"))
    alone = rate([1.0, 0.0], ["a", "a"])
    assert "Wilson's over conversations" in not_resampled([GAIN, even])
    assert "everything possible" in not_resampled([alone])
    few = rate([0.2, 0.4, 0.7], ["a", "b", "c"])
    assert "two to four conversations, Student's" in not_resampled([GAIN, few])
    page = RateDots((SystemRate("SFT", "adherence", even, even, 0, 0, 1),)).html()
    assert "Wilson's over conversations" in page.replace("&#x27;", "'").replace("&#39;", "'")
