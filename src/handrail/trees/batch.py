"""Whole trees in one row: what the model and the objectives are given.

Shapes: T tokens of a row, L positions whose logits are needed, N trained tokens (a reply's tokens
one after the other), R replies, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handrail.records import RenderError
from handrail.trees.tree import Block, TokenTree


@dataclass(frozen=True)
class TreeLayout:
    """Who attends to whom in a row of trees.

    `enter_T`, `exit_T`, `depth_T` as in `TokenTree`, numbered through the row; `blocks` are the
    same in ranges: the causal ones come first and tile the row. `cache` keeps what attention
    derives from the layout (window masks, block masks), so that layers share it.
    """

    depth_T: Tensor
    enter_T: Tensor
    exit_T: Tensor
    blocks: tuple[Block, ...]
    trees: tuple[tuple[int, int], ...]
    max_depth: int
    cache: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.depth_T)

    def visible(self) -> Tensor:
        """The dense (T, T) mask, query by key: the slow statement of what the blocks say."""
        enter_Q, enter_K = self.enter_T[:, None], self.enter_T[None, :]
        below = (enter_K <= enter_Q) & (enter_Q < self.exit_T[None, :])
        return below & (self.depth_T[None, :] <= self.depth_T[:, None])

    def to(self, device: torch.device | str) -> TreeLayout:
        """The layout on another device, with an empty cache."""
        moved = {k: getattr(self, k).to(device) for k in ("depth_T", "enter_T", "exit_T")}
        return replace(self, cache={}, **moved)


@dataclass(frozen=True)
class TreeBatch:
    """A row of whole trees, without padding.

    `source_N` indexes `logit_positions_L`, `reply_N` the replies; `last_R` is the place of a
    reply's last token in the row (a reward head reads there), `length_R` its tokens; `turn_R`
    numbers the turns of the row; `refs` are (turn id, reply index), -1 for mismatched ones.
    `desirable_R` is 1, 0 or -1 (unknown), `rank_R` -1 where unknown, `rating_R` nan where unknown.
    `pairs_P2` holds (better, worse). Mismatched replies are in no pair and never trained.
    """

    input_ids_T: Tensor
    position_ids_T: Tensor
    layout: TreeLayout
    logit_positions_L: Tensor
    source_N: Tensor
    target_N: Tensor
    reply_N: Tensor
    turn_R: Tensor
    length_R: Tensor
    last_R: Tensor
    pairs_P2: Tensor
    best_R: Tensor
    desirable_R: Tensor
    rank_R: Tensor
    rating_R: Tensor
    mismatched_R: Tensor
    weight_R: Tensor
    refs: tuple[tuple[str, int], ...]

    @property
    def n_tokens(self) -> int:
        """Tokens in the row."""
        return len(self.input_ids_T)

    @property
    def n_replies(self) -> int:
        """Replies in the row, mismatched ones included."""
        return len(self.refs)

    def to(self, device: torch.device | str) -> TreeBatch:
        """The batch on another device."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "refs"}
        return replace(self, **moved)


def pack(
    trees: Sequence[TokenTree], token_budget: int, row_tokens: int | None = None
) -> list[TreeBatch]:
    """Fill rows with whole trees, in the order given, each up to `row_tokens` tokens.

    A tree larger than that has a row of its own, up to `token_budget` tokens, which is also what
    `row_tokens` is by default.

    Raises:
        RenderError: a tree is larger than the budget.
    """
    room = token_budget if row_tokens is None else min(row_tokens, token_budget)
    rows: list[list[TokenTree]] = []
    used = 0
    for number, tree in enumerate(trees):
        if len(tree) > token_budget:
            raise RenderError(
                f"a tree takes {len(tree)} tokens, a batch holds {token_budget}",
                "Raise the token budget, or lower tree_tokens so that trees are split",
                f"tree {number}",
            )
        if not rows or used + len(tree) > room:
            rows.append([])
            used = 0
        rows[-1].append(tree)
        used += len(tree)
    return [collate(row) for row in rows]


def shuffled(trees: Sequence[TokenTree], seed: int, epoch: int = 0) -> list[TokenTree]:
    """The trees in a random order that depends on seed and epoch alone."""
    order = np.random.default_rng((seed, epoch)).permutation(len(trees))
    return [trees[i] for i in order]


def collate(trees: Sequence[TokenTree]) -> TreeBatch:
    """One row of the given trees."""
    starts = np.cumsum([0, *(len(t) for t in trees)])
    turn_starts = np.cumsum([0, *(t.n_turns for t in trees)])
    reply_starts = np.cumsum([0, *(len(t.replies) for t in trees)])
    replies = [(r, k) for k, t in enumerate(trees) for r in t.replies]
    sources = _cat([r.source_n + starts[k] for r, k in replies])
    positions, source_N = np.unique(sources, return_inverse=True)
    lengths = np.array([len(r.target_n) for r, _ in replies], dtype=np.int64)
    pairs = [
        (a + reply_starts[k], b + reply_starts[k]) for k, t in enumerate(trees) for a, b in t.pairs
    ]
    depth = _tensor(_cat([t.depth_T for t in trees]))
    return TreeBatch(
        input_ids_T=_tensor(_cat([t.tokens_T for t in trees])),
        position_ids_T=depth,
        layout=_layout(trees, depth, starts),
        logit_positions_L=_tensor(positions),
        source_N=_tensor(source_N.reshape(-1)),
        target_N=_tensor(_cat([r.target_n for r, _ in replies])),
        reply_N=_tensor(np.repeat(np.arange(len(replies)), lengths)),
        turn_R=_tensor([r.turn + turn_starts[k] for r, k in replies]),
        length_R=_tensor(lengths),
        last_R=_tensor([r.last + starts[k] for r, k in replies]),
        pairs_P2=_tensor(pairs).reshape(-1, 2),
        best_R=torch.tensor([r.best for r, _ in replies], dtype=torch.bool),
        desirable_R=_tensor([r.desirable for r, _ in replies]),
        rank_R=_tensor([r.rank for r, _ in replies]),
        rating_R=torch.tensor([r.rating for r, _ in replies], dtype=torch.float32),
        mismatched_R=torch.tensor([r.mismatched for r, _ in replies], dtype=torch.bool),
        weight_R=torch.tensor([r.weight for r, _ in replies], dtype=torch.float32),
        refs=tuple((r.turn_id, r.reply_index) for r, _ in replies),
    )


def _layout(trees: Sequence[TokenTree], depth: Tensor, starts: np.ndarray) -> TreeLayout:
    shifts = np.cumsum([0, *(int(t.exit_T.max(initial=0)) + 1 for t in trees)])
    blocks = [b.shift(int(starts[k])) for k, t in enumerate(trees) for b in t.blocks]
    return TreeLayout(
        depth_T=depth,
        enter_T=_tensor(_cat([t.enter_T + shifts[k] for k, t in enumerate(trees)])),
        exit_T=_tensor(_cat([t.exit_T + shifts[k] for k, t in enumerate(trees)])),
        blocks=tuple(sorted(blocks, key=lambda b: not b.causal)),
        trees=tuple((int(starts[k]), int(starts[k + 1])) for k in range(len(trees))),
        max_depth=max((int(t.depth_T.max(initial=0)) for t in trees), default=0),
    )


def _cat(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.int64).copy())
