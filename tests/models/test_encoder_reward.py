"""Encoders as reward models: transformers' own scores, whatever the batch, trained and reloaded."""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from handrail.models import ModelSettings
from handrail.models.rewards import load_reward, new_reward
from handrail.models.rewards.encoder import EncoderReward
from handrail.objectives import BradleyTerry, Rating
from handrail.records import Message, ModelError, RenderError, Reply, SettingError, Turn
from handrail.training import TrainSettings, train
from handrail.trees import TreeSettings, collate
from handrail.trees.sequences import rules_text, talk_text
from tests.models import encoders
from tests.trees import toys

SETTINGS = ModelSettings(device="cpu")


def opened(at: Path, family: str = "bert", settings: ModelSettings = SETTINGS) -> EncoderReward:
    reward = new_reward(encoders.folder(at, family), settings)
    assert isinstance(reward, EncoderReward)
    return reward


def some_turns(n: int = 6, replies: int = 3) -> list[Turn]:
    turns = [t for s in range(n) for t in toys.conversation_turns(1, seed=s, n_replies=replies)]
    rng = random.Random(0)
    return [
        t.model_copy(
            update={
                "replies": tuple(
                    r.model_copy(
                        update={"text": toys.sentence(rng, rng.randint(1, 12)), "rating": k / 4}
                    )
                    for k, r in enumerate(t.replies)
                )
            }
        )
        for t in turns
    ]


def alone(reward: EncoderReward, turn: Turn, reply: str) -> float:
    """The score by transformers: one pair of texts, its tokenizer's own frame, no padding."""
    prompt = rules_text(turn.playbook) + talk_text(turn.context)
    told = reward.tokenizer(prompt, reply.strip(), return_tensors="pt")
    with torch.no_grad():
        return float(reward.inner.eval()(**told).logits[0, 0])


@pytest.mark.parametrize("family", encoders.FAMILIES)
def test_scores_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    reward = opened(tmp_path / "base", family)
    turns = some_turns()
    pairs = [(t, r.text) for t in turns for r in t.replies]
    expected = [alone(reward, *pair) for pair in pairs]
    assert max(expected) - min(expected) > 1e-2
    told: list[tuple[int, int]] = []
    assert reward.score_all(pairs, lambda *done: told.append(done)) == pytest.approx(
        expected, abs=1e-5
    )
    assert told[-1] == (len(pairs), len(pairs))
    reward.model.train()
    row = collate(reward.build(turns).trees)
    scores_R = reward.scores(row)
    assert scores_R.dtype == torch.float32
    assert scores_R.tolist() == pytest.approx(expected, abs=1e-5)
    scores_R.sum().backward()
    assert all(p.grad is not None for n, p in reward.named_parameters() if "classifier" in n)


def worst_of_batchings(reward: EncoderReward, turns: list[Turn], times: int) -> float:
    """The largest gap of a reply's score between random batchings and the reply alone."""
    trees = reward.build(turns).trees
    rng = random.Random(3)
    with torch.no_grad():
        own = {ref: s for t in trees for ref, s in _scored(reward, [t])}
        worst = 0.0
        for _ in range(times):
            some = rng.sample(range(len(trees)), rng.randint(1, min(5, len(trees))))
            for ref, score in _scored(reward, [trees[n] for n in some]):
                worst = max(worst, abs(score - own[ref]))
    return worst


def _scored(reward: EncoderReward, trees: list) -> list[tuple[tuple[str, int], float]]:
    row = collate(trees)
    return list(zip(row.refs, reward.scores(row).tolist(), strict=True))


