"""Make what both sides read: a model with random weights, its tokenizer, and the data.

    python prepare.py FOLDER SHAPE SIZE OBJECTIVE UNITS TURNS SEED EXAMPLES

`turns.jsonl` is for Handrail, `rows.jsonl` for TRL: the same replies at the same turns, each in
its full prompt. For SFT, EXAMPLES says what a row of TRL's is: a whole "conversation" with labels
on the agent's tokens only, which is the least work that TRL can do for it, or one "turn".
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import torch
from common import REWARDS
from shapes import SIZES, Size, Words, make_turns
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from handrail.records import Turn, write_jsonl
from handrail.trees import Renderer

Row = dict[str, object]


def make_tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    """One token per word w0, w1, ...; any other word is the unknown token."""
    special = ["<unk>", "</s>", "<pad>"]
    words = special + [f"w{i}" for i in range(vocab - len(special))]
    core = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", eos_token="</s>", pad_token="<pad>"
    )


def make_config(size: Size) -> PretrainedConfig:
    """The architecture as transformers knows it; without dropout, which Handrail never has."""
    special = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 2}
    if size.family == "gpt2":
        return GPT2Config(
            vocab_size=size.vocab,
            n_embd=size.width,
            n_inner=size.intermediate,
            n_layer=size.layers,
            n_head=size.heads,
            n_positions=size.positions,
            tie_word_embeddings=size.tied,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            **special,
        )
    return LlamaConfig(
        vocab_size=size.vocab,
        hidden_size=size.width,
        intermediate_size=size.intermediate,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_heads or size.heads,
        max_position_embeddings=size.positions,
        tie_word_embeddings=size.tied,
        **special,
    )


def make_model(size: Size, seed: int, scores: bool = False) -> PreTrainedModel:
    """A model of that size with random float32 weights; with a head of one score if wanted."""
    torch.manual_seed(seed)
    if scores:
        config = make_config(size)
        config.num_labels = 1
        return AutoModelForSequenceClassification.from_config(config).float()
    return AutoModelForCausalLM.from_config(make_config(size)).float()


class Texts:
    """The text of given tokens, such that tokenising it gives these tokens again."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, renderer: Renderer) -> None:
        self._tokenizer, self._renderer = tokenizer, renderer

    def prompt(self, turn: Turn) -> str:
        """The prompt of a turn."""
        return self._text(self._renderer.prompt_ids(turn))

    def reply(self, turn: Turn, index: int) -> str:
        """A reply of a turn with its end token, and the space that parts it from the prompt."""
        return " " + self._text(self._renderer.reply_ids(turn.replies[index].text))

    def _text(self, ids: list[int]) -> str:
        text = " ".join(self._tokenizer.convert_ids_to_tokens(ids))
        if self._tokenizer(text, add_special_tokens=False)["input_ids"] != ids:
            raise AssertionError("a text does not give its own tokens back")
        return text


def pair_rows(turns: list[Turn], texts: Texts) -> list[Row]:
    """One row per (better, worse) pair, for DPO, IPO and Bradley-Terry."""
    rows: list[Row] = []
    for turn in turns:
        prompt = texts.prompt(turn)
        for i, j in turn.pairs():
            rows.append(
                {
                    "prompt": prompt,
                    "chosen": texts.reply(turn, i),
                    "rejected": texts.reply(turn, j),
                    "keys": [[turn.id, i], [turn.id, j]],
                }
            )
    return rows


def reply_rows(turns: list[Turn], texts: Texts) -> list[Row]:
    """One row per reply with its label, for KTO."""
    return [
        {
            "prompt": texts.prompt(turn),
            "completion": texts.reply(turn, i),
            "label": bool(reply.desirable),
            "keys": [[turn.id, i]],
        }
        for turn in turns
        for i, reply in enumerate(turn.replies)
    ]


def turn_rows(turns: list[Turn], renderer: Renderer) -> list[Row]:
    """One row per turn; labels on the tokens of its best reply."""
    rows: list[Row] = []
    for turn in turns:
        best = turn.best()
        if best is not None:
            prompt, reply = renderer.prompt_ids(turn), renderer.reply_ids(turn.replies[best].text)
            labels = [-100] * len(prompt) + reply
            rows.append({"input_ids": prompt + reply, "labels": labels, "keys": [[turn.id, best]]})
    return rows


def sft_rows(turns: list[Turn], renderer: Renderer) -> list[Row]:
    """One row per conversation; labels on the tokens of every turn's best reply."""
    last: dict[str, Row] = {}
    for turn in turns:
        best = turn.best()
        if best is None:
            continue
        prompt, reply = renderer.prompt_ids(turn), renderer.reply_ids(turn.replies[best].text)
        before = last.get(turn.conversation_id, {"input_ids": [], "labels": [], "keys": []})
        known = len(before["input_ids"])  # type: ignore[arg-type]
        if prompt[:known] != before["input_ids"]:
            raise AssertionError("a turn's prompt does not go on from the turn before")
        labels = [*before["labels"], *[-100] * (len(prompt) - known), *reply]  # type: ignore[misc]
        keys = [*before["keys"], [turn.id, best]]  # type: ignore[misc]
        last[turn.conversation_id] = {"input_ids": prompt + reply, "labels": labels, "keys": keys}
    return list(last.values())


def main() -> None:
    """Write the folder."""
    folder, shape, size_name, objective = Path(sys.argv[1]), *sys.argv[2:5]
    units, turns_each, seed = map(int, sys.argv[5:8])
    examples = sys.argv[8]
    size = SIZES[size_name]
    tokenizer = make_tokenizer(size.vocab)
    make_model(size, seed, objective in REWARDS).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    renderer = Renderer(tokenizer, style="guardrail")
    turns = make_turns(shape, renderer, Words(size.vocab - 3, seed), units, turns_each)
    write_jsonl(folder / "turns.jsonl", turns)
    texts = Texts(tokenizer, renderer)
    if objective == "sft":
        rows = (turn_rows if examples == "turn" else sft_rows)(turns, renderer)
    elif objective == "kto":
        rows = reply_rows(turns, texts)
    else:
        rows = pair_rows(turns, texts)
    random.Random(seed).shuffle(rows)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
