"""One optimiser step: micro-batches whose losses and gradients add up to the whole step's.

The result does not depend on how trees are packed or shared among processes: every loss is a sum
divided by the units (tokens, pairs, replies) of the whole step, and objectives that compare
replies with the rest of the step get the statistics of all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from handrail.models import RewardModel, Trained
from handrail.objectives import Feedback, Loss, Objective, Step
from handrail.training.feedback import feedback_of, no_feedback, structure_of
from handrail.training.kinds import as_policy
from handrail.training.reference import Reference
from handrail.trees import TokenTree, TreeBatch, pack

BUCKET = 2**24  # elements of gradient that processes exchange at a time
Sums = tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]  # loss; metric -> (sum, weight)


@dataclass(frozen=True)
class Row:
    """A micro-batch on the model's device, with its reference log-probabilities."""

    batch: TreeBatch
    ref_N: Tensor | None


class StepRunner:
    """Runs whole steps of trees through model and objective."""

    def __init__(
        self,
        model: Trained,
        objective: Objective,
        accelerator: Accelerator,
        token_budget: int,
        row_tokens: int | None = None,
    ) -> None:
        self.model, self.objective, self.accelerator = model, objective, accelerator
        self.token_budget = token_budget
        # A step in one row spares these objectives the first pass that tells them of the rest.
        self.row_tokens = None if objective.needs_step else row_tokens

    def rows(
        self, trees: Sequence[TokenTree], indices: Sequence[int], reference: Reference | None
    ) -> list[Row]:
        """This process's micro-batches of a step's trees."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        mine = list(indices)
        if world > 1:  # dealt by size, so that the shares are about equal
            mine = sorted(mine, key=lambda i: -len(trees[i]))[rank::world]
        batches = pack([trees[i] for i in mine], self.token_budget, self.row_tokens)
        device = self.model.device
        rows, done = [], 0
        for batch in batches:
            members = mine[done : done + len(batch.layout.trees)]
            done += len(members)
            ref_N = None if reference is None else reference[members].to(device)
            rows.append(Row(batch if device.type == "cpu" else batch.to(device), ref_N))
        return rows

    def backward(self, rows: list[Row]) -> Sums:
        """Gradients of the step's loss onto the parameters; returns this process's sums."""
        units = self._units(rows)
        held: Feedback | None = None
        if self.objective.needs_step and len(rows) == 1:
            held = self._feedback(rows[0])
            parts = [self.objective.rows(held).detach()]
        elif self.objective.needs_step:  # a first pass, for what the loss must know of the step
            with torch.no_grad():
                parts = [self.objective.rows(self._feedback(row)) for row in rows]
        else:
            parts = []
        step = Step(units, self._gather(parts))
        if held is not None:
            total = _add([self._descend(held, step)])
        elif rows:
            total = _add(self._descend(self._feedback(row), step) for row in rows)
        else:
            total = _add([self.objective(no_feedback(self.model.device), step)])
        self._reduce_gradients()
        return total

    @torch.no_grad()
    def evaluate(self, rows: list[Row]) -> Sums:
        """The loss of the rows as one step, without gradient; returns this process's sums."""
        training = self.model.model.training
        self.model.model.eval()
        try:
            feedbacks = [self._feedback(row) for row in rows]
        finally:
            self.model.model.train(training)
        own = feedbacks or [no_feedback(self.model.device)]
        step = Step(self._units(rows), self._gather([self.objective.rows(f) for f in own]))
        return _add(self.objective(f, step) for f in own)

    def summary(
        self, sums: Sums, extra: Sequence[Tensor] = ()
    ) -> tuple[dict[str, float], list[float]]:
        """Loss and means over all processes, and `extra` as it is: one transfer to the host."""
        value, parts = sums
        names = sorted(parts)
        pairs = [x for name in names for x in parts[name]]
        flat = torch.stack([x.detach().float() for x in (value, *pairs)])
        if self.accelerator.num_processes > 1:
            flat = self.accelerator.reduce(flat, "sum")
        numbers = torch.cat([flat, *(x.detach().float().reshape(1) for x in extra)]).tolist()
        metrics = {"loss": numbers[0]}
        for k, name in enumerate(names):
            total, weight = numbers[1 + 2 * k], numbers[2 + 2 * k]
            if weight:
                metrics[name] = total / weight
        return metrics, numbers[1 + 2 * len(names) :]

    def _feedback(self, row: Row) -> Feedback:
        if isinstance(self.model, RewardModel):
            return feedback_of(row.batch, scores_R=self.model.scores(row.batch))
        return feedback_of(row.batch, as_policy(self.model).logps(row.batch), row.ref_N)

    def _descend(self, feedback: Feedback, step: Step) -> Loss:
        """The loss of one micro-batch, its gradient added to the parameters and its graph freed."""
        loss = self.objective(feedback, step)
        loss.value.backward()
        return Loss(loss.value.detach(), loss.parts)

    def _units(self, rows: list[Row]) -> Tensor:
        counts = [self.objective.units(structure_of(row.batch)).float() for row in rows]
        units = torch.stack([torch.zeros((), device=self.model.device), *counts]).sum()
        if self.accelerator.num_processes > 1:
            units = self.accelerator.reduce(units, "sum")
        return units

    def _gather(self, parts: list[Tensor]) -> Tensor:
        """Statistics of all micro-batches of all processes, in the order of the processes."""
        empty = torch.zeros(0, device=self.model.device)
        own = torch.cat(parts) if parts else empty
        if self.accelerator.num_processes == 1 or not self.objective.needs_step:
            return own
        everyone = [part.to(own.device) for part in gather_object([own.cpu()]) if part.numel()]
        return torch.cat(everyone) if everyone else own

    def _reduce_gradients(self) -> None:
        """Add the gradients of all processes; one that had no trees brings zeros."""
        if self.accelerator.num_processes == 1:
            return
        for bucket in _buckets(self.model.parameters()):
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
            flat = self.accelerator.reduce(torch.cat([g.reshape(-1) for g in grads]), "sum")
            for p, piece in zip(bucket, flat.split([p.numel() for p in bucket]), strict=True):
                p.grad = piece.view_as(p).clone()


def _add(losses: Iterable[Loss]) -> Sums:
    """Sums of the losses' values and parts, one loss in memory at a time."""
    values: list[Tensor] = []
    parts: dict[str, tuple[Tensor, Tensor]] = {}
    for loss in losses:
        values.append(loss.value.detach())
        for name, (total, weight) in loss.parts.items():
            old = parts.get(name)
            parts[name] = (total, weight) if old is None else (old[0] + total, old[1] + weight)
    return torch.stack(values).sum(), parts


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterable[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and (size + parameter.numel() > BUCKET or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket
