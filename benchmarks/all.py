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
from pathlib import Path

import common
import render
from rows import ROWS, Row

HERE = Path(__file__).resolve().parent


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
