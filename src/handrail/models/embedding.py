"""Sentence embeddings by an encoder: the mean of its last hidden states, at length one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer

from handrail.models.device import resolve_device
from handrail.models.load import resolve_model
from handrail.models.trained import positions_of
from handrail.models.whole import load_weights, quietly
from handrail.records import ModelError


class SentenceEmbedder:
    """`Embedder` of a sentence encoder (Reimers and Gurevych 2019, mean pooling).

    A text's embedding depends on nothing else in its batch. What a text has beyond the model's
    positions is not read, as sentence encoders do.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, tokens_at_once: int = 8192) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.tokens_at_once = tokens_at_once

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One row of the model's width per text, each of length one."""
        longest = positions_of(self.model.config) or 512
        if not texts:
            return []
        rows = self.tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
        order = sorted(range(len(rows)), key=lambda n: len(rows[n]))
        out: list[list[float]] = [[] for _ in rows]
        batch: list[int] = []
        for n in order:
            if batch and (len(batch) + 1) * len(rows[n]) > self.tokens_at_once:
                self._fill(out, batch, rows)
                batch = []
            batch.append(n)
        if batch:
            self._fill(out, batch, rows)
        return out

    def _fill(self, out: list[list[float]], batch: list[int], rows: list[list[int]]) -> None:
        """Embed the texts of a batch, into their places of `out`."""
        width = max(len(rows[n]) for n in batch)
        ids_BL = torch.zeros((len(batch), width), dtype=torch.long)
        mask_BL = torch.zeros_like(ids_BL)
        for i, n in enumerate(batch):
            ids_BL[i, : len(rows[n])] = torch.tensor(rows[n])
            mask_BL[i, : len(rows[n])] = 1
        device = self.model.device
        mask_BL = mask_BL.to(device)
        hidden_BLE = self.model(input_ids=ids_BL.to(device), attention_mask=mask_BL)
        states_BLE = hidden_BLE.last_hidden_state.float() * mask_BL[..., None]
        mean_BE = states_BLE.sum(1) / mask_BL.sum(1, keepdim=True).clamp(min=1)
        unit_BE = torch.nn.functional.normalize(mean_BE, dim=1)
        for n, row in zip(batch, unit_BE.cpu().tolist(), strict=True):
            out[n] = row


def load_embedder(name_or_path: str | Path) -> SentenceEmbedder:
    """Load a sentence encoder, such as sentence-transformers/all-MiniLM-L6-v2, in float32.

    Args:
        name_or_path: a folder, or a name on the Hugging Face hub.

    Raises:
        ModelError: there is no such model or folder, it is not whole, or has no tokenizer.
    """
    where = resolve_model(str(name_or_path))
    tokenizer = quietly(where, AutoTokenizer.from_pretrained)
    model = load_weights(where, AutoModel, dtype=torch.float32)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise ModelError(
            "the tokenizer has more tokens than the model knows", "Name the model it is of", where
        )
    model = model.eval().to(resolve_device("auto"))
    return SentenceEmbedder(model, tokenizer, Path(name_or_path).name)
