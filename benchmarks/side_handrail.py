"""Handrail's side: its own trainer and its own loop, timed by the progress that it reports.

    python side_handrail.py '{"folder": ..., "objective": "dpo", ...}'

A step's time runs from one report of progress to the next, so everything that the loop does is in
it. The first pass over the data is the warm-up and is not counted.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from common import BETA, CLIP, LEARNING_RATE, LORA_RANK, REWARDS, Job
from sides import Memory, Profiler, answer, clock, seed_adapters

from handrail.models import ModelSettings, Policy, RewardModel, load_policy, load_reward
from handrail.models.rewards.causal import CausalReward
from handrail.objectives import OBJECTIVES, REWARD_OBJECTIVES, Objective
from handrail.records import Turn, read_jsonl
from handrail.training import Progress, TrainSettings, train
from handrail.training.plan import tree_units
from handrail.trees import Forest, Renderer, TreeBatch, TreeSettings, build_trees, pack


class Stamps:
    """Stamps each report of progress, and has the passes after the first one profiled."""

    def __init__(self, device: str, profiler: Profiler | None, counted: Counted) -> None:
        self._device, self._profiler, self._counted = device, profiler, counted
        self._running = False
        self.steps: list[tuple[float, float, float]] = []  # epochs done, wall, CPU
        self.reference_seconds = 0.0

    def __call__(self, progress: Progress) -> None:
        """Called by the trainer after each step."""
        if progress.phase == "reference":
            self.reference_seconds = progress.seconds
            self._counted.tokens.clear()
            return
        self.steps.append((progress.epoch, *clock(self._device)))
        if self._profiler is None or not _whole(progress.epoch):
            return
        if progress.done == progress.total:
            self._profiler.stop()
        elif not self._running:
            self._profiler.start()
            self._running = True

    def timed(self) -> list[tuple[float, float]]:
        """Wall and CPU seconds of each step after the first epoch."""
        pairs = zip(self.steps, self.steps[1:], strict=False)
        return [(b[1] - a[1], b[2] - a[2]) for a, b in pairs if _whole(a[0])]


def _whole(epoch: float) -> bool:
    """Whether the first pass is over."""
    return epoch >= 1 - 1e-9


class Counted:
    """Keeps how many tokens each micro-batch had."""

    def __init__(self, model: Policy | RewardModel) -> None:
        self.tokens: list[int] = []
        if isinstance(model, RewardModel):
            self._given = model.scores
            model.scores = self  # type: ignore[method-assign, assignment]
        else:
            self._given = model.logps
            model.logps = self  # type: ignore[method-assign, assignment]

    def __call__(self, batch: TreeBatch) -> torch.Tensor:
        """What the model gives for the batch: log-probabilities, or scores."""
        self.tokens.append(batch.n_tokens)
        return self._given(batch)


def make_model(job: Job) -> Policy | RewardModel:
    """The model of the job."""
    load = load_reward if job.objective in REWARDS else load_policy
    model = load(
        Path(job.folder) / "model",
        ModelSettings(
            mode=job.mode,  # type: ignore[arg-type]
            dtype=job.dtype,  # type: ignore[arg-type]
            lora_rank=LORA_RANK,
            lora_alpha=2 * LORA_RANK,
            activation_checkpointing=job.checkpointing,
            device=job.device,
        ),
    )
    seed_adapters(model.model)
    return model


def make_objective(name: str) -> Objective:
    """The objective with TRL's conventions (IPO over means per token)."""
    if name in REWARDS:
        return REWARD_OBJECTIVES[name]()
    if name == "sft":
        return OBJECTIVES[name]()
    if name == "ipo":
        return OBJECTIVES[name](beta=BETA, per_token=True)
    return OBJECTIVES[name](beta=BETA)


def make_forest(job: Job, policy: Policy | RewardModel, mismatched: bool) -> Forest:
    """The trees of the data, or of the turns that one update is made on."""
    turns = list(read_jsonl(Path(job.folder) / "turns.jsonl", Turn).records)
    if job.update:
        turns = [turn for turn in turns if turn.id in job.update]
    which = "best" if job.objective == "sft" else "all"
    settings = TreeSettings(replies=which, mismatched=mismatched)
    return build_trees(turns, Renderer(policy.tokenizer, style="guardrail"), settings)


def batch_size(job: Job, forest: Forest) -> int:
    """At least so many pairs a step; of a reward model, prompts with all their pairs."""
    if job.objective not in REWARDS:
        return job.pairs_per_step
    pairs = sum(len(tree.pairs) for tree in forest.trees)
    prompts = sum(tree.n_turns for tree in forest.trees)
    return math.ceil(job.pairs_per_step * prompts / pairs)


