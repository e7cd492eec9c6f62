"""What `doctor` finds out: the machine, its speed, and which models fit by a stated formula."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

GB = 1e9
PACKAGES = ("torch", "transformers", "peft", "accelerate", "tokenizers", "trl", "vllm")
# Parameters of models that people know, to put a size into words.
KNOWN = (
    ("the world's base model", 5e6),
    ("GPT-2", 124e6),
    ("Qwen 0.6B", 0.6e9),
    ("Llama 1B", 1.24e9),
    ("Llama 3B", 3.2e9),
    ("Mistral 7B", 7.25e9),
    ("Llama 8B", 8.0e9),
    ("Qwen 14B", 14.8e9),
    ("Qwen 32B", 32.8e9),
    ("Llama 70B", 70.6e9),
)


def machine() -> dict[str, Any]:
    """Cores, threads, memory and accelerator of this machine."""
    import torch

    total, free = memory()
    accelerator, kind = None, "cpu"
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        count = torch.cuda.device_count()
        kind, total = "cuda", properties.total_memory
        free = torch.cuda.mem_get_info(0)[0]
        accelerator = f"{count} x {properties.name}, {properties.total_memory / GB:.0f} GB each"
    elif torch.backends.mps.is_available():
        accelerator, kind = "Apple GPU (shares the memory)", "mps"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    main_total, main_free = memory()
    return {
        "platform": platform.platform(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "memory_gb": round(main_total / GB, 1),
        "memory_free_gb": round(main_free / GB, 1),
        "accelerator": accelerator,
        "device": kind,
        "device_memory_gb": round(total / GB, 1),
        "device_memory_free_gb": round(free / GB, 1),
    }


def memory() -> tuple[float, float]:
    """Total and free main memory in bytes, within the limit of a container if there is one."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = free = float(os.sysconf("SC_PHYS_PAGES") * page)
    info = Path("/proc/meminfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().splitlines())
        free = float(fields["MemAvailable"].split()[0]) * 1024
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if limit.exists() and limit.read_text().strip().isdigit():
        cap = float(limit.read_text())
        total = min(total, cap)
        free = min(free, cap - float(used.read_text()))
    return total, free


def versions() -> dict[str, str | None]:
    """The versions of what Handrail stands on; None for what is not installed."""
    from handrail import __version__

    found: dict[str, str | None] = {"handrail": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def speed(device: str, seconds: float = 0.4) -> dict[str, Any]:
    """Matrix products of 1,024 x 1,024 (4,096 on an accelerator) in float32 and bfloat16.

    Where a small product shows that one of that size would take longer than `seconds` (bfloat16
    that is emulated), small ones are timed. Rates are in GFLOP/s.
    """
    from handrail.models import native_bfloat16

    rates = {name: _rate(name, device, seconds) for name in ("float32", "bfloat16")}
    native = native_bfloat16(device)
    return {f"{name}_gflops": _figure(rate) for name, rate in rates.items()} | {
        "bfloat16_native": native,
        "advice": advice(rates["bfloat16"] / rates["float32"], native),
    }


def _rate(dtype: str, device: str, seconds: float) -> float:
    """GFLOP/s of square matrix products in `dtype`, measured for about `seconds`."""
    import torch

    large = 1024 if device == "cpu" else 4096
    for size in (large // 4, large):
        a = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
        (a @ a).sum().item()  # warm-up, and waits for the device
        begun, rounds = time.perf_counter(), 0
        limit = seconds if size == large else seconds / 8
        while not rounds or time.perf_counter() - begun < limit:
            (a @ a)[0, 0].item()
            rounds += 1
        spent = time.perf_counter() - begun
        rate = 2 * size**3 * rounds / spent / 1e9
        if 2 * large**3 / 1e9 / rate > seconds:
            break
    return rate


def _figure(rate: float) -> float:
    """A rate as it is shown: whole, or with one decimal below ten."""
    return round(rate) if rate >= 10 else round(rate, 1)


def advice(ratio: float, native: bool) -> str:
    """What to do about bfloat16 where it is `ratio` times as fast as float32."""
    if ratio > 1.15:
        text = f"bfloat16 is {ratio:.1f} times as fast"
    elif ratio < 0.87:
        text = f"bfloat16 is {1 / ratio:.1f} times slower"
    else:
        text = "bfloat16 gives no speed here"
    if native and ratio < 0.87:
        return f"{text}: use dtype=float32 (dtype=auto takes bfloat16, which this device has)"
    return f"{text}; dtype=auto takes {'bfloat16' if native else 'float32'}"


def fits(device: dict[str, Any], token_budget: int) -> tuple[list[dict[str, Any]], list[str]]:
    """The largest model that fits per mode and dtype, and the formula in words.

    Args:
        device: what `machine()` said.
        token_budget: tokens in one batch (the trainer's default).
    """
    room = 0.8 * device["device_memory_gb"] * GB
    rows = []
    for mode in ("full", "lora"):
        for dtype in ("float32", "bfloat16"):
            size = _largest(room, mode, dtype, token_budget)
            known = [name for name, n in KNOWN if n <= size]
            rows.append(
                {
                    "mode": mode,
                    "dtype": dtype,
                    "parameters": round(size),
                    "parameters_text": _count(size),
                    "examples": known[-1] if known else "none of note",
                }
            )
    return rows, [
        f"Formula, for 80 % of {device['device_memory_gb']} GB and {token_budget} tokens a batch, "
        "P parameters, L layers of width d:",
        "  full      16 P bytes (float32 weights, gradients, two moments of AdamW), "
        "and 2 P for bfloat16 copies",
        "  LoRA      4 P (float32) or 2 P (bfloat16) bytes, and 16 bytes for each of "
        "its 19 r L d weights (r = 16)",
        "  both      + 17 b bytes x tokens x L d of activations (b = bytes a value), "
        "with d = 128 L and P = 12 L d^2",
        "It is an estimate; activation_checkpointing=true cuts the activations to about a tenth.",
    ]


def needed(parameters: float, mode: str, dtype: str, tokens: int) -> float:
    """Bytes that training needs, by the formula that `fits` states.

    Activations per token and layer: Korthikanti et al. 2022, equation 1 without the attention
    matrix (34 s b h bytes at two bytes a value).
    """
    width = (128 * parameters / 12) ** (1 / 3)
    layers = width / 128
    value = 4 if dtype == "float32" else 2
    if mode == "full":
        states = (16 if dtype == "float32" else 18) * parameters
    else:
        states = value * parameters + 16 * 19 * 16 * layers * width
    return states + 17 * value * tokens * layers * width


def _largest(room: float, mode: str, dtype: str, tokens: int) -> float:
    """The largest P with `needed(P)` <= room, by halving."""
    low, high = 0.0, room
    for _ in range(60):
        middle = (low + high) / 2
        if needed(middle, mode, dtype, tokens) <= room:
            low = middle
        else:
            high = middle
    return low


def _count(parameters: float) -> str:
    """A parameter count with its unit, two figures."""
    unit, size = ("B", 1e9) if parameters >= 1e9 else ("M", 1e6)
    return f"{float(f'{parameters / size:.2g}'):g}{unit}"


def doctor(token_budget: int, say: Any = None) -> dict[str, Any]:
    """All findings. `say(stage, done, total)` hears of the short measurement."""
    told = say or (lambda stage, done, total: None)
    told("measuring", 0, 1)
    found = machine()
    rates = speed(found["device"])
    told("measuring", 1, 1)
    rows, formula = fits(found, token_budget)
    notes = []
    if found["cores"] and found["threads"] > found["cores"]:
        notes.append(
            f"torch uses {found['threads']} threads on {found['cores']} cores: "
            f"set OMP_NUM_THREADS={found['cores']}"
        )
    if found["memory_free_gb"] < 2:
        notes.append("less than 2 GB of memory is free: the quickstart needs about that")
    if found["device"] in ("cpu", "cuda") and not rates["bfloat16_native"]:
        part = "CPU" if found["device"] == "cpu" else "GPU"
        notes.append(
            f"this {part} has no bfloat16 in hardware: dtype=auto takes float32, and an explicit "
            "dtype=bfloat16 is emulated"
        )
    return {
        "machine": found,
        "versions": versions(),
        "speed": rates,
        "fits": rows,
        "formula": formula,
        "notes": notes,
    }
