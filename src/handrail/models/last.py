"""The last layer's blocks at the places that are read, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

# What dense feed-forward blocks of the supported families are made of. Others (mixtures of
# experts, whose routers may count tokens) are left alone.
_DENSE = ("down_proj", "c_proj", "dense_4h_to_h")
# Projections of attention that work on queries alone: before it, and after it. Keys and values of
# every place are seen from below, so those that make them as well (GPT-2's `c_attn`) stay whole.
_OF_QUERIES = ("q_proj", "o_proj", "c_proj", "dense")
# Taking rows out and putting them back costs about as much as a projection of a third of them.
_FEW = 0.5


@contextmanager
def last_layer_at(decoder: nn.Module, read_L: Tensor | None) -> Iterator[None]:
    """While this holds, blocks of the last layer run on the places `read_L`; zeros stand elsewhere.

    They are the feed-forward block and, where few places are read, the projections of queries.
    Their rows do not depend on one another, so nothing that is read changes. It is done by hooks
    on the unmodified modules; with `read_L` None, or unknown blocks, nothing is.
    """
    layer = None if read_L is None else _last_layer(decoder)
    if layer is None or read_L is None:
        yield
        return
    with ExitStack() as hooks:
        for block in _feed_forward(layer):
            _narrow(block, read_L, 1.0, hooks)
        for block in _projections(layer):
            _narrow(block, read_L, _FEW, hooks)
        yield


def _narrow(block: nn.Module, read_L: Tensor, share: float, hooks: ExitStack) -> None:
    """Hooks that give the block the rows that are read, and put them back among zeros.

    With more than `share` of the places read, all rows go through it.
    """
    n_places = 0

    def narrow(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal n_places
        n_places = args[0].shape[1]
        return (args[0].index_select(1, read_L), *args[1:]) if few() else args

    def widen(module: nn.Module, args: Any, out: Tensor) -> Tensor:
        if not few():
            return out
        size = (out.shape[0], n_places, out.shape[2])
        return out.new_zeros(size).index_copy(1, read_L, out)

    def few() -> bool:
        return len(read_L) <= share * n_places

    hooks.callback(block.register_forward_pre_hook(narrow).remove)
    hooks.callback(block.register_forward_hook(widen).remove)


def _last_layer(decoder: nn.Module) -> nn.Module | None:
    for name in ("layers", "h"):
        layers = getattr(decoder, name, None)
        if isinstance(layers, nn.ModuleList) and len(layers):
            return layers[-1]
    return None


def _feed_forward(layer: nn.Module) -> list[nn.Module]:
    block = getattr(layer, "mlp", None)
    dense = any(isinstance(getattr(block, part, None), nn.Module) for part in _DENSE)
    return [block] if isinstance(block, nn.Module) and dense else []


def _projections(layer: nn.Module) -> list[nn.Module]:
    for name in ("self_attn", "attn", "attention"):
        attention = getattr(layer, name, None)
        if isinstance(attention, nn.Module):
            found = (getattr(attention, part, None) for part in _OF_QUERIES)
            return [block for block in found if isinstance(block, nn.Module)]
    return []
