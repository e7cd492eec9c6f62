"""LoRA adapters in files: merged into the weights, or alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from handrail.records import ModelError, atomic_write

_WEIGHTS = "adapter_model.safetensors"  # peft's name


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The base model's weights under their names, those with adapters summed up in float32.

    Of modules that are trained whole beside the adapters (a head), the trained copy is taken.
    """
    base: Any = model.get_base_model()  # type: ignore[operator]
    copies = re.compile(rf"\.modules_to_save\.{re.escape(str(model.active_adapter))}\.")
    deltas: dict[str, Tensor] = {}
    for name, module in base.named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "get_delta_weight"):
            for adapter in module.active_adapters:
                delta = module.get_delta_weight(adapter)
                key = f"{name}.weight"
                deltas[key] = deltas[key] + delta if key in deltas else delta
    state: dict[str, Tensor] = {}
    for name, value in base.state_dict().items():
        if ".lora_" in name or ".original_module." in name:
            continue
        clean = copies.sub(".", name.replace(".base_layer.", "."))
        value = value.detach()
        if clean in deltas:
            value = value.float() + deltas[clean].detach().float()
        state[clean] = value
    return state


def read_as_float32(folder: Path) -> None:
    """Have transformers read a saved model as float32, though it was not held so."""
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["dtype"] = "float32"
    config.pop("torch_dtype", None)  # the name that older releases write
    with atomic_write(path) as file:
        json.dump(config, file, indent=2)
        file.write("\n")


def restore_adapter(model: nn.Module, folder: Path) -> None:
    """Put the adapter that was saved in a folder in place of the model's own.

    Raises:
        ModelError: there is none, or it belongs to other modules or another rank.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    path = folder / _WEIGHTS
    if not path.is_file():
        raise ModelError("the trained adapter is missing", "Train it anew", str(folder))
    saved = load_file(path)
    own = {name: value.shape for name, value in get_peft_model_state_dict(model).items()}
    if {name: value.shape for name, value in saved.items()} != own:
        raise ModelError(
            "the adapter is of other modules or another rank than this model's",
            "Load the model with the lora_ settings that it was trained with",
            str(folder),
        )
    set_peft_model_state_dict(model, saved)
