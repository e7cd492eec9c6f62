"""Drawing replies behind the protocol `Sampler`; asking models that a server runs (`server`).

The names load when first used, so that asking a server needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handrail.sampling.fitting import Fit, fit
    from handrail.sampling.local import LocalSampler

__all__ = ["Fit", "LocalSampler", "fit"]

_HOLDERS = {"Fit": "fitting", "LocalSampler": "local", "fit": "fitting"}


def __getattr__(name: str) -> Any:
    if name not in _HOLDERS:
        raise AttributeError(f"module 'handrail.sampling' has no attribute '{name}'")
    return getattr(importlib.import_module(f"handrail.sampling.{_HOLDERS[name]}"), name)
