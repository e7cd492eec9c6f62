"""Prompts that are ready to be answered: what the model keeps of them, and how replies grow.

The turns of a conversation begin alike, and the samples of a prompt have all of it in common. So a
conversation's prompts are one token tree, which runs through the model once; its replies grow from
it side by side, and each sees its own path. What conversations share is computed once too, but kept
for each.

Shape suffixes: B replies that grow; R trees, Q replies of one tree, K columns of the cache (a
tree's tokens, then the new tokens of its replies).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from handrail.models import Policy
from handrail.models.grow import GrowingRow
from handrail.sampling.cache import RoomyLayer, make_room
from handrail.trees import Trie, collate

_ROOM = 16  # tokens that every reply can grow by before its cache is made anew


class Growing(Protocol):
    """Replies that grow together, a token at a time."""

    def next_logits(self) -> Tensor:
        """The logits (B, V), in float32, of each reply's next token."""

    def add(self, tokens_B: Tensor) -> None:
        """Go on with these tokens."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these replies alone, in this order; called after `add`."""


def prefill(
    policy: Policy, prompts: Sequence[Sequence[int]], names: Sequence[str], n: int
) -> Growing:
    """Read prompts, from each of which `n` replies will grow: B is len(prompts) * n.

    `names`: prompts of equal names share a tree. Models whose attention takes no token trees read
    the prompts one by one, padded.
    """
    if policy.attends_by_trees and all(len(prompt) > 1 for prompt in prompts):
        return GrowingTrees(policy, prompts, names, n)
    return PaddedRows(policy, prompts, n)


