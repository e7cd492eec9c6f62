"""A token tree gives the numbers of the padded computation, for every supported architecture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.models import ModelSettings, Policy, load_policy, random_policy
from handrail.models.adapters import merged_state
from handrail.models.load import wrap
from handrail.trees import (
    Forest,
    Renderer,
    TreeReply,
    TreeSettings,
    Trie,
    build_trees,
    collate,
)
from tests.models.configs import configs
from tests.models.oracle import padded_logps, plain_copy, relative
from tests.trees import toys

LOGP, GRADIENT = 1e-5, 1e-4
SHOWN = Renderer(toys.tokenizer())


def forest(mismatched: bool = True) -> Forest:
    turns = toys.conversation_turns(3, seed=1, words=5)
    turns += toys.conversation_turns(1, seed=2, words=5, n_replies=3)
    return build_trees(turns, SHOWN, TreeSettings(mismatched=mismatched))


def lively(policy: Policy) -> Policy:
    """Random weights large enough that attention is far from uniform."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in policy.model.parameters():
            p.add_(torch.randn_like(p) * (0.15 if p.ndim > 1 else 0.05))
    return policy


@pytest.mark.parametrize("keep_scores_mb", [0, 64])
@pytest.mark.parametrize("name", configs())
def test_logps_and_gradients_equal_the_padded_computation(name: str, keep_scores_mb: int) -> None:
    """Attention by flash blocks, and by matrix products whose results are kept."""
    policy = small(name, keep_scores_mb=keep_scores_mb)
    batch = collate(forest().trees)
    plain = plain_copy(policy.model)
    fast = policy.logps(batch)
    slow = torch.cat([padded_logps(plain, tree) for tree in forest().trees])
    assert fast.shape == slow.shape
    assert (fast - slow).abs().max() < LOGP
    torch.manual_seed(2)
    weight = torch.randn_like(fast)
    (fast * weight).sum().backward()
    (slow * weight).sum().backward()
    theirs = dict(plain.named_parameters())
    for key, parameter in policy.model.named_parameters():
        assert parameter.grad is not None, key
        if theirs[key].grad.norm() > 1e-3:
            assert relative(parameter.grad, theirs[key].grad) < GRADIENT, key
    everything = torch.cat([p.grad.flatten() for p in policy.model.parameters()])
    assert relative(everything, torch.cat([theirs[k].grad.flatten() for k in theirs])) < GRADIENT


def small(name: str = "llama-grouped-heads", **settings: Any) -> Policy:
    return lively(random_policy(configs()[name], toys.tokenizer(), ModelSettings(**settings)))


IDS = st.lists(st.integers(5, 9), min_size=1, max_size=30)


@pytest.mark.parametrize("name", ["llama-grouped-heads", "mistral-tiny-window", "gpt2"])
@settings(max_examples=12)
@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=8))
def test_any_topology(name: str, turns: list[tuple[list[int], list[int]]]) -> None:
    """Random prompts and replies over five tokens: shared beginnings everywhere."""
    trie = Trie()
    for prompt, reply in turns:
        trie.add(prompt + reply)
    tree = trie.layout()
    replies = []
    for prompt, reply in turns:
        places = trie.positions(prompt + reply)
        source = places[len(prompt) - 1 : -1]
        target = np.array(reply)
        replies.append(TreeReply(0, "t", 0, source, target, int(places[-1])))
    tree = dataclasses.replace(tree, replies=tuple(replies), n_turns=1)
    policy = POLICIES.setdefault(name, small(name))
    kept = policy.logps(collate([tree])).detach()
    with torch.no_grad():
        fast = policy.logps(collate([tree]))
        slow = padded_logps(plain_copy(policy.model), tree)
    assert (fast - slow).abs().max() < LOGP
    assert torch.equal(kept, fast)  # a reference of the same weights is the policy exactly


POLICIES: dict[str, Policy] = {}


def test_packing_changes_nothing() -> None:
    policy = small("mistral-window")
    trees = [build_trees(toys.conversation_turns(2, seed=s), SHOWN).trees[0] for s in range(3)]
    with torch.no_grad():
        together = policy.logps(collate(trees))
        apart = torch.cat([policy.logps(collate([t])) for t in trees])
    assert (together - apart).abs().max() < LOGP


