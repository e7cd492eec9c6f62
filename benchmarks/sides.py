"""What the processes of both sides share: clock, memory by kind, profiler, adapters, the answer."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from common import peak_rss_mb
from op_kinds import shares
from torch import nn
from torch.profiler import ProfilerActivity, profile

MB = 2**20


def clock(device: str) -> tuple[float, float]:
    """Wall and processor seconds, once the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


class Memory:
    """What the process holds, by kind; made when the libraries are loaded, before the model is.

    On CUDA all figures are of the device's memory as torch allocated it.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        if device == "cuda":
            torch.cuda.init()
            torch.cuda.reset_peak_memory_stats()
        self._before = self._now()

    def _now(self) -> float:
        if self._device == "cuda":
            return torch.cuda.memory_allocated() / MB
        statm = Path("/proc/self/statm")
        if not statm.exists():
            return 0.0
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB

    def peak(self) -> float:
        """The most so far, in MB."""
        if self._device == "cuda":
            return torch.cuda.max_memory_allocated() / MB
        return peak_rss_mb()

    def parts(self, model: nn.Module, peak: float | None = None) -> dict[str, float]:
        """The peak by kind: what shapes tell, what was there before, and the rest."""
        held = [p.numel() * p.element_size() / MB for p in model.parameters()]
        trained = [p.numel() * p.element_size() / MB for p in model.parameters() if p.requires_grad]
        found = {
            "libraries": self._before,
            "parameters": sum(held),
            "gradients": sum(trained),
            "optimizer": 2 * sum(trained),  # AdamW's two moments
        }
        rest = (self.peak() if peak is None else peak) - sum(found.values())
        return {k: round(v, 1) for k, v in (found | {"rest": rest}).items()}


class Profiler:
    """torch's profiler from `start` to `stop`, and what it saw by kind of work."""

    def __init__(self, memory: Memory, device: str) -> None:
        self._memory, self._device = memory, device
        kinds = [ProfilerActivity.CPU]
        if device == "cuda":
            kinds.append(ProfilerActivity.CUDA)
        self._profile = profile(activities=kinds)
        self.wall, self.peak = 0.0, 0.0

    def start(self) -> None:
        """Begin; the peak of memory is taken before the profiler takes some itself."""
        self.peak = self._memory.peak()
        self._profile.start()
        self._begin, _ = clock(self._device)

    def stop(self) -> None:
        """End."""
        end, _ = clock(self._device)
        self._profile.stop()
        self.wall = end - self._begin

    def summary(self) -> dict[str, Any]:
        """Wall seconds, seconds inside operators and each kind's share of these."""
        rows = self._profile.key_averages()
        if self._device == "cuda":  # a kernel's time, once: at the operator that launched it
            on_cpu = [row for row in rows if row.device_type == torch.autograd.DeviceType.CPU]
            spent = [(row.key, row.self_device_time_total / 1e6) for row in on_cpu]
        else:
            spent = [(row.key, row.self_cpu_time_total / 1e6) for row in rows]
        by_kind, others = shares(spent)
        return {
            "seconds": self.wall,
            "operator_seconds": sum(value for _, value in spent),
            "shares": by_kind,
            "others": others,
        }


def seed_adapters(model: nn.Module) -> None:
    """The same first adapters on both sides: each library draws its own otherwise."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, weight in sorted((n, p) for n, p in model.named_parameters() if "lora_A" in n):
            bound = weight.shape[1] ** -0.5  # as peft draws them: uniform, He et al. with a = 5^0.5
            drawn = torch.empty(weight.shape).uniform_(-bound, bound, generator=generator)
            weight.copy_(drawn)


def answer(result: dict[str, Any], memory: Memory | None = None) -> None:
    """Hand a side's result to the driver: the last line of standard output."""
    if memory is not None:
        result = result | {"peak_mb": round(memory.peak(), 1)}
    print(json.dumps(result), flush=True)
