"""Handrail beside TRL 1.16: the same model and data, each in its own process, in turn.

    python benchmarks/train.py --shape conversation --size S --objective dpo --mode full \
        --dtype float32 --json

prints one JSON line per number of turns: pairs per second and peak memory of each side, `ratio`
(Handrail's pairs per second over TRL's; for SFT trained tokens per second), `memory_ratio`,
versions, threads and machine. A step on both sides is forward, backward, clipping and AdamW in
the toolkit's own training loop; loading, tokenising and reference log-probabilities are not in
it (the last are reported on their own). Both sides must have trained the same tokens and must
agree about the untrained model, or the comparison ends with an error.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from common import (
    OBJECTIVES,
    Job,
    busy_seconds,
    child_seconds,
    environment,
    fail,
    machine,
    versions,
)
from shapes import SHAPES, SIZES

HERE = Path(__file__).resolve().parent
PAIRS_PER_STEP_FACTOR = 5  # an epoch is that many steps of TRL's
K = 4
SIDES = ("handrail", "trl")
# Largest difference of a reply's log-probability, per token, that is still the same model.
AGREE = {"float32": 1e-4, "bfloat16": 3e-2}
LOSS_AGREES = 1e-3

Result = dict[str, Any]


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, default="conversation")
    parser.add_argument("--size", choices=sorted(SIZES), default="S", help="T is for tests")
    parser.add_argument("--objective", choices=OBJECTIVES, default="dpo")
    parser.add_argument("--mode", choices=("full", "lora"), default="full")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=3, help="each side once per round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", default="10", help="of a conversation; several: 2,5,10,20")
    parser.add_argument(
        "--units", type=int, help="conversations (or prompts); default: 5 TRL steps"
    )
    parser.add_argument("--trl-batch", type=int, help="pairs (KTO: replies) per step of TRL's")
    parser.add_argument("--epochs", type=int, default=1, help="timed passes of TRL's over the data")
    parser.add_argument("--handrail-epochs", type=int, default=3, help="timed passes of Handrail's")
    parser.add_argument(
        "--trl-examples",
        choices=("conversation", "turn"),
        default="conversation",
        help="SFT: what one example of TRL's is; a turn comes with its whole prompt",
    )
    parser.add_argument("--trl-micro", type=int, help="rows at a time; default: the whole step")
    parser.add_argument(
        "--row-tokens", type=int, help="of Handrail's micro-batches; 1: one tree each"
    )
    parser.add_argument("--only", choices=SIDES, help="measure one side alone (no ratio)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="JSON line only, no progress")
    return parser.parse_args(argv)


def units_of(args: argparse.Namespace, turns: int) -> tuple[int, int]:
    """How many conversations or prompts, and how many pairs these make."""
    per_unit = {"conversation": turns, "k4": K * (K - 1) // 2}.get(args.shape, 1)
    batch = trl_batch(args)
    units = args.units or max(1, -(-PAIRS_PER_STEP_FACTOR * batch // per_unit))
    if args.objective == "sft" and not args.units:
        units = max(units, batch if whole_conversations(args) else 1)
    while not args.units and rows_of(args, units, turns) % batch:
        units += 1
    return units, units * per_unit


def whole_conversations(args: argparse.Namespace) -> bool:
    """Whether a row of TRL's is a whole conversation."""
    return args.objective == "sft" and args.trl_examples == "conversation"


def rows_of(args: argparse.Namespace, units: int, turns: int) -> int:
    """How many rows TRL sees for so many units."""
    if whole_conversations(args):
        return units
    if args.objective == "kto":
        return units * 2 * (turns if args.shape == "conversation" else 1)
    return units * {"conversation": turns, "k4": K * (K - 1) // 2}.get(args.shape, 1)


def trl_batch(args: argparse.Namespace) -> int:
    """Rows per step of TRL's: what is best for it, or what was asked for."""
    if args.trl_batch:
        return int(args.trl_batch)
    return 1 if whole_conversations(args) else SIZES[args.size].batch


def run_side(side: str, job: Job, env: dict[str, str]) -> Result:
    """One side in a process of its own, with what the rest of the machine did meanwhile."""
    begin, busy, own = time.perf_counter(), busy_seconds(), child_seconds()
    command = [sys.executable, str(HERE / f"side_{side}.py"), job.to_json()]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{side}'s process ended with code {done.returncode}:\n{done.stderr[-4000:]}")
    wall = time.perf_counter() - begin
    foreign = (busy_seconds() - busy) - (child_seconds() - own)
    result: Result = json.loads(done.stdout.strip().splitlines()[-1])
    result["process_seconds"] = wall
    result["foreign_cores"] = max(0.0, foreign / wall)
    return result


def measure(args: argparse.Namespace, turns: int) -> Result:
    """All rounds of one row; the sides take turns, and so does who begins."""
    units, pairs = units_of(args, turns)
    folder = Path(tempfile.mkdtemp(prefix="handrail-bench-"))
    env = environment(args.threads, folder)
    sides = (args.only,) if args.only else SIDES
    results: dict[str, list[Result]] = {side: [] for side in sides}
    try:
        prepare = [sys.executable, str(HERE / "prepare.py"), str(folder), args.shape, args.size]
        prepare += [args.objective, str(units), str(turns), str(args.seed), args.trl_examples]
        done = subprocess.run(prepare, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            fail(f"the data could not be made:\n{done.stderr[-4000:]}")
        for number in range(args.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                trl = side == "trl"
                job = Job(
                    folder=str(folder),
                    objective=args.objective,
                    mode=args.mode,
                    dtype=args.dtype,
                    threads=args.threads,
                    pairs_per_step=trl_batch(args) if trl else SIZES[args.size].batch,
                    epochs=args.epochs if trl else args.handrail_epochs,
                    seed=args.seed + number,
                    check=number == 0,
                    row_tokens=args.row_tokens,
                    micro=args.trl_micro,
                )
                results[side].append(run_side(side, job, env))
                if not args.json:
                    last = results[side][-1]
                    print(f"round {number + 1} {side}: {last['seconds']:.2f} s", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return summary(args, turns, units, pairs, results)


def side_summary(results: list[Result], pairs: int) -> Result:
    """Medians over the rounds of one side; `pairs` are those of one pass over the data."""
    epoch_tokens = results[0]["epoch_tokens"]
    tokens = [r["trained_tokens"] / r["seconds"] for r in results]
    cpu = [r["trained_tokens"] / r["cpu_seconds"] for r in results]
    per_pair = epoch_tokens / pairs
    reference = [r["reference_seconds"] for r in results]
    return {
        "pairs_per_s": median(tokens) / per_pair,
        "pairs_per_s_rounds": [x / per_pair for x in tokens],
        "pairs_per_cpu_s": median(cpu) / per_pair,
        "trained_tokens_per_s": median(tokens),
        "peak_rss_mb": median(r["peak_rss_mb"] for r in results),
        "step_s": median(r["seconds"] / r["steps"] for r in results),
        "steps": results[0]["steps"],
        "epoch_tokens": epoch_tokens,
        "reference_s_per_pass": median(reference) if any(reference) else None,
        "first_loss": results[0]["first_loss"],
        "foreign_cores": max(r["foreign_cores"] for r in results),
        "process_s": median(r["process_seconds"] for r in results),
    }


def agreement(results: dict[str, list[Result]], shape: str, objective: str, dtype: str) -> Result:
    """Whether both sides trained the same tokens and see the same model, or the error."""
    ours, theirs = results["handrail"][0], results["trl"][0]
    # Each of K ranked replies is in K - 1 pairs: TRL reads it as often, a tree once.
    times = K - 1 if shape == "k4" and objective in ("dpo", "ipo") else 1
    if ours["epoch_tokens"] * times != theirs["epoch_tokens"]:
        fail(f"trained tokens differ: {ours['epoch_tokens']} and {theirs['epoch_tokens']}")
    lengths, worst = ours["lengths"], 0.0
    for key, value in theirs["logps"].items():
        names = key.split("+")
        mine = sum(ours["logps"][name] for name in names)
        worst = max(worst, abs(mine - value) / sum(lengths[name] for name in names))
    covered = {name for key in theirs["logps"] for name in key.split("+")}
    found: Result = {
        "epoch_tokens": ours["epoch_tokens"],
        "replies_compared": len(covered),
        "logp_per_token_diff": worst,
        "first_loss": [ours["first_loss"], theirs["first_loss"]],
    }
    if not covered or worst > AGREE[dtype]:
        fail(f"the sides disagree about the untrained model: {found}")
    if objective != "sft" and abs(ours["first_loss"] - theirs["first_loss"]) > LOSS_AGREES:
        fail(f"the first losses differ: {found}")
    return found


def summary(
    args: argparse.Namespace, turns: int, units: int, pairs: int, results: dict[str, list[Result]]
) -> Result:
    """The JSON line."""
    line: Result = {
        "shape": args.shape,
        "size": args.size,
        "objective": args.objective,
        "mode": args.mode,
        "dtype": args.dtype,
        "turns": turns if args.shape == "conversation" else None,
        "units": units,
        "pairs": pairs,
        "rounds": args.rounds,
        "threads": args.threads,
        "trl_batch": trl_batch(args),
        "trl_examples": args.trl_examples if args.objective == "sft" else None,
        "trl_micro": args.trl_micro or trl_batch(args),
        "row_tokens": args.row_tokens,
    }
    for side, rounds in results.items():
        line[side] = side_summary(rounds, pairs)
    if not args.only:
        ours, theirs = line["handrail"], line["trl"]
        both = zip(ours["pairs_per_s_rounds"], theirs["pairs_per_s_rounds"], strict=True)
        line["ratio"] = ours["pairs_per_s"] / theirs["pairs_per_s"]
        line["ratio_rounds"] = [a / b for a, b in both]
        line["ratio_of"] = "trained_tokens_per_s" if args.objective == "sft" else "pairs_per_s"
        line["cpu_ratio"] = ours["pairs_per_cpu_s"] / theirs["pairs_per_cpu_s"]
        line["memory_ratio"] = ours["peak_rss_mb"] / theirs["peak_rss_mb"]
        line["agreement"] = agreement(results, args.shape, args.objective, args.dtype)
    return line | {
        "versions": versions(),
        "machine": machine(),
        "when": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
    }


def main() -> None:
    """Measure and print."""
    args = parse()
    if args.shape == "k4" and args.objective == "kto":
        fail("k4 has ranks and no labels, so KTO has nothing to learn; use dpo, ipo or sft")
    for turns in [int(x) for x in args.turns.split(",")]:
        print(json.dumps(rounded(measure(args, turns))), flush=True)
        if args.shape != "conversation":
            break


def rounded(value: Any) -> Any:
    """The value with every float cut to five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
