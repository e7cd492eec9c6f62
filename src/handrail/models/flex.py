"""Tree attention on a GPU: FlexAttention with a block mask.

Whole blocks that no query sees are skipped. The mask is an ancestor test by depth-first numbers:
key k is visible to query q iff enter[k] <= enter[q] < exit[k] and depth[k] <= depth[q], and, with
a sliding window, depth[q] - depth[k] < window.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from handrail.models.rows import once
from handrail.trees import TreeLayout

MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
_MULTIPLE = 128  # rows are filled up to whole blocks, so that few shapes are compiled


def mask_mod(layout: TreeLayout, window: int | None = None) -> MaskMod:
    """The visibility test as FlexAttention calls it, on scalar indices (batch, head, query, key).

    Places beyond the row's end (filling) see and are seen by nothing but themselves.
    """
    size = len(layout)
    filled = -(-size // _MULTIPLE) * _MULTIPLE
    pad = filled - size
    last = int(layout.exit_T.max()) + 1
    numbers = torch.arange(last, last + pad, device=layout.enter_T.device)
    enter_T = torch.cat([layout.enter_T, numbers])
    exit_T = torch.cat([layout.exit_T, numbers + 1])
    depth_T = torch.cat([layout.depth_T, torch.zeros_like(numbers)])

    def seen(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        below = (enter_T[k] <= enter_T[q]) & (enter_T[q] < exit_T[k])
        near = depth_T[k] <= depth_T[q]
        if window is not None:
            near = near & (depth_T[q] - depth_T[k] < window)
        return below & near

    return seen


def block_mask(layout: TreeLayout, window: int | None, device: torch.device) -> BlockMask:
    """The layout's block mask, made once and shared by all layers."""

    def make() -> BlockMask:
        filled = -(-len(layout) // _MULTIPLE) * _MULTIPLE
        return create_block_mask(
            mask_mod(layout, window), None, None, filled, filled, device=device
        )

    return once(layout, ("flex", window), make)


def flex_tree_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: TreeLayout,
    scale: float,
    window: int | None = None,
) -> Tensor:
    """Attention over a row of trees: (1, H, T, d), keys with G heads, to (1, T, H, d)."""
    size = query.shape[2]
    pad = -size % _MULTIPLE
    if pad:
        query, key, value = (
            torch.nn.functional.pad(x, (0, 0, 0, pad)) for x in (query, key, value)
        )
    out = _flex(query.device.type)(
        query,
        key,
        value,
        block_mask=block_mask(layout, window, query.device),
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out[:, :, :size].transpose(1, 2)


@cache
def _flex(device: str) -> Any:
    """FlexAttention, compiled where that pays (uncompiled it is a slow oracle)."""
    return torch.compile(flex_attention, dynamic=False) if device == "cuda" else flex_attention
