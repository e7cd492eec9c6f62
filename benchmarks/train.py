"""Handrail beside TRL 1.16: the same model and data, each in its own process, in turn.

    python benchmarks/train.py --shape conversation --size S --objective dpo --mode full \
        --dtype float32 --json

prints one JSON line per number of turns: pairs per second and peak memory of each side, `ratio`
(Handrail's pairs per second over TRL's; for SFT trained tokens per second), `memory_ratio`,
versions, threads, machine and the commit of the code. A step on both sides is forward, backward,
clipping and AdamW in the toolkit's own training loop; loading, tokenising and reference
log-probabilities are not in it (the last are reported on their own). Both sides must have trained
the same tokens, must agree about the untrained model, and must agree about what one update on the
same turns makes of it, or the comparison ends with an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from statistics import median

from agree import agreement, update_jobs
from common import provenance, require
from work import (
    SIDES,
    Result,
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


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--turns", default="10", help="of a conversation; several: 2,5,10,20")
    parser.add_argument("--rounds", type=int, default=3, help="each side once per round")
    parser.add_argument("--epochs", type=int, default=1, help="timed passes of TRL's over the data")
    parser.add_argument("--handrail-epochs", type=int, default=3, help="timed passes of Handrail's")
    parser.add_argument("--only", choices=SIDES, help="measure one side alone (no ratio)")
    parser.add_argument("--json", action="store_true", help="JSON line only, no progress")
    return parser.parse_args(argv)


def measure(args: argparse.Namespace, turns: int) -> Result:
    """All rounds of one row; the sides take turns, and so does who begins."""
    units = units_of(args, turns)
    sides = (args.only,) if args.only else SIDES
    results: dict[str, list[Result]] = {side: [] for side in sides}
    updates: dict[str, Result] = {}
    with prepared(args, units, turns) as (folder, env):
        if not args.only:
            for side, job in update_jobs(args, folder, units, turns).items():
                updates[side] = run_side(side, job, env)
        for number in range(args.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                job = job_of(
                    args,
                    folder,
                    side,
                    epochs=args.epochs if side == "trl" else args.handrail_epochs,
                    seed=args.seed + number,
                    check=number == 0,
                )
                results[side].append(run_side(side, job, env))
                if not args.json:
                    last = results[side][-1]
                    print(f"round {number + 1} {side}: {last['seconds']:.2f} s", file=sys.stderr)
    return summary(args, turns, units, results, updates)


def side_summary(results: list[Result], pairs: int, device: str) -> Result:
    """Medians over the rounds of one side; `pairs` are those of one pass over the data."""
    first = results[0]
    epoch_tokens = first["epoch_tokens"]
    tokens = [r["trained_tokens"] / r["seconds"] for r in results]
    cpu = [r["trained_tokens"] / r["cpu_seconds"] for r in results]
    per_pair = epoch_tokens / pairs
    reference = [r["reference_seconds"] for r in results]
    found = {
        "pairs_per_s": median(tokens) / per_pair,
        "pairs_per_s_rounds": [x / per_pair for x in tokens],
        "pairs_per_cpu_s": median(cpu) / per_pair,
        "trained_tokens_per_s": median(tokens),
        "peak_rss_mb" if device == "cpu" else "peak_cuda_mb": median(r["peak_mb"] for r in results),
        "memory_mb": {k: median(r["memory"][k] for r in results) for k in first["memory"]},
        "step_s": median(r["seconds"] / r["steps"] for r in results),
        "steps": first["steps"],
        "epoch_tokens": epoch_tokens,
        "computed_tokens": first["computed_tokens"],
        "reference_s_per_pass": median(reference) if any(reference) else None,
        "foreign_cores": max(r["foreign_cores"] for r in results),
        "process_s": median(r["process_seconds"] for r in results),
    }
    return found | {k: first[k] for k in ("row_tokens", "micro_batch_tokens") if k in first}


def summary(
    args: argparse.Namespace,
    turns: int,
    units: int,
    results: dict[str, list[Result]],
    updates: dict[str, Result],
) -> Result:
    """The JSON line."""
    pairs = pairs_of(args, units, turns)
    line = described(args, turns) | {"units": units, "pairs": pairs, "rounds": args.rounds}
    for side, rounds in results.items():
        line[side] = side_summary(rounds, pairs, args.device)
    if not args.only:
        ours, theirs = line["handrail"], line["trl"]
        both = zip(ours["pairs_per_s_rounds"], theirs["pairs_per_s_rounds"], strict=True)
        peak = "peak_rss_mb" if args.device == "cpu" else "peak_cuda_mb"
        line["ratio"] = ours["pairs_per_s"] / theirs["pairs_per_s"]
        line["ratio_rounds"] = [a / b for a, b in both]
        line["ratio_of"] = "trained_tokens_per_s" if args.objective == "sft" else "pairs_per_s"
        line["cpu_ratio"] = ours["pairs_per_cpu_s"] / theirs["pairs_per_cpu_s"]
        line["memory_ratio"] = ours[peak] / theirs[peak]
        line["agreement"] = agreement(args, results, updates)
    return line | provenance(args.device)


def main() -> None:
    """Measure and print."""
    args = parse()
    check(args)
    require(args.device)
    for turns in [int(x) for x in args.turns.split(",")]:
        print(json.dumps(rounded(measure(args, turns))), flush=True)
        if args.shape != "conversation":
            break


if __name__ == "__main__":
    main()