@pytest.mark.parametrize(("family", "times"), [("bert", 1000), ("deberta", 40), ("roberta", 60)])
def test_a_score_does_not_depend_on_the_batch(family: str, times: int, tmp_path: Path) -> None:
    reward = opened(tmp_path / "base", family)
    assert worst_of_batchings(reward, some_turns(6, 2), times) < 1e-5


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_nor_under_bfloat16(mode: str, tmp_path: Path) -> None:
    """Up to what bfloat16 rounds, which depends on the processor: hundredths of the spread."""
    settings = dataclasses.replace(SETTINGS, dtype="bfloat16", mode=mode)  # type: ignore[arg-type]
    reward, turns = opened(tmp_path / "base", "bert", settings), some_turns(6, 2)
    scores = reward.score_all([(t, r.text) for t in turns for r in t.replies])
    spread = max(scores) - min(scores)
    assert spread > 1e-2
    assert worst_of_batchings(reward, turns, 100) < spread / 25


def test_padding_that_is_the_end_token_changes_nothing(tmp_path: Path) -> None:
    reward = opened(tmp_path / "base", "bert")
    pairs = [(t, r.text) for t in some_turns(3) for r in t.replies]
    before = reward.score_all(pairs)
    other = load_reward(reward.save(tmp_path / "saved"), SETTINGS)
    other.tokenizer.pad_token = other.tokenizer.eos_token
    assert other.score_all(pairs) == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("mode", ["full", "lora"])
@pytest.mark.parametrize("family", ["bert", "deberta", "roberta"])
def test_it_learns_is_saved_and_reloaded(mode: str, family: str, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, mode=mode)  # type: ignore[arg-type]
    reward = opened(tmp_path / "base", family, settings)
    turns = some_turns(6)
    how = TrainSettings(learning_rate=3e-3, epochs=12, batch_size=6, schedule="constant")
    result = train(reward, reward.build(turns), BradleyTerry(), how, tmp_path / "run")
    assert result.loss < 0.5
    pairs = [(t, r.text) for t in turns for r in t.replies]
    scores = reward.score_all(pairs)
    again = load_reward(result.final_folder, SETTINGS)
    assert again.kind == "encoder"
    assert again.score_all(pairs) == pytest.approx(scores, abs=1e-5)
    plain = AutoModelForSequenceClassification.from_pretrained(result.final_folder)
    assert plain.config.num_labels == 1
    assert plain.classifier.state_dict().keys() == again.inner.classifier.state_dict().keys()
    if mode == "lora":  # the head is in the adapter's folder too
        fresh = opened(tmp_path / "base", family, settings)
        assert fresh.score_all(pairs) != pytest.approx(scores, abs=1e-3)
        fresh.restore(tmp_path / "run" / "adapter")
        assert fresh.score_all(pairs) == pytest.approx(scores, abs=1e-5)
        base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", num_labels=1)
        theirs = PeftModel.from_pretrained(base, tmp_path / "run" / "adapter")
        by_peft = EncoderReward(theirs, reward.tokenizer, reward.settings, "peft")
        assert [alone(by_peft, *p) for p in pairs] == pytest.approx(scores, abs=1e-5)


def test_bfloat16_keeps_a_float32_head(tmp_path: Path) -> None:
    turns = some_turns(4)
    exact = opened(tmp_path / "base")
    for mode in ("full", "lora"):
        settings = dataclasses.replace(SETTINGS, dtype="bfloat16", mode=mode)  # type: ignore[arg-type]
        reward = opened(tmp_path / "base", "bert", settings)
        row = collate(reward.build(turns).trees)
        seen: list[torch.dtype] = []
        for module in reward.inner.classifier.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_hook(lambda _m, _i, o, seen=seen: seen.append(o.dtype))
        scores_R = reward.scores(row)
        assert scores_R.dtype == torch.float32
        assert seen[-1] == torch.float32
        trained = [p for n, p in reward.named_parameters() if "classifier" in n]
        assert trained
        assert all(p.dtype == torch.float32 for p in trained)
        assert scores_R.tolist() == pytest.approx(exact.scores(row).tolist(), abs=0.1)


