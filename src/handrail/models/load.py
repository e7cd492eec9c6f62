"""Load a policy by hub name, folder or "world"; make one from a config."""

from __future__ import annotations

import dataclasses
import warnings
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from handrail.models.allocator import keep_freed_memory
from handrail.models.attention import ATTENTION, register
from handrail.models.device import resolve_device, resolve_dtype
from handrail.models.hub import found
from handrail.models.policy import Policy
from handrail.models.settings import ModelSettings
from handrail.models.trained import positions_of
from handrail.models.whole import (
    causal_config,
    check_folder,
    check_tokenizer,
    load_weights,
    quietly,
)
from handrail.records import ModelError

WORLD = "world"


def load_policy(name_or_path: str | Path, settings: ModelSettings | None = None) -> Policy:
    """Load a causal language model and its tokenizer.

    Args:
        name_or_path: a name on the Hugging Face hub, a folder, or "world" for the packaged model.
        settings: full or LoRA, dtype and the rest.

    Raises:
        ModelError: there is no such model or folder, it is not a whole causal language model with
            its tokenizer, or the hub cannot be reached and the cache does not hold it.
    """
    settings = resolved(settings or ModelSettings())
    where = resolve_model(str(name_or_path))
    register()
    tokenizer = quietly(where, AutoTokenizer.from_pretrained)
    causal_config(where, str(name_or_path))
    frozen_dtype = torch.bfloat16 if settings.dtype == "bfloat16" else torch.float32
    model = load_weights(
        where,
        dtype=frozen_dtype if settings.mode == "lora" else torch.float32,
        attn_implementation=ATTENTION,
    )
    check_tokenizer(model, tokenizer, where)
    return wrap(model, tokenizer, settings)


def load_tokenizer(name_or_path: str | Path, style: str = "auto") -> tuple[Any, int | None]:
    """A model's tokenizer and how many positions it takes (None: not stated), without its weights.

    Raises as `load_policy`. `style` is that of `ModelSettings`.
    """
    where = resolve_model(str(name_or_path))
    tokenizer = quietly(where, AutoTokenizer.from_pretrained)
    _set_style(tokenizer, style)
    return tokenizer, positions_of(causal_config(where, str(name_or_path)))


def count_parameters(name_or_path: str | Path) -> int:
    """How many parameters a model has, by its config alone.

    Raises as `load_policy`.
    """
    config = causal_config(resolve_model(str(name_or_path)), str(name_or_path))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(p.numel() for p in model.parameters())


def random_policy(
    config: Any, tokenizer: Any, settings: ModelSettings | None = None, seed: int = 0
) -> Policy:
    """A policy with random weights from a transformers config."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    return from_scratch(model.to(torch.float32), tokenizer, settings or ModelSettings())


def from_scratch(model: Any, tokenizer: Any, settings: ModelSettings) -> Policy:
    """A policy around a transformers model that was made in memory."""
    register()
    model.set_attn_implementation(ATTENTION)
    return wrap(model, tokenizer, settings)


def wrap(model: nn.Module, tokenizer: Any, settings: ModelSettings) -> Policy:
    """A policy around a loaded model: adapters, checkpointing, device."""
    settings = resolved(settings)
    return Policy(prepared(model, tokenizer, settings), tokenizer, settings)


def prepared(
    model: nn.Module, tokenizer: Any, settings: ModelSettings, head: tuple[str, ...] = ()
) -> nn.Module:
    """A loaded model as it is trained: adapters, checkpointing, device, no dropout of its own.

    `head` names the modules of a classifier, which LoRA trains whole; none is a language model's.
    """
    _set_style(tokenizer, settings.style)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # what a model gives is a function of the tokens alone
    inner: Any = model
    if settings.mode == "lora":
        model = _with_lora(model, settings, head)
    device = resolve_device(settings.device)
    if device == "cpu":
        keep_freed_memory()
    model = model.to(device)
    if settings.activation_checkpointing:
        # The older name serves transformers that do not have the newer one yet.
        enable = getattr(
            inner, "activation_checkpointing_enable", inner.gradient_checkpointing_enable
        )
        enable({"use_reentrant": False})
    model.train()
    return model


def _set_style(tokenizer: Any, style: str) -> None:
    if style != "auto":
        tokenizer.init_kwargs["handrail_style"] = style  # saved with the tokenizer


def resolved(settings: ModelSettings) -> ModelSettings:
    """The settings with the number type that the device gives."""
    return dataclasses.replace(settings, dtype=resolve_dtype(settings.dtype, settings.device))


def _with_lora(model: Any, settings: ModelSettings, head: tuple[str, ...]) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    targets: str | list[str] = settings.lora_targets
    if targets != "all-linear":
        targets = [t.strip() for t in settings.lora_targets.split(",") if t.strip()]
    config = LoraConfig(
        task_type="SEQ_CLS" if head else "CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        modules_to_save=list(head) or None,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(settings.seed)
        # peft still asks for a property of transformers by its older name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        try:
            wrapped = get_peft_model(model, config)
        except ValueError as error:
            raise ModelError(
                f"no adapter can be put on lora_targets='{settings.lora_targets}' ({error})",
                "Use 'all-linear', or names of this model's linear modules",
            ) from None
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return wrapped


def resolve_model(name: str) -> str:
    """A folder or a hub name that can be asked for; the packaged model's folder for "world"."""
    if name == WORLD:
        folder = Path(str(resources.files("handrail"))) / "world" / "model"
        if not (folder / "config.json").is_file():
            raise ModelError(
                "the packaged world model is missing",
                "Install the package anew, or make it with `handrail world pretrain`",
            )
        return str(folder)
    path = Path(name).expanduser()
    if path.is_dir():
        check_folder(path, name)
        return str(path)
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError("there is no such folder", "Check the path to the model", name)
    return found(name)
