"""Whether both sides did the same: the same tokens, the same model, the same update.

The first loss says nothing here: before the first update policy and reference are equal, so that
every preference loss is a constant. What one update does to the model does say something: it goes
through the objective's gradient, its scale, clipping and AdamW.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import REWARDS, Job, fail
from work import K, Result, job_of, whole_conversations

# Largest difference of a reply's log-probability, per token, that is still the same model; of a
# reward model's score likewise.
AGREE = {"float32": 1e-4, "bfloat16": 3e-2}
# Largest difference between what the update moved on either side, as a share of the largest move.
# In float32 S moves by 2e-3 nats per token at this rate (LoRA 1e-4) and the sides differ by 1e-4
# of that (LoRA 7e-4); AdamW divides by each gradient, so bfloat16's noise in small ones turns to
# full steps. Half or twice the rate, or the other direction, is 0.5 and more.
MOVED_ALIKE = {"float32": 0.02, "bfloat16": 0.3}
UPDATE_TURNS = 3  # turns (or prompts) that the one update is made on


def update_turns(args: argparse.Namespace, units: int, turns: int) -> tuple[str, ...]:
    """The turns of the one update: few, as TRL takes a second or more for each."""
    if args.shape == "conversation":
        count = turns if whole_conversations(args) else min(UPDATE_TURNS, turns)
        return tuple(f"c0-t{n}" for n in range(count))
    return tuple(f"p{n}" for n in range(min(units, 1 if args.shape == "k4" else UPDATE_TURNS)))


def update_jobs(args: argparse.Namespace, folder: Path, units: int, turns: int) -> dict[str, Job]:
    """One update of each side."""
    least = 2 if args.objective == "kto" else 1
    named = update_turns(args, units, turns)
    return {
        "handrail": job_of(args, folder, "handrail", update=named),
        "trl": job_of(args, folder, "trl", update=named, micro=least),
    }


def agreement(
    args: argparse.Namespace, results: dict[str, list[Result]], updates: dict[str, Result]
) -> Result:
    """What was compared and how far the sides differ, or the error."""
    ours, theirs = results["handrail"][0], results["trl"][0]
    # Each of K ranked replies is in K - 1 pairs: TRL reads it as often, a tree once.
    paired = args.objective in ("dpo", "ipo", *REWARDS)
    times = K - 1 if args.shape == "k4" and paired else 1
    if ours["epoch_tokens"] * times != theirs["epoch_tokens"]:
        fail(f"trained tokens differ: {ours['epoch_tokens']} and {theirs['epoch_tokens']}")
    pairs = per_token(ours["logps"], theirs["logps"], ours["lengths"])
    covered = {name for key in theirs["logps"] for name in key.split("+")}
    found: Result = {
        "epoch_tokens": ours["epoch_tokens"],
        "replies_compared": len(covered),
        "logp_per_token_diff": max((abs(a - b) for a, b in pairs), default=0.0),
    }
    if not covered or found["logp_per_token_diff"] > AGREE[args.dtype]:
        fail(f"the sides disagree about the untrained model: {found}")
    return found | update_agreement(updates["handrail"], updates["trl"], args.dtype)


def per_token(
    ours: dict[str, float], theirs: dict[str, float], lengths: dict[str, int]
) -> list[tuple[float, float]]:
    """Both sides' log-probabilities per token; a row of TRL's may be several replies."""
    found = []
    for key, value in theirs.items():
        names = key.split("+")
        length = sum(lengths[name] for name in names)
        found.append((sum(ours[name] for name in names) / length, value / length))
    return found


def update_agreement(ours: Result, theirs: Result, dtype: str) -> Result:
    """How far one update moved the log-probabilities on each side, per token, or the error."""
    before = per_token(ours["before"], theirs["before"], ours["lengths"])
    after = per_token(ours["after"], theirs["after"], ours["lengths"])
    moves = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)]
    largest = max((abs(x) for move in moves for x in move), default=0.0)
    found: Result = {
        "update_replies": len({name for key in theirs["after"] for name in key.split("+")}),
        "update_moved": largest,
        "update_diff": max((abs(x - y) for x, y in moves), default=0.0),
    }
    if not largest or found["update_diff"] > MOVED_ALIKE[dtype] * largest:
        fail(f"the sides disagree about what one update does: {found}")
    return found
