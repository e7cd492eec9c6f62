"""What both sides of the benchmark share: the job, the environment, the clock and the machine."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OBJECTIVES = ("sft", "dpo", "ipo", "kto")
BETA, LEARNING_RATE, LORA_RANK, CLIP = 0.1, 1e-6, 16, 1.0
PACKAGES = ("handrail", "trl", "torch", "transformers", "accelerate", "peft")


@dataclass(frozen=True)
class Job:
    """One side's work in one round, as its process reads it.

    `pairs_per_step`, `epochs`: of this side. `seed` orders the data. `check`: also report each
    reply's log-probability under the untrained model. `row_tokens`: of Handrail's micro-batches;
    None is its default. `micro`: rows that TRL takes at a time (the rest of a step by gradient
    accumulation); None is all of them.
    """

    folder: str
    objective: str
    mode: str
    dtype: str
    threads: int
    pairs_per_step: int
    epochs: int
    seed: int
    check: bool
    row_tokens: int | None = None
    micro: int | None = None

    @classmethod
    def read(cls, argv: list[str]) -> Job:
        """The job that the driver passed as JSON."""
        return cls(**json.loads(argv[1]))

    def to_json(self) -> str:
        """The job as the argument of its process."""
        return json.dumps(asdict(self))


def environment(threads: int, scratch: Path) -> dict[str, str]:
    """The environment of both sides: thread count, allocator, nothing from or to the network.

    Without MALLOC_MMAP_MAX_=0 glibc gives every large tensor back to the kernel and zeroes its
    pages again at the next step, which costs TRL a fifth of its speed on a CPU.
    """
    return os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": str(scratch / "hf"),
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONWARNINGS": "ignore",
        "CUDA_VISIBLE_DEVICES": "",
    }


def peak_rss_mb() -> float:
    """The largest resident set of this process so far, in MB (2**20 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(result: dict[str, object]) -> None:
    """Hand a side's result to the driver: the last line of standard output."""
    print(json.dumps(result | {"peak_rss_mb": round(peak_rss_mb(), 1)}), flush=True)


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that matter here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def machine() -> dict[str, object]:
    """The processor, its cores and the memory, as the system tells them."""
    name = platform.processor() or platform.machine()
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1]
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        name = names[0].strip() if names else name
    memory = None
    if meminfo.exists():
        memory = round(int(meminfo.read_text().split()[1]) / 2**20, 1)
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "memory_gib": memory,
        "system": platform.system(),
        "vectors": vectors(),
    }


def native_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; where not, a row in it takes hours."""
    from handrail.models import native_bfloat16

    return native_bfloat16("cpu")


def vectors() -> str:
    """What the processor computes with, such as "AVX512, bfloat16": its name alone does not say."""
    import torch

    native = ", bfloat16" if native_bfloat16() else ", no bfloat16"
    return torch.backends.cpu.get_cpu_capability() + native


def busy_seconds() -> float:
    """CPU seconds that the whole machine has spent busy since it started (nan where unknown)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return float("nan")
    fields = [int(x) for x in stat.read_text().split("\n", 1)[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def child_seconds() -> float:
    """CPU seconds of all processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fail(message: str) -> None:
    """End with a message for the user and code 2."""
    print(message, file=sys.stderr)
    raise SystemExit(2)
