"""Tree attention, through transformers' attention interface and unmodified model classes.

`ATTENTION` is registered as an attention implementation. With a row of token trees in its keyword
arguments it computes tree attention: on the CPU by matrix products (scores.py) where their results
may be kept for a backward pass, and always in bfloat16, else by flash attention in blocks
(blocks.py); on CUDA by FlexAttention (flex.py), elsewhere by a dense mask. Replies that grow from
trees have a row of their own kind (grow.py). Without a row it is ordinary "sdpa", so the same model
generates and evaluates as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from handrail.models.blocks import flash_tree_attention
from handrail.models.grow import GrowingRow, growing_attention
from handrail.models.rows import TreeRow, once, one_head_each
from handrail.models.scores import score_tree_attention, scores_fit
from handrail.records import ModelError
from handrail.trees import TreeLayout

ATTENTION = "handrail_tree"
ROW = "tree_row"  # the keyword argument that carries the row through the model
_OTHER = "Use a model of the Llama, Mistral, Qwen or GPT-2 families"
# What some model families pass to their attention and tree attention does not compute.
_UNSUPPORTED = ("softcap", "s_aux", "position_bias", "alibi", "indices")


AnyRow = TreeRow | GrowingRow
_ROW: ContextVar[AnyRow | None] = ContextVar("handrail_tree_row", default=None)


@contextmanager
def tree_row(row: AnyRow) -> Iterator[None]:
    """While a row of trees runs through a model: transformers builds no mask for it."""
    token = _ROW.set(row)
    try:
        yield
    finally:
        _ROW.reset(token)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention of one layer as transformers calls it: (1, heads, T, d) to (1, T, heads, d)."""
    row: AnyRow | None = kwargs.pop(ROW, None)
    if row is None:
        if _ROW.get() is not None:
            raise ModelError(
                f"{type(module).__name__} does not pass keyword arguments to its attention, so "
                "token trees cannot be trained on it",
                _OTHER,
            )
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
        )
    for name in _UNSUPPORTED:
        if kwargs.get(name) is not None:
            raise ModelError(
                f"{type(module).__name__} uses '{name}' in its attention, which token trees do "
                "not support",
                _OTHER,
            )
    row.calls += 1
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    window = kwargs.get("sliding_window")
    query, key, value = _one_dtype(query, key, value)
    if isinstance(row, GrowingRow):
        return growing_attention(query, key, value, row, scale, window), None
    if window is not None and row.layout.max_depth < window:
        window = None  # no token is that deep: nothing falls out of the window
    read = row.read if _is_last(module) else None
    return _by_device(query, key, value, row, scale, window, read), None


def _by_device(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    row: TreeRow,
    scale: float,
    window: int | None,
    read: tuple[tuple[int, int], ...] | None,
) -> Tensor:
    """The fastest way for the device and the type: each gives the numbers of the dense mask."""
    layout, device = row.layout, query.device.type
    if device == "cpu" and window is None:
        fit = scores_fit(query, layout, read, row.keep_scores_mb)
        if fit or query.dtype == torch.bfloat16:
            # Without a backward pass too: the reference must be the policy to the last bit.
            keep = fit and torch.is_grad_enabled()
            return score_tree_attention(query, key, value, layout, scale, read, keep)
    if device == "cpu":
        return flash_tree_attention(query, key, value, layout, scale, window, read)
    if device == "cuda":
        from handrail.models.flex import flex_tree_attention

        return flex_tree_attention(query, key, value, layout, scale, window)
    return dense_tree_attention(query, key, value, layout, scale, window)


def _is_last(module: nn.Module) -> bool:
    """Whether this is the attention of the model's last layer."""
    layers = getattr(getattr(module, "config", None), "num_hidden_layers", None)
    return layers is not None and getattr(module, "layer_idx", None) == layers - 1


def _one_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Mixed precision leaves rotated queries and keys in float32: bring all to the narrow type."""
    device = tensors[0].device.type
    if torch.is_autocast_enabled(device):
        return tuple(t.to(torch.get_autocast_dtype(device)) for t in tensors)
    return tuple(t.to(tensors[-1].dtype) for t in tensors)


def dense_tree_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: TreeLayout,
    scale: float,
    window: int | None = None,
) -> Tensor:
    """Tree attention by one dense mask: the slow, obvious version, (1, T, heads, d)."""
    seen = once(layout, ("dense", window), lambda: visible(layout, window))
    key, value = one_head_each(query, key, value)
    out = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scale)
    return out.transpose(1, 2)


def visible(layout: TreeLayout, window: int | None = None) -> Tensor:
    """The dense (T, T) mask; a sliding window counts by depth, not by place in the row."""
    seen = layout.visible()
    if window is not None:
        seen &= layout.depth_T[:, None] - layout.depth_T[None, :] < window
    return seen


def _mask(*args: Any, **kwargs: Any) -> Tensor | None:
    """No mask for a row of trees; the one of "sdpa" otherwise."""
    return None if _ROW.get() is not None else sdpa_mask(*args, **kwargs)


def register() -> None:
    """Make `ATTENTION` known to transformers; doing it again changes nothing."""
    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, _mask)


def check_layers(row: AnyRow, model: nn.Module) -> None:
    """Refuse a model with a layer that did not attend by the tree (recurrent, or of its own)."""
    config = getattr(model, "config", None)
    expected = getattr(config, "num_hidden_layers", None)
    if expected is not None and row.calls < expected:
        raise ModelError(
            f"{type(model).__name__} has {expected} layers, of which {row.calls} attend through "
            "transformers' attention interface; token trees need all of them to",
            _OTHER,
        )
