"""Run the whole table, most important rows first, and keep each line as soon as it is there.

    python benchmarks/all.py --out benchmarks/results.jsonl [--rounds 3] [--until 19:30]
                             [--stop-file FILE] [--first N] [--again]

Rows that the file already holds from such a machine are not run again (unless --again); rows in
bfloat16 are left out where the processor has none. Then benchmarks/RESULTS.md is written anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import render

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Row:
    """One call of train.py; 0 leaves an option at its default."""

    shape: str = "conversation"
    size: str = "S"
    objective: str = "dpo"
    mode: str = "full"
    dtype: str = "float32"
    turns: int = 10
    rounds: int = 3
    trl_batch: int = 0
    trl_micro: int = 0
    token_budget: int = 0

    def command(self, rounds: int | None, threads: int) -> list[str]:
        """The command line of the row."""
        command = [sys.executable, str(HERE / "train.py"), "--json", "--threads", str(threads)]
        for name in ("shape", "size", "objective", "mode", "dtype", "turns"):
            command += [f"--{name}", str(getattr(self, name))]
        for name in ("trl_batch", "trl_micro", "token_budget"):
            if getattr(self, name):
                command += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        return [*command, "--rounds", str(min(self.rounds, rounds or self.rounds))]

    def measured_by(self, line: dict[str, Any]) -> bool:
        """Whether a line of results is this row's."""
        names = ("shape", "size", "objective", "mode", "dtype")
        if line.get("turns") not in (None, self.turns):
            return False
        if bool(self.trl_micro) != render.small(line):
            return False
        return all(line.get(name) == getattr(self, name) for name in names)


ROWS = (
    Row(),
    Row(size="M", rounds=2),
    Row(dtype="bfloat16"),
    Row(size="M", dtype="bfloat16", rounds=2),
    Row("long_prompt"),
    Row("long_prompt", "M", rounds=2),
    Row("short_prompt"),
    Row(objective="kto", rounds=2),
    Row(objective="sft"),
    Row(trl_micro=1, token_budget=3072, rounds=2),
    Row("long_prompt", trl_micro=1, token_budget=2048, rounds=2),
    Row(objective="ipo", rounds=2),
    Row(mode="lora", rounds=2),
    Row("k4"),
    Row(turns=2, rounds=2),
    Row(turns=5, rounds=2),
    Row(turns=20, rounds=1, trl_batch=4),
    Row("short_prompt", trl_micro=1, token_budget=2048, rounds=2),
    Row(size="M", trl_micro=1, token_budget=3072, rounds=1),
    Row("long_prompt", dtype="bfloat16"),
    Row("short_prompt", dtype="bfloat16"),
    Row("short_prompt", "M", rounds=2),
    Row("k4", dtype="bfloat16"),
    Row(objective="sft", dtype="bfloat16"),
    Row(objective="kto", dtype="bfloat16", rounds=2),
    Row(mode="lora", dtype="bfloat16", rounds=2),
    Row("long_prompt", "M", dtype="bfloat16", rounds=2),
    Row(mode="lora", size="M", rounds=1),
    Row(objective="ipo", size="M", rounds=1),
)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--rounds", type=int, help="at most so many rounds per row")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--first", type=int, default=len(ROWS), help="only the first N rows")
    parser.add_argument("--until", help="start no row after HH:MM (UTC)")
    parser.add_argument("--stop-file", type=Path, help="start no row once this file exists")
    parser.add_argument("--note", default="", help="goes into every line, e.g. 'machine not quiet'")
    parser.add_argument("--again", action="store_true", help="also rows that the file holds")
    return parser.parse_args()


def must_stop(args: argparse.Namespace) -> bool:
    """Whether time is up."""
    late = bool(args.until) and time.strftime("%H:%M", time.gmtime()) >= args.until
    return late or (args.stop_file is not None and args.stop_file.exists())


def run_row(row: Row, args: argparse.Namespace) -> bool:
    """Run one row and append its line; False where it failed (the reason goes to stderr)."""
    done = subprocess.run(
        row.command(args.rounds, args.threads), capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"{row}: failed\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return False
    with args.out.open("a") as out:
        for text in done.stdout.strip().splitlines():
            out.write(json.dumps(json.loads(text) | {"note": args.note}) + "\n")
    return True


def bound_lines(args: argparse.Namespace) -> None:
    """Measure the matrix-product bound once."""
    command = [sys.executable, str(HERE / "bound.py"), "--threads", str(args.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with args.out.open("a") as out:
        out.write(done.stdout)


def main() -> None:
    """Run what is missing, then write the report."""
    args = parse()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    here = common.vectors()
    held = [line for line in render.read(args.out) if render.kind(line) == here]
    if not must_stop(args) and not any("gflops" in line for line in held):
        bound_lines(args)
    failed = 0
    for row in ROWS[: args.first]:
        if row.dtype == "bfloat16" and not common.native_bfloat16():
            print(f"{row}: left out, this processor has no bfloat16", file=sys.stderr, flush=True)
            continue
        if not args.again and any(row.measured_by(line) for line in held):
            continue
        if must_stop(args):
            break
        begin = time.perf_counter()
        failed += not run_row(row, args)
        print(f"{row}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    render.write(args.out, HERE / "RESULTS.md", ROWS)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
