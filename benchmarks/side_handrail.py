"""Handrail's side: its own trainer and its own loop, timed by the progress that it reports.

    python side_handrail.py '{"folder": ..., "objective": "dpo", ...}'

A step's time runs from one report of progress to the next, so everything that the loop does is in
it. The first pass over the data is the warm-up and is not counted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch
from common import BETA, CLIP, LEARNING_RATE, LORA_RANK, Job, answer

from handrail.models import ModelSettings, Policy, load_policy
from handrail.objectives import OBJECTIVES, Objective
from handrail.records import Turn, read_jsonl
from handrail.training import Progress, TrainSettings, read_metrics, train
from handrail.trees import Forest, Renderer, TreeSettings, build_trees, pack


class Stamps:
    """Stamps each report of progress."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float, float]] = []  # epochs done, wall, CPU
        self.reference_seconds = 0.0

    def __call__(self, progress: Progress) -> None:
        """Called by the trainer after each step."""
        if progress.phase == "reference":
            self.reference_seconds = progress.seconds
        else:
            self.steps.append((progress.epoch, time.perf_counter(), time.process_time()))

    def timed(self) -> list[tuple[float, float]]:
        """Wall and CPU seconds of each step after the first epoch."""
        pairs = zip(self.steps, self.steps[1:], strict=False)
        return [(b[1] - a[1], b[2] - a[2]) for a, b in pairs if a[0] >= 1 - 1e-9]


def make_objective(name: str) -> Objective:
    """The objective with TRL's conventions (IPO over means per token)."""
    if name == "sft":
        return OBJECTIVES[name]()
    if name == "ipo":
        return OBJECTIVES[name](beta=BETA, per_token=True)
    return OBJECTIVES[name](beta=BETA)


def make_forest(job: Job, policy: Policy, mismatched: bool) -> Forest:
    """The trees of the data."""
    loaded = read_jsonl(Path(job.folder) / "turns.jsonl", Turn)
    which = "best" if job.objective == "sft" else "all"
    settings = TreeSettings(replies=which, mismatched=mismatched)
    renderer = Renderer(policy.tokenizer, style="guardrail")
    return build_trees(list(loaded.records), renderer, settings)


def reply_logps(
    policy: Policy, forest: Forest, budget: int
) -> tuple[dict[str, float], dict[str, int]]:
    """The untrained model's log-probability of each reply, and its length, by key."""
    logps: dict[str, float] = {}
    lengths: dict[str, int] = {}
    for batch in pack(forest.trees, budget):
        logps_N = policy.reference_logps(batch).double()
        sums_R = torch.zeros(batch.n_replies, dtype=torch.double).index_add_(
            0, batch.reply_N, logps_N
        )
        for (turn, index), value, length in zip(
            batch.refs, sums_R.tolist(), batch.length_R.tolist(), strict=True
        ):
            if index >= 0:
                logps[f"{turn}/{index}"], lengths[f"{turn}/{index}"] = value, length
    return logps, lengths


def main() -> None:
    """Train and answer."""
    job = Job.read(sys.argv)
    torch.set_num_threads(job.threads)
    policy = load_policy(
        Path(job.folder) / "model",
        ModelSettings(
            mode=job.mode,  # type: ignore[arg-type]
            dtype=job.dtype,  # type: ignore[arg-type]
            lora_rank=LORA_RANK,
            lora_alpha=2 * LORA_RANK,
            device="cpu",
        ),
    )
    objective = make_objective(job.objective)
    forest = make_forest(job, policy, objective.needs_mismatched)
    settings = TrainSettings(
        learning_rate=LEARNING_RATE,
        batch_size=job.pairs_per_step,
        epochs=1 + job.epochs,
        schedule="constant",
        warmup=0.0,
        max_grad_norm=CLIP,
        checkpoint_every=0,
        seed=job.seed,
        row_tokens=job.row_tokens,
    )
    logps, lengths = {}, {}
    if job.check:
        logps, lengths = reply_logps(policy, forest, settings.token_budget)
    trained = [len(r.target_n) for t in forest.trees for r in t.replies if not r.mismatched]
    stamps = Stamps()
    with tempfile.TemporaryDirectory() as out_dir:
        result = train(policy, forest, objective, settings, Path(out_dir) / "run", progress=stamps)
        losses = [line["loss"] for line in read_metrics(result.metrics_path) if "loss" in line]
    timed = stamps.timed()
    answer(
        {
            "seconds": sum(wall for wall, _ in timed),
            "cpu_seconds": sum(cpu for _, cpu in timed),
            "step_seconds": [wall for wall, _ in timed],
            "steps": len(timed),
            "trained_tokens": sum(trained) * job.epochs,
            "epoch_tokens": sum(trained),
            "tree_tokens": sum(len(t) for t in forest.trees),
            "reference_seconds": stamps.reference_seconds,
            "first_loss": losses[0],
            "logps": logps,
            "lengths": lengths,
        }
    )


if __name__ == "__main__":
    main()
