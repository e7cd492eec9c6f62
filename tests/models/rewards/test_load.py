"""Reward models are opened, new or trained, saved and opened again with the same scores."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, BertConfig

from handrail.judges import RewardJudge
from handrail.models import (
    ModelSettings,
    RewardModel,
    load_policy,
    load_reward,
    new_reward,
    random_policy,
)
from handrail.models.rewards.causal import CausalReward
from handrail.records import (
    BatchScorer,
    Comparison,
    JudgeError,
    ModelError,
    Outcome,
    SettingError,
    Turn,
    Verdict,
)
from handrail.trees import collate
from tests.models.configs import configs
from tests.models.rewards.toys import alone, base, pairs, reward
from tests.trees import toys

CPU = ModelSettings(device="cpu")


def folder(at: Path, name: str = "llama-grouped-heads", labels: int = 1, **config: Any) -> Path:
    """A reward model of others: random weights, with a tokenizer whose padding is its eos."""
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
def test_of_others_a_score_is_the_one_of_the_reply_alone(name: str, tmp_path: Path) -> None:
    model = load_reward(folder(tmp_path / "rm", name), CPU)
    given = replies()
    told: list[tuple[int, int]] = []
    together = model.score_all(given, lambda done, of: told.append((done, of)))
    expected = alone(model, given)
    assert together == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 4) for score in together}) > 3  # it reads the replies at all
    assert told[-1] == (len(given), len(given))
    assert model.score(given[0][0], ["yes", "no, never that"]) == pytest.approx(
        expected[:2], abs=1e-5
    )
    assert (model.name, model.kind, model.trained_with) == ("rm", "causal", "")
    with pytest.raises(SettingError, match="trained with 'nobody said what'"):
        model.probability(together[0])


def test_it_judges_and_what_does_not_fit_has_no_score(tmp_path: Path) -> None:
    model = load_reward(folder(tmp_path / "rm", max_position_embeddings=700), CPU)
    assert isinstance(model, RewardModel)
    assert isinstance(model, BatchScorer)
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
    two = folder(tmp_path / "two", labels=2)
    with pytest.raises(ModelError, match="2 labels"):
        load_reward(two)
    with pytest.raises(ModelError, match=r"in another shape: 'score\.weight'"):
        new_reward(two)
    language = base(tmp_path / "policy")
    with pytest.raises(ModelError, match=r"lack: 'score\.weight'"):
        load_reward(language)
    with pytest.raises(ModelError, match="no such folder"):
        load_reward(tmp_path / "absent")
    with pytest.raises(SettingError, match="Did you mean 'causal'"):
        new_reward(language, kind="casual")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no linear 'score'"):
        new_reward(encoder(tmp_path / "bert"), kind="causal")


def encoder(at: Path) -> Path:
    config = BertConfig(
        vocab_size=400,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=1,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(at)
    toys.tokenizer().save_pretrained(at)
    return at


@pytest.mark.parametrize("name", ["llama", "llama-tied", "gpt2", "gpt-neox", "qwen3"])
def test_a_new_head_is_drawn_from_the_seed_and_nothing_else_is_new(
    name: str, tmp_path: Path
) -> None:
    language = base(tmp_path / "lm", name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the language model's own head is no loss worth a word
        one, same = new_reward(language, CPU), new_reward(language, CPU)
    other = new_reward(language, ModelSettings(device="cpu", seed=1))
    assert isinstance(one, CausalReward)
    assert torch.equal(one.inner.score.weight, same.inner.score.weight)
    assert not torch.equal(one.inner.score.weight, other.inner.score.weight)
    assert one.inner.score.bias is None
    theirs = load_policy(language, CPU).causal_lm.base_model.state_dict()
    ours = one.decoder.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert one.trained_with == ""


def test_a_new_head_has_variance_one_over_d_plus_one() -> None:
    weight = new_reward("world", CPU).inner.score.weight
    assert weight.shape == (1, 256)
    # The standard error of a standard deviation from 256 values is 4.4 %.
    assert weight.std().item() == pytest.approx(257**-0.5, rel=0.15)
    assert abs(weight.mean().item()) < 4 * 257**-0.5 / 16


def test_weights_that_lack_more_than_a_head_are_refused(tmp_path: Path) -> None:
    language = base(tmp_path / "lm", "llama")
    config = json.loads((language / "config.json").read_text("utf-8"))
    config["num_hidden_layers"] += 1
    (language / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelError, match=r"lack: 'model\.layers\.3"):
        new_reward(language)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_head_is_saved_with_the_adapter(dtype: str, tmp_path: Path) -> None:
    """Merged, through peft on the base model, and put back into a model of the same start."""
    language = base(tmp_path / "lm", "gpt2" if dtype == "float32" else "qwen3")
    how = ModelSettings(mode="lora", dtype=dtype, lora_rank=4, device="cpu")
    model = new_reward(language, how)
    names = [name for name, _ in model.named_parameters()]
    assert [name for name in names if "lora_" not in name] == [
        "base_model.model.score.modules_to_save.default.weight"
    ]
    assert not any("lora_" in name and "score" in name for name in names)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    head = dict(model.named_parameters())[
        "base_model.model.score.modules_to_save.default.weight"
    ].detach()
    expected = model.score_all(pairs())
    adapter, whole = model.save_adapter(tmp_path / "adapter"), model.save(tmp_path / "whole")
    near = {"float32": 2e-5, "bfloat16": 0.1}[dtype]  # the merged weights are float32

    merged = load_reward(whole, CPU)
    assert torch.equal(merged.inner.score.weight, head)
    assert merged.score_all(pairs()) == pytest.approx(expected, abs=near)

    plain = AutoModelForSequenceClassification.from_pretrained(language, num_labels=1)
    again = PeftModel.from_pretrained(plain, adapter).eval()
    assert torch.equal(again.base_model.model.score.weight, head)
    merged.inner.config.pad_token_id = plain.config.pad_token_id
    theirs = type(merged)(again, model.tokenizer, model.settings, "peft")
    assert alone(theirs, pairs()) == pytest.approx(expected, abs=near)

    restored = new_reward(language, how)
    restored.restore(adapter)
    assert restored.score_all(pairs()) == expected
    with restored.adapters_off():
        assert restored.score_all(pairs()) == new_reward(language, how).score_all(pairs())


def test_a_trained_model_as_the_base_keeps_its_head(tmp_path: Path) -> None:
    """Preference-model pre-training, then fine-tuning: fully, and by adapters."""
    first = reward(tmp_path / "lm")
    with torch.no_grad():
        first.inner.score.weight.add_(1.0)
    first.trained_with = "bradley_terry"
    saved = first.save(tmp_path / "pmp")
    for mode in ("full", "lora"):
        for opened in (new_reward, load_reward):
            after = opened(saved, ModelSettings(mode=mode, seed=7, device="cpu"))  # type: ignore[arg-type]
            assert after.trained_with == "bradley_terry"
            assert after.score_all(pairs()) == pytest.approx(first.score_all(pairs()), abs=1e-5)


def test_saved_and_opened_again(tmp_path: Path) -> None:
    model = reward(tmp_path / "lm", "mistral", style="guardrail")
    model.trained_with = "rating/logistic"
    again = load_reward(model.save(tmp_path / "rm"), CPU)
    assert again.trained_with == "rating/logistic"
    assert again.score_all(pairs()) == model.score_all(pairs())
    attention = model.inner.config._attn_implementation
    assert attention == again.inner.config._attn_implementation
    told = json.loads((tmp_path / "rm" / "config.json").read_text("utf-8"))
    assert told["architectures"] == ["MistralForSequenceClassification"]
    assert told["handrail_reward"] == {"trained_with": "rating/logistic"}
    fresh = new_reward(tmp_path / "rm", CPU)
    fresh.restore(tmp_path / "rm")
    assert fresh.score_all(pairs()) == model.score_all(pairs())


def test_a_score_as_a_rating(tmp_path: Path) -> None:
    model = reward(tmp_path / "lm")
    for loss in ("rating/logistic", "rating/sigmoid_mse"):
        model.trained_with = loss
        assert model.probability(0.0) == 0.5
        assert model.probability(2.0) == pytest.approx(0.880797, abs=1e-6)
        assert model.probability(-1e4) == 0.0
        assert model.probability(1e4) == 1.0
    model.trained_with = "rating/mse"
    assert model.probability(0.7) == 0.7
    model.trained_with = "bradley_terry"
    with pytest.raises(SettingError, match="are no ratings: it was trained with 'bradley_terry'"):
        model.probability(0.7)


def test_dropout_of_the_model_itself_is_off(tmp_path: Path) -> None:
    policy = random_policy(configs()["gpt2"], toys.tokenizer())
    model = new_reward(policy.save(tmp_path / "lm"), CPU)
    assert model.model.training
    batch = collate(model.build(toys.conversation_turns(1)).trees)
    assert torch.equal(model.scores(batch), model.scores(batch))
