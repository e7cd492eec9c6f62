"""A causal language model: log-probabilities of a row of token trees, the reference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from handrail.models.attention import ROW, check_layers, tree_row
from handrail.models.grow import GrowingRow
from handrail.models.logps import reply_logps
from handrail.models.settings import ModelSettings
from handrail.models.trained import Trained
from handrail.trees import TreeBatch


class Policy(Trained):
    """A causal language model in training, or a frozen one."""

    auto_class = AutoModelForCausalLM

    def __init__(self, model: nn.Module, tokenizer: Any, settings: ModelSettings) -> None:
        super().__init__(model, tokenizer, settings)
        self._softcap = _softcap(self.causal_lm)

    @property
    def causal_lm(self) -> Any:
        """The transformers model, adapters inside it or not."""
        return self.inner

    @property
    def decoder(self) -> Any:
        """The part of the transformers model that gives hidden states."""
        return self.inner.get_decoder()

    def grow(self, ids_RQ: Tensor, row: GrowingRow, cache: Any) -> Tensor:
        """Logits (R, Q, V) of what follows the newest tokens of replies that grow from trees.

        Args:
            ids_RQ: the newest token of each reply.
            row: what each sees, the new columns included.
            cache: of `forward_tree`, one tree a row; the tokens are added to it.
        """
        with tree_row(row):
            logits = self.causal_lm(
                input_ids=ids_RQ,
                position_ids=row.depth_RQ,
                past_key_values=cache,
                use_cache=True,
                **{ROW: row},
            ).logits
        check_layers(row, self.decoder)
        return logits

    def logps(self, batch: TreeBatch) -> Tensor:
        """Log-probabilities (N,), float32, of every trained token of a row; differentiable."""
        with self.precision():
            return reply_logps(
                self.forward_tree(batch, batch.logit_positions_L),
                self.causal_lm.get_output_embeddings(),
                batch.logit_positions_L,
                batch.source_N,
                batch.target_N,
                chunk=self.settings.logit_chunk,
                keep_mb=self.settings.keep_logits_mb,
                softcap=self._softcap,
            )

    @torch.no_grad()
    def reference_logps(self, batch: TreeBatch) -> Tensor:
        """`logps` under the reference, without gradient.

        Under LoRA the reference is the model with its adapters off, at any time. Under full
        fine-tuning it is the model as it stands: call it before the first update, and keep it.
        """
        training = self.model.training
        self.model.eval()
        try:
            with self.adapters_off():
                return self.logps(batch)
        finally:
            self.model.train(training)


def _softcap(model: Any) -> float | None:
    return getattr(model.config.get_text_config(), "final_logit_softcapping", None)
