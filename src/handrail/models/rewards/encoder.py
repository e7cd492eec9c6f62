"""An encoder that classifies prompt and reply as a pair of texts, with one score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from handrail.models.load import prepared, resolved
from handrail.models.rewards.base import RewardModel
from handrail.models.settings import ModelSettings
from handrail.models.whole import check_tokenizer, quietly, read_weights
from handrail.records import AskProgress, ModelError, SettingError, Turn
from handrail.trees import (
    Forest,
    OnLong,
    PairRenderer,
    TreeBatch,
    TreeSettings,
    build_sequences,
    check_on_long,
)

_HEADS = ("classifier", "score")  # what transformers calls the last module of its classifiers
_FORMER_HEADS = (  # of models of masked tokens, which have no place in a classifier
    "cls.",
    "lm_head.",
    "lm_predictions.",
    "mask_predictions.",
    "vocab_",
    "decoder.",
    "discriminator_predictions.",
    "generator_predictions.",
)
_ON_LONG = "handrail_on_long"  # in the saved config
# Padding may be this share of what a batch computes: smaller batches are slower on their own.
_PADDING = 0.2
# Tokens of a batch that is scored, padding included: larger ones give no speed (CPU).
_BATCH_TOKENS = {"cpu": 2048}
_BATCH_TOKENS_ELSEWHERE = 32768


class EncoderReward(RewardModel):
    """BERT, RoBERTa, DeBERTa and their kin: the score is transformers' classifier's only label.

    A reply's score depends on its prompt and itself alone: padding is masked, whatever else stands
    in the batch. The head is computed in float32 whatever the model's type.
    """

    auto_class = AutoModelForSequenceClassification
    kind: ClassVar[str] = "encoder"

    @cached_property
    def renderer(self) -> PairRenderer:
        """Makes tokens of prompts and replies."""
        return PairRenderer(self.tokenizer)

    @property
    def max_positions(self) -> int | None:
        """The longest sequence that the model takes; RoBERTa's count begins after its padding."""
        stated = super().max_positions
        skipped = self._positions_skipped
        return stated if stated is None else stated - skipped

    @property
    def on_long(self) -> OnLong:
        """What scoring does with a sequence over the model's positions: as in training.

        "cut_context" cuts the prompt (`PairRenderer.cut`), else such a reply has no score. The
        saved config keeps it.
        """
        told: OnLong = getattr(self.inner.config, _ON_LONG, "skip")
        return told

    @on_long.setter
    def on_long(self, value: OnLong) -> None:
        check_on_long(value)
        setattr(self.inner.config, _ON_LONG, value)

    def scores(self, batch: TreeBatch) -> Tensor:
        """Raw scores (R,), float32, of a row's replies; differentiable."""
        ends = (batch.last_R + 1).tolist()
        lengths = np.diff([0, *ends])
        return self._scores(batch.input_ids_T, lengths, batch.length_R)

    def build(self, turns: Iterable[Turn], settings: TreeSettings | None = None) -> Forest:
        """A tree of sequences per turn.

        Raises:
            RenderError: as `build_sequences`.
            SettingError: `max_tokens` is over the model's positions.
        """
        settings = settings or self._tree_settings()
        limit = self.max_positions
        if limit is not None and settings.max_tokens > limit:
            raise SettingError(
                f"max_tokens is {settings.max_tokens}, and '{self.name}' has {limit} positions",
                f"Set max_tokens to {limit} or less",
            )
        return build_sequences(turns, self.tokenizer, settings)

    def _tree_settings(self) -> TreeSettings:
        """The usual ones, within the model's positions."""
        usual = TreeSettings()
        longest = min(usual.max_tokens, self.max_positions or usual.max_tokens)
        return replace(usual, max_tokens=longest)

    @torch.inference_mode()
    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        """One raw score per reply, in their order; NaN where one does not fit the model.

        They run in the order of their lengths, the longest first.
        """
        sequences = self._sequences(replies)
        fitting = sorted((n for n, s in enumerate(sequences) if s), key=lambda n: -_size(sequences[n]))
        scores = [float("nan")] * len(replies)
        device, training = self.device, self.model.training
        room = _BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)
        done = 0
        self.model.eval()
        try:
            for members in _chunks(fitting, [_size(s) for s in sequences], room):
                rows = [s for n in members if (s := sequences[n]) is not None]
                ids_T = torch.tensor([i for ids, _ in rows for i in ids], device=device)
                reply_R = torch.tensor([n_reply for _, n_reply in rows], device=device)
                given = self._scores(ids_T, [len(ids) for ids, _ in rows], reply_R).tolist()
                for n, score in zip(members, given, strict=True):
                    scores[n] = score
                done += len(members)
                if progress is not None:
                    progress(done, len(fitting))
        finally:
            self.model.train(training)
        return scores
