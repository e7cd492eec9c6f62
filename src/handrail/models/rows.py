"""A row of trees on its way through a model, and which queries see which keys in it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from handrail.trees import Block, TreeLayout

T = TypeVar("T")
_GAP = 32  # read ranges nearer to each other than this are computed as one


@dataclass
class TreeRow:
    """What travels to every attention layer: the layout, and what is wanted of the last layer.

    Attributes:
        layout: who sees whom.
        read: ranges [start, end) of the places whose last hidden state is read; None for all. The
            last layer computes nothing elsewhere (zeros stand there), which changes no number
            that is read.
        keep_scores_mb: keep attention probabilities for the backward pass up to this size a layer.
        calls: how many attention layers have been computed.
    """

    layout: TreeLayout
    read: tuple[tuple[int, int], ...] | None = None
    keep_scores_mb: int = 0
    calls: int = 0


def one_head_each(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values with one head per head of the queries, for kernels without grouped heads."""
    groups = query.shape[1] // key.shape[1]
    if groups == 1:
        return key, value
    return key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)


def once(layout: TreeLayout, name: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """What a way of attending derives from a layout, made once and shared by all layers.

    `name` holds the way's own name and all that `make` depends on beside the layout.
    """
    if name not in layout.cache:
        layout.cache[name] = make()
    return layout.cache[name]


def read_ranges(positions_L: Tensor) -> tuple[tuple[int, int], ...]:
    """Sorted places as few contiguous ranges that hold them all."""
    if len(positions_L) == 0:
        return ()
    cuts = (positions_L.diff() > _GAP).nonzero()[:, 0] + 1
    starts = torch.cat([positions_L[:1], positions_L[cuts]]).tolist()
    last = positions_L[torch.cat([cuts - 1, cuts.new_tensor([len(positions_L) - 1])])]
    return tuple(zip(starts, (last + 1).tolist(), strict=True))


def read_blocks(layout: TreeLayout, read: tuple[tuple[int, int], ...] | None) -> tuple[Block, ...]:
    """The layout's blocks as far as queries in `read` go; the causal ones come first."""
    if read is None:
        return layout.blocks
    own: list[Block] = []
    above: list[Block] = []
    for block in layout.blocks:
        for start, end in read:
            q0, q1 = max(start, block.q0), min(end, block.q1)
            if q0 >= q1:
                continue
            if not block.causal:
                above.append(Block(q0, q1, block.k0, block.k1, False))
                continue
            own.append(Block(q0, q1, q0, q1, True))
            if q0 > block.k0:
                above.append(Block(q0, q1, block.k0, q0, False))
    return (*own, *above)
