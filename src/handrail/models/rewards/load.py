"""Open a reward model: a new head on a base model, or a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from transformers import AutoConfig

from handrail.models.load import resolve_model
from handrail.models.rewards.base import RewardModel
from handrail.models.settings import ModelSettings
from handrail.models.whole import quietly, reads_forward
from handrail.records import SettingError, nearest

Kind = Literal["auto", "causal", "encoder"]
_KINDS = ("auto", "causal", "encoder")


def new_reward(
    base: str | Path, settings: ModelSettings | None = None, kind: Kind = "auto"
) -> RewardModel:
    """A reward model to be trained: a base model with a new head, or with the one it has.

    Args:
        base: a name on the Hugging Face hub, a folder, or "world": a language model, an encoder, or
            a reward model that goes on (preference-model pre-training, then fine-tuning).
        settings: full or LoRA, dtype and the rest.
        kind: "causal" reads from left to right, on token trees; "encoder" reads both ways, prompt
            and reply as a pair; "auto" is what the base model is.

    Raises:
        ModelError: there is no such model, it is not whole, or it cannot be of this kind.
        RenderError: its tokenizer has no end-of-turn token (causal).
    """
    return _opened(base, settings, kind, new=True)


def load_reward(name_or_path: str | Path, settings: ModelSettings | None = None) -> RewardModel:
    """Load a trained reward model: one that transformers loads as a classifier with one label.

    Raises:
        ModelError: there is no such model or folder, it is not whole, or it has several labels.
        RenderError: its tokenizer has no end-of-turn token (causal).
    """
    return _opened(name_or_path, settings, "auto", new=False)


def _opened(
    name: str | Path, settings: ModelSettings | None, kind: str, *, new: bool
) -> RewardModel:
    if kind not in _KINDS:
        raise SettingError(f"kind is '{kind}'", nearest(kind, _KINDS))
    where = resolve_model(str(name))
    settings = settings or ModelSettings()
    if kind == "auto":
        config = quietly(where, AutoConfig.from_pretrained)
        kind = "causal" if reads_forward(config) else "encoder"
    if kind == "causal":
        from handrail.models.rewards.causal import open_causal

        return open_causal(where, str(name), settings, new)
    from handrail.models.rewards.encoder import open_encoder

    return open_encoder(where, str(name), settings, new)