def test_what_does_not_fit_has_no_score_unless_prompts_are_cut(tmp_path: Path) -> None:
    reward = opened(tmp_path / "base", "bert")
    words = " ".join(["account"] * 400)
    turn = Turn(context=(Message(role="user", content=words),), replies=(Reply(text="yes"),))
    short = some_turns(1)[0]
    given = [(turn, "yes"), (short, "yes"), (short, "no " * 400), (turn, "no")]
    scores = reward.score_all(given)
    assert [math.isnan(s) for s in scores] == [True, False, True, True]
    with pytest.raises(RenderError, match="300 are allowed"):
        reward.build([turn])
    reward.on_long = "cut_context"
    again = load_reward(reward.save(tmp_path / "saved"), SETTINGS)
    assert isinstance(again, EncoderReward)
    assert again.on_long == "cut_context"
    cut = again.score_all(given)
    assert [math.isnan(s) for s in cut] == [False, False, True, False]
    forest = again.build([turn], TreeSettings(max_tokens=300, on_long="cut_context"))
    (score,) = again.scores(collate(forest.trees)).tolist()
    assert cut[0] == pytest.approx(score, abs=1e-6)
    with pytest.raises(SettingError, match="300 positions"):
        again.build([turn], TreeSettings(max_tokens=400))
    long = dataclasses.replace(forest.trees[0])
    with pytest.raises(ModelError, match="301 tokens"):
        again._scores(torch.zeros(301, dtype=torch.long), [301], torch.ones(1))
    assert len(long) == 300


def test_positions_of_roberta_begin_after_its_padding(tmp_path: Path) -> None:
    reward = opened(tmp_path / "base", "roberta")
    assert reward.max_positions == 300 - 5
    turn = Turn(context=(Message(role="user", content="a" * 286),), replies=(Reply(text="b"),))
    (score,) = reward.score(turn, ["b"])
    assert score == pytest.approx(alone(reward, turn, "b"), abs=1e-5)


def test_what_is_no_encoder_with_one_score_is_refused(tmp_path: Path) -> None:
    base = encoders.folder(tmp_path / "base", "bert")
    with pytest.raises(ModelError, match=r"lack: '.*classifier|labels"):
        load_reward(base, SETTINGS)
    config = encoders.config("bert")
    config.num_labels = 2
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "two")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "two")
    with pytest.raises(ModelError, match="2 labels"):
        load_reward(tmp_path / "two", SETTINGS)


def test_new_heads_follow_from_the_seed(tmp_path: Path) -> None:
    base = encoders.folder(tmp_path / "base", "deberta")
    pair = [(some_turns(1)[0], "yes")]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = new_reward(base, SETTINGS).score_all(pair)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(9)
    assert new_reward(base, SETTINGS).score_all(pair) == first
    other = dataclasses.replace(SETTINGS, seed=1)
    assert new_reward(base, other).score_all(pair) != first


def test_minilm_learns_ratings(tmp_path: Path) -> None:
    reward = new_reward(encoders.minilm(), SETTINGS)
    question = (Message(role="user", content="How do I get my money back?"),)
    good = ("You can return it within 30 days.", "Send it back and we refund you in full.")
    bad = ("Bananas are yellow.", "xk qq zz fff")
    turns = [
        Turn(
            id=f"t{n}",
            context=question,
            replies=(Reply(text=good[n], rating=0.9), Reply(text=bad[n], rating=0.1)),
        )
        for n in range(2)
    ]
    how = TrainSettings(learning_rate=2e-4, epochs=10, batch_size=4, schedule="constant")
    train(reward, reward.build(turns), Rating("logistic"), how, tmp_path / "run")
    trained = load_reward(tmp_path / "run" / "final", SETTINGS)
    rated = trained.score(turns[0], [*good, *bad])
    assert min(rated[:2]) > max(rated[2:])
    assert worst_of_batchings(reward, turns, 5) < 1e-5  # type: ignore[arg-type]
