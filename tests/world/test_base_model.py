"""The base model that the package brings: its size, and that it speaks the world."""

from __future__ import annotations

import math
import warnings

import pytest
from safetensors import safe_open

from handrail import world

PARAMETERS, BYTES = 6_000_000, 12_000_000
UNSEEN = 7_000_001  # no recipe and no training draws from this seed
TURNS, NATURAL = 60, 0.8


def test_it_is_small_and_bfloat16() -> None:
    folder = world.world_model_path()
    with safe_open(folder / "model.safetensors", "pt") as weights:
        slices = [weights.get_slice(name) for name in weights.keys()]  # noqa: SIM118 (no mapping)
    assert {one.get_dtype() for one in slices} == {"BF16"}
    assert 1_000_000 < sum(math.prod(one.get_shape()) for one in slices) <= PARAMETERS
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= BYTES


@pytest.mark.slow
def test_it_speaks_the_world() -> None:
    """Sampled at temperature 0.7, the oracle finds at least 80 % of its replies natural."""
    from handrail.models import ModelSettings, load_policy
    from handrail.records import SamplingParams
    from handrail.sampling import LocalSampler
    from handrail.trees import Renderer

    policy = load_policy("world", ModelSettings(dtype="float32", device="cpu"))
    sampler = LocalSampler(policy, Renderer(policy.tokenizer))
    talks = world.generate(TURNS // 2, UNSEEN)
    turns = [turn for talk in talks for turn in world.turns(talk)[:3]][:TURNS]
    assert len(turns) == TURNS
    drawn = sampler.sample(turns, SamplingParams(temperature=0.7, max_tokens=96, seed=0))
    oracle = world.Oracle()
    found = [oracle.assess(t, s[0].text or "-").natural for t, s in zip(turns, drawn, strict=True)]
    share = sum(map(bool, found)) / TURNS
    warnings.warn(f"naturalness of the base model: {share:.1%} of {TURNS} replies", stacklevel=1)
    assert share >= NATURAL
