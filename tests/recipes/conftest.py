"""A tiny base model, trained for a few steps on the world, shared by the tests of the recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from handrail import world
from handrail.recipes.pretrain import pretrain
from handrail.recipes.small_model import PretrainSettings

TINY = PretrainSettings(
    copying=False,
    muon_lr=8e-3,
    adam_lr=8e-3,
    vocabulary=600,
    layers=1,
    width=32,
    heads=2,
    kv_heads=2,
    intermediate=48,
    tokens_per_step=2048,
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    pretrain(world.generate(24, 5), TINY, folder)
    return folder
