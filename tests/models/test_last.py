"""The last layer at the places that are read: no number that is read changes, and work is saved."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from handrail.models import ModelSettings, Policy, random_policy
from handrail.trees import Renderer, TreeBatch, build_trees, collate
from tests.models.configs import configs
from tests.trees import toys

FEED_FORWARD = "mlp"
QUERIES = ("q_proj", "o_proj", "c_proj", "dense")


def row() -> TreeBatch:
    turns = toys.conversation_turns(3, seed=1, words=5)
    return collate(build_trees(turns, Renderer(toys.tokenizer())).trees)


def made(name: str, mode: Any = "full") -> Policy:
    settings = ModelSettings(mode=mode, lora_rank=2) if mode == "lora" else ModelSettings()
    return random_policy(configs()[name], toys.tokenizer(), settings)


def states_and_gradients(
    policy: Policy, batch: TreeBatch, read_L: Tensor, narrow: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """States (L, D) of the places read, and all gradients of a weighted sum of them."""
    policy.model.zero_grad()
    states_LD = policy.forward_tree(batch, read_L if narrow else None)
    states_LD = states_LD[read_L]
    torch.manual_seed(3)
    (states_LD * torch.randn_like(states_LD)).sum().backward()
    found = {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}
    return states_LD.detach(), found


class Seen:
    """How many rows each block's own computation was given, by the block's path."""

    def __init__(self, policy: Policy, names: tuple[str, ...]) -> None:
        self.rows: dict[str, int] = {}
        for path, module in policy.decoder.named_modules():
            if path.split(".")[-1] in names:
                # A hook on the result is told what the hooks before the block made of its input.
                module.register_forward_hook(self._counter(path))

    def _counter(self, path: str) -> Any:
        def count(module: Any, args: tuple[Tensor, ...], out: Tensor) -> None:
            self.rows[path] = args[0].shape[1]

        return count


@pytest.mark.parametrize("mode", ["full", "lora"])
@pytest.mark.parametrize("name", configs())
def test_nothing_that_is_read_changes(name: str, mode: str) -> None:
    policy, batch = made(name, mode), row()
    read_L = batch.last_R.unique(sorted=True)
    assert len(read_L) < batch.n_tokens / 2
    whole, gradients = states_and_gradients(policy, batch, read_L, narrow=False)
    saved, saved_gradients = states_and_gradients(policy, batch, read_L, narrow=True)
    torch.testing.assert_close(saved, whole, rtol=1e-5, atol=1e-6)
    assert gradients
    assert gradients.keys() == saved_gradients.keys()
    for key, gradient in gradients.items():
        scale = float(gradient.abs().max())
        apart = float((gradient - saved_gradients[key]).abs().max())
        assert apart <= 1e-4 * scale + 1e-7, key


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "gpt-neox"])
def test_the_last_layer_is_given_what_is_read(name: str) -> None:
    policy, batch = made(name), row()
    read_L = batch.last_R.unique(sorted=True)
    seen = Seen(policy, (FEED_FORWARD, *QUERIES))
    with torch.no_grad():
        policy.forward_tree(batch, read_L)
    own = [path for path in seen.rows if path.split(".")[1] == "2"]
    others = [path for path in seen.rows if path.split(".")[1] != "2"]
    assert {seen.rows[path] for path in own} == {len(read_L)}
    assert {seen.rows[path] for path in others} == {batch.n_tokens}
    assert len(others) == 2 * len(own)
    with torch.no_grad():
        policy.forward_tree(batch)
    assert set(seen.rows.values()) == {batch.n_tokens}, "the hooks stay no longer than the pass"


def test_queries_of_many_places_are_not_taken_out() -> None:
    policy, batch = made("llama"), row()
    read_L = torch.arange(batch.n_tokens)[: batch.n_tokens * 3 // 4]
    seen = Seen(policy, (FEED_FORWARD, *QUERIES))
    with torch.no_grad():
        policy.forward_tree(batch, read_L)
    assert seen.rows["layers.2.mlp"] == len(read_L)
    assert seen.rows["layers.2.self_attn.q_proj"] == batch.n_tokens
    assert seen.rows["layers.2.self_attn.o_proj"] == batch.n_tokens
