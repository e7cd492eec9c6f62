"""The benchmark's scripts as modules, and a line of results to change."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def line() -> Callable[..., dict[str, Any]]:
    side = {
        "pairs_per_s": 10.0,
        "trained_tokens_per_s": 2000.0,
        "peak_rss_mb": 600.0,
        "foreign_cores": 0.01,
    }
    base = {
        "shape": "conversation",
        "size": "S",
        "objective": "dpo",
        "mode": "full",
        "dtype": "float32",
        "turns": 10,
        "rounds": 2,
        "threads": 2,
        "handrail": side,
        "trl": side | {"pairs_per_s": 0.8, "peak_rss_mb": 6000.0},
        "ratio": 12.5,
        "ratio_rounds": [12.0, 13.0],
        "memory_ratio": 0.1,
        "commit": "abc1234",
        "versions": {"trl": "1.16.0"},
        "machine": {"cpu": "X", "cores": 2, "memory_gib": 8.0, "system": "Linux", "vectors": "Y"},
        "when": "2026-01-02T03:04Z",
    }

    def changed(**changes: Any) -> dict[str, Any]:
        made = json.loads(json.dumps(base))
        for name, value in changes.items():
            both = isinstance(value, dict) and name in made
            made[name] = made[name] | value if both else value
        return made

    return changed


@pytest.fixture
def results(module: Callable[[str], ModuleType], tmp_path: Path) -> Callable[..., Any]:
    """What the page is made of, from lines."""

    def read(*lines: dict[str, Any]) -> Any:
        source = tmp_path / "results.jsonl"
        source.write_text("".join(json.dumps(x) + "\n" for x in lines))
        return module("lines").read(source)

    return read


@pytest.fixture
def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., dict[str, Any]]]:
    """As `run`, the script in this process, which has loaded what it needs already."""
    import torch

    def run(script: str, *options: str) -> dict[str, Any]:
        path = str(BENCHMARKS / script)
        monkeypatch.setattr(sys, "argv", [path, "--json", "--threads", "1", *options])
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        runpy.run_path(path, run_name="__main__")
        (text,) = capsys.readouterr().out.strip().splitlines()
        return dict(json.loads(text))

    threads = torch.get_num_threads()
    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def run() -> Callable[..., dict[str, Any]]:
    """The one JSON line that a benchmark prints, in a process whose memory is its own."""

    def run(script: str, *options: str) -> dict[str, Any]:
        command = [sys.executable, str(BENCHMARKS / script), "--json", "--threads", "1", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr[-3000:]
        (text,) = done.stdout.strip().splitlines()
        return dict(json.loads(text))

    return run
