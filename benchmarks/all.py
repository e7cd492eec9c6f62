"""Run the whole table, most important rows first, and keep each line as soon as it is there.

    python benchmarks/all.py --out benchmarks/results.jsonl [--rounds 3] [--until 19:30]
                             [--stop-file FILE] [--first N] [--again] [--device cuda]

What the file already holds from such a machine, in as many rounds, is not run again (unless
--again); rows in bfloat16 are left out where the device has none. First comes the ceiling, then the
rows, then the profiles; at the end benchmarks/RESULTS.md is written anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import common
import lines
import render
from rows import GPU_PROFILES, GPU_ROWS, PROFILES, ROWS, SCORINGS, Profile, Row

HERE = Path(__file__).resolve().parent


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--rounds", type=int, help="at most so many rounds per row")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=common.DEVICES, default="cpu")
    parser.add_argument("--first", type=int, help="only the first N rows, and no profile")
    parser.add_argument("--until", help="start no row after HH:MM (UTC)")
    parser.add_argument("--stop-file", type=Path, help="start no row once this file exists")
    parser.add_argument("--again", action="store_true", help="also what the file holds")
    return parser.parse_args()


def must_stop(args: argparse.Namespace) -> bool:
    """Whether time is up."""
    late = bool(args.until) and time.strftime("%H:%M", time.gmtime()) >= args.until
    return late or (args.stop_file is not None and args.stop_file.exists())


def run(command: list[str], name: str, args: argparse.Namespace) -> bool:
    """Run one command and keep its lines; False where it failed (the reason goes to stderr)."""
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}: failed\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return False
    with args.out.open("a") as out:
        for text in done.stdout.strip().splitlines():
            out.write(json.dumps(json.loads(text)) + "\n")
    print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    return True


def holds(held: lines.Results, row: Row, rounds: int | None) -> bool:
    """Whether a row was measured in as many rounds as it would be now."""
    wanted = min(row.rounds, rounds or row.rounds)
    return any(x.row == row and x.line["rounds"] >= wanted for x in held.measured)


def plan(
    args: argparse.Namespace, held: lines.Results, native: bool
) -> list[tuple[list[str], str]]:
    """The commands that are left to run, with their names."""
    cuda = args.device == "cuda"
    rows = (GPU_ROWS if cuda else ROWS)[: args.first]
    profiles: tuple[Profile, ...] = () if args.first else GPU_PROFILES if cuda else PROFILES
    out = []
    if args.again or not any("best_product" in line for line in held.bounds):
        bound = [sys.executable, str(HERE / "bound.py"), "--threads", str(args.threads)]
        out.append(([*bound, "--device", args.device], "the ceiling"))
    for row in rows:
        if row.dtype == "bfloat16" and not native:
            where = "GPU" if cuda else "processor"
            print(f"{row.name}: left out, this {where} has no bfloat16", file=sys.stderr)
        elif args.again or not holds(held, row, args.rounds):
            out.append((row.command(args.rounds, args.threads), row.name))
    for call in () if args.first or cuda else SCORINGS:
        if args.again or not any(call.measured_by(line) for line in held.scored):
            out.append((call.command(args.rounds, args.threads), call.name))
    for one in profiles:
        if args.again or not any(one.measured_by(line) for line in held.profiles):
            out.append((one.command(args.threads), f"profile of {one.row.name}, {one.side}"))
    return out


def main() -> None:
    """Run what is missing, then write the report."""
    args = parse()
    common.require(args.device)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    machine = common.machine(args.device)
    here = str(machine.get("gpu") or machine["vectors"])
    failed = 0
    native = common.native_bfloat16(args.device)
    for command, name in plan(args, lines.read(args.out).on(here), native):
        if must_stop(args):
            break
        failed += not run(command, name, args)
    render.write(args.out, HERE / "RESULTS.md")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
