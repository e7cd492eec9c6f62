"""The page of results says what was measured, against what, and what was not."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

STRICT = {"trl_batch": 8, "trl_micro": 1, "row_tokens": 1}
OTHER = {"vectors": "Z"}


def test_every_row_has_a_name_of_its_own_and_is_found_again(module: Any, line: Any) -> None:
    rows, work = module("rows"), module("work")
    every = (*rows.ROWS, *rows.GPU_ROWS)
    assert len({row.name for row in every}) == len({row.spelled for row in every}) == len(every)
    for row in every:
        args = Namespace(**{name: getattr(row, name) for name in vars(row)}, threads=2)
        args.trl_batch, args.trl_micro = row.trl_batch or None, row.trl_micro or None
        args.row_tokens = row.row_tokens or None
        made = line(**work.described(args, row.turns))
        assert [other for other in every if other.measured_by(made)] == [row]
        assert row.rounds == 3
    bound = {"size": "S", "dtype": "float32", "gflops": 1.0}
    assert not any(row.measured_by(bound) for row in every)


def test_rows_cover_what_the_targets_name(module: Any) -> None:
    rows = module("rows")
    wanted = {
        rows.Row(shape, size, objective, mode)
        for shape, size in (("long_prompt", "S"), ("long_prompt", "M"), ("short_prompt", "S"))
        for objective, mode in (("dpo", "full"), ("dpo", "lora"), ("ipo", "full"))
    }
    assert wanted <= set(rows.ROWS)
    strict = {(r.shape, r.size, r.objective, r.mode) for r in rows.ROWS if r.strict}
    assert strict >= {
        ("conversation", "S", "ipo", "full"),
        ("conversation", "S", "dpo", "lora"),
        ("conversation", "S", "kto", "full"),
        ("long_prompt", "M", "dpo", "full"),
        ("short_prompt", "M", "dpo", "full"),
    }
    kto = next(r for r in rows.ROWS if r.strict and r.objective == "kto")
    assert kto.trl_micro == 2, "TRL's KTO refuses one reply at a time"


def test_a_command_names_the_row_and_no_more(module: Any) -> None:
    rows = module("rows")
    row = rows.Row(turns=20, trl_batch=4)
    assert " ".join(row.options()) == (
        "--shape conversation --size S --objective dpo --mode full --dtype float32 "
        "--turns 20 --trl-batch 4"
    )
    args = module("train").parse(row.options())
    assert (args.turns, args.trl_batch, args.device) == ("20", 4, "cpu")
    assert row.command(1, 2)[-2:] == ["--rounds", "1"]
    less = rows.Row(objective="kto", checkpointing=True)
    assert less.options()[-1] == "--checkpointing"
    assert less.whole == rows.Row(objective="kto")
    assert module("train").parse(less.options()).checkpointing
    assert row.command(None, 2)[-2:] == ["--rounds", "3"]


def test_page_states_targets_and_what_is_missing(module: Any, line: Any, results: Any) -> None:
    noisy = line(size="M", mode="lora", trl={"foreign_cores": 0.7})
    text = module("render").page(results(line(ratio=1.0), line(), noisy))
    assert "≥ 20: missed by 1.60×" in text
    assert "≤ 0.2: met" in text
    assert "On Y: conversation M dpo lora float32, TRL 4 at a time." in text
    assert "- short_prompt S dpo full float32: not run yet\n" in text
    assert "- conversation S dpo full float32: not run yet\n" not in text
    assert "no GPU figure exists yet" in text
    assert "{{" not in text


def test_the_newest_line_of_each_kind_of_machine_counts(
    module: Any, line: Any, results: Any
) -> None:
    found = results(line(), line(machine=OTHER, ratio=3.0), line(ratio=7.0))
    assert {(x.kind, x.line["ratio"], x.ratios) for x in found.measured} == {
        ("Y", 7.0, (12.5, 7.0)),
        ("Z", 3.0, (3.0,)),
    }
    text = module("tables").main_table(found)
    assert text.count("| conversation S dpo full float32 |") == 2
    assert "On Y:" in text
    assert "On Z:" in text
    assert "12.5, 7; apart by 79%" in module("tables").repeats(found)


def test_fewer_than_three_rounds_are_provisional(module: Any, line: Any) -> None:
    ratio = module("lines").ratio
    assert ratio(line(rounds=1, ratio_rounds=[12.5])) == "**12.5×** (1 round)"
    assert ratio(line()) == "**12.5×** (2 rounds, 12–13)"
    assert ratio(line(rounds=3)) == "**12.5×** (12–13)"


def test_strict_rows_have_their_verdicts_and_are_counted(
    module: Any, line: Any, results: Any
) -> None:
    tables = module("tables")
    fast = line(**STRICT, trl={"pairs_per_s": 2.0}, ratio=4.5, memory_ratio=0.4)
    easy = line(**STRICT, shape="short_prompt", turns=None, ratio=2.5, memory_ratio=0.1)
    found = results(line(), fast, easy)
    text = tables.strict_table(found)
    assert "≥ 20: missed by 4.44×" in text
    assert "≤ 0.2: missed by 2.00×" in text
    assert "≥ 2: met" in text
    assert tables.main_table(found).count("| conversation S") == 1
    assert "1 of 2 rows miss their target of speed, and 1 of 2" in tables.strict_count(found)
    assert "none of these rows" in tables.strict_count(results(line()))
    assert tables.both_ways(found) == (
        "- conversation S dpo full float32 (Y): 12.5× against whole batches, 5× against one pair "
        "at a time; against the faster of the two **5×** (≥ 20: missed by 4.00×)\n"
    )
    slow = line(**STRICT, trl={"pairs_per_s": 0.5}, ratio=20.0)
    assert "against the faster of the two **12.5×**" in tables.both_ways(results(line(), slow))


def test_what_is_missing_has_a_reason(module: Any, line: Any, results: Any) -> None:
    rows, tables = module("rows"), module("tables")
    wanted = (rows.Row(dtype="bfloat16"), rows.Row("k4"))
    plain = line(machine={"vectors": "AVX2, no bfloat16"})
    native = line(machine={"vectors": "AVX512, bfloat16"}, when="2026-01-03T00:00Z")
    text = tables.missing(results(native | {"when": "2026-01-01T00:00Z"}, plain), wanted, ())
    assert "- conversation S dpo full bfloat16: needs a CPU with native bfloat16\n" in text
    assert "- k4 S dpo full float32: not run yet\n" in text
    text = tables.missing(results(plain, native), wanted, ())
    assert "- conversation S dpo full bfloat16: not run yet\n" in text
    text = tables.missing(results(plain), (), (rows.Profile(rows.Row(), "trl"),))
    assert "where time and memory go, not run yet: conversation S dpo full float32 (TRL)" in text


def test_footnotes_tell_earlier_code_and_micro_batches(
    module: Any, line: Any, results: Any
) -> None:
    footnotes = module("tables").footnotes
    early = line(shape="k4", turns=None, trl={"steps": 1})
    del early["commit"]
    text = footnotes(results(line(handrail={"row_tokens": 1024}), early))
    assert "no commit was recorded: On Y: k4 S dpo full float32, TRL 8 at a time." in text
    assert "Commits of the other rows: abc1234." in text
    assert "full at 1,024 tokens: On Y: conversation S dpo full float32" in text
    assert "fewer than 5 timed steps of TRL's. On Y: k4" in text
    assert "below 0.1 core" in text
    assert "all rows of this page" in footnotes(results(early))


def test_turns_are_of_one_machine_each_with_trls_batch(
    module: Any, line: Any, results: Any
) -> None:
    bound = {
        **{k: line()[k] for k in ("size", "dtype", "machine", "when", "versions", "threads")},
        "gflops": 100.0,
        "gflop_per_pair": {"conversation/10": 10.0, "conversation/20": 13.0, "k4": 1.0},
        "bound_pairs_per_s": {"conversation/10": 20.0},
    }
    long = line(turns=20, trl_batch=4, trl_micro=4, handrail={"pairs_per_s": 5.0})
    single = line(turns=20, **STRICT)
    text = module("tables").turns_table(
        results(line(trl_batch=8), long, single, line(machine=OTHER), bound)
    )
    assert "On Z" not in text, "one number of turns is no table"
    assert "| 10 | 10 | 100 | 1,250 | 8 |" in text
    assert "| 20 | 13 | 200 | 1,250 | 4 |" in text
    assert "from 100 to 200 ms, a factor of 2.00" in text
    assert "from 10 to 13 GFLOP, a factor of 1.30" in text
    assert "On Y:" in module("tables").bound_table(results(line(), bound))


def test_profiles_and_memory_are_tables(module: Any, line: Any, results: Any) -> None:
    tables, kinds = module("tables"), module("op_kinds")
    fat = line(objective="kto", memory_ratio=0.25)
    parts = dict.fromkeys(tables.MEMORY_KINDS, 100.0)
    profile = {
        **{k: v for k, v in line(objective="kto").items() if k not in ("handrail", "trl", "ratio")},
        "side": "handrail",
        "seconds_per_pair": 0.05,
        "tokens_per_pair": 320.0,
        "memory_mb": parts,
        "profile": {"shares": dict.fromkeys(kinds.KINDS, 0.15), "others": {"aten::copy_": 0.04}},
    }
    found = results(fat, line(), profile)
    assert "| conversation S kto full float32: Handrail | 15% |" in tables.profile_table(found)
    assert "`aten::copy_` 4.0%" in tables.profile_table(found)
    text = tables.memory_table(found)
    assert "| conversation S kto full float32: Handrail | 100 |" in text
    assert "| 500 |" in text
    assert "dpo" not in text, "its target is met"
    own = line(objective="kto", memory_ratio=0.25, trl={"memory_mb": parts})
    assert "float32: TRL" in tables.memory_table(results(own))


def test_commands_are_one_for_each_row_as_it_was_run(module: Any, line: Any, results: Any) -> None:
    render, tables = module("render"), module("tables")
    sft = line(objective="sft", trl_batch=1, units=1)
    text = tables.commands(results(line(units=4), sft, line(turns=5)), render.default_units)
    assert text.splitlines()[1:-1] == [
        "python benchmarks/train.py --shape conversation --size S --objective dpo --mode full "
        "--dtype float32 --rounds 2 --json",
        "python benchmarks/train.py --shape conversation --size S --objective sft --mode full "
        "--dtype float32 --units 1 --rounds 2 --json",
        "python benchmarks/train.py --shape conversation --size S --objective dpo --mode full "
        "--dtype float32 --turns 5 --rounds 2 --json",
    ]


def test_page_without_any_row_says_so(module: Any, tmp_path: Path) -> None:
    render = module("render")
    render.write(tmp_path / "none.jsonl", tmp_path / "R.md")
    text = (tmp_path / "R.md").read_text()
    assert "Nothing has been measured yet" in text
    assert text.count("Not measured.") == 8
    assert "{{" not in text


def test_trl_with_single_turns_is_a_row_of_its_own(module: Any, line: Any, results: Any) -> None:
    lines, rows = module("lines"), module("rows")
    whole, single = line(objective="sft"), line(objective="sft", trl_examples="turn", ratio=9.0)
    found = results(whole, single).measured
    assert module("tables").main_table(results(whole, single)).count("single turns") == 1
    assert [sum(row.measured_by(x.line) for row in rows.ROWS) for x in found] == [1, 1]
    assert [lines.speed_target(x.row) for x in found] == [2.0, None]


def test_the_page_is_what_the_lines_give(module: Any) -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    page = module("render").page(module("lines").read(folder / "results.jsonl"))
    assert page == (folder / "RESULTS.md").read_text()


@pytest.fixture
def plan(module: Any, line: Any, results: Any, tmp_path: Path) -> Any:
    """Names of what all.py would run."""

    def names(held: list[dict[str, Any]], native: bool = True, **options: Any) -> list[str]:
        args = Namespace(
            device="cpu", first=None, again=False, rounds=None, threads=2, out=tmp_path / "r"
        )
        vars(args).update(options)
        return [name for _, name in module("all").plan(args, results(*held), native)]

    return names


def test_rows_in_bfloat16_are_left_out_where_the_processor_has_none(
    module: Any, plan: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = module("rows")
    names = plan([], native=False)
    assert names[0] == "the ceiling"
    floats = [row.name for row in rows.ROWS if row.dtype == "float32"]
    assert names[1 : 1 + len(floats)] == floats
    assert len(names) == 1 + len(floats) + len(rows.SCORINGS) + len(rows.PROFILES)
    assert "left out, this processor has no bfloat16" in capsys.readouterr().err


def test_scoring_has_a_table_and_is_run_once(module: Any, plan: Any, results: Any) -> None:
    side = {"pairs_per_s": 40.0, "peak_mb": 500.0, "foreign_cores": 0.1}
    machine = {"cpu": "X", "cores": 2, "memory_gib": 8.0, "system": "Linux", "vectors": "Y"}
    line = {
        "benchmark": "score",
        "size": "S",
        "dtype": "float32",
        "pairs": 10_000,
        "rounds": 3,
        "handrail": side,
        "padded": side | {"pairs_per_s": 8.0},
        "score_ratio": 5.0,
        "ratio_rounds": [4.9, 5.1],
        "score_diff": 1e-7,
        "machine": machine,
        "when": "2026-01-02T03:04Z",
    }
    text = module("score_tables").scoring(results(line))
    assert "| S float32, 10,000 pairs | 40 | 8 | **5×** (4.9–5.1) | ≥ 4: met |" in text
    assert "Not measured yet" in module("score_tables").scoring(results())
    assert "scoring, S" in plan([])
    assert "scoring, S" not in plan([line])
    assert "scoring, M" in plan([line])


def test_a_row_of_fewer_rounds_is_run_again(module: Any, plan: Any, line: Any) -> None:
    first = module("rows").ROWS[0].name
    assert first in plan([line(rounds=2)])
    assert first not in plan([line(rounds=3)])
    assert first not in plan([line(rounds=2)], rounds=2)
    assert first in plan([line(rounds=3)], again=True)
    assert plan([], first=1) == ["the ceiling", first]


def test_gpu_rows_are_run_on_a_gpu_alone(module: Any, plan: Any) -> None:
    rows = module("rows")
    names = plan([], device="cuda")
    assert [row.name for row in rows.GPU_ROWS] == names[1 : 1 + len(rows.GPU_ROWS)]
    command = rows.GPU_ROWS[0].command(None, 2)
    assert command[command.index("--device") + 1] == "cuda"
    assert not set(rows.ROWS) & set(rows.GPU_ROWS)
    assert all(module("lines").speed_target(row) is None for row in rows.GPU_ROWS)


def test_lines_of_results_are_whole(module: Any) -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "results.jsonl"
    for text in path.read_text().splitlines():
        found = json.loads(text)
        assert {"machine", "versions", "when", "threads"} <= set(found)
        assert "note" not in found
