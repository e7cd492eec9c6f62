"""The one trainer: trees, an objective and a model; it does not know which method it runs."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from handrail.models import Trained
from handrail.objectives import Objective
from handrail.records import SettingError, Skip
from handrail.training.lock import run_lock
from handrail.training.metrics import Watcher
from handrail.training.run import FINAL, METRICS, Job, Run
from handrail.training.settings import TrainSettings
from handrail.trees import Forest


@dataclass(frozen=True)
class TrainResult:
    """What a run came to.

    Attributes:
        steps: optimiser steps done.
        metrics_path: metrics.jsonl, a line per step.
        final_folder: the trained model, as transformers loads it; under LoRA merged, and `adapter/`
            beside it holds the adapter alone.
        skipped: what was left out when the trees were built, and trees that the objective can
            learn nothing from.
        loss: of the last step.
        best_step, best_loss: of the evaluations; None without any.
        stopped_early: whether the evaluations stopped the run.
        tokens: tokens of all steps' trees.
    """

    steps: int
    metrics_path: Path
    final_folder: Path
    skipped: tuple[Skip, ...]
    loss: float
    best_step: int | None
    best_loss: float | None
    stopped_early: bool
    tokens: int


def train(
    model: Trained,
    forest: Forest,
    objective: Objective,
    settings: TrainSettings,
    out_dir: str | Path,
    *,
    eval_forest: Forest | None = None,
    resume: bool = True,
    progress: Watcher | None = None,
) -> TrainResult:
    """Train a policy or a reward model on a forest; killed and started again, it goes on exactly.

    The model passed in must be the one to start from, in a resumed run too: checkpoints are found
    in `out_dir`. It holds the trained weights at the end, also where the run was finished before.

    `resume=False` removes what an earlier run left in the folder instead of going on from it;
    `progress` is called after each micro-batch of the reference and after each step.

    Raises:
        RunError: another run in the folder, a checkpoint of other settings or data, a loss that is
            not finite (the step is saved in failed_batch.jsonl), a full disk.
        SettingError: settings that do not go together, or a tracker that is not installed.
    """
    out = Path(out_dir)
    accelerator = _accelerator(model, settings, out)
    with run_lock(out) if accelerator.is_main_process else nullcontext():
        job = Job(
            model,
            forest.trees,
            () if eval_forest is None else eval_forest.trees,
            objective,
            settings,
            out,
            accelerator,
            progress,
        )
        run = Run(job)
        state = run(resume)
    return TrainResult(
        steps=state.step,
        metrics_path=out / METRICS,
        final_folder=out / FINAL,
        skipped=(*forest.skipped, *run.skipped),
        loss=state.loss,
        best_step=state.best_step,
        best_loss=state.best_loss,
        stopped_early=state.stopped,
        tokens=state.tokens,
    )


def _accelerator(model: Trained, settings: TrainSettings, out: Path) -> Accelerator:
    wanted = list(settings.trackers)
    try:
        accelerator = Accelerator(
            cpu=model.device.type == "cpu", log_with=wanted or None, project_dir=out
        )
    except ValueError as error:
        raise SettingError(f"trackers: {error}", "Name trackers that accelerate knows") from None
    if len(accelerator.log_with) < len(wanted):
        raise SettingError(
            f"not every tracker of {wanted} is installed", "Install it, or leave it out"
        )
    return accelerator
