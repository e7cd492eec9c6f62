"""Checkpoints: written aside, brought to the disk, renamed. What stands under its name is whole.

A checkpoint is a folder of safetensors (weights, AdamW moments, random states) and one JSON file
(where the run stands, what it was started with). Nothing in it is pickled.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from handrail.records import HandrailError, RunError, atomic_write
from handrail.training.metrics import START_OVER

FOLDER = "checkpoints"
WEIGHTS, MOMENTS, STATE, BEST = (
    "weights.safetensors",
    "optimizer.safetensors",
    "state.json",
    "best.safetensors",
)
Named = list[tuple[str, nn.Parameter]]


@dataclass
class RunState:
    """Where a run stands: steps and tokens done, place in metrics.jsonl, early stopping."""

    step: int = 0
    tokens: int = 0
    metrics_bytes: int = 0
    best_loss: float | None = None
    best_step: int | None = None
    stale: int = 0
    stopped: bool = False
    loss: float = math.nan


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A folder to fill, that becomes `target` when it is whole and on the disk.

    Raises:
        RunError: it could not be written; what stood at `target` is untouched.
    """
    aside = target.parent / f".new-{target.name}"
    try:
        with disk_faults(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            yield aside
            for path in [*sorted(aside.rglob("*")), aside]:
                _sync(path)
            if target.exists():
                remove(target)
            os.replace(aside, target)
            _sync(target.parent)
    except HandrailError:
        shutil.rmtree(aside, ignore_errors=True)
        raise


@contextmanager
def disk_faults(target: Path) -> Iterator[None]:
    """Turn what a full disk or a folder that vanished raises into one clear error.

    Raises:
        RunError: `target` could not be written.
    """
    try:
        yield
    except Exception as error:
        reason = _disk_fault(error)
        if reason is None:
            raise
        raise RunError(
            f"could not be written ({reason})",
            "Free some space and start again: the run resumes at its newest checkpoint",
            str(target),
        ) from None


def _disk_fault(error: Exception) -> str | None:
    """What the system said where writing failed; None for any other error."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, SafetensorError):
        return str(error)
    # `tokenizers` raises the plain class, with the system's number in the text.
    number = re.search(r"\(os error (\d+)\)", str(error)) if type(error) is Exception else None
    return os.strerror(int(number[1])) if number else None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(folder: Path) -> None:
    """Remove a folder so that a kill in the middle leaves no half of it under its name."""
    aside = folder.parent / f".old-{folder.name}"
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed run left half written or half removed (names of `atomic_write` too)."""
    for pattern in (".new-*", ".old-*", ".*.json.*", ".*.jsonl.*", ".*.safetensors.*"):
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def checkpoints(out: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted((out / FOLDER).glob("step-*"))


def checkpoint_path(out: Path, step: int) -> Path:
    """The folder of the checkpoint after `step` steps."""
    return out / FOLDER / f"step-{step:08d}"


def write_state(path: Path, state: RunState, started_with: dict[str, Any]) -> None:
    """The JSON file of a checkpoint, or of a finished run."""
    with atomic_write(path) as file:
        json.dump({"state": asdict(state), "started_with": started_with}, file, indent=1)


def write_weights(folder: Path, named: Named, optimizer: torch.optim.Optimizer) -> None:
    """Trained weights and their AdamW moments, by name."""
    save_file({n: p.detach().contiguous() for n, p in named}, folder / WEIGHTS)
    moments = {
        f"{name}/{key}": value.contiguous()
        for name, parameter in named
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    save_file(moments, folder / MOMENTS)


def write_best(out: Path, named: Named) -> None:
    """The weights of the best evaluation so far, in the place of the one before."""
    with atomic_write(out / FOLDER / BEST, "wb") as file:
        file.write(save({n: p.detach().contiguous() for n, p in named}))


def random_state() -> dict[str, Tensor]:
    """This process's random states, of torch and its CUDA device: all that training draws from."""
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    return tensors


def write_random(folder: Path, rank: int, tensors: dict[str, Tensor]) -> None:
    """The random states of one process."""
    save_file(tensors, folder / f"random-{rank}.safetensors")


def read_state(path: Path) -> tuple[RunState, dict[str, Any]]:
    """Where the run stood, and what it was started with."""
    with _readable(path):
        content = json.loads(path.read_text("utf-8"))
        return RunState(**content["state"]), content["started_with"]


def load_weights(path: Path, named: Named) -> None:
    """Put saved weights into the parameters of the same names."""
    with _readable(path):
        saved = load_file(path)
        with torch.no_grad():
            for name, parameter in named:
                parameter.copy_(saved[name])


def load_moments(path: Path, named: Named, optimizer: torch.optim.Optimizer) -> None:
    """Put saved AdamW moments back."""
    with _readable(path):
        saved: dict[str, dict[str, Tensor]] = {}
        for key, value in load_file(path).items():
            name, _, part = key.rpartition("/")
            saved.setdefault(name, {})[part] = value
        for group in optimizer.param_groups:
            fused = bool(group.get("fused"))
            for name, parameter in named:
                if name in saved and any(parameter is p for p in group["params"]):
                    optimizer.state[parameter] = {
                        part: value if part == "step" and not fused else value.to(parameter.device)
                        for part, value in saved[name].items()
                    }


def load_random(folder: Path, rank: int) -> None:
    """Put this process's random states back."""
    path = folder / f"random-{rank}.safetensors"
    with _readable(path):
        tensors = load_file(path)
        torch.set_rng_state(tensors["torch"])
        if "cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["cuda"])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RunError(
            f"this checkpoint cannot be read ({error})",
            f"Remove its folder to go on from the one before. {START_OVER}",
            str(path),
        ) from None


def prune(out: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for folder in checkpoints(out)[:-keep]:
        remove(folder)


def check_same(
    saved: dict[str, Any], now: dict[str, Any], where: Path, mend: str = START_OVER
) -> None:
    """Refuse to go on from what another start made; `mend` says how to start over.

    Raises:
        RunError: settings, objective, data, model or number of processes differ; says which.
    """
    changed = list(_differences(saved, now))
    if changed:
        raise RunError(
            "this folder holds a run that was started differently: " + "; ".join(changed),
            f"Put it back. {mend}",
            str(where),
        )


def _differences(saved: dict[str, Any], now: dict[str, Any]) -> Iterable[str]:
    for key in sorted(saved.keys() | now.keys()):
        a, b = saved.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from (f"{key}.{text}" for text in _differences(a, b))
        elif a != b:
            is_digest = key in ("data", "eval_data", "model")
            yield f"the {key} changed" if is_digest else f"{key} was {a!r}, is {b!r}"
