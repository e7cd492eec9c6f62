"""Where a model computes, and in which number type that place is fast."""

from __future__ import annotations

import functools
import platform
import warnings
from textwrap import shorten
from typing import Literal

import torch

from handrail.records import HandrailWarning, SettingError


def resolve_device(device: str = "auto") -> str:
    """The device that is meant: "auto" is CUDA where there is one, else the CPU.

    Raises:
        SettingError: torch knows no such device, or this machine has none.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    # A torch that was built without the device says so in any of these ways.
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = shorten(str(error), 100, placeholder=" ...")
        raise SettingError(
            f"device '{device}' cannot be used here ({reason})",
            "Use 'auto' or 'cpu'; `handrail doctor` shows the accelerator, if there is one",
        ) from None
    return device


def resolve_dtype(dtype: str, device: str = "auto") -> Literal["float32", "bfloat16"]:
    """The number type that is meant: "auto" is bfloat16 where it is native, else float32.

    An explicit type is kept; bfloat16 where it is emulated warns, once for each kind of device.

    Args:
        dtype: "auto", "float32" or "bfloat16".
        device: as in `ModelSettings`: "auto", "cpu", "cuda", "cuda:1", ...

    Raises:
        SettingError: there is no such device.
    """
    where = resolve_device(device)
    if dtype == "auto":
        return "bfloat16" if native_bfloat16(where) else "float32"
    if dtype == "bfloat16":
        kind = torch.device(where).type
        if kind in ("cpu", "cuda") and not native_bfloat16(where):
            _warn_of_emulation(kind)
        return "bfloat16"
    return "float32"


def native_bfloat16(device: str = "auto") -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware.

    On a CPU these are AVX512-BF16, AMX, or ARM's BF16 instructions, with a torch that uses them;
    on CUDA compute capability 8.0 and above. Of other devices torch does not say it: False.
    """
    where = torch.device(resolve_device(device))
    if where.type == "cpu":
        return _native_on_cpu()
    if where.type == "cuda" and torch.cuda.is_available():
        with torch.cuda.device(where):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return False


def _native_on_cpu() -> bool:
    try:
        # oneDNN's own answer: it heeds how torch was built and ONEDNN_MAX_CPU_ISA.
        usable = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a torch without oneDNN multiplies in plain loops
        return False
    if not usable or platform.machine().lower() in ("aarch64", "arm64"):
        return usable
    # On x86 oneDNN says yes to any AVX-512, also where it must convert to float32 and back. These
    # names are torch's own affair: where a version lacks one, float32 is right too, only slower.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in names)


@functools.cache
def _warn_of_emulation(kind: str) -> None:
    much = "about 100 times slower than float32 on some" if kind == "cpu" else "slower than float32"
    warnings.warn(
        f"this {'CPU' if kind == 'cpu' else 'GPU'} has no bfloat16 in hardware: it is emulated, "
        f"{much}. Use dtype=auto or dtype=float32; `handrail doctor` measures both",
        HandrailWarning,
        stacklevel=3,
    )
