"""Whether what transformers loads is a whole causal language model: each fault is one error."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from handrail.records import HandrailWarning, ModelError

_FOLDER = "Check that the folder is whole: config, tokenizer and weights"


def quietly(where: str, loader: Any, **kwargs: Any) -> Any:
    """Call a transformers loader; its many kinds of failure become one clear error."""
    try:
        return loader(where, **kwargs)
    except MemoryError:
        raise
    # Readers of safetensors, JSON, pickles and tokenizers each have their own kinds of error.
    except Exception as error:
        local = Path(where).is_dir()
        offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
        if local:
            mend = _FOLDER
        elif offline:
            mend = "HF_HUB_OFFLINE is set and the model is not in the cache; unset it or use a path"
        else:
            mend = (
                "Check the name on the hub and the network, log in for a gated model, or give the "
                "path of a folder"
            )
        raise ModelError(f"the model could not be loaded ({_reason(error)})", mend, where) from None


def _reason(error: Exception) -> str:
    """What an error says, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    said = lines[0]
    if said.endswith(":"):  # a list follows, up to its full stop
        ends = (i for i, line in enumerate(lines[1:], 2) if line.endswith("."))
        said = " ".join(lines[: next(ends, len(lines))])
    return said if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {said}"


def check_folder(folder: Path, name: str) -> None:
    """Refuse a folder whose config.json is none of a model's.

    A config.json that cannot be read is left to the loader, which says where it is broken.

    Raises:
        ModelError: there is no config.json, it states no model type, or this is the folder of a
            run, whose models are named.
    """
    config = folder / "config.json"
    try:
        told = json.loads(config.read_text("utf-8"))
    except FileNotFoundError:
        told = None
    except (OSError, ValueError):
        return
    if isinstance(told, dict) and "model_type" in told:
        return
    models = _models_of_run(folder)
    if models:
        shown = ", ".join(f"'{Path(name) / model}'" for model in models[:3])
        more = f" and {len(models) - 3} more" if len(models) > 3 else ""
        raise ModelError(
            "this is a run's folder, not a model's",
            f"Its model is {shown}" if len(models) == 1 else f"Its models are {shown}{more}",
            name,
        )
    if told is None:
        adapter = (folder / "adapter_config.json").is_file()
        raise ModelError(
            f"the folder holds {'an adapter alone' if adapter else 'no model'}: there is no "
            "config.json in it",
            "Name the folder that Policy.save() or save_pretrained() wrote",
            name,
        )
    # transformers would guess the type by the folder's name.
    raise ModelError(
        "its config.json has no 'model_type', so it is none of a transformers model",
        "Name the folder that save_pretrained() wrote, or add the type to config.json",
        name,
    )


def _models_of_run(folder: Path) -> list[Path]:
    """Where `train` (final) or a recipe (stages) keeps whole models, from the run's folder on."""
    places = ("final", "stages/base/model", "stages/*/training/final")
    found = [path for place in places for path in sorted(folder.glob(f"{place}/config.json"))]
    return [path.parent.relative_to(folder) for path in found]


def causal_config(where: str, name: str) -> Any:
    """The config of a model that writes a text from left to right.

    Raises:
        ModelError: the type has no such model, or the config makes it one that reads both ways.
    """
    config = quietly(where, AutoConfig.from_pretrained)
    kind = f"'{name}' is of the type '{config.model_type}'"
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise ModelError(
            f"{kind}, not a causal language model",
            "Name a model that transformers loads with AutoModelForCausalLM",
        )
    if not reads_forward(config):
        raise ModelError(
            f"{kind} with an encoder, which reads both ways: not a causal language model",
            "Name a model that writes from left to right, such as a Llama, Mistral, Qwen or GPT-2",
        )
    return config


def reads_forward(config: Any) -> bool:
    """Whether a config is one of a decoder alone: each token sees those before it."""
    # transformers gives BERT and its kin a causal class too; causal where they say so.
    told = getattr(config, "is_decoder", False) or getattr(config, "causal", False)
    encoder = type(config) in AutoModelForMaskedLM._model_mapping and not told
    known = type(config) in AutoModelForCausalLM._model_mapping
    return known and not encoder and not getattr(config, "is_encoder_decoder", False)


def load_weights(where: str, kind: Any = AutoModelForCausalLM, **kwargs: Any) -> Any:
    """The model of a folder or name, a causal language model, with every weight read from it.

    Warns where the folder holds weights that the config has no place for.

    Raises:
        ModelError: it cannot be read, or a weight is missing or of another shape.
    """
    return read_weights(where, kind, **kwargs)[0]


def read_weights(
    where: str,
    kind: Any,
    may_lack: Collection[str] = (),
    left_over: tuple[str, ...] = (),
    **kwargs: Any,
) -> tuple[Any, list[str]]:
    """`load_weights`, of a model that gets a new head where the folder holds none.

    Args:
        where: a folder, or a name on the hub.
        kind: the transformers class.
        may_lack: names of the head's weights; they are given back where they are missing.
        left_over: how the names of a former head's weights begin, that have no place any more.
        kwargs: for transformers.
    """
    with _no_report():
        model, info = quietly(
            where,
            kind.from_pretrained,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, in one line
            **kwargs,
        )
    mend = "Check that config.json belongs to these weights, and that the folder is whole"
    lacking = set(info["missing_keys"])
    for problem, names in (
        ("lack", lacking - set(may_lack)),
        ("hold in another shape", {key[0] for key in info["mismatched_keys"]}),
    ):
        if names:
            raise ModelError(
                f"config.json describes tensors that the weights {problem}: {_some(names)}",
                mend,
                where,
            )
    unknown = [name for name in info["unexpected_keys"] if not name.startswith(left_over)]
    if unknown:
        warnings.warn(
            f"{where}: config.json has no place for some of the weights, which are left out: "
            f"{_some(unknown)}. {mend}",
            HandrailWarning,
            stacklevel=4,
        )
    return model, sorted(lacking)


def _some(names: Collection[str]) -> str:
    """The first of some names, and how many more there are."""
    return f"'{min(names)}'" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def check_tokenizer(model: Any, tokenizer: Any, where: str) -> None:
    """Refuse a tokenizer that gives tokens which the model has no embedding for."""
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= rows:
        raise ModelError(
            f"the tokenizer numbers its tokens up to {highest}, the model's embedding has {rows} "
            "rows",
            "Use the tokenizer that the model was saved with, or resize the embedding and save "
            "the model again",
            where,
        )


@contextmanager
def _no_report() -> Iterator[None]:
    """Keep back transformers' table of missing and unexpected weights, and nothing else."""
    logger = logging.getLogger("transformers.modeling_utils")

    def other(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)
