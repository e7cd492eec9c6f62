"""How a model is loaded and run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from handrail.records import SettingError, nearest

_CHOICES = {
    "mode": ("full", "lora"),
    "dtype": ("auto", "float32", "bfloat16"),
    "style": ("auto", "guardrail", "chat"),
}


@dataclass(frozen=True)
class ModelSettings:
    """How a model is loaded and run.

    Attributes:
        mode: "full" trains every weight; "lora" trains low-rank adapters beside frozen weights.
        dtype: of the computation. Trained weights are float32 in either case ("bfloat16" is mixed
            precision); frozen ones under LoRA are held in `dtype`. "auto" is bfloat16 where the
            device computes it natively, else float32; a loaded policy's settings hold what it
            became. The default is the same on every machine, as are its results.
        style: of the prompts: "guardrail" (the paper's fig. 1), "chat" (the tokenizer's chat
            template), or "auto", what the tokenizer states. The saved folder states what was set
            here, so that whatever loads it follows.
        lora_rank, lora_alpha, lora_dropout, lora_targets: of the adapters; `lora_targets` is
            "all-linear" or names of modules, comma-separated.
        activation_checkpointing: compute activations again in the backward pass; saves memory.
        device: "auto" is CUDA where there is one, else CPU.
        logit_chunk: reply positions whose logits are made at a time.
        keep_logits_mb: keep reply logits for the backward pass up to this size, else make them
            again.
        keep_scores_mb: likewise for attention probabilities, per layer (CPU only).
        seed: of the adapters' first values.
    """

    mode: Literal["full", "lora"] = "full"
    dtype: Literal["auto", "float32", "bfloat16"] = "float32"
    style: Literal["auto", "guardrail", "chat"] = "auto"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: str = "all-linear"
    activation_checkpointing: bool = False
    device: str = "auto"
    logit_chunk: int = 512
    keep_logits_mb: int = 512
    keep_scores_mb: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, known in _CHOICES.items():
            value = str(getattr(self, name))
            if value not in known:
                raise SettingError(f"{name} is '{value}'", nearest(value, known))
        least = min(self.keep_logits_mb, self.keep_scores_mb)
        if self.lora_rank < 1 or self.logit_chunk < 1 or least < 0:
            raise SettingError(
                "lora_rank and logit_chunk must be at least 1, sizes in MB at least 0",
                "Mend these settings",
            )
        if not 0.0 <= self.lora_dropout < 1.0:
            raise SettingError(f"lora_dropout is {self.lora_dropout}", "Use a value in [0, 1)")
