"""Muon, the optimiser of a small model's matrices, in the precision that the machine is fast in.

Torch has one (`torch.optim.Muon`), but it always works in bfloat16, which processors without
bfloat16 instructions compute a hundred times slower than float32. This one takes either, and works
on all matrices of one shape at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

# The quintic of Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks".
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonal(matrices_NRC: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Matrices [N, R, C], R <= C, with all singular values brought near 1 (Newton-Schulz)."""
    x = matrices_NRC / (matrices_NRC.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; steps of the size that AdamW would take.

    Args:
        params: matrices only.
        lr: of AdamW for such weights; each step has 0.2 times this as root mean square (Liu et
            al., 2025, "Muon is Scalable for LLM Training", section 2.2).
        dtype: of the orthogonalisation.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(
            list(params), {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        )
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One step for every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(tuple(sorted(p.shape)), []).append(p)
            for shape, params in alike.items():
                self._step(params, group, 0.2 * max(shape) ** 0.5)

    def _step(self, params: list[torch.nn.Parameter], group: dict[str, Any], size: float) -> None:
        lr, beta = group["lr"], group["momentum"]
        wanted = []
        for p in params:
            assert p.grad is not None
            if not self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            buffer = self.state[p]["momentum_buffer"]
            buffer.lerp_(p.grad, 1 - beta)
            step = p.grad.lerp(buffer, beta)
            wanted.append(step if _wide(p) else step.T)
        steps = orthogonal(torch.stack(wanted).to(self.dtype)).to(params[0].dtype)
        for p, step in zip(params, steps, strict=True):
            p.mul_(1 - lr * group["weight_decay"])
            p.add_(step if _wide(p) else step.T, alpha=-lr * size)


def _wide(p: torch.Tensor) -> bool:
    return p.shape[0] <= p.shape[1]
