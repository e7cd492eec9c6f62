"""What both sides of the benchmark share: the job, the environment, the clock and the machine."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REWARDS = ("bradley_terry",)  # objectives of reward models
OBJECTIVES = ("sft", "dpo", "ipo", "kto", *REWARDS)
BETA, LEARNING_RATE, LORA_RANK, CLIP = 0.1, 1e-6, 16, 1.0
PACKAGES = ("handrail", "trl", "torch", "transformers", "accelerate", "peft", "openai")
DEVICES = ("cpu", "cuda")
HERE = Path(__file__).resolve().parent
# What decides a figure: the code, but not the figures that were written beside it.
WRITTEN = ("results.jsonl", "RESULTS.md")
CODE = (":/src", ":/benchmarks", *(f":(top,exclude)benchmarks/{x}" for x in WRITTEN))


@dataclass(frozen=True)
class Job:
    """One side's work in one round, as its process reads it.

    `pairs_per_step`, `epochs`: of this side. `seed` orders the data. `check`: also report each
    reply's log-probability under the untrained model. `row_tokens`: of Handrail's micro-batches;
    None is its default. `checkpointing`: Handrail computes activations again in the backward pass
    instead of keeping them. `micro`: rows that TRL takes at a time (the rest of a step by gradient
    accumulation); None is all of them. `warm_steps`: steps of TRL's that are not timed, on the
    first of the rows; 0 is a whole pass (Handrail's warm-up always is one). `profile`: the timed
    pass under the profiler. `update`: no timing, but one update on the turns that are named there,
    and their log-probabilities before and after it.
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
    checkpointing: bool = False
    micro: int | None = None
    device: str = "cpu"
    warm_steps: int = 1
    profile: bool = False
    update: tuple[str, ...] = ()

    @classmethod
    def read(cls, argv: list[str]) -> Job:
        """The job that the driver passed as JSON."""
        return cls(**json.loads(argv[1]))

    def to_json(self) -> str:
        """The job as the argument of its process."""
        return json.dumps(asdict(self))


def environment(threads: int, scratch: Path, device: str = "cpu") -> dict[str, str]:
    """The environment of both sides: thread count, allocator, nothing from or to the network.

    A comparison on the CPU hides GPUs from both; one on a GPU shows them a single one, as several
    make transformers' Trainer spread its batches.

    Without MALLOC_MMAP_MAX_=0 glibc gives every large tensor back to the kernel and zeroes its
    pages again at the next step, which costs TRL a fifth of its speed on a CPU.
    """
    shown = os.environ.get("CUDA_VISIBLE_DEVICES") or "0"
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
        "CUDA_VISIBLE_DEVICES": "" if device == "cpu" else shown.split(",")[0],
    }


def peak_rss_mb() -> float:
    """The largest resident set of this process so far, in MB (2**20 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def require(device: str) -> None:
    """End with a message where there is no such device."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        fail("--device cuda: torch sees no CUDA device here. Use --device cpu, or another machine.")


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that matter here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def commit() -> str | None:
    """The commit of the code, "+changes" where it was edited since; None outside git."""

    def git(*arguments: str) -> str | None:
        try:
            command = ["git", "--no-optional-locks", *arguments]
            done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        except OSError:  # no git on this machine
            return None
        return None if done.returncode else done.stdout.strip()

    # A copy of this folder inside some other repository is not that repository's code.
    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    name, edited = git("rev-parse", "--short", "HEAD"), git("status", "--porcelain", "--", *CODE)
    return name if not name else name + ("+changes" if edited else "")


def provenance(device: str = "cpu") -> dict[str, object]:
    """What every line says of its making: code, versions, machine and time."""
    return {
        "commit": commit(),
        "versions": versions(),
        "machine": machine(device),
        "when": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
    }


def machine(device: str = "cpu") -> dict[str, object]:
    """The processor, its cores and the memory, as the system tells them, and the GPU if used."""
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
    found: dict[str, object] = {
        "cpu": name,
        "cores": os.cpu_count(),
        "memory_gib": memory,
        "system": platform.system(),
        "vectors": vectors(),
    }
    if device == "cuda":
        import torch

        found["gpu"] = torch.cuda.get_device_name()
    return found


def native_bfloat16(device: str = "cpu") -> bool:
    """Whether the device multiplies bfloat16 in hardware; on a CPU without, a row takes hours."""
    from handrail.models import native_bfloat16

    return native_bfloat16(device)


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


class Foreign:
    """What the rest of the machine does from now on: all but this process and its children."""

    def __init__(self) -> None:
        self._begin, self._busy, self._own = time.perf_counter(), busy_seconds(), own_seconds()

    def cores(self) -> float:
        """Cores kept busy on average since then; children count once they have ended."""
        busy = (busy_seconds() - self._busy) - (own_seconds() - self._own)
        return max(0.0, busy / (time.perf_counter() - self._begin))


def own_seconds() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    found = [resource.getrusage(x) for x in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def fail(message: str) -> None:
    """End with a message for the user and code 2."""
    print(message, file=sys.stderr)
    raise SystemExit(2)
