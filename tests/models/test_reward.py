"""Reward models from a folder: whole, one score, and no reply's score depends on its batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from handrail.judges import RewardJudge
from handrail.models import random_policy
from handrail.models.reward import RewardModel, load_reward
from handrail.records import Comparison, JudgeError, ModelError, Outcome, Turn, Verdict
from tests.models.configs import configs
from tests.trees import toys


def folder(at: Path, name: str = "llama-grouped-heads", labels: int = 1, **config: Any) -> Path:
    """A reward model with random weights, saved with a tokenizer whose padding is its eos."""
    tokenizer = toys.tokenizer(toys.CHATML, "<|im_end|>")
    tokenizer.pad_token = tokenizer.eos_token
    made = configs()[name]
    made.num_labels, made.pad_token_id = labels, tokenizer.pad_token_id
    for key, value in config.items():
        setattr(made, key, value)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(made)
    model.save_pretrained(at)
    tokenizer.save_pretrained(at)
    return at


def replies() -> list[tuple[Turn, str]]:
    turns = toys.conversation_turns(2)
    return [(turn, text) for turn in turns for text in ("yes", "no, never that", "x " * 40)]


@pytest.mark.parametrize("name", ["llama-grouped-heads", "gpt2", "qwen2"])
def test_a_score_is_the_one_of_the_reply_alone(name: str, tmp_path: Path) -> None:
    model = load_reward(folder(tmp_path / "rm", name), "float32")
    given = replies()
    told: list[tuple[int, int]] = []
    together = model.score_all(given, lambda done, of: told.append((done, of)))
    renderer, alone = model.renderer, []
    for turn, reply in given:
        ids = torch.tensor([[*renderer.prompt_ids(turn), *renderer.reply_ids(reply)]])
        with torch.inference_mode():
            alone.append(float(model.model(input_ids=ids).logits[0, 0]))
    assert together == pytest.approx(alone, abs=1e-5)
    assert len({round(score, 4) for score in together}) > 3  # it reads the replies at all
    assert told[-1] == (len(given), len(given))
    model.tokens_at_once = 1  # one at a time
    assert model.score_all(given) == pytest.approx(alone, abs=1e-5)
    assert model.score(given[0][0], ["yes", "no, never that"]) == pytest.approx(alone[:2], abs=1e-5)


def test_it_judges_and_what_does_not_fit_has_no_score(tmp_path: Path) -> None:
    model = load_reward(folder(tmp_path / "rm", max_position_embeddings=700), "float32")
    assert isinstance(model, RewardModel)
    turn = toys.conversation_turns(1)[0]
    judge = RewardJudge(model)
    assert judge.name == "reward:rm"
    scores = model.score(turn, ["yes", "no"])
    better = Outcome.A if scores[0] > scores[1] else Outcome.B
    one, other, failed = judge.compare_all(
        [
            Comparison(turn, "yes", "no", "preference"),
            Comparison(turn, "no", "yes", "preference"),
            Comparison(turn, "yes", "far too long " * 300, "preference"),
        ]
    )
    assert isinstance(one, Verdict)
    assert isinstance(other, Verdict)
    assert (one.outcome, other.outcome) == (better, better.swap())
    assert isinstance(failed, JudgeError)


def test_what_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="2 labels"):
        load_reward(folder(tmp_path / "two", labels=2))
    policy = random_policy(configs()["gpt2"], toys.tokenizer(toys.CHATML, "<|im_end|>"))
    with pytest.raises(ModelError, match=r"lack: 'score\.weight'"):
        load_reward(policy.save(tmp_path / "policy"))
    with pytest.raises(ModelError, match="no such folder"):
        load_reward(tmp_path / "absent")
