"""What a model keeps of prompts before it answers: keys and values, each shared token once.

The turns of a conversation begin alike, so their prompts are one token tree. It runs through the
model once, and each prompt's keys and values are gathered from it: a quarter of the tokens of the
prompts one by one, for conversations of six turns.

Shape suffixes: B rows in flight (prompt x sample), S the longest prompt less its last token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from handrail.models import Policy
from handrail.sampling.cache import RoomyLayer, make_room
from handrail.trees import Trie, collate


@dataclass
class Prefilled:
    """Rows that are ready for their next token, `last_B`, the last of each prompt.

    Attributes:
        cache: transformers' cache of all tokens before it, padded on the left.
        mask_BS: 1 where the cache holds a token of the row's prompt, 0 at padding.
        last_B: the tokens that are to be read next.
    """

    cache: Any
    mask_BS: Tensor
    last_B: Tensor

    @property
    def place_B(self) -> Tensor:
        """The position of the next token of each row."""
        return self.mask_BS.sum(1)

    def keep(self, rows_B: Tensor) -> None:
        """Go on with these rows alone."""
        self.cache.batch_select_indices(rows_B)
        self.mask_BS, self.last_B = self.mask_BS[rows_B], self.last_B[rows_B]

    def next_logits(self, model: Any) -> Tensor:
        """Read `last_B`; the logits (B, V) of what follows, in float32."""
        place_B = self.place_B
        self.mask_BS = torch.cat([self.mask_BS, torch.ones_like(self.mask_BS[:, :1])], 1)
        out = model(
            input_ids=self.last_B[:, None],
            attention_mask=self.mask_BS,
            position_ids=place_B[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.logits[:, -1].float()


def prefill(policy: Policy, prompts: Sequence[Sequence[int]], n: int, room: int) -> Prefilled:
    """Compute all prompts but for their last tokens; each stands for `n` rows.

    `room`: how many tokens a row will grow by. Models whose attention takes no token trees read
    the prompts one by one, padded.
    """
    before = [list(prompt[:-1]) for prompt in prompts]
    width = max(map(len, before))
    mask_BS = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, ids in enumerate(before):  # padded on the left: the newest token is last
        mask_BS[row, width - len(ids) :] = 1
    fill = _from_tree if policy.attends_by_trees else _one_by_one
    cache = fill(policy, before, mask_BS, n, room) if width else DynamicCache()
    last_B = torch.tensor([prompt[-1] for prompt in prompts])
    rows = [t.repeat_interleave(n, 0).to(policy.device) for t in (mask_BS, last_B)]
    return Prefilled(cache, *rows)


def _from_tree(policy: Policy, before: list[list[int]], mask_BS: Tensor, n: int, room: int) -> Any:
    """All prompts as one token tree, and from it every row's own keys and values."""
    trie = Trie()
    for ids in before:
        trie.add(ids)
    batch = collate([trie.layout()]).to(policy.device)
    cache: Any = DynamicCache()
    # Keys and values alone are wanted: of the last layer nothing more is computed than it must.
    policy.forward_tree(batch, torch.zeros(1, dtype=torch.long, device=policy.device), cache)
    place_BS = torch.zeros_like(mask_BS)  # at padding any place: it is masked
    for row, ids in enumerate(before):
        if ids:
            place_BS[row, -len(ids) :] = torch.from_numpy(trie.positions(ids))
    place_BS = place_BS.repeat_interleave(n, 0).to(policy.device)
    for number, layer in enumerate(cache.layers):
        keys, values = (t[0][:, place_BS].transpose(0, 1) for t in (layer.keys, layer.values))
        cache.layers[number] = RoomyLayer(keys, values, room)
    return cache


def _one_by_one(policy: Policy, before: list[list[int]], mask_BS: Tensor, n: int, room: int) -> Any:
    """Every prompt as a row of its own."""
    ids_BS = torch.zeros_like(mask_BS)
    for row, ids in enumerate(before):
        if ids:
            ids_BS[row, -len(ids) :] = torch.tensor(ids)
    out = policy.causal_lm(
        input_ids=ids_BS.to(policy.device),
        attention_mask=mask_BS.to(policy.device),
        position_ids=(mask_BS.cumsum(1) - 1).clamp(min=0).to(policy.device),
        use_cache=True,
        logits_to_keep=1,
    )
    if n > 1:
        out.past_key_values.batch_repeat_interleave(n)
    make_room(out.past_key_values, room)
    return out.past_key_values
