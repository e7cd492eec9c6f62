"""The head of an encoder that classifies: which module, its weights, and what it replaces."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from handrail.records import ModelError

_HEADS = ("classifier", "score")  # what transformers calls the last module of its classifiers
FORMER_HEADS = (  # of models of masked tokens, which have no place in a classifier
    "cls.",
    "lm_head.",
    "lm_predictions.",
    "mask_predictions.",
    "vocab_",
    "decoder.",
    "discriminator_predictions.",
    "generator_predictions.",
)


def head_of(model: Any) -> nn.Module:
    """The module that gives the label."""
    found = next((getattr(model, name) for name in _HEADS if hasattr(model, name)), None)
    if not isinstance(found, nn.Module):
        raise ModelError(
            f"{type(model).__name__} has no head that is known here",
            "Use a model of the BERT, RoBERTa, DeBERTa, ELECTRA or ModernBERT families",
        )
    return found


def own_weights(config: Any, name: str) -> list[str]:
    """Names of the weights that a classifier has beyond what it shares with the base model.

    Raises:
        ModelError: there is no such classifier, or it has several labels.
    """
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise ModelError(
            f"'{name}' is of the type '{config.model_type}', which cannot classify texts",
            "Name a model that transformers loads with AutoModelForSequenceClassification",
        )
    if config.num_labels != 1:
        raise ModelError(
            f"the model has {config.num_labels} labels, and a reward model has one score",
            "Name a sequence classifier that was trained with num_labels=1",
            name,
        )
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    head_of(model)
    base = f"{model.base_model_prefix}."
    return [key for key in model.state_dict() if not key.startswith(base) or ".pooler." in key]