class GrowingTrees:
    """Replies that grow from token trees, each tree a row of the batch."""

    def __init__(
        self, policy: Policy, prompts: Sequence[Sequence[int]], names: Sequence[str], n: int
    ) -> None:
        self.policy, device = policy, policy.device
        members: dict[str, list[int]] = {}
        trie = Trie()  # the last token of a prompt is the first to be read while growing
        for number, (prompt, name) in enumerate(zip(prompts, names, strict=True)):
            members.setdefault(name, []).append(number)
            trie.add(prompt[:-1])
        batch = collate([trie.layout()]).to(device)
        cache: Any = DynamicCache()
        # Keys and values alone are wanted: of the last layer nothing more is computed than it must.
        policy.forward_tree(batch, torch.zeros(1, dtype=torch.long, device=device), cache)
        paths = [torch.from_numpy(trie.positions(prompt[:-1])) for prompt in prompts]
        used = [torch.cat([paths[i] for i in numbers]).unique() for numbers in members.values()]
        n_rows, n_wide = len(used), max(map(len, members.values())) * n
        column_RK = pad_sequence(used, batch_first=True)
        self.seen_RQK = torch.zeros((n_rows, n_wide, column_RK.shape[1]), dtype=torch.bool)
        self.depth_RQ = torch.zeros((n_rows, n_wide), dtype=torch.long)
        self.last_RQ = torch.zeros_like(self.depth_RQ)
        slot_B = torch.zeros((len(prompts), n), dtype=torch.long)
        for row, numbers in enumerate(members.values()):
            for place, number in enumerate(numbers):
                own = slice(place * n, place * n + n)
                self.seen_RQK[row, own, torch.searchsorted(used[row], paths[number])] = True
                self.depth_RQ[row, own] = len(paths[number])
                self.last_RQ[row, own] = prompts[number][-1]
                slot_B[number] = row * n_wide + torch.arange(own.start, own.stop)
        self.slot_B, column_RK = slot_B.flatten().to(device), column_RK.to(device)
        self.seen_RQK, self.depth_RQ, self.last_RQ = (
            t.to(device) for t in (self.seen_RQK, self.depth_RQ, self.last_RQ)
        )
        self.depth_RK = batch.layout.depth_T[column_RK]
        for number, layer in enumerate(cache.layers):
            keys, values = (t[0][:, column_RK].transpose(0, 1) for t in (layer.keys, layer.values))
            cache.layers[number] = RoomyLayer(keys, values, _ROOM * n_wide)
        self.cache = cache

    def next_logits(self) -> Tensor:
        """The logits (B, V), in float32, of each reply's next token."""
        n_rows, n_wide = self.last_RQ.shape
        own = torch.eye(n_wide, dtype=torch.bool, device=self.slot_B.device)
        self.seen_RQK = torch.cat([self.seen_RQK, own.expand(n_rows, -1, -1)], 2)
        self.depth_RK = torch.cat([self.depth_RK, self.depth_RQ], 1)
        row = GrowingRow(self.seen_RQK, self.depth_RQ, self.depth_RK)
        logits = self.policy.grow(self.last_RQ, row, self.cache)
        return logits.flatten(0, 1)[self.slot_B].float()

    def add(self, tokens_B: Tensor) -> None:
        """Go on with these tokens."""
        self.last_RQ.view(-1)[self.slot_B] = tokens_B
        self.depth_RQ = self.depth_RQ + 1

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these replies alone, and with the trees and columns that they see."""
        slot_B = self.slot_B[torch.tensor(rows, device=self.slot_B.device)]
        old_B, place_B = slot_B // self.last_RQ.shape[1], slot_B % self.last_RQ.shape[1]
        trees_R, row_B = old_B.unique(return_inverse=True)
        # The place of each reply among those of its tree.
        alike_BB = (row_B[:, None] == row_B[None]).tril(-1)
        new_B = alike_BB.sum(1)
        n_rows, n_wide = len(trees_R), int(new_B.max()) + 1
        seen_BK = self.seen_RQK[old_B, place_B]
        needed_RK = torch.zeros_like(self.depth_RK[:n_rows]).index_add(0, row_B, seen_BK.long()) > 0
        width = int(needed_RK.sum(1).max())
        # Columns that are needed come first, in their order; the rest of the width is seen by none.
        column_RK = needed_RK.to(torch.int8).argsort(dim=1, descending=True, stable=True)
        column_RK = column_RK[:, :width]
        for layer in self.cache.layers:
            layer.select(trees_R, column_RK)
        self.depth_RK = self.depth_RK[trees_R].gather(1, column_RK)
        self.seen_RQK = self.seen_RQK.new_zeros((n_rows, n_wide, width))
        self.seen_RQK[row_B, new_B] = seen_BK.gather(1, column_RK[row_B])
        for name in ("depth_RQ", "last_RQ"):
            before = getattr(self, name)
            after = before.new_zeros((n_rows, n_wide))
            after[row_B, new_B] = before[old_B, place_B]
            setattr(self, name, after)
        self.slot_B = row_B * n_wide + new_B


class PaddedRows:
    """Replies of prompts that are read one by one, padded on the left: the newest token is last."""

    def __init__(self, policy: Policy, prompts: Sequence[Sequence[int]], n: int) -> None:
        self.policy = policy
        width = max(map(len, prompts)) - 1
        ids_BK = torch.zeros((len(prompts), width), dtype=torch.long)
        mask_BK = torch.zeros_like(ids_BK)
        for row, ids in enumerate(prompts):
            ids_BK[row, width + 1 - len(ids) :] = torch.tensor(ids[:-1], dtype=torch.long)
            mask_BK[row, width + 1 - len(ids) :] = 1
        last_B = torch.tensor([prompt[-1] for prompt in prompts])
        self.cache: Any = DynamicCache()
        if width:
            self.cache = policy.causal_lm(
                input_ids=ids_BK.to(policy.device),
                attention_mask=mask_BK.to(policy.device),
                position_ids=(mask_BK.cumsum(1) - 1).clamp(min=0).to(policy.device),
                use_cache=True,
                logits_to_keep=1,
            ).past_key_values
            if n > 1:
                self.cache.batch_repeat_interleave(n)
            make_room(self.cache, _ROOM)
        self.mask_BK, self.last_B = (
            t.repeat_interleave(n, 0).to(policy.device) for t in (mask_BK, last_B)
        )

    def next_logits(self) -> Tensor:
        """The logits (B, V), in float32, of each reply's next token."""
        place_B = self.mask_BK.sum(1)
        self.mask_BK = torch.cat([self.mask_BK, torch.ones_like(self.mask_BK[:, :1])], 1)
        out = self.policy.causal_lm(
            input_ids=self.last_B[:, None],
            attention_mask=self.mask_BK,
            position_ids=place_B[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.logits[:, -1].float()

    def add(self, tokens_B: Tensor) -> None:
        """Go on with these tokens."""
        self.last_B = tokens_B

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these replies alone."""
        rows_B = torch.tensor(rows, device=self.last_B.device)
        self.cache.batch_select_indices(rows_B)
        self.mask_BK, self.last_B = self.mask_BK[rows_B], self.last_B[rows_B]
