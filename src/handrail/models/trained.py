"""What is trained, whatever it gives: a transformers model with its tokenizer, on token trees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handrail.models.adapters import merged_state, read_as_float32, restore_adapter
from handrail.models.attention import ROW, check_layers, tree_row
from handrail.models.last import last_layer_at
from handrail.models.rows import TreeRow, read_ranges
from handrail.models.settings import ModelSettings
from handrail.models.whole import load_weights
from handrail.records import ModelError
from handrail.trees import TreeBatch, Trie, collate


class Trained:
    """A transformers model in training, or a frozen one. `Policy` and the reward models are such.

    Attributes:
        model: the transformers model (under LoRA, with peft's adapters inside).
        tokenizer: its tokenizer.
        settings: how it was loaded.
        auto_class: the class by which transformers loads it.
    """

    auto_class: Any

    def __init__(self, model: nn.Module, tokenizer: Any, settings: ModelSettings) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings

    @property
    def inner(self) -> Any:
        """The transformers model, adapters inside it or not."""
        inner: Any = self.model
        return inner.get_base_model() if hasattr(inner, "get_base_model") else inner

    @property
    def decoder(self) -> Any:
        """The part of the transformers model that gives hidden states."""
        return self.inner.base_model

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def max_positions(self) -> int | None:
        """The longest sequence that the model takes, where it states one."""
        return positions_of(self.inner.config)

    def parameters(self) -> list[nn.Parameter]:
        """The weights that are trained, in a fixed order."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def named_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """The weights that are trained, with their names."""
        return [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]

    def precision(self) -> AbstractContextManager[Any]:
        """The context in which the model computes: autocast under bfloat16."""
        if self.settings.dtype == "bfloat16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def forward_tree(
        self, batch: TreeBatch, read_L: Tensor | None = None, cache: Any = None
    ) -> Tensor:
        """Last hidden states (T, D) of a row of trees.

        Args:
            batch: the row.
            read_L: the places that will be read, sorted; the last layer then saves itself the
                others, whose states mean nothing. None for all.
            cache: an empty transformers cache that takes every layer's keys and values
                (1, heads, T, d), for replies that go on from the row.

        Raises:
            ModelError: the model attends in a way that trees do not support, or a token lies
                deeper than the model's positions.
        """
        limit = self.max_positions
        if limit is not None and batch.layout.max_depth >= limit:
            raise ModelError(
                f"a conversation takes {batch.layout.max_depth + 1} tokens, the model has "
                f"{limit} positions",
                "Lower max_tokens to the model's positions",
            )
        decoder = self.decoder
        read = None if read_L is None or self.device.type != "cpu" else read_ranges(read_L)
        row = TreeRow(batch.layout, read, self.settings.keep_scores_mb)
        # Under activation checkpointing the layers run again in the backward pass, without hooks.
        rows_L = None if self.settings.activation_checkpointing else read_L
        with tree_row(row), last_layer_at(decoder, rows_L):
            hidden = decoder(
                input_ids=batch.input_ids_T[None],
                position_ids=batch.position_ids_T[None],
                past_key_values=cache,
                use_cache=cache is not None,
                **{ROW: row},
            ).last_hidden_state
        check_layers(row, decoder)
        return hidden[0]

    @cached_property
    def attends_by_trees(self) -> bool:
        """Whether the model can be given rows of trees: tried on two tokens."""
        trie = Trie()
        trie.add([0, 0])
        try:
            with torch.no_grad():
                self.forward_tree(collate([trie.layout()]).to(self.device))
        except ModelError:
            return False
        return True

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        """The model without its adapters (no effect under full fine-tuning)."""
        if self.settings.mode == "lora":
            with self.model.disable_adapter():  # type: ignore[operator]
                yield
        else:
            yield

    def save(self, folder: str | Path) -> Path:
        """Write a folder that transformers loads: safetensors, config and tokenizer.

        Adapters are merged into the written weights, which are float32 where they were added: held
        more narrowly, most of a small update would be rounded away. The model in memory stays as
        it is.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        model = self.inner
        lora = self.settings.mode == "lora"
        implementation = model.config._attn_implementation
        try:
            model.config._attn_implementation = None
            model.save_pretrained(folder, state_dict=merged_state(self.model) if lora else None)
            if lora:
                read_as_float32(folder)
            self.tokenizer.save_pretrained(folder)
        except OSError as error:
            raise ModelError(
                f"the model could not be written ({error.strerror or error})",
                "Free some space or choose another folder",
                str(folder),
            ) from None
        finally:
            model.config._attn_implementation = implementation
        return folder

    def save_adapter(self, folder: str | Path) -> Path:
        """Write the adapters alone (LoRA only), as peft and vLLM load them."""
        if self.settings.mode != "lora":
            raise ModelError("a fully fine-tuned model has no adapter", "Use save()")
        self.model.save_pretrained(str(folder))  # type: ignore[operator]
        return Path(folder)

    def restore(self, folder: str | Path) -> None:
        """Take weights that were trained from this very model: of `save_adapter`, else of `save`.

        Raises:
            ModelError: the folder does not hold them.
        """
        if self.settings.mode == "lora":
            restore_adapter(self.model, Path(folder))
        else:
            trained = load_weights(str(folder), self.auto_class, dtype=torch.float32)
            self.inner.load_state_dict(trained.state_dict())


def positions_of(config: Any) -> int | None:
    """The longest sequence that a transformers config states; None where it states none."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)
