"""Tree attention on the CPU: flash attention block by block, merged by log-sum-exp.

A layout's blocks say which contiguous queries see which contiguous keys. Each block is one call of
torch's flash kernel, without mask or padding. Two partial results (o, l) and (o', l') over
disjoint keys merge to l'' = log(e^l + e^l'), o'' = e^(l-l'') o + e^(l'-l'') o' (Dao et al. 2022,
FlashAttention, algorithm 1). The backward pass calls the kernel's backward on each block with the
*merged* output and log-sum-exp: probabilities and the row term of the softmax gradient are then
those of the whole row, so the blocks' gradients simply add up (ibid., algorithm 4).

Shapes: query (1, H, T, d), key and value (1, G, T, d) with G key heads, output (1, T, H, d).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from handrail.models.rows import once, one_head_each, read_blocks
from handrail.trees import Block, TreeLayout

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
_WINDOW_ROWS = 256  # queries per block where a sliding window cuts keys off


@dataclass(frozen=True)
class _Piece:
    """A block, with an additive mask where a window cuts through it. `blind` rows see nothing.

    `first` pieces are the first that their rows see; `mask` then holds causality too.
    """

    block: Block
    first: bool
    mask: Tensor | None = None
    blind: Tensor | None = None

    @property
    def causal(self) -> bool:
        """Whether the kernel has to mask causally."""
        return self.block.causal and self.mask is None


def flash_tree_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: TreeLayout,
    scale: float,
    window: int | None = None,
    read: tuple[tuple[int, int], ...] | None = None,
) -> Tensor:
    """Attention over a row of trees, (1, T, H, d); differentiable in query, key and value.

    With a `window`, a token sees those less than `window` above it in depth, itself included. With
    `read` ranges, other places are left zero.
    """
    key, value = one_head_each(query, key, value)
    pieces = once(
        layout,
        ("pieces", window, query.dtype, read),
        lambda: _pieces(layout, window, query.dtype, read),
    )
    return _FlashTree.apply(query, key, value, pieces, scale)


class _FlashTree(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, pieces: list[_Piece], scale: float
    ) -> Tensor:
        _, heads, size, d = query.shape
        merged = query.new_zeros((1, size, heads, d), dtype=torch.float32).transpose(1, 2)
        lse = query.new_zeros((1, size, heads), dtype=torch.float32).transpose(1, 2)
        for piece in pieces:
            b = piece.block
            rows, cols = slice(b.q0, b.q1), slice(b.k0, b.k1)
            part, part_lse = _flash(
                query[:, :, rows],
                key[:, :, cols],
                value[:, :, cols],
                0.0,
                piece.causal,
                attn_mask=piece.mask,
                scale=scale,
            )
            if piece.first:
                merged[:, :, rows], lse[:, :, rows] = part, part_lse
                continue
            if piece.blind is not None:  # the kernel gives 0 as the log-sum of nothing
                part_lse = part_lse.masked_fill(piece.blind, -torch.inf)
            old = lse[:, :, rows]
            new = torch.logaddexp(old, part_lse)
            merged[:, :, rows].mul_((old - new).exp_()[..., None])
            merged[:, :, rows].addcmul_(part.float(), (part_lse - new).exp_()[..., None])
            lse[:, :, rows] = new
        out = merged.to(query.dtype)
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.pieces, ctx.scale = pieces, scale
        return out.transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        query, key, value, out, lse = ctx.saved_tensors
        grad = grad.transpose(1, 2)
        like = query.transpose(1, 2)
        totals = [torch.zeros_like(like, dtype=torch.float32).transpose(1, 2) for _ in range(3)]
        for piece in ctx.pieces:
            b = piece.block
            rows, cols = slice(b.q0, b.q1), slice(b.k0, b.k1)
            parts = _flash_backward(
                grad[:, :, rows],
                query[:, :, rows],
                key[:, :, cols],
                value[:, :, cols],
                out[:, :, rows],
                lse[:, :, rows],
                0.0,
                piece.causal,
                attn_mask=piece.mask,
                scale=ctx.scale,
            )
            for total, part, span in zip(totals, parts, (rows, cols, cols), strict=True):
                total[:, :, span] += part
        return (*(t.to(query.dtype) for t in totals), None, None)


def _pieces(
    layout: TreeLayout,
    window: int | None,
    dtype: torch.dtype,
    read: tuple[tuple[int, int], ...] | None,
) -> list[_Piece]:
    """The kernel calls of a layout: first the causal ones, which tile the row, then the others."""
    blocks = read_blocks(layout, read)
    if window is None:
        return [_Piece(b, b.causal) for b in blocks]
    first: list[_Piece] = []
    later: list[_Piece] = []
    for block in blocks:
        for q0 in range(block.q0, block.q1, _WINDOW_ROWS):
            q1 = min(q0 + _WINDOW_ROWS, block.q1)
            if block.causal:
                first += _windowed(Block(q0, q1, q0, q1, True), layout, window, dtype)
                later += _windowed(Block(q0, q1, block.k0, q0, False), layout, window, dtype)
            else:
                whole = Block(q0, q1, block.k0, block.k1, False)
                later += _windowed(whole, layout, window, dtype)
    return first + later


def _windowed(block: Block, layout: TreeLayout, window: int, dtype: torch.dtype) -> list[_Piece]:
    """A block as the window leaves it: keys that no query sees cut off, the rest masked."""
    if block.k0 == block.k1:
        return []
    depth_Q = layout.depth_T[block.q0 : block.q1]
    # Keys of a block lie on one path: their depth grows by one from key to key.
    gone = int(depth_Q.min()) - window + 1 - int(layout.depth_T[block.k0])
    gone = 0 if block.causal else max(0, gone)
    if block.k1 - block.k0 <= gone:
        return []
    block = Block(block.q0, block.q1, block.k0 + gone, block.k1, block.causal)
    behind_QK = depth_Q[:, None] - layout.depth_T[None, block.k0 : block.k1]
    seen_QK = behind_QK < window
    if bool(seen_QK.all()):
        return [_Piece(block, block.causal)]
    if block.causal:
        seen_QK = seen_QK & (behind_QK >= 0)
    mask = torch.zeros(seen_QK.shape, dtype=dtype).masked_fill_(~seen_QK, -torch.inf)
    return [_Piece(block, block.causal, mask, ~seen_QK.any(1))]
