"""Log-probabilities of reply tokens: the only place where they are computed.

Logits exist at the positions that predict a trained token, and nowhere else. Shapes: T tokens of a
row, L of these positions, N trained tokens, V vocabulary, D width, C positions of one chunk.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from handrail.records import ModelError

# A chunk holds no more logits than this, unless its rows became too few for a matrix product.
_CHUNK_LOGITS, _LEAST_ROWS = 2**23, 128


def reply_logps(
    hidden_T: Tensor,
    head: nn.Module,
    logit_positions_L: Tensor,
    source_N: Tensor,
    target_N: Tensor,
    *,
    chunk: int = 512,
    keep_mb: int = 512,
    softcap: float | None = None,
) -> Tensor:
    """Log-probability of each trained token given everything before it, float32 (N,).

    A linear head goes through one fused function: logits are made chunk by chunk, and kept for the
    backward pass if all of them fit in `keep_mb`, else made again. Any other head is called chunk
    by chunk as it is, under activation checkpointing. `softcap` is the final logit soft-capping,
    c tanh(logits / c), of models that have it; `hidden_T` is (T, D).
    """
    hidden_L = hidden_T.index_select(0, logit_positions_L)
    if type(head) is nn.Linear:
        weight: Tensor = head.weight
        bias: Tensor | None = head.bias
        if torch.is_autocast_enabled(hidden_L.device.type):
            dtype = torch.get_autocast_dtype(hidden_L.device.type)
            hidden_L, weight = hidden_L.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
        size = len(hidden_L) * weight.shape[0] * hidden_L.element_size()
        kept = torch.is_grad_enabled() and size <= keep_mb * 2**20
        chunk = max(1, min(chunk, max(_LEAST_ROWS, _CHUNK_LOGITS // weight.shape[0])))
        order = torch.argsort(source_N, stable=True)
        bounds = torch.searchsorted(
            source_N[order], torch.arange(0, len(hidden_L) + chunk, chunk, device=source_N.device)
        ).tolist()
        plan = _Plan(chunk, bounds, kept, softcap)
        logps = _HeadLogps.apply(hidden_L, weight, bias, source_N[order], target_N[order], plan)
        return torch.empty_like(logps).index_copy(0, order, logps)
    return _through_module(hidden_L, head, source_N, target_N, chunk, softcap)


class _Plan:
    """How the head is computed: chunk length, bounds of each chunk's tokens, what is kept."""

    def __init__(self, chunk: int, bounds: list[int], keep: bool, softcap: float | None) -> None:
        self.chunk, self.bounds, self.keep, self.softcap = chunk, bounds, keep, softcap


