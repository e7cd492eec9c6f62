"""One run: what is fixed before the first step, and the loop over the steps."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object, set_seed

from handrail.models import RewardModel, Trained
from handrail.objectives import Objective
from handrail.records import RunError, SettingError, Skip
from handrail.training import checkpoint as ckpt
from handrail.training.failure import FAILED, save_failed
from handrail.training.kinds import as_policy, check_kind, note_objective
from handrail.training.metrics import MetricsLog, Progress, Watcher
from handrail.training.optim import clip_gradients, learning_rate, make_optimizer
from handrail.training.plan import PlannedStep, data_digest, make_plan, model_digest, usable
from handrail.training.reference import Reference, prepare_reference
from handrail.training.settings import TrainSettings
from handrail.training.step import Row, StepRunner
from handrail.trees import TokenTree

METRICS, FINAL, RESULT = "metrics.jsonl", "final", "result.json"
ADAPTER = "adapter"  # under LoRA, beside the final model in which it is merged


@dataclass(frozen=True)
class Job:
    """What is trained, on what, how and where."""

    model: Trained
    trees: tuple[TokenTree, ...]
    eval_trees: tuple[TokenTree, ...]
    objective: Objective
    settings: TrainSettings
    out: Path
    accelerator: Accelerator
    progress: Watcher | None


class Run:
    """One run of a job; `__call__` gives its final state."""

    def __init__(self, job: Job) -> None:
        settings, objective = job.settings, job.objective
        if settings.patience and not job.eval_trees:
            raise SettingError("patience needs evaluations", "Pass eval_forest, or set patience=0")
        check_kind(job.model, objective)
        self.job, self.settings = job, settings
        self.peak = settings.rate_for(objective.name)
        self.plan = make_plan(job.trees, objective, settings)
        self.eval_trees = usable(job.eval_trees, objective) if job.eval_trees else []
        self.named = job.model.named_parameters()
        self.parameters = [parameter for _, parameter in self.named]
        self.main = job.accelerator.is_main_process
        device = job.accelerator.device.type
        self.sizes = (settings.token_budget, settings.row_tokens_on(device, objective.reads))
        self.runner = StepRunner(job.model, objective, job.accelerator, *self.sizes)
        self.state = ckpt.RunState()

    @property
    def skipped(self) -> tuple[Skip, ...]:
        """Trees that the objective can learn nothing from."""
        return self.plan.skipped

    def __call__(self, resume: bool) -> ckpt.RunState:
        """Train to the end, from the newest checkpoint where there is one."""
        job = self.job
        set_seed(self.settings.seed)
        job.model.model.to(job.accelerator.device)
        self._same_start()
        self.started_with = self._started_with()
        if self.main:
            self._clean(resume)
        job.accelerator.wait_for_everyone()
        if self._finished():
            return self.state
        self.reference, self.eval_rows = self._references()
        self.optimizer = make_optimizer(self.parameters, self.settings)
        self._resume()
        if self.settings.trackers:
            job.accelerator.init_trackers("handrail", config=self.started_with["settings"])
        job.model.model.train()
        with ExitStack() as stack:
            log = None
            if self.main:
                path = job.out / METRICS
                log = stack.enter_context(MetricsLog(path, self.state.metrics_bytes))
            self._loop(log)
        for tracker in job.accelerator.trackers:
            tracker.finish()
        note_objective(job.model, job.objective)
        self._finish()
        return self.state

    def _same_start(self) -> None:
        """All processes begin with the weights of the first."""
        if self.job.accelerator.num_processes > 1:
            for parameter in self.parameters:
                parameter.data.copy_(broadcast(parameter.data.clone()))

    def _started_with(self) -> dict[str, Any]:
        """What a resumed run must share with the one that wrote the checkpoint."""
        job = self.job
        return {
            "settings": self.settings.shaping() | {"learning_rate": self.peak},
            "objective": {"name": job.objective.name} | _fields(job.objective),
            "dtype": job.model.settings.dtype,
            "mode": job.model.settings.mode,
            "model": model_digest(job.model.model.named_parameters()),
            "data": data_digest(job.trees),
            "eval_data": data_digest(job.eval_trees),
            "processes": job.accelerator.num_processes,
        }

    def _clean(self, resume: bool) -> None:
        out = self.job.out
        for folder in (out, out / ckpt.FOLDER, out / "reference"):
            ckpt.sweep(folder)
        if not resume:
            for name in (ckpt.FOLDER, FINAL, ADAPTER):
                shutil.rmtree(out / name, ignore_errors=True)
            for name in (METRICS, RESULT):
                (out / name).unlink(missing_ok=True)
        (out / FAILED).unlink(missing_ok=True)

    def _finished(self) -> bool:
        """Whether the folder holds the result of this very run already; the policy takes it."""
        path = self.job.out / RESULT
        if not path.exists() or not (self.job.out / FINAL).exists():
            return False
        self.state, started_with = ckpt.read_state(path)
        ckpt.check_same(started_with, self.started_with, path)
        lora = self.job.model.settings.mode == "lora"
        self.job.model.restore(self.job.out / (ADAPTER if lora else FINAL))
        note_objective(self.job.model, self.job.objective)
        return True

    def _references(self) -> tuple[Reference | None, list[Row]]:
        """The reference of what the plan uses, and the evaluation's micro-batches."""
        job, place = self.job, self.settings.reference_dir
        reference = eval_reference = None
        if job.objective.needs_reference:
            folder = job.out / "reference" if place is None else Path(place)
            begun, policy = time.perf_counter(), as_policy(job.model)

            def watch(done: int, total: int) -> None:
                self._tell(Progress("reference", done, total, 0.0, {}, *_pace(begun, done, total)))

            used = {i: job.trees[i] for i in self.plan.used()}
            reference = prepare_reference(policy, used, folder, *self.sizes, job.accelerator, watch)
            if self.eval_trees:
                held = dict(enumerate(self.eval_trees))
                eval_reference = prepare_reference(
                    policy, held, folder, *self.sizes, job.accelerator, watch
                )
        indices = range(len(self.eval_trees))
        return reference, self.runner.rows(self.eval_trees, indices, eval_reference)

    def _resume(self) -> None:
        saved = ckpt.checkpoints(self.job.out)
        if not saved:
            return
        newest = saved[-1]
        self.state, started_with = ckpt.read_state(newest / ckpt.STATE)
        ckpt.check_same(started_with, self.started_with, newest)
        ckpt.load_weights(newest / ckpt.WEIGHTS, self.named)
        ckpt.load_moments(newest / ckpt.MOMENTS, self.named, self.optimizer)
        ckpt.load_random(newest, self.job.accelerator.process_index)

    def _loop(self, log: MetricsLog | None) -> None:
        steps, every = self.plan.steps, self.settings.checkpoint_every
        begun, first = time.perf_counter(), self.state.step
        for number in range(first, len(steps)):
            if self.state.stopped:
                break
            tick = time.perf_counter()
            line = self._step(number, steps[number])
            if self._evaluation_due(number + 1, steps[number]):
                line |= self._evaluate(number + 1)
            line["seconds"] = round(time.perf_counter() - tick, 6)
            self.state.step = number + 1
            if log is not None:
                log.write(line)
            if self.settings.trackers:
                self.job.accelerator.log(line, step=number + 1)
            last = number + 1 == len(steps) or self.state.stopped
            if every and ((number + 1) % every == 0 or last):
                self._checkpoint(log)
            pace = _pace(begun, number + 1 - first, len(steps) - first)
            self._tell(Progress("train", number + 1, len(steps), steps[number].epoch, line, *pace))

    def _step(self, number: int, planned: PlannedStep) -> dict[str, Any]:
        """One update; returns its line of metrics."""
        trees, steps = self.job.trees, len(self.plan.steps)
        rate = learning_rate(number, steps, self.peak, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rows = self.runner.rows(trees, planned.trees, self.reference)
        sums = self.runner.backward(rows)
        norm = clip_gradients(self.parameters, self.settings.max_grad_norm)
        metrics, (norm_value,) = self.runner.summary(sums, [norm])
        if not (math.isfinite(metrics["loss"]) and math.isfinite(norm_value)):
            self._fail(number + 1, rows, metrics["loss"], norm_value)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.state.loss = metrics["loss"]
        self.state.tokens += sum(len(trees[i]) for i in planned.trees)
        place = {"step": number + 1, "epoch": round(planned.epoch, 6), "units": planned.units}
        course = {"lr": rate, "grad_norm": norm_value, "tokens": self.state.tokens}
        return place | metrics | course

    def _fail(self, step: int, rows: list[Row], loss: float, norm: float) -> None:
        path = self.job.out / FAILED
        if self.job.accelerator.num_processes > 1:
            path = path.with_stem(f"{path.stem}-{self.job.accelerator.process_index}")
        bad = save_failed(path, self.job.model, rows, step)
        what = (
            f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {norm}"
        )
        given = "score" if isinstance(self.job.model, RewardModel) else "log-probability"
        made = ckpt.checkpoints(self.job.out)
        whole = f"the newest checkpoint, {made[-1]}, is whole" if made else "no checkpoint was made"
        raise RunError(
            f"step {step}: {what} ({bad} replies with a {given} that is not finite); the "
            f"step is saved in {path}; {whole}",
            "Look at its replies, lower the learning rate, or use float32",
        )

    def _evaluation_due(self, step: int, planned: PlannedStep) -> bool:
        if not self.eval_trees:
            return False
        every = self.settings.eval_every
        return step % every == 0 if every else planned.ends_epoch

    def _evaluate(self, step: int) -> dict[str, float]:
        """The evaluation set as one step; keeps the best weights where the run may stop early."""
        metrics, _ = self.runner.summary(self.runner.evaluate(self.eval_rows))
        state, loss = self.state, metrics["loss"]
        best = math.inf if state.best_loss is None else state.best_loss
        if loss < best:  # never so for nan
            state.best_loss, state.best_step, state.stale = loss, step, 0
            if self.settings.patience and self.main:
                ckpt.write_best(self.job.out, self.named)
        else:
            state.stale += 1
            state.stopped = 0 < self.settings.patience <= state.stale
        return {f"eval/{name}": value for name, value in metrics.items()}

    def _checkpoint(self, log: MetricsLog | None) -> None:
        accelerator, out = self.job.accelerator, self.job.out
        states = [ckpt.random_state()]
        if accelerator.num_processes > 1:
            states = gather_object(states)
        if log is not None:
            self.state.metrics_bytes = log.flush()
            with ckpt.written_aside(ckpt.checkpoint_path(out, self.state.step)) as folder:
                ckpt.write_weights(folder, self.named, self.optimizer)
                for rank, tensors in enumerate(states):
                    ckpt.write_random(folder, rank, tensors)
                ckpt.write_state(folder / ckpt.STATE, self.state, self.started_with)
            ckpt.prune(out, self.settings.keep_checkpoints)
        accelerator.wait_for_everyone()

    def _finish(self) -> None:
        out = self.job.out
        if self.settings.patience and self.state.best_step is not None:
            ckpt.load_weights(out / ckpt.FOLDER / ckpt.BEST, self.named)
        if self.main:
            if self.job.model.settings.mode == "lora":
                with ckpt.written_aside(out / ADAPTER) as folder:
                    self.job.model.save_adapter(folder)
            with ckpt.written_aside(out / FINAL) as folder:
                self.job.model.save(folder)
            ckpt.write_state(out / RESULT, self.state, self.started_with)
            if self.settings.drop_checkpoints:
                shutil.rmtree(out / ckpt.FOLDER, ignore_errors=True)
        self.job.accelerator.wait_for_everyone()

    def _tell(self, progress: Progress) -> None:
        if self.job.progress is not None and self.main:
            self.job.progress(progress)


def _pace(begun: float, done: int, total: int) -> tuple[float, float]:
    """Seconds since `begun`, and what the rest takes at this pace."""
    seconds = time.perf_counter() - begun
    return seconds, seconds / max(1, done) * (total - done)


def _fields(objective: Any) -> dict[str, Any]:
    return {f.name: getattr(objective, f.name) for f in dataclasses.fields(objective)}
