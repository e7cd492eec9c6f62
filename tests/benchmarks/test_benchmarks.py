"""The benchmark: exact data, a bound that counts right, one whole comparison at the least size."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


@pytest.fixture
def renderer(module: Any) -> Any:
    from handrail.trees import Renderer

    return Renderer(module("prepare").make_tokenizer(512), style="guardrail")


def test_conversation_has_exact_lengths_and_grows(module: Any, renderer: Any) -> None:
    shapes = module("shapes")
    turns = shapes.make_turns("conversation", renderer, shapes.Words(500, 1), 2, 4)
    assert len(turns) == 8
    for n, turn in enumerate(turns[:4]):
        prompt = renderer.prompt_ids(turn)
        assert len(prompt) == 300 + 60 * (n + 1) + 110 * n
        assert [len(renderer.reply_ids(r.text)) for r in turn.replies] == [110, 90]
        assert list(turn.pairs()) == [(0, 1)]
    first, second = renderer.prompt_ids(turns[0]), renderer.prompt_ids(turns[1])
    said = renderer.reply_ids(turns[0].replies[0].text)
    assert second[: len(first) + len(said)] == first + said


def test_other_shapes_have_the_promised_lengths(module: Any, renderer: Any) -> None:
    shapes = module("shapes")
    words = shapes.Words(500, 1)
    lengths = [
        len(renderer.prompt_ids(t))
        for t in shapes.make_turns("long_prompt", renderer, words, 60, 1)
    ]
    assert min(lengths) >= 300
    assert max(lengths) <= 900
    assert 540 < sorted(lengths)[30] < 660
    for turn in shapes.make_turns("short_prompt", renderer, words, 9, 1):
        assert 50 <= len(renderer.prompt_ids(turn)) <= 70
    for turn in shapes.make_turns("k4", renderer, words, 3, 1):
        assert len(renderer.prompt_ids(turn)) == 120
        assert len(list(turn.pairs())) == 6


def test_trl_rows_hold_the_same_tokens(module: Any, renderer: Any) -> None:
    shapes, prepare = module("shapes"), module("prepare")
    tokenizer = renderer.tokenizer
    turns = shapes.make_turns("conversation", renderer, shapes.Words(500, 1), 1, 3)
    rows = prepare.pair_rows(turns, prepare.Texts(tokenizer, renderer))
    for turn, row in zip(turns, rows, strict=True):
        ids = tokenizer(row["prompt"] + row["chosen"], add_special_tokens=False)["input_ids"]
        assert ids == renderer.prompt_ids(turn) + renderer.reply_ids(turn.replies[0].text)
    whole = prepare.sft_rows(turns, renderer)
    assert len(whole) == 1
    assert len(whole[0]["input_ids"]) == 300 + 3 * 170
    assert sum(x != -100 for x in whole[0]["labels"]) == 3 * 110
    single = prepare.turn_rows(turns, renderer)
    assert [len(row["input_ids"]) for row in single] == [300 + 170, 300 + 340, 300 + 510]
    assert [sum(x != -100 for x in row["labels"]) for row in single] == [110] * 3
    assert single[-1]["input_ids"] == whole[0]["input_ids"]


def test_bound_counts_what_torch_counts(module: Any) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    bound, shapes, prepare = module("bound"), module("shapes"), module("prepare")
    size = shapes.SIZES["T"]
    model = prepare.make_model(size, 0)
    model.set_attn_implementation("eager")
    n = 48
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.arange(n)[None], attention_mask=torch.ones(1, n))
    counted = counter.get_total_flops()
    rotary = 2 * (size.width // size.heads // 2) * n  # positions times frequencies, not a weight
    assert abs(bound.flops(size, n, n * n, n) / 3 - counted) <= rotary
    attended = sum(before + 1 for before in range(100, 107))
    assert bound.attention_products(7, 100) == attended


def _line(**changes: Any) -> dict[str, Any]:
    side = {
        "pairs_per_s": 10.0,
        "trained_tokens_per_s": 2000.0,
        "peak_rss_mb": 600.0,
        "foreign_cores": 0.01,
    }
    line = {
        "shape": "conversation",
        "size": "S",
        "objective": "dpo",
        "mode": "full",
        "dtype": "float32",
        "turns": 10,
        "rounds": 2,
        "threads": 2,
        "handrail": side,
        "trl": side | {"pairs_per_s": 0.8, "peak_rss_mb": 6000.0},
        "ratio": 12.5,
        "ratio_rounds": [12.0, 13.0],
        "memory_ratio": 0.1,
        "versions": {"trl": "1.16.0"},
        "machine": {"cpu": "X", "cores": 2, "memory_gib": 8.0, "system": "Linux", "vectors": "Y"},
        "when": "2026-01-02T03:04Z",
    }
    return line | changes


def test_render_states_targets_and_what_is_missing(module: Any, tmp_path: Path) -> None:
    render, rows = module("render"), module("all").ROWS
    source, target = tmp_path / "r.jsonl", tmp_path / "R.md"
    noisy = _line(size="M", trl=_line()["trl"] | {"foreign_cores": 0.7})
    source.write_text("".join(json.dumps(x) + "\n" for x in (_line(ratio=1.0), _line(), noisy)))
    render.write(source, target, rows)
    text = target.read_text()
    assert "≥ 20: missed by 1.60×" in text
    assert "≤ 0.2: met" in text
    assert "conversation M dpo float32" in text
    assert "- short_prompt, S, dpo, full, float32" in text
    assert "- conversation, 10 turns, S, dpo, full, float32\n" not in text
    assert "{{" not in text


def test_a_row_of_two_kinds_of_machine_has_a_line_for_each(module: Any, tmp_path: Path) -> None:
    render = module("render")
    other = _line(machine=_line()["machine"] | {"vectors": "Z"}, ratio=3.0)
    source = tmp_path / "r.jsonl"
    source.write_text("".join(json.dumps(x) + "\n" for x in (_line(), other, _line(ratio=7.0))))
    lines = render.read(source)
    assert {(render.kind(x), x["ratio"]) for x in lines} == {("Y", 7.0), ("Z", 3.0)}
    assert render.main_table(lines).count("| conversation |") == 2


def test_rows_in_bfloat16_are_left_out_where_the_processor_has_none(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, run = module("all"), []
    monkeypatch.setattr(table.common, "native_bfloat16", lambda: False)
    monkeypatch.setattr(table, "bound_lines", lambda args: None)
    monkeypatch.setattr(table, "run_row", lambda row, args: run.append(row) or True)
    monkeypatch.setattr(table.render, "write", lambda *given: None)
    monkeypatch.setattr("sys.argv", ["all.py", "--out", str(tmp_path / "r.jsonl")])
    with pytest.raises(SystemExit, match="0"):
        table.main()
    assert [row for row in table.ROWS if row.dtype == "float32"] == run
    assert "left out, this processor has no bfloat16" in capsys.readouterr().err


def test_render_without_any_row_says_so(module: Any, tmp_path: Path) -> None:
    render, rows = module("render"), module("all").ROWS
    render.write(tmp_path / "none.jsonl", tmp_path / "R.md", rows)
    text = (tmp_path / "R.md").read_text()
    assert "Nothing has been measured yet" in text
    assert text.count("Not measured.") == 4
    assert "{{" not in text


def test_trl_with_single_turns_is_a_row_of_its_own(module: Any, tmp_path: Path) -> None:
    render, rows = module("render"), module("rows").ROWS
    source = tmp_path / "r.jsonl"
    whole, single = _line(objective="sft"), _line(objective="sft", trl_examples="turn", ratio=9.0)
    source.write_text("".join(json.dumps(x) + "\n" for x in (whole, single)))
    lines = render.read(source)
    text = render.main_table(lines)
    assert text.count("TRL's examples single turns") == 1
    assert [sum(row.measured_by(line) for row in rows) for line in lines] == [1, 1]
    assert render.speed_target(single) is None


def run(script: str, *options: str) -> dict[str, Any]:
    """The one JSON line that a benchmark prints."""
    command = [sys.executable, str(BENCHMARKS / script), "--json", "--threads", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    (text,) = done.stdout.strip().splitlines()
    return dict(json.loads(text))


LEAST = ("--size", "T", "--rounds", "1", "--handrail-epochs", "1", "--trl-batch", "2")


def test_ranked_replies_are_compared_at_the_least_size() -> None:
    pytest.importorskip("trl")
    line = run("train.py", *LEAST, "--shape", "k4", "--units", "1")
    assert line["pairs"] == 6
    assert line["handrail"]["epoch_tokens"] * 3 == line["trl"]["epoch_tokens"] == 1800
    assert line["agreement"]["replies_compared"] == 4


def test_training_from_scratch_is_compared_at_the_least_size() -> None:
    line = run("pretrain.py", "--conversations", "8", "--rounds", "1")
    assert 0.5 < line["computed"] < 0.9, "playbooks are shared"
    assert line["ratio"] > 0
    assert line["conversations"] == 8


@pytest.mark.parametrize("objective", ["dpo", "sft", "sft by turn"])
def test_whole_comparison_at_the_least_size(objective: str) -> None:
    pytest.importorskip("trl")
    objective, _, by_turn = objective.partition(" ")
    single = ("--trl-examples", "turn") if by_turn else ()
    line = run(
        "train.py", *LEAST, *single, "--objective", objective, "--turns", "2", "--units", "2"
    )
    for side in ("handrail", "trl"):
        assert line[side]["pairs_per_s"] > 0
        assert line[side]["peak_rss_mb"] > 50
        assert line[side]["epoch_tokens"] == (440 if objective == "sft" else 800)
    assert line["ratio"] > 0
    assert line["memory_ratio"] > 0
    assert line["agreement"]["logp_per_token_diff"] < 1e-4
    assert line["agreement"]["replies_compared"] == (4 if objective == "sft" else 8)
    assert line["versions"]["trl"] == "1.16.0"
    assert line["threads"] == 1
    assert line["machine"]["cores"] >= 1
