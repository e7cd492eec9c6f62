"""What is measured: the data of a row, how it is cut into steps, and one side in its process."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import DEVICES, OBJECTIVES, Foreign, Job, environment, fail
from shapes import SHAPES, SIZES

HERE = Path(__file__).resolve().parent
STEPS = 5  # a pass over the data is at least that many steps of `batch` pairs
K = 4
SIDES = ("handrail", "trl")

Result = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which row is meant and on what machine."""
    parser.add_argument("--shape", choices=SHAPES, default="conversation")
    parser.add_argument("--size", choices=sorted(SIZES), default="S", help="T is for tests")
    parser.add_argument("--objective", choices=OBJECTIVES, default="dpo")
    parser.add_argument("--mode", choices=("full", "lora"), default="full")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--units",
        type=int,
        help=f"conversations (or prompts); default: as few as make {STEPS} steps of --trl-batch\n"
        "pairs and a whole number of TRL's steps (KTO: two rows a pair, so twice the steps;\n"
        f"SFT on whole conversations: {STEPS} conversations and steps)",
    )
    parser.add_argument(
        "--trl-batch",
        type=int,
        help="rows per step of TRL's: pairs (KTO: replies; SFT: conversations, or turns);\n"
        "default: 8 on S, 4 on M, and 1 whole conversation",
    )
    parser.add_argument(
        "--trl-examples",
        choices=("conversation", "turn"),
        default="conversation",
        help="SFT: what one example of TRL's is; a turn comes with its whole prompt",
    )
    parser.add_argument(
        "--trl-micro",
        type=int,
        help="rows that TRL takes at a time, the rest of a step by gradient accumulation;\n"
        "default: the whole step; KTO takes at least 2",
    )
    parser.add_argument(
        "--row-tokens", type=int, help="of Handrail's micro-batches; 1: one tree each"
    )
    parser.add_argument(
        "--checkpointing",
        action="store_true",
        help="Handrail computes activations again in the backward pass (less memory, more time)",
    )
    parser.add_argument("--seed", type=int, default=0)


def check(args: argparse.Namespace) -> None:
    """End with a message where options do not go together."""
    if args.shape == "k4" and args.objective == "kto":
        fail("k4 has ranks and no labels, so KTO has nothing to learn; use dpo, ipo or sft")
    if args.objective == "kto" and args.trl_micro == 1:
        fail("TRL's KTO needs at least 2 replies at a time; use --trl-micro 2")


def whole_conversations(args: argparse.Namespace) -> bool:
    """Whether a row of TRL's is a whole conversation."""
    return args.objective == "sft" and args.trl_examples == "conversation"


def trl_batch(args: argparse.Namespace) -> int:
    """Rows per step of TRL's: what the targets were set against, or what was asked for."""
    if args.trl_batch:
        return int(args.trl_batch)
    return 1 if whole_conversations(args) else SIZES[args.size].batch


def pairs_of(args: argparse.Namespace, units: int, turns: int) -> int:
    """How many pairs (SFT: agent turns) so many units make."""
    if args.shape == "k4":
        return units * (1 if args.objective == "sft" else K * (K - 1) // 2)
    return units * (turns if args.shape == "conversation" else 1)


def rows_of(args: argparse.Namespace, units: int, turns: int) -> int:
    """How many rows TRL sees for so many units."""
    if whole_conversations(args):
        return units
    return pairs_of(args, units, turns) * (2 if args.objective == "kto" else 1)


def units_of(args: argparse.Namespace, turns: int, steps: int = STEPS) -> int:
    """How many conversations or prompts: what was asked for, or enough for so many steps."""
    if args.units:
        return int(args.units)
    batch, units = trl_batch(args), 1

    def enough() -> bool:
        rows = rows_of(args, units, turns)
        pairs = rows // 2 if args.objective == "kto" else rows
        return pairs >= steps * batch and rows % batch == 0

    while not enough():
        units += 1
    return units


def job_of(args: argparse.Namespace, folder: Path, side: str, **changes: Any) -> Job:
    """The job of one side in its first round."""
    trl = side == "trl"
    base: dict[str, Any] = {
        "folder": str(folder),
        "objective": args.objective,
        "mode": args.mode,
        "dtype": args.dtype,
        "device": args.device,
        "threads": args.threads,
        "pairs_per_step": trl_batch(args) if trl else SIZES[args.size].batch,
        "epochs": 1,
        "seed": args.seed,
        "check": False,
        "row_tokens": args.row_tokens,
        "checkpointing": args.checkpointing,
        "micro": args.trl_micro,
        # Both sides warm up on every example where TRL's pass over them is short.
        "warm_steps": 0 if whole_conversations(args) else 1,
    }
    return Job(**base | changes)


@contextmanager
def prepared(
    args: argparse.Namespace, units: int, turns: int
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the model and the data of a row, and the environment of both sides."""
    folder = Path(tempfile.mkdtemp(prefix="handrail-bench-"))
    env = environment(args.threads, folder, args.device)
    command = [sys.executable, str(HERE / "prepare.py"), str(folder), args.shape, args.size]
    command += [args.objective, str(units), str(turns), str(args.seed), args.trl_examples]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            fail(f"the data could not be made:\n{done.stderr[-4000:]}")
        yield folder, env
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_side(side: str, job: Job, env: dict[str, str]) -> Result:
    """One side in a process of its own, with what the rest of the machine did meanwhile."""
    foreign, begin = Foreign(), time.perf_counter()
    command = [sys.executable, str(HERE / f"side_{side}.py"), job.to_json()]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{side}'s process ended with code {done.returncode}:\n{done.stderr[-4000:]}")
    result: Result = json.loads(done.stdout.strip().splitlines()[-1])
    return result | {
        "process_seconds": time.perf_counter() - begin,
        "foreign_cores": foreign.cores(),
    }


def described(args: argparse.Namespace, turns: int) -> Result:
    """The fields of a line that say which row it is."""
    return {
        "shape": args.shape,
        "size": args.size,
        "objective": args.objective,
        "mode": args.mode,
        "dtype": args.dtype,
        "device": args.device,
        "turns": turns if args.shape == "conversation" else None,
        "threads": args.threads,
        "trl_batch": trl_batch(args),
        "trl_examples": args.trl_examples if args.objective == "sft" else None,
        "trl_micro": args.trl_micro or trl_batch(args),
        "row_tokens": args.row_tokens,
        "checkpointing": args.checkpointing,
    }


def rounded(value: Any) -> Any:
    """The value with every float cut to five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value