class _HeadLogps(torch.autograd.Function):
    """Linear head, log-softmax and gather in one.

    The gradient of a position's logits z is onehot g - softmax(z) sum(g). Both terms go through
    the head on their own: the targets as rows of the weight, the softmax as what the forward pass
    left in place of the logits, e^(z - max z), whose row factors -sum(g) / sum e^(z - max z) are
    applied to the narrow side of the matrix products. So every logit meets one exponential.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_L: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        source_N: Tensor,
        target_N: Tensor,
        plan: _Plan,
    ) -> Tensor:
        logps_N = hidden_L.new_empty(len(source_N), dtype=torch.float32)
        slope_N = torch.ones_like(logps_N)
        top_L, sum_L = hidden_L.new_empty(len(hidden_L)), logps_N.new_empty(len(hidden_L))
        kept: list[Tensor] = []
        for n, start in enumerate(range(0, len(hidden_L), plan.chunk)):
            logits_CV = _logits(hidden_L[start : start + plan.chunk], weight, bias, plan.softcap)
            span = slice(plan.bounds[n], plan.bounds[n + 1])
            at = (source_N[span] - start, target_N[span])
            logits_n = logits_CV[at].float()
            top_C = logits_CV.amax(dim=-1)
            exp_CV, sum_C = _exponentials(logits_CV, top_C, plan.softcap)
            if plan.keep:
                kept.append(exp_CV)
            rows = slice(start, start + plan.chunk)
            top_L[rows], sum_L[rows] = top_C, sum_C
            logps_N[span] = logits_n - (top_C.float() + sum_C.log())[at[0]]
            if plan.softcap is not None:
                slope_N[span] = 1 - (logits_n / plan.softcap).square()
        ctx.save_for_backward(hidden_L, weight, bias, source_N, target_N, top_L, sum_L, slope_N)
        ctx.plan, ctx.kept = plan, kept
        return logps_N

    @staticmethod
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Any, ...]:
        hidden_L, weight, bias, source_N, target_N, top_L, sum_L, slope_N = ctx.saved_tensors
        plan: _Plan = ctx.plan
        kept: list[Tensor] = ctx.kept
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        d_hidden = torch.empty_like(hidden_L) if wants_hidden else None
        d_weight = torch.zeros_like(weight) if wants_weight else None
        d_bias = torch.zeros_like(bias) if wants_bias and bias is not None else None
        factor_L = torch.zeros_like(sum_L).index_add_(0, source_N, -grad_N).div_(sum_L)
        factor_L = factor_L.to(hidden_L.dtype)
        for n, start in enumerate(range(0, len(hidden_L), plan.chunk)):
            rows = slice(start, start + plan.chunk)
            if kept:
                exp_CV, kept[n] = kept[n], hidden_L.new_empty(0)
            else:
                logits_CV = _logits(hidden_L[rows], weight, bias, plan.softcap)
                exp_CV, _ = _exponentials(logits_CV, top_L[rows], plan.softcap)
            if d_hidden is not None:
                torch.mm(exp_CV, weight, out=d_hidden[rows])
            if d_weight is not None:
                d_weight.addmm_(exp_CV.t(), hidden_L[rows] * factor_L[rows, None])
            if d_bias is not None:
                d_bias.add_(exp_CV.t() @ factor_L[rows])
        grad_N = grad_N * slope_N
        if d_hidden is not None:
            d_hidden.mul_(factor_L[:, None])
            _add_rows(d_hidden, source_N, grad_N[:, None] * weight[target_N])
        if d_weight is not None:
            _add_rows(d_weight, target_N, grad_N[:, None] * hidden_L[source_N])
        if d_bias is not None:
            _add_rows(d_bias, target_N, grad_N)
        ctx.kept = []
        return d_hidden, d_weight, d_bias, None, None, None


def _add_rows(total: Tensor, index_N: Tensor, rows_N: Tensor) -> None:
    """total[index] += rows, where rows of one index are summed up in float32 first."""
    unique_U, place_N = index_N.unique(return_inverse=True)
    sums_U = total.new_zeros((len(unique_U), *total.shape[1:]), dtype=torch.float32)
    sums_U.index_put_((place_N,), rows_N.float(), accumulate=True)
    total[unique_U] += sums_U.to(total.dtype)


def _exponentials(logits_CV: Tensor, top_C: Tensor, softcap: float | None) -> tuple[Tensor, Tensor]:
    """e^(logits - top) in the logits' type, in their place where they are float32, and its sums.

    Under soft-capping the exponentials carry the slope of the capping, d c tanh(x / c) / dx.
    """
    slope_CV = None if softcap is None else 1 - (logits_CV / softcap).square()
    wide_CV = logits_CV.float().sub_(top_C[:, None]).exp_()
    sum_C = wide_CV.sum(dim=-1)
    if slope_CV is not None:
        wide_CV.mul_(slope_CV)
    return wide_CV.to(logits_CV.dtype), sum_C


def _logits(
    hidden_CD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, softcap: float | None
) -> Tensor:
    logits_CV = nn.functional.linear(hidden_CD, weight_VD, bias_V)
    return logits_CV if softcap is None else softcap * torch.tanh(logits_CV / softcap)


def _through_module(
    hidden_L: Tensor,
    head: nn.Module,
    source_N: Tensor,
    target_N: Tensor,
    chunk: int,
    softcap: float | None,
) -> Tensor:
    """The same through any head module (quantised, with an adapter): recomputed in the backward."""

    def part(hidden_CD: Tensor, row: Tensor, target: Tensor) -> Tensor:
        logits_CV = head(hidden_CD)
        if not isinstance(logits_CV, Tensor):
            raise ModelError(
                f"the head {type(head).__name__} gives no tensor of logits",
                "Use a causal language model with a linear head",
            )
        logits_CV = logits_CV.float()
        if softcap is not None:
            logits_CV = softcap * torch.tanh(logits_CV / softcap)
        return logits_CV[row, target] - torch.logsumexp(logits_CV, dim=-1)[row]

    parts, places = [], []
    for start in range(0, len(hidden_L), chunk):
        here = ((source_N >= start) & (source_N < start + chunk)).nonzero()[:, 0]
        args = (hidden_L[start : start + chunk], source_N[here] - start, target_N[here])
        parts.append(torch.utils.checkpoint.checkpoint(part, *args, use_reentrant=False))
        places.append(here)
    if not parts:
        return hidden_L.new_zeros(0, dtype=torch.float32)
    return torch.empty_like(torch.cat(parts)).index_copy(0, torch.cat(places), torch.cat(parts))
