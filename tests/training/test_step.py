"""A step's loss and gradient do not depend on how its trees are packed; an oracle says what."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from trainertoys import forest, policy

from handrail.objectives import DPO, IPO, KTO, SFT, KTOPair, Objective
from handrail.training.feedback import feedback_of
from handrail.training.reference import prepare_reference
from handrail.training.step import StepRunner
from handrail.trees import collate

ALL = [SFT(), DPO(), IPO(), KTO(), KTOPair(), KTOPair(detach_means=True)]
TREES = forest(5).trees


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory):
    """A policy that is away from its reference, the reference, and the accelerator."""
    accelerator = Accelerator(cpu=True)
    made = policy()
    folder = tmp_path_factory.mktemp("reference")
    trees = dict(enumerate(TREES))
    reference = prepare_reference(made, trees, folder, 4096, None, accelerator, lambda *_: None)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return made, reference, accelerator


def gradients(runner: StepRunner, reference, indices) -> tuple[dict[str, float], torch.Tensor]:
    for parameter in runner.model.parameters():
        parameter.grad = None
    sums = runner.backward(runner.rows(TREES, indices, reference))
    metrics, _ = runner.summary(sums)
    return metrics, torch.cat([p.grad.flatten() for p in runner.model.parameters()])


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_one_and_many_micro_batches_are_equal(objective: Objective, moved) -> None:
    made, reference, accelerator = moved
    indices = [3, 0, 4, 1]
    results = []
    small = 1 if objective.needs_step else 4  # a step in one row spares the first pass
    for budget, room, n_rows in ((4096, None, 1), (1000, None, 2), (500, 500, 4), (4096, 1, small)):
        runner = StepRunner(made, objective, accelerator, budget, room)
        assert len(runner.rows(TREES, indices, reference)) == n_rows
        results.append(gradients(runner, reference, indices))
    (metrics, gradient), *others = results
    for other, other_gradient in others:
        assert other == pytest.approx(metrics, rel=1e-5, abs=1e-6)
        assert (other_gradient - gradient).norm() <= 1e-5 * gradient.norm()


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_equals_one_plain_pass(objective: Objective, moved) -> None:
    made, reference, accelerator = moved
    runner = StepRunner(made, objective, accelerator, 500)
    metrics, gradient = gradients(runner, reference, [2, 1])
    batch = collate([TREES[2], TREES[1]])
    for parameter in made.parameters():
        parameter.grad = None
    loss = objective(feedback_of(batch, made.logps(batch), reference[[2, 1]]))
    loss.value.backward()
    plain = torch.cat([p.grad.flatten() for p in made.parameters()])
    assert metrics["loss"] == pytest.approx(loss.value.item(), rel=1e-5)
    assert (plain - gradient).norm() <= 1e-5 * plain.norm()
    held_out = runner.evaluate(runner.rows(TREES, [2, 1], reference))
    assert runner.summary(held_out)[0] == pytest.approx(metrics, rel=1e-5, abs=1e-6)


def test_sft_is_the_mean_over_tokens_not_of_means(moved) -> None:
    made, _, accelerator = moved
    metrics, _ = gradients(StepRunner(made, SFT(), accelerator, 500), None, [0, 1, 2])
    total = count = 0.0
    for tree in TREES[:3]:
        batch = collate([tree])
        for logp, reply in zip(made.logps(batch).tolist(), batch.reply_N.tolist(), strict=True):
            if batch.best_R[reply]:
                total -= logp
                count += 1
    assert metrics["loss"] == pytest.approx(total / count, rel=1e-6)


def test_reference_is_kept_and_read_back(tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True)
    trees = {4: TREES[4], 1: TREES[1]}
    told = []

    def prepare(made):
        return prepare_reference(
            made, trees, tmp_path, 500, None, accelerator, lambda *x: told.append(x)
        )

    made = policy("lora", lora_dropout=0.5)
    first = prepare(made)
    assert first.computed
    assert told == [(1, 2), (2, 2)]
    with torch.no_grad():
        for parameter in made.parameters():  # the adapters
            parameter += torch.randn_like(parameter)
    again = prepare(made)
    assert not again.computed, "the reference is the model without its adapters"
    assert torch.equal(first[[4, 1]], again[[4, 1]])
    assert made.model.training
    full = prepare(policy())
    assert full.path == again.path or full.computed
    batch = collate([TREES[4], TREES[1]])
    torch.testing.assert_close(first[[4, 1]], policy().reference_logps(batch))
