"""Attention of replies that grow from token trees: each sees its own path and nothing else.

Shapes: R trees side by side, Q replies growing from each (the widest decides), K columns of the
cache: a tree's tokens, then every new token of its replies. Heads as in transformers: query
(R, H, Q, d), key and value (R, G, K, d) with G key heads; output (R, Q, H, d).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class GrowingRow:
    """What travels to every attention layer while replies grow by a token.

    Attributes:
        seen_RQK: whether a reply's newest token sees a column.
        depth_RQ: the place of each newest token in its own sequence.
        depth_RK: the same of each column.
        calls: how many attention layers have been computed.
    """

    seen_RQK: Tensor
    depth_RQ: Tensor
    depth_RK: Tensor
    calls: int = 0
    _masks: dict[Hashable, Tensor] = field(default_factory=dict)

    def mask(self, dtype: torch.dtype, window: int | None, groups: int) -> Tensor:
        """What is added to the scores (R, 1, groups * Q, K); made once for all layers."""
        key = (dtype, window, groups)
        if key not in self._masks:
            seen = self.seen_RQK
            if window is not None:
                seen = seen & (self.depth_RQ[:, :, None] - self.depth_RK[:, None] < window)
            added = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            added.masked_fill_(~seen, torch.finfo(dtype).min)
            self._masks[key] = added.repeat(1, groups, 1)[:, None]
        return self._masks[key]


def growing_attention(
    query: Tensor, key: Tensor, value: Tensor, row: GrowingRow, scale: float, window: int | None
) -> Tensor:
    """Attention of the newest tokens, (R, Q, H, d); the heads of a group read its keys together."""
    R, H, Q, d = query.shape
    groups = H // key.shape[1]
    grouped = query.reshape(R, key.shape[1], groups * Q, d)
    mask = row.mask(query.dtype, window, groups)
    out = F.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scale)
    return out.reshape(R, H, Q, d).transpose(1, 2)
