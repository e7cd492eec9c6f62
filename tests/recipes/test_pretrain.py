"""Pre-training from scratch: what it leaves, that it learns, and that it resumes exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.recipes.conftest import TINY
from transformers import AutoTokenizer

from handrail import world
from handrail.models import ModelSettings, load_policy
from handrail.recipes.pretrain import pretrain
from handrail.recipes.small_model import PretrainSettings
from handrail.records import SettingError
from handrail.training import settings_from
from handrail.trees import Renderer


def test_the_folder_is_a_model_that_transformers_and_the_renderer_take(tiny_model: Path) -> None:
    policy = load_policy(tiny_model, ModelSettings())
    renderer = Renderer(policy.tokenizer)
    assert renderer.style == "guardrail"
    assert policy.tokenizer.chat_template
    turn = world.training_turns(2, 1)[0]
    text = turn.replies[0].text
    assert renderer.decode(renderer.reply_ids(text)) == text
    stored = load_file(tiny_model / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}


def test_digits_stay_single_tokens(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    assert len(tokenizer("4821", add_special_tokens=False)["input_ids"]) == 4


def test_it_learns(tmp_path: Path) -> None:
    losses: list[float] = []

    def watch(stage: str, done: float, total: float, note: str = "") -> None:
        if stage == "pretrain":
            losses.append(float(note.removeprefix("loss ")))

    result = pretrain(world.generate(40, 6), TINY, tmp_path, watch)
    assert result["steps"] == len(losses)
    assert losses[-1] < 0.9 * losses[0]


def test_it_stops_where_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no conversations"):
        pretrain([], TINY, tmp_path)


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"width": 100, "heads": 3}, "width=100 is not a multiple of twice heads=3"),
        ({"width": 20, "heads": 4}, "width=20 is not a multiple of twice heads=4"),
        ({"heads": 4, "kv_heads": 3}, "heads=4 is not a multiple of kv_heads=3"),
    ],
)
def test_heads_that_do_not_fit_are_named(sizes: dict[str, int], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        settings_from(PretrainSettings, sizes)
