"""Reward models that others trained: a sequence classifier with one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from handrail.models.device import resolve_device, resolve_dtype
from handrail.models.load import resolve_model
from handrail.models.trained import positions_of
from handrail.models.whole import check_tokenizer, load_weights, quietly
from handrail.records import AskProgress, ModelError, Turn
from handrail.trees import Renderer


@dataclass
class RewardModel:
    """Scores replies, more is better. Prompts are rendered as for generation, by `renderer`.

    A reply's score depends on nothing else in its batch. Replies that do not fit the model's
    positions have no score (NaN); nothing is cut. `tokens_at_once` bounds a batch, padding
    included.
    """

    model: Any
    renderer: Renderer
    name: str
    tokens_at_once: int = 8192

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """One score per reply."""
        return self.score_all([(turn, reply) for reply in replies])

    @torch.inference_mode()
    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        """One score per reply, in their order; they are run in the order of their lengths."""
        rows = [
            [*self.renderer.prompt_ids(turn), *self.renderer.reply_ids(reply)]
            for turn, reply in replies
        ]
        longest = positions_of(self.model.config) or 2**31
        fitting = [n for n, row in enumerate(rows) if len(row) <= longest]
        scores = [float("nan")] * len(rows)
        done = 0
        for batch in self._batches(sorted(fitting, key=lambda n: len(rows[n])), rows):
            for n, score in zip(batch, self._scores([rows[n] for n in batch]), strict=True):
                scores[n] = score
            done += len(batch)
            if progress is not None:
                progress(done, len(fitting))
        return scores

    def _batches(self, order: list[int], rows: list[list[int]]) -> list[list[int]]:
        """Rows in the order of their lengths, as many at once as the budget allows."""
        batches: list[list[int]] = []
        for n in order:
            full = not batches or (len(batches[-1]) + 1) * len(rows[n]) > self.tokens_at_once
            if full:
                batches.append([])
            batches[-1].append(n)
        return batches

    def _scores(self, rows: list[list[int]]) -> list[float]:
        width = max(len(row) for row in rows)
        pad = self.model.config.pad_token_id
        ids = torch.full((len(rows), width), pad)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        device = self.model.device
        logits = self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        return [float(score) for score in logits[:, 0].float().cpu()]


def load_reward(name_or_path: str | Path, dtype: str = "auto") -> RewardModel:
    """Load a reward model: one that transformers loads as a sequence classifier with one label.

    Args:
        name_or_path: a folder, or a name on the Hugging Face hub.
        dtype: "auto" (bfloat16 where the device computes it natively), "float32" or "bfloat16".

    Raises:
        ModelError: there is no such model or folder, it is not whole, or it has several labels.
        RenderError: its tokenizer has no end-of-turn token.
    """
    where = resolve_model(str(name_or_path))
    tokenizer = quietly(where, AutoTokenizer.from_pretrained)
    device = resolve_device("auto")
    wanted = torch.bfloat16 if resolve_dtype(dtype, device) == "bfloat16" else torch.float32
    model = load_weights(where, AutoModelForSequenceClassification, dtype=wanted)
    if model.config.num_labels != 1:
        raise ModelError(
            f"the model has {model.config.num_labels} labels, and a reward model has one score",
            "Name a sequence classifier that was trained with num_labels=1",
            where,
        )
    check_tokenizer(model, tokenizer, where)
    renderer = Renderer(tokenizer)
    # A decoder's score is read at the last token that is no padding, so that padding must not be
    # the token that every reply ends with, as it is where a tokenizer pads with eos.
    end = renderer.stop_ids[0]
    model.config.pad_token_id = renderer.pad_id if renderer.pad_id != end else (0 if end else 1)
    return RewardModel(model.eval().to(device), renderer, Path(name_or_path).name)