def make_settings(job: Job, **changes: Any) -> TrainSettings:
    """How the job trains; constant rate, no checkpoints."""
    base: dict[str, Any] = {
        "learning_rate": LEARNING_RATE,
        "batch_size": job.pairs_per_step,
        "epochs": 1 + job.epochs,
        "schedule": "constant",
        "warmup": 0.0,
        "max_grad_norm": CLIP,
        "checkpoint_every": 0,
        "seed": job.seed,
        "row_tokens": job.row_tokens,
    }
    return TrainSettings(**base | changes)


def reply_logps(
    model: Policy | RewardModel, forest: Forest, settings: TrainSettings
) -> tuple[dict[str, float], dict[str, int]]:
    """The model's log-probability of each reply as it stands, and its length, by key.

    Of a reward model its score, of length 1: it is compared as it is.
    """
    logps: dict[str, float] = {}
    lengths: dict[str, int] = {}
    reads = "scores" if isinstance(model, RewardModel) else "logps"
    rows = settings.row_tokens_on(model.device.type, reads)
    for batch in pack(forest.trees, settings.token_budget, rows):
        with torch.no_grad():
            sums_R = _of_replies(model, batch)
        for (turn, index), value, length in zip(
            batch.refs, sums_R.tolist(), batch.length_R.tolist(), strict=True
        ):
            if index >= 0:
                key = f"{turn}/{index}"
                logps[key], lengths[key] = value, 1 if isinstance(model, RewardModel) else length
    return logps, lengths


def _of_replies(model: Policy | RewardModel, batch: TreeBatch) -> torch.Tensor:
    """Summed log-probabilities, or scores, (R,) of a batch's replies."""
    if isinstance(model, RewardModel):
        return model.scores(batch.to(model.device)).double().cpu()
    logps_N = model.logps(batch.to(model.device)).double().cpu()
    zeros_R = torch.zeros(batch.n_replies, dtype=torch.double)
    return zeros_R.index_add_(0, batch.reply_N, logps_N)


def one_update(job: Job) -> dict[str, Any]:
    """Log-probabilities before and after one step on all the turns named, in float32."""
    policy = make_model(job)
    objective = make_objective(job.objective)
    forest = make_forest(job, policy, objective.needs_mismatched)
    units = sum(tree_units(tree, objective) for tree in forest.trees)
    settings = make_settings(job, batch_size=units, epochs=1, max_steps=1, shuffle=False)

    def logps() -> tuple[dict[str, float], dict[str, int]]:
        model = copy.deepcopy(policy.model).float().eval()
        wide = dataclasses.replace(policy.settings, dtype="float32")
        if isinstance(policy, CausalReward):
            return reply_logps(CausalReward(model, policy.tokenizer, wide, ""), forest, settings)
        return reply_logps(Policy(model, policy.tokenizer, wide), forest, settings)

    before, lengths = logps()
    with tempfile.TemporaryDirectory() as out_dir:
        train(policy, forest, objective, settings, Path(out_dir) / "run")
    return {"before": before, "after": logps()[0], "lengths": lengths}


def timed_run(job: Job, memory: Memory) -> dict[str, Any]:
    """Train and time all passes but the first."""
    policy = make_model(job)
    objective = make_objective(job.objective)
    forest = make_forest(job, policy, objective.needs_mismatched)
    settings = make_settings(job, batch_size=batch_size(job, forest))
    logps, lengths = reply_logps(policy, forest, settings) if job.check else ({}, {})
    trained = [len(r.target_n) for t in forest.trees for r in t.replies if not r.mismatched]
    counted = Counted(policy)
    profiler = Profiler(memory, job.device) if job.profile else None
    stamps = Stamps(job.device, profiler, counted)
    with tempfile.TemporaryDirectory() as out_dir:
        train(policy, forest, objective, settings, Path(out_dir) / "run", progress=stamps)
    timed = stamps.timed()
    rows = settings.row_tokens_on(policy.device.type, objective.reads)
    result: dict[str, Any] = {
        "seconds": sum(wall for wall, _ in timed),
        "cpu_seconds": sum(cpu for _, cpu in timed),
        "step_seconds": [wall for wall, _ in timed],
        "steps": len(timed),
        "trained_tokens": sum(trained) * job.epochs,
        "epoch_tokens": sum(trained),
        "computed_tokens": sum(counted.tokens) // settings.epochs,
        # Objectives that compare a reply with the rest of its step take the step in one row.
        "row_tokens": settings.token_budget if objective.needs_step else rows,
        "micro_batch_tokens": max(counted.tokens),
        "reference_seconds": stamps.reference_seconds,
        "logps": logps,
        "lengths": lengths,
        "memory": memory.parts(policy.model, profiler.peak if profiler else None),
    }
    if profiler is not None:
        result["profile"] = profiler.summary()
    return result


def main() -> None:
    """Do the job and answer."""
    job = Job.read(sys.argv)
    memory = Memory(job.device)
    torch.set_num_threads(job.threads)
    if job.update:
        answer(one_update(job))
    else:
        answer(timed_run(job, memory), memory)


if __name__ == "__main__":
    main()
