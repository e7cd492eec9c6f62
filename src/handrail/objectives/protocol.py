"""What every objective offers, and what most of them share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from handrail.objectives.types import Feedback, Loss, Reads, Step, Unit


class Objective(Protocol):
    """A loss over feedback.

    `reads`: what of the model it is a function of, a policy's log-probabilities or a reward model's
    scores. `needs_step`: the loss reads statistics of the whole step.
    """

    name: ClassVar[str]
    unit: ClassVar[Unit]
    reads: ClassVar[Reads]
    needs_reference: ClassVar[bool]
    needs_mismatched: ClassVar[bool]
    needs_step: ClassVar[bool]

    def units(self, feedback: Feedback) -> Tensor:
        """Total weight of the micro-batch's units; reads no log-probability."""
        ...

    def rows(self, feedback: Feedback) -> Tensor:
        """The micro-batch's rows (S, k) of the step's statistics, detached."""
        ...

    def __call__(self, feedback: Feedback, step: Step | None = None) -> Loss:
        """The loss; without `step`, this feedback is the whole step."""
        ...


class Whole:
    """Base of the objectives whose loss needs nothing of the step but its unit count."""

    reads: ClassVar[Reads] = "logps"
    needs_mismatched: ClassVar[bool] = False
    needs_step: ClassVar[bool] = False

    def rows(self, feedback: Feedback) -> Tensor:
        """No statistics: an empty (0, 0) tensor."""
        return feedback.weight_R.new_zeros(0, 0)


def whole_step(objective: Objective, feedbacks: Iterable[Feedback]) -> Step:
    """The step that these micro-batches make together."""
    listed = list(feedbacks)
    units = torch.stack([objective.units(f) for f in listed]).sum()
    return Step(units, torch.cat([objective.rows(f) for f in listed]).detach())
