"""Scoring with a reward model, beside a padded transformers classifier in length-sorted batches.

    python benchmarks/score.py --size S --json
    python benchmarks/score.py --size M --pairs 800 --rounds 1 --json

scores prompt-reply pairs, 8 replies to each prompt of 600 tokens, and prints a JSON line: pairs per
second and peak memory of each side, `score_ratio` (Handrail's pairs per second over the
classifier's), `memory_ratio`. What is timed goes from texts to scores, tokenising included; loading
is not in it, and each side scores 16 pairs first. Both sides must give the same scores, or it ends
with an error.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import DEVICES, Foreign, environment, fail, provenance, require
from shapes import SIZES
from work import rounded

HERE = Path(__file__).resolve().parent
SIDES = ("handrail", "padded")
PROMPT, REPLIES = 600, 8
AGREE = {"float32": 1e-4, "bfloat16": 3e-2}  # largest difference of a score


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", choices=sorted(SIZES), default="S", help="T is for tests")
    parser.add_argument("--pairs", type=int, default=10_000, help="a multiple of 8")
    parser.add_argument("--batch", type=int, default=16, help="rows of the classifier's batches")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="each side once per round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="JSON line only, no progress")
    return parser.parse_args()


def run_side(side: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """One side in a process of its own."""
    foreign = Foreign()
    command = [sys.executable, str(HERE / "score_side.py"), side, str(folder)]
    command += [args.dtype, args.device, str(args.threads), str(args.batch)]
    env = environment(args.threads, folder, args.device)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{side}'s process ended with code {done.returncode}:\n{done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result | {"foreign_cores": foreign.cores()}


def side_summary(results: list[dict[str, Any]], pairs: int) -> dict[str, Any]:
    """Medians over the rounds of one side."""
    speeds = [pairs / r["seconds"] for r in results]
    return {
        "pairs_per_s": median(speeds),
        "pairs_per_s_rounds": speeds,
        "pairs_per_cpu_s": median(pairs / r["cpu_seconds"] for r in results),
        "peak_mb": median(r["peak_mb"] for r in results),
        "foreign_cores": max(r["foreign_cores"] for r in results),
    }


def apart(results: dict[str, list[dict[str, Any]]], dtype: str) -> float:
    """The largest difference of a score between the sides, or the error."""
    ours, theirs = (results[side][0]["scores"] for side in SIDES)
    if len(ours) != len(theirs) or not ours:
        fail(f"the sides scored {len(ours)} and {len(theirs)} pairs")
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    if not worst <= AGREE[dtype]:
        fail(f"the sides disagree about a score by {worst}")
    if max(ours) - min(ours) < 10 * AGREE["float32"]:
        fail("all scores are about the same, so that nothing was compared")
    return worst


def main() -> None:
    """Measure and print."""
    args = parse()
    require(args.device)
    if args.pairs < REPLIES or args.pairs % REPLIES:
        fail(f"--pairs must be a multiple of {REPLIES}")
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    folder = Path(tempfile.mkdtemp(prefix="handrail-score-"))
    try:
        prompts = str(args.pairs // REPLIES)
        make = [sys.executable, str(HERE / "score_side.py"), "prepare", str(folder), args.size]
        env = environment(args.threads, folder, args.device)
        made = subprocess.run(
            [*make, prompts, str(args.seed)], env=env, capture_output=True, text=True, check=False
        )
        if made.returncode:
            fail(f"the data could not be made:\n{made.stderr[-4000:]}")
        for number in range(args.rounds):
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                results[side].append(run_side(side, folder, args))
                if not args.json:
                    seconds = results[side][-1]["seconds"]
                    print(f"round {number + 1} {side}: {seconds:.2f} s", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    named = ("size", "pairs", "batch", "dtype", "device", "threads", "rounds")
    line: dict[str, Any] = {"benchmark": "score", "prompt": PROMPT, "replies": REPLIES}
    line |= {name: getattr(args, name) for name in named}
    line |= {side: side_summary(results[side], args.pairs) for side in SIDES}
    ours, theirs = (line[side] for side in SIDES)
    both = zip(ours["pairs_per_s_rounds"], theirs["pairs_per_s_rounds"], strict=True)
    line["score_ratio"] = ours["pairs_per_s"] / theirs["pairs_per_s"]
    line["ratio_rounds"] = [a / b for a, b in both]
    line["memory_ratio"] = ours["peak_mb"] / theirs["peak_mb"]
    line["score_diff"] = apart(results, args.dtype)
    print(json.dumps(rounded(line | provenance(args.device))), flush=True)


if __name__ == "__main__":
    main()
