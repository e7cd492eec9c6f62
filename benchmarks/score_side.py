"""One side of score.py in its process, or the data of both.

python score_side.py prepare FOLDER SIZE PROMPTS SEED
python score_side.py handrail|padded FOLDER DTYPE DEVICE THREADS BATCH
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from prepare import Texts, make_model, make_tokenizer
from score import PROMPT, REPLIES
from shapes import SIZES, Words, single
from sides import Memory, answer, clock
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from handrail.models import ModelSettings, load_reward
from handrail.records import Turn, read_jsonl, write_jsonl
from handrail.trees import Renderer

WARM = 16  # pairs


def prepare(folder: Path, size_name: str, prompts: int, seed: int) -> None:
    """Model, turns for Handrail, and the very same tokens as texts for the classifier."""
    size = SIZES[size_name]
    tokenizer = make_tokenizer(size.vocab)
    make_model(size, seed, scores=True).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    renderer = Renderer(tokenizer, style="guardrail")
    words = Words(size.vocab - 3, seed)
    turns = []
    for n in range(prompts):
        lengths = [words.between(50, 150) for _ in range(REPLIES)]
        turns.append(single(n, renderer, words, PROMPT, lengths))
    write_jsonl(folder / "turns.jsonl", turns)
    texts = Texts(tokenizer, renderer)
    with (folder / "texts.jsonl").open("w") as file:
        for turn in turns:
            prompt = texts.prompt(turn)
            for i in range(REPLIES):
                file.write(json.dumps(prompt + texts.reply(turn, i)) + "\n")


class Trees:
    """Handrail's side: what `score_all` does."""

    def __init__(self, folder: Path, dtype: str, device: str, batch: int) -> None:
        settings = ModelSettings(dtype=dtype, device=device)  # type: ignore[arg-type]
        self._reward = load_reward(folder / "model", settings)
        turns = read_jsonl(folder / "turns.jsonl", Turn).records
        self.items = [(turn, reply.text) for turn in turns for reply in turn.replies]
        self.model = self._reward.model

    def score(self, items: list[Any]) -> list[float]:
        """The scores of pairs, in their order."""
        return self._reward.score_all(items)


class Padded:
    """transformers' classifier, sorted by length, so many rows at once, padded on the right."""

    def __init__(self, folder: Path, dtype: str, device: str, batch: int) -> None:
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder / "model", dtype=torch.float32, attn_implementation="sdpa"
        )
        self.model.eval().to(device)
        self._tokenizer = AutoTokenizer.from_pretrained(folder / "model")
        self._batch, self._device, self._narrow = batch, device, dtype == "bfloat16"
        lines = (folder / "texts.jsonl").read_text().splitlines()
        self.items = [json.loads(line) for line in lines]

    @torch.inference_mode()
    def score(self, items: list[Any]) -> list[float]:
        """The scores of pairs, in their order."""
        rows = self._tokenizer(items, add_special_tokens=False)["input_ids"]
        order = sorted(range(len(rows)), key=lambda n: len(rows[n]))
        scores = [0.0] * len(rows)
        cast = torch.autocast(self._device, torch.bfloat16) if self._narrow else nullcontext()
        for first in range(0, len(order), self._batch):
            members = order[first : first + self._batch]
            padded = self._tokenizer.pad(
                {"input_ids": [rows[n] for n in members]}, return_tensors="pt"
            ).to(self._device)
            with cast:
                logits = self.model(
                    input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]
                ).logits
            for n, score in zip(members, logits[:, 0].float().tolist(), strict=True):
                scores[n] = score
        return scores


def main() -> None:
    """Do what the command line says."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "prepare":
        prepare(folder, sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    dtype, device, threads, batch = *sys.argv[3:5], int(sys.argv[5]), int(sys.argv[6])
    memory = Memory(device)
    torch.set_num_threads(threads)
    side = {"handrail": Trees, "padded": Padded}[what](folder, dtype, device, batch)
    side.score(side.items[:WARM])
    begin = clock(device)
    scores = side.score(side.items)
    end = clock(device)
    result = {"seconds": end[0] - begin[0], "cpu_seconds": end[1] - begin[1], "scores": scores}
    answer(result | {"memory": memory.parts(side.model)}, memory)


if __name__ == "__main__":
    main()
