"""The benchmark of judging: it measures at the least size, and its lines become a table."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any


def test_rates_at_the_least_size(module: Any, tmp_path: Path) -> None:
    judge = module("judge")
    given = Namespace(requests=8, latency_ms=20.0, in_flight=4, rounds=2, peer=None)
    line = judge.rates(given, tmp_path)
    assert line["limit_per_s"] == 200.0
    assert line["at_most"] == 1.0
    assert len(line["of_limit_rounds"]) == 2
    assert 0 < line["of_limit_whole"] < line["of_limit"] <= 1.0
    assert line["per_s"]["handrail"] <= 200.0


def test_the_second_run_asks_nothing(module: Any, tmp_path: Path) -> None:
    line = module("judge").cached(tmp_path, 12)
    assert line["verdicts"] == 12
    assert 0 < line["again_s"] < line["again_process_s"]


def test_a_comparison_is_the_same_for_the_peer(module: Any) -> None:
    judge = module("judge")
    one = judge.comparisons(judge.some_turns(3), 1)[0]
    pair = judge.as_pair(one)
    assert (pair["output_1"], pair["output_2"]) == (one.first, one.second)
    assert all(message.content in pair["instruction"] for message in one.turn.context)


def test_the_table_tells_the_target_the_load_and_the_peer(results: Any, module: Any) -> None:
    line = {
        "benchmark": "judge",
        "requests": 500,
        "latency_ms": 300.0,
        "in_flight": 64,
        "rounds": 3,
        "limit_per_s": 213.3,
        "per_s": {"handrail": 197.0, "alpaca_eval": 14.0, "alpaca_eval_50": 51.0},
        "of_limit": 0.92,
        "of_limit_rounds": [0.91, 0.92, 0.93],
        "at_most": 0.977,
        "foreign_cores": 0.1,
        "peer": "alpaca_eval 0.6.6",
        "times_peer": {"alpaca_eval": 14.1, "alpaca_eval_50": 3.9},
        "machine": {"vectors": "Y", "cpu": "X", "cores": 2},
        "when": "2026-01-02T03:04Z",
    }
    again = {
        "benchmark": "judge_cached",
        "verdicts": 10_000,
        "rounds": 3,
        "first_s": 20.0,
        "again_s": 3.5,
        "again_process_s": 4.0,
        "again_process_cpu_s": 3.9,
        "foreign_cores": 0.1,
        "machine": line["machine"],
        "when": line["when"],
    }
    text = module("judge_tables").judging(results(line, line | {"of_limit": 0.85}, again))
    assert "≥ 0.9: missed by 1.06×" in text, "the newest line counts"
    assert "alpaca_eval 0.6.6 with its default: 14/s, so that Handrail's is **14.1×**" in text
    assert "fifty workers: 51/s" in text
    assert "10,000 verdicts once more, from the cache: **3.5 s** (≤ 3 s (missed))" in text
    assert "Not measured" in module("judge_tables").judging(results())
