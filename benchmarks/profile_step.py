"""Where the time of one side's training loop goes, by kind of operator.

    python benchmarks/profile_step.py --shape short_prompt --size S --side handrail

makes the model and the data of that row, trains a warm-up (Handrail: a pass, TRL: a step) and then
one pass under torch's profiler, and prints one JSON line: each kind's share of the time inside
operators (`shares`; `others` are the largest operators of no kind), seconds and computed tokens per
pair, and the peak of memory by kind, taken before the profiler took some itself. The profiler slows
both sides: compare shares here, and speeds by train.py.
"""

from __future__ import annotations

import argparse
import json

from common import provenance, require
from work import (
    SIDES,
    add_options,
    check,
    described,
    job_of,
    pairs_of,
    prepared,
    rounded,
    run_side,
    units_of,
)

STEPS = 2  # of TRL's, in the pass that is profiled


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--turns", type=int, default=10, help="of a conversation")
    parser.add_argument("--side", choices=SIDES, default="handrail")
    parser.add_argument(
        "--steps", type=int, default=STEPS, help="of TRL's in the pass, unless --units are given"
    )
    parser.add_argument("--json", action="store_true", help="(always)")
    return parser.parse_args(argv)


def main() -> None:
    """Profile and print."""
    args = parse()
    check(args)
    require(args.device)
    units = units_of(args, args.turns, args.steps)
    pairs = pairs_of(args, units, args.turns)
    with prepared(args, units, args.turns) as (folder, env):
        result = run_side(args.side, job_of(args, folder, args.side, profile=True), env)
    line = described(args, args.turns) | {
        "units": units,
        "pairs": pairs,
        "side": args.side,
        "seconds_per_pair": result["profile"]["seconds"] / pairs,
        "tokens_per_pair": result["computed_tokens"] / pairs,
        "memory_mb": result["memory"],
        "foreign_cores": result["foreign_cores"],
        "profile": result["profile"],
    }
    print(json.dumps(rounded(line) | provenance(args.device)), flush=True)


if __name__ == "__main__":
    main()
