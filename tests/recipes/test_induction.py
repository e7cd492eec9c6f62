"""A fresh model with copying heads repeats what it has read; without them it does not."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from handrail.recipes.induction import start_copying
from handrail.recipes.small_model import PretrainSettings, new_model, train_tokenizer
from handrail.records import ModelError


def fresh(copying: bool, **sizes: int) -> LlamaForCausalLM:
    tokenizer = train_tokenizer(["a few words to begin with"] * 3, 300)
    tokenizer.add_tokens([f"word{i}" for i in range(3000)])
    size = {"layers": 2, "width": 256, "heads": 4, "kv_heads": 4, "intermediate": 64} | sizes
    return new_model(PretrainSettings(copying=copying, **size), tokenizer)


@torch.no_grad()
def repeats(model: LlamaForCausalLM, gap: int) -> float:
    """Share of tokens of a random text that the model says right when it comes again."""
    generator = torch.Generator().manual_seed(3)
    n = model.config.vocab_size
    text, between = (torch.randint(2, n, (6, length), generator=generator) for length in (40, gap))
    said = model(torch.cat([text, between, text], 1)).logits[:, -40:-1].argmax(-1)
    return float((said == text[:, 1:]).float().mean())


@pytest.mark.parametrize("gap", [0, 50, 600])
def test_a_fresh_model_copies_over_any_distance(gap: int) -> None:
    assert repeats(fresh(copying=True), gap) > 0.7


def test_random_weights_do_not_copy() -> None:
    assert repeats(fresh(copying=False), 50) < 0.1


def test_narrow_heads_copy_too() -> None:
    assert repeats(fresh(copying=True, heads=8, kv_heads=8), 50) > 0.6


def test_a_model_too_small_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot start with copying heads"):
        start_copying(fresh(copying=False, layers=1))
