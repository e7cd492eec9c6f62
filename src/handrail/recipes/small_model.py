"""The parts of a model from scratch: its settings, tokenizer and random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from handrail.recipes.induction import start_copying

END, PAD = "<|end|>", "<|pad|>"

# The same layout as a chat template, for tools that know nothing of the guardrail style.
CHAT_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ m['content'] }}\n\nConversation:\n\n"
    "{% elif m['role'] == 'user' %}User: {{ m['content'] }}\n"
    "{% elif m['role'] == 'tool' %}Facts: {{ m['content'] }}\n"
    "{% else %}Agent: {{ m['content'] }}<|end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Agent: {% endif %}"
)


class PretrainSettings(BaseModel):
    """Size of the model and of its training.

    For the first `text_share` of the steps all text after the playbook is trained (customers and
    facts too), then the agent's replies alone. `copying`: start with heads that copy from the
    context (induction.py); `rotary_base` is large so that they compare words over any distance.
    `share`: most conversations under one playbook that are computed as one tree; `tokens_per_step`
    counts the playbook that they share once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary: int = Field(default=3072, ge=300)
    layers: int = Field(default=4, ge=1)
    width: int = Field(default=256, ge=16)
    heads: int = Field(default=4, ge=1)
    kv_heads: int = Field(default=4, ge=1)
    intermediate: int = Field(default=640, ge=16)
    positions: int = Field(default=2048, ge=128)
    rotary_base: float = Field(default=1e7, gt=1)
    copying: bool = True
    epochs: int = Field(default=1, ge=1)
    tokens_per_step: int = Field(default=4096, ge=128)
    share: int = Field(default=4, ge=1)
    muon_lr: float = Field(default=4e-3, gt=0)
    adam_lr: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    dtype: str = Field(default="auto", pattern="^(auto|float32|bfloat16)$")
    text_share: float = Field(default=0.5, ge=0, le=1)
    seed: int = 0
    checkpoint_seconds: float = Field(default=120, gt=0)

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width={self.width} is not a multiple of twice heads={self.heads}; change one"
            )
        if self.heads % self.kv_heads:
            raise ValueError(f"heads={self.heads} is not a multiple of kv_heads={self.kv_heads}")
        return self


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer; digits stay single, so that any number can be copied."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return as_transformers(core)


def as_transformers(core: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers has it, with the chat template and the style of its prompts."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=END, pad_token=PAD, handrail_style="guardrail"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def new_model(settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama with fresh weights for this tokenizer: random ones, and copying heads if wanted."""
    torch.manual_seed(settings.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.width,
            intermediate_size=settings.intermediate,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.kv_heads,
            max_position_embeddings=settings.positions,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            rope_parameters={"rope_type": "default", "rope_theta": settings.rotary_base},
        )
    )
    if settings.copying:
        start_copying(model, settings.seed)
    return model