def test_a_mismatched_branch_changes_no_other_reply() -> None:
    policy = small()
    plain, more = collate(forest(mismatched=False).trees), collate(forest().trees)
    with torch.no_grad():
        before, after = policy.logps(plain), policy.logps(more)
    own = ~more.mismatched_R[more.reply_N]
    assert int((~own).sum()) > 0
    assert (after[own] - before).abs().max() < LOGP
    assert not more.mismatched_R[more.pairs_P2].any()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_activation_checkpointing_changes_nothing(name: str) -> None:
    grads = []
    for on in (False, True):
        policy = small(name, activation_checkpointing=on)
        policy.logps(collate(forest().trees)).sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in policy.parameters()]))
    assert relative(grads[1], grads[0]) < 1e-6


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2"])
def test_bfloat16_is_near_float32(name: str) -> None:
    """Tolerance: 0.05 nats a token at most on average, gradients within 5 %."""
    out = []
    for dtype in ("float32", "bfloat16"):
        policy = random_policy(configs()[name], toys.tokenizer(), ModelSettings(dtype=dtype))
        batch = collate(forest().trees)
        logps = policy.logps(batch)
        assert logps.dtype == torch.float32
        logps.mean().backward()
        out.append((logps.detach(), torch.cat([p.grad.flatten() for p in policy.parameters()])))
        assert all(p.dtype == p.grad.dtype == torch.float32 for p in policy.parameters())
    assert (out[0][0] - out[1][0]).abs().mean() < 0.05
    assert relative(out[1][1], out[0][1]) < 0.05


def test_lora_trains_adapters_alone_and_its_reference_is_the_base() -> None:
    base = small()
    batch = collate(forest().trees)
    expected = base.logps(batch).detach()
    policy = wrap(base.model, base.tokenizer, ModelSettings(mode="lora", lora_rank=4))
    assert all("lora_" in name for name, _ in policy.named_parameters())
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    tuned = policy.logps(batch)
    assert (tuned - expected).abs().max() > 0.01
    assert (policy.reference_logps(batch) - expected).abs().max() < LOGP
    assert not policy.reference_logps(batch).requires_grad
    merged = random_policy(configs()["llama-grouped-heads"], base.tokenizer)
    merged.model.load_state_dict(merged_state(policy.model))
    assert (merged.logps(batch) - tuned).abs().max() < 1e-4
    tuned.sum().backward()
    slow = padded_logps(policy.model.eval(), forest().trees[0])
    assert (tuned - slow).abs().max() < LOGP
    grads = [p.grad.clone() for p in policy.parameters()]
    policy.model.zero_grad()
    slow.sum().backward()
    for mine, parameter in zip(grads, policy.parameters(), strict=True):
        assert relative(mine, parameter.grad) < GRADIENT


def test_lora_in_bfloat16_holds_frozen_weights_narrow(tmp_path: Path) -> None:
    folder = small().save(tmp_path / "m")
    policy = load_policy(folder, ModelSettings(mode="lora", dtype="bfloat16"))
    batch = collate(forest().trees)
    policy.logps(batch).mean().backward()
    assert {p.dtype for p in policy.model.parameters() if not p.requires_grad} == {torch.bfloat16}
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in policy.parameters())
    full = load_policy(folder)
    difference = policy.reference_logps(batch) - full.logps(batch).detach()
    assert difference.abs().mean() < 0.2


def test_the_same_model_still_generates_and_scores_without_a_tree() -> None:
    policy = small("mistral-window")
    ids = torch.randint(5, 300, (2, 60))
    mask = torch.ones_like(ids)
    mask[0, :9] = 0
    plain = plain_copy(policy.model)
    policy.model.eval()
    with torch.no_grad():
        mine, theirs = (
            model(input_ids=ids, attention_mask=mask).logits[mask.bool()]
            for model in (policy.model, plain)
        )
        assert (mine - theirs).abs().max() < 1e-4
        one = policy.model.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False)
        two = plain.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False)
    assert torch.equal(one, two)
