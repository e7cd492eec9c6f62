"""Bradley-Terry on trees of K replies equals TRL's RewardTrainer on the pairs of the same ranks.

TRL runs two padded sequences per pair, Handrail one tree per prompt.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from pathlib import Path

import pytest
import torch

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import datasets
import numpy as np
import trl
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

from handrail.models import ModelSettings, load_reward
from handrail.objectives import BradleyTerry
from handrail.training.feedback import feedback_of
from handrail.trees import TokenTree, TreeReply, Trie, collate

WORDS = 40
END, PAD = WORDS, WORDS + 1


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {f"w{i}": i for i in range(WORDS)} | {"</s>": END, "<pad>": PAD}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="</s>", pad_token="<pad>")


def classifier() -> LlamaForSequenceClassification:
    """A tiny Llama whose scores are some way apart."""
    torch.manual_seed(0)
    model = LlamaForSequenceClassification(
        LlamaConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=WORDS + 2,
            max_position_embeddings=128,
            eos_token_id=END,
            pad_token_id=PAD,
            num_labels=1,
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def ids(n: int, g: torch.Generator) -> list[int]:
    return torch.randint(0, WORDS, (n,), generator=g).tolist()


def tree(prompt: list[int], replies: list[list[int]]) -> TokenTree:
    """One prompt with its replies, the best first, and all pairs of them."""
    trie = Trie()
    for reply in replies:
        trie.add(prompt + reply)
    laid = trie.layout()
    members = []
    for number, reply in enumerate(replies):
        places = trie.positions(prompt + reply)
        source_n = places[len(prompt) - 1 : -1]
        members.append(TreeReply(0, "t", number, source_n, np.array(reply), int(places[-1])))
    pairs = tuple(itertools.combinations(range(len(replies)), 2))
    return dataclasses.replace(laid, replies=tuple(members), pairs=pairs, n_turns=1)


@pytest.mark.parametrize(
    "objective",
    [BradleyTerry(), BradleyTerry(centring=0.01), BradleyTerry(margin=0.5, centring=0.1)],
    ids=["plain", "centred", "margin"],
)
@pytest.mark.parametrize("k", [2, 4])
def test_loss_and_gradient_equal(objective: BradleyTerry, k: int, tmp_path: Path) -> None:
    model = classifier()
    model.save_pretrained(tmp_path / "rm")
    tokenizer().save_pretrained(tmp_path / "rm")
    g = torch.Generator().manual_seed(k)
    prompts = [ids(4 + n, g) for n in range(3)]
    replies = [[[*ids(3 + n + i, g), END] for i in range(k)] for n in range(3)]
    rows = [
        {"chosen_ids": prompt + better, "rejected_ids": prompt + worse, "margin": objective.margin}
        for prompt, ranked in zip(prompts, replies, strict=True)
        for better, worse in itertools.combinations(ranked, 2)
    ]
    trainer = trl.RewardTrainer(
        model=model,
        args=trl.RewardConfig(
            output_dir=str(tmp_path / "trl"),
            per_device_train_batch_size=len(rows),
            center_rewards_coefficient=objective.centring or None,
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            bf16=False,
            gradient_checkpointing=False,
        ),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer(),
    )
    theirs = trainer.compute_loss(trainer.model, next(iter(trainer.get_train_dataloader())))
    ours = load_reward(tmp_path / "rm", ModelSettings(device="cpu"))
    batch = collate([tree(*both) for both in zip(prompts, replies, strict=True)])
    assert len(batch.refs) == 3 * k
    assert len(batch.pairs_P2) == len(rows)
    loss = objective(feedback_of(batch, scores_R=ours.scores(batch)))
    assert abs(loss.value.item() - theirs.item()) <= 1e-5
    loss.value.backward()
    theirs.backward()
    names = [name for name, _ in model.named_parameters()]
    ours_g, theirs_g = (
        torch.cat([dict(m.named_parameters())[name].grad.flatten() for name in names])
        for m in (ours.model, model)
    )
    assert theirs_g.norm() > 1e-3
    error = ((ours_g - theirs_g).norm() / theirs_g.norm()).item()
    print(f"loss {abs(loss.value.item() - theirs.item()):.1e}, gradient {error:.1e}")
    assert error <= 1e-4
    told = loss.metrics
    assert told["rewards/accuracy"].item() == pytest.approx(
        trainer._metrics["train"]["accuracy"][0]
    )
    assert told["rewards/margin"].item() == pytest.approx(
        trainer._metrics["train"]["margin"][0], abs=1e-5
    )
