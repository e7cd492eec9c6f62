"""Muon beside torch's own, and what its orthogonal steps are."""

from __future__ import annotations

import torch

from handrail.recipes.muon import Muon, orthogonal


def test_orthogonal_brings_all_singular_values_near_one() -> None:
    torch.manual_seed(0)
    made = orthogonal(torch.randn(3, 16, 40))
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_three_steps_equal_torchs_muon_up_to_its_bfloat16() -> None:
    torch.manual_seed(1)
    shapes = [(24, 24), (24, 24), (60, 24), (24, 60)]
    ours = [torch.nn.Parameter(torch.randn(s) * 0.1) for s in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    begun = [p.detach().clone() for p in ours]
    pair = (
        Muon(ours, lr=0.01, weight_decay=0.05),
        torch.optim.Muon(theirs, lr=0.01, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
    )
    for step in range(3):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            a.grad = torch.randn(a.shape, generator=torch.Generator().manual_seed(step * 10 + i))
            b.grad = a.grad.clone()
        for optimiser in pair:
            optimiser.step()
    for a, b, start in zip(ours, theirs, begun, strict=True):
        moved = (b - start).norm()
        assert moved > 0
        assert (a - b).norm() < 0.05 * moved


def test_a_state_that_was_saved_goes_on_to_the_same_weights() -> None:
    def run(cut: bool) -> torch.Tensor:
        weight = torch.nn.Parameter(torch.ones(8, 12))
        optimiser = Muon([weight], lr=0.01)
        for step in range(4):
            if cut and step == 2:
                state = optimiser.state_dict()
                optimiser = Muon([weight], lr=0.5)
                optimiser.load_state_dict(state)
            weight.grad = torch.randn(8, 12, generator=torch.Generator().manual_seed(step))
            optimiser.step()
        return weight.detach()

    assert torch.equal(run(cut=False), run(cut=True))
