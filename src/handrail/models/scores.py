"""Tree attention on the CPU: whole rows of scores by matrix products.

A chunk of queries of one path is computed against all keys that it sees at once, so no partial
results are merged. In float32 this is faster than torch's flash kernel only where probabilities
are kept, which spares the backward pass one product of five. In bfloat16, from which the kernel
gains nothing on the CPU, it takes 0.4 of the kernel's time on the conversation shape; scores are
then rounded to bfloat16, as in transformers' own eager attention, and the softmax works in float32.

Shapes: query (1, H, T, d), key and value (1, G, T, d) with G key heads, output (1, T, H, d);
within a chunk C queries and K keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from handrail.models.rows import once, one_head_each, read_blocks
from handrail.trees import Block, TreeLayout

_ROWS = 192  # queries of a chunk


@dataclass(frozen=True)
class _Chunk:
    """Queries [q0, q1) of one path and the key ranges that they see; the last ends at q1."""

    q0: int
    q1: int
    keys: tuple[tuple[int, int], ...]

    @property
    def n_scores(self) -> int:
        """Scores of one head."""
        return (self.q1 - self.q0) * sum(k1 - k0 for k0, k1 in self.keys)


def scores_fit(
    query: Tensor, layout: TreeLayout, read: tuple[tuple[int, int], ...] | None, keep_mb: int
) -> bool:
    """Whether the layer's probabilities take at most `keep_mb`."""
    scores = once(layout, ("n_scores", read), lambda: sum(c.n_scores for c in _plan(layout, read)))
    return scores * query.shape[1] * query.element_size() <= keep_mb * 2**20


def score_tree_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: TreeLayout,
    scale: float,
    read: tuple[tuple[int, int], ...] | None = None,
    keep: bool = False,
) -> Tensor:
    """Attention over a row of trees, (1, T, H, d); differentiable in query, key and value.

    Probabilities are kept for the backward pass with `keep`, else computed again. With `read`
    ranges, other places are left zero.
    """
    key, value = one_head_each(query, key, value)
    return _ScoreTree.apply(query, key, value, _plan(layout, read), scale, keep, read is None)


def _plan(layout: TreeLayout, read: tuple[tuple[int, int], ...] | None) -> list[_Chunk]:
    return once(layout, ("chunks", read), lambda: _chunks(read_blocks(layout, read)))


class _ScoreTree(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        chunks: list[_Chunk],
        scale: float,
        keep: bool,
        whole: bool,  # the chunks cover all queries
    ) -> Tensor:
        query, key, value = query[0] * scale, key[0], value[0]
        heads, size, d = query.shape
        make = query.new_empty if whole else query.new_zeros
        out = make((size, heads, d)).transpose(0, 1)
        kept: list[Tensor] = []
        for chunk in chunks:
            probs_HCK = _probabilities(query, key, chunk)
            out[:, chunk.q0 : chunk.q1] = torch.bmm(probs_HCK, _gather(value, chunk))
            if keep:
                kept.append(probs_HCK)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.chunks, ctx.scale, ctx.whole = chunks, scale, whole
        return out.transpose(0, 1)[None]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        query, key, value, *kept = ctx.saved_tensors
        grad = grad[0].transpose(0, 1)
        d_query = torch.empty_like(query) if ctx.whole else torch.zeros_like(query)
        d_key = torch.zeros_like(key, dtype=torch.float32)
        d_value = torch.zeros_like(value, dtype=torch.float32)
        for n, chunk in enumerate(ctx.chunks):
            rows = slice(chunk.q0, chunk.q1)
            probs_HCK = kept[n] if kept else _probabilities(query, key, chunk)
            d_probs = torch.bmm(grad[:, rows], _gather(value, chunk).transpose(1, 2))
            d_scores = torch._softmax_backward_data(d_probs, probs_HCK, -1, query.dtype)
            d_query[:, rows] = torch.bmm(d_scores, _gather(key, chunk))
            _scatter(d_key, torch.bmm(d_scores.transpose(1, 2), query[:, rows]), chunk)
            _scatter(d_value, torch.bmm(probs_HCK.transpose(1, 2), grad[:, rows]), chunk)
        d_query.mul_(ctx.scale)
        return (*(t.to(query.dtype)[None] for t in (d_query, d_key, d_value)), *[None] * 4)


def _probabilities(query: Tensor, key: Tensor, chunk: _Chunk) -> Tensor:
    """Softmax over all that the chunk's queries see; the newest keys are masked causally."""
    scores_HCK = torch.bmm(query[:, chunk.q0 : chunk.q1], _gather(key, chunk).transpose(1, 2))
    rows = chunk.q1 - chunk.q0
    scores_HCK[:, :, -rows:].masked_fill_(_later(rows), -torch.inf)
    return torch.softmax(scores_HCK, dim=-1)


@cache
def _later(rows: int) -> Tensor:
    return torch.ones(rows, rows, dtype=torch.bool).triu(1)


def _gather(values: Tensor, chunk: _Chunk) -> Tensor:
    """Keys or values of a chunk, in order; a view where they are one range."""
    parts = [values[:, k0:k1] for k0, k1 in chunk.keys]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _scatter(total: Tensor, part: Tensor, chunk: _Chunk) -> None:
    """Add a chunk's gradient of keys or values at their places."""
    start = 0
    for k0, k1 in chunk.keys:
        total[:, k0:k1] += part[:, start : start + k1 - k0]
        start += k1 - k0


def _chunks(blocks: tuple[Block, ...]) -> list[_Chunk]:
    """Cut every path into chunks, each with all key ranges above it."""
    above = [b for b in blocks if not b.causal]
    chunks = []
    for own in (b for b in blocks if b.causal):
        seen = [(b.k0, b.k1) for b in above if b.q0 <= own.q0 and own.q1 <= b.q1]
        for q0 in range(own.q0, own.q1, _ROWS):
            q1 = min(q0 + _ROWS, own.q1)
            ranges = sorted([*seen, (own.k0, q1)])
            merged = [ranges[0]]
            for k0, k1 in ranges[1:]:
                if k0 == merged[-1][1]:
                    merged[-1] = (merged[-1][0], k1)
                else:
                    merged.append((k0, k1))
            chunks.append(_Chunk(q0, q1, tuple(merged)))
    return chunks
