"""Tree attention against the dense mask; FlexAttention's mask; models that are refused."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Gemma2Config, MambaConfig

from handrail.models import ModelSettings, attention, random_policy
from handrail.models.attention import dense_tree_attention, visible
from handrail.models.blocks import flash_tree_attention
from handrail.models.flex import _MULTIPLE, flex_tree_attention, mask_mod
from handrail.models.rows import TreeRow, read_ranges
from handrail.models.scores import score_tree_attention
from handrail.records import ModelError
from handrail.trees import Renderer, TreeBatch, build_trees, collate
from tests.models.configs import configs
from tests.models.oracle import relative
from tests.trees import toys


def row() -> TreeBatch:
    shown = Renderer(toys.tokenizer())
    trees = [
        build_trees(toys.conversation_turns(n, seed=n, n_replies=3, words=4), shown).trees[0]
        for n in (1, 2, 3)
    ]
    return collate(trees)


WINDOWS = [None, 1, 7, 60, 300]
Compute = Callable[..., Tensor]


def results(
    compute: Compute, batch: TreeBatch, heads: tuple[int, int], *args: Any, **kwargs: Any
) -> list[Tensor]:
    """Output and gradients of query, key and value, at seeded random inputs."""
    torch.manual_seed(0)
    shapes = [heads[0], heads[1], heads[1]]
    inputs = [torch.randn(1, h, batch.n_tokens, 16, requires_grad=True) for h in shapes]
    weight = torch.randn(1, batch.n_tokens, heads[0], 16)
    read = kwargs.pop("weigh", None)
    if read is not None:
        weight[:, [n for n in range(batch.n_tokens) if not any(a <= n < b for a, b in read)]] = 0
    out = compute(*inputs, batch.layout, 0.3, *args, **kwargs)
    return [out * (weight != 0), *torch.autograd.grad((out * weight).sum(), inputs)]


def assert_equal(mine: list[Tensor], theirs: list[Tensor]) -> None:
    for a, b in zip(mine, theirs, strict=True):
        assert (a - b).abs().max() < 2e-5
        assert b.norm() < 1e-3 or relative(a, b) < 1e-5


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("heads", [(4, 4), (3, 1)])
def test_flash_blocks_equal_the_dense_mask(window: int | None, heads: tuple[int, int]) -> None:
    batch = row()
    dense = results(dense_tree_attention, batch, heads, window)
    assert_equal(results(flash_tree_attention, batch, heads, window), dense)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("heads", [(4, 4), (3, 1)])
def test_matrix_products_equal_the_dense_mask(keep: bool, heads: tuple[int, int]) -> None:
    batch = row()
    dense = results(dense_tree_attention, batch, heads)
    assert_equal(results(score_tree_attention, batch, heads, keep=keep), dense)


@pytest.mark.parametrize("window", [None, 60])
def test_only_what_is_read_is_computed(window: int | None) -> None:
    batch = row()
    read = read_ranges(batch.logit_positions_L)
    places = {n for a, b in read for n in range(a, b)}
    assert places >= set(batch.logit_positions_L.tolist())
    assert len(places) < batch.n_tokens
    dense = results(dense_tree_attention, batch, (4, 2), window, weigh=read)
    flash = results(flash_tree_attention, batch, (4, 2), window, read, weigh=read)
    assert_equal(flash, dense)
    if window is None:
        assert_equal(results(score_tree_attention, batch, (4, 2), read, weigh=read), dense)


def test_matrix_products_wherever_their_results_may_be_kept_with_and_without_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways: list[str] = []
    for way in ("score_tree_attention", "flash_tree_attention"):
        fn = getattr(attention, way)
        monkeypatch.setattr(
            attention, way, lambda *a, fn=fn, way=way: (ways.append(way), fn(*a))[1]
        )
    batch = row()
    query = torch.randn(1, 2, batch.n_tokens, 8, requires_grad=True)
    size_mb = math.ceil(batch.n_tokens**2 * 2 * 4 / 2**20)
    for keep_mb, grad in ((size_mb, True), (size_mb, False), (0, True), (0, False)):
        tree = TreeRow(batch.layout, keep_scores_mb=keep_mb)
        with torch.set_grad_enabled(grad):
            attention.attention(nn.Module(), query, query, query, None, tree_row=tree)
    assert ways == ["score_tree_attention"] * 2 + ["flash_tree_attention"] * 2


WAYS = {
    "dense": (dense_tree_attention, "handrail.models.attention.visible"),
    "flash": (flash_tree_attention, "handrail.models.blocks._pieces"),
    "scores": (score_tree_attention, "handrail.models.scores._chunks"),
    "flex": (flex_tree_attention, "handrail.models.flex.create_block_mask"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_layout_needs_is_made_once_for_all_layers(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, maker = WAYS[way]
    module, name = maker.rsplit(".", 1)
    real = getattr(importlib.import_module(module), name)
    made: list[Any] = []
    monkeypatch.setattr(maker, lambda *a, **k: made.append(a) or real(*a, **k))
    batch = row()
    inputs = [torch.randn(1, h, batch.n_tokens, 16) for h in (4, 2, 2)]
    first, second = (compute(*inputs, batch.layout, 0.3) for _ in range(2))
    assert torch.equal(first, second)
    assert len(made) == 1
    other = {"read": ((0, 3),)} if way == "scores" else {"window": 7}
    compute(*inputs, batch.layout, 0.3, **other)
    assert len(made) == 2
    compute(*inputs, row().layout, 0.3)
    assert len(made) == 3


def test_read_ranges_hold_all_places_and_join_near_ones() -> None:
    assert read_ranges(torch.tensor([3, 4, 9, 100, 101, 400])) == ((3, 10), (100, 102), (400, 401))
    assert read_ranges(torch.tensor([], dtype=torch.long)) == ()


@pytest.mark.parametrize("compute", [flash_tree_attention, score_tree_attention])
def test_bfloat16_is_near_the_dense_mask(compute: Compute) -> None:
    batch = row()

    def narrow(*args: Any) -> Tensor:
        return compute(*(a.bfloat16() if isinstance(a, Tensor) else a for a in args)).float()

    exact = results(dense_tree_attention, batch, (4, 2))
    for a, b in zip(results(narrow, batch, (4, 2)), exact, strict=True):
        assert relative(a, b) < 0.02


@pytest.mark.parametrize("window", WINDOWS)
def test_flex_masks_are_the_dense_mask(window: int | None) -> None:
    batch = row()
    size = batch.n_tokens
    filled = -(-size // _MULTIPLE) * _MULTIPLE
    q, k = torch.arange(filled)[:, None], torch.arange(filled)[None, :]
    nothing = torch.zeros((), dtype=torch.long)
    seen = mask_mod(batch.layout, window)(nothing, nothing, q, k)
    assert torch.equal(seen[:size, :size], visible(batch.layout, window))
    filling = torch.eye(filled - size, dtype=torch.bool)
    assert torch.equal(seen[size:, size:], filling)
    assert not seen[:size, size:].any()
    assert not seen[size:, :size].any()


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flex_attention_equals_the_dense_mask() -> None:
    batch = row()
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, h, batch.n_tokens, 16) for h in (4, 2, 2))
    for window in (None, 60):
        flex = flex_tree_attention(query, key, value, batch.layout, 0.3, window)
        dense = dense_tree_attention(query, key, value, batch.layout, 0.3, window)
        assert (flex - dense).abs().max() < 1e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_cpus_numbers() -> None:
    batch = row()
    policies = [
        random_policy(configs()["llama-grouped-heads"], None, ModelSettings(device=device))
        for device in ("cpu", "cuda")
    ]
    out = []
    for policy in policies:
        logps = policy.logps(batch.to(policy.device))
        logps.sum().backward()
        grads = torch.cat([p.grad.flatten().cpu() for p in policy.parameters()])
        out.append((logps.detach().cpu(), grads))
    assert (out[0][0] - out[1][0]).abs().max() < 1e-3
    assert relative(out[1][1], out[0][1]) < 1e-2


@pytest.mark.parametrize("name", ["llama-grouped-heads", "gpt2", "gpt-neox"])
def test_reading_some_places_changes_nothing_that_is_read(name: str) -> None:
    policy = random_policy(configs()[name], toys.tokenizer())
    batch = row()
    some = batch.logit_positions_L
    whole, part = policy.forward_tree(batch), policy.forward_tree(batch, some)
    assert (whole[some] - part[some]).abs().max() < 1e-5
    unread = torch.ones(batch.n_tokens, dtype=torch.bool)
    unread[some] = False
    assert (whole[unread] - part[unread]).abs().max() > 1e-3
    parameters = policy.parameters()
    one = torch.autograd.grad(whole[some].square().sum(), parameters, allow_unused=True)
    two = torch.autograd.grad(part[some].square().sum(), parameters, allow_unused=True)
    for a, b in zip(one, two, strict=True):
        assert (a is None) == (b is None)
        assert a is None or relative(b, a) < 1e-4
    assert not policy.causal_lm.get_decoder()._forward_hooks


def test_models_that_cannot_follow_a_tree_are_refused() -> None:
    batch = row()
    size = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2}
    mamba = random_policy(MambaConfig(**size, state_size=4), toys.tokenizer())
    with pytest.raises(ModelError):
        mamba.logps(batch)
    gemma = Gemma2Config(
        **size, intermediate_size=32, num_attention_heads=2, num_key_value_heads=1, head_dim=16
    )
    with pytest.raises(ModelError, match="softcap"):
        random_policy(gemma, toys.tokenizer()).logps(batch)


def test_a_conversation_deeper_than_the_model_is_refused() -> None:
    config = configs()["gpt2"]
    config.n_positions = 64
    with pytest.raises(ModelError, match="the model has 64 positions"):
        random_policy(config, toys.tokenizer()).logps(row())
