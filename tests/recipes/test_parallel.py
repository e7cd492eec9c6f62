"""Seeds at once: the same run as one after the other; faults of a process are the run's."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from handrail.recipes import RECIPES, FlowSettings, parallel
from handrail.recipes.parallel import how_many, make_ahead
from handrail.recipes.run import Run, quiet
from handrail.recipes.worker import _pickled
from handrail.records import (
    HandrailError,
    HandrailWarning,
    RecordError,
    RunError,
    SettingError,
)

SMALL: dict[str, Any] = {
    "train_points": 12,
    "test_turns": 6,
    "seeds": 2,
    "first_seed": 3,
    "reply_tokens": 8,
    "learning_rates": {"sft": 1e-3, "ipo": 1e-4},
}


def run(model: Path, out: Path, progress: Callable[..., None] = quiet, **more: Any) -> dict:
    return RECIPES["quickstart"].run(FlowSettings(model=str(model), **SMALL | more), out, progress)


def files(out: Path) -> dict[str, bytes]:
    """What a run's stages hold, but for times."""
    kept = sorted(p for p in (out / "stages").rglob("*") if p.suffix in (".jsonl", ".safetensors"))
    return {str(p.relative_to(out)): p.read_bytes() for p in kept if p.name != "metrics.jsonl"}


@pytest.fixture(scope="module")
def both(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run of two seeds at once, and the stages of which it told progress."""
    out, told = tmp_path_factory.mktemp("both"), []
    run(tiny_model, out, lambda stage, *a, **k: told.append(stage), parallel=2, threads=2)
    return out, told


def test_seeds_at_once_are_the_run_of_seeds_in_turn(
    both: tuple[Path, list[str]], tiny_model: Path, tmp_path: Path
) -> None:
    run(tiny_model, tmp_path, parallel=1, threads=1)
    out, told = both
    assert len(files(out)) > 10
    assert files(out) == files(tmp_path)
    summaries = [json.loads((home / "summary.json").read_text()) for home in (out, tmp_path)]
    for one, home in zip(summaries, (out, tmp_path), strict=True):
        assert one.pop("report") == str(home / "report.html")
    assert summaries[0] == summaries[1]
    for seed in (3, 4):
        assert f"train SFT→IPO, seed {seed}" in told
        assert f"SFT→IPO speaks (seed {seed})" in told


def test_a_whole_run_starts_no_process(
    both: tuple[Path, list[str]], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = both
    page = (out / "report.html").read_bytes()
    monkeypatch.setattr(subprocess, "Popen", None)
    run(tiny_model, out, parallel=2, threads=2)
    assert (out / "report.html").read_bytes() == page


# Processes of a few lines, which speak as those that train do.
HEAR = "import json, os, sys, time; job = json.loads(sys.stdin.readline()); seed = job['seed']\n"
RAISES = """
import base64, pickle
from handrail.records import RecordError
print(json.dumps({"progress": ["train", 1, 2, "note"]}), flush=True)
if seed == 3:
    time.sleep(600)
error = pickle.dumps(RecordError("a line is broken", "Mend it", "x.jsonl:7"))
print(json.dumps({"error": base64.b64encode(error).decode(), "traceback": "in line 5"}), flush=True)
"""
ENDS = "time.sleep(600) if seed == 3 else os.kill(os.getpid(), 9)"
SAYS = """
print(json.dumps({"progress": ["speak", seed, 9, ""]}), flush=True)
print(json.dumps({"warning": f"seed {seed} works hardly as wanted"}), flush=True)
print(json.dumps({"progress": ["threads", job["threads"], 9, ""]}), flush=True)
"""


def ahead(
    monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, seeds: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Run seeds in processes of this text, two at once; returns the progress that was told."""
    monkeypatch.setattr(parallel, "_START", HEAR + text)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    told: list[tuple[Any, ...]] = []
    settings = FlowSettings(seeds=len(seeds))
    make_ahead(Run(folder, lambda *at: told.append(at)), "quickstart", settings, seeds, 2)
    return told


def test_what_a_seed_raises_is_raised_and_the_others_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(RecordError, match=r"^x\.jsonl:7: a line is broken\. Mend it") as found:
        ahead(monkeypatch, tmp_path, RAISES, [3, 4])
    assert (found.value.where, found.value.mend) == ("x.jsonl:7", "Mend it")
    assert found.value.__notes__ == ["in line 5"]
    assert not children()


def test_a_process_that_is_killed_is_one_clear_error_and_the_others_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"seed 4 ended by itself \(exit status -9\).*parallel=1"):
        ahead(monkeypatch, tmp_path, ENDS, [3, 4])
    assert not children()


def test_all_seeds_are_made_and_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.warns(HandrailWarning, match="hardly") as warned:
        told = ahead(monkeypatch, tmp_path, SAYS, [3, 4, 5])
    assert {at for at in told if at[0] == "speak"} == {("speak", n, 9, "") for n in (3, 4, 5)}
    assert [at for at in told if at[0] == "threads"] == [("threads", 3, 9, "")] * 3
    assert [at[1:] for at in told if at[0] == "seeds get ready"] == [(0, 2), (1, 2), (2, 2)]
    assert {str(w.message)[:6] for w in warned} == {"seed 3", "seed 4", "seed 5"}


def test_an_exception_that_cannot_be_sent_is_told_as_text() -> None:
    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    for error, kind in ((Odd(1, 2), RuntimeError), (SettingError("no", "do"), SettingError)):
        sent = pickle.loads(base64.b64decode(_pickled(error)))
        assert type(sent) is kind
        assert str(error) in str(sent)


def test_bad_input_is_met_before_any_process(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel.subprocess, "Popen", None)
    with pytest.raises(HandrailError, match="leave no room for a reply"):
        run(tiny_model, tmp_path, parallel=2, threads=2, reply_tokens=100_000)


def test_processes_end_with_the_one_that_started_them(tiny_model: Path, tmp_path: Path) -> None:
    settings = [f"{name}={json.dumps(value)}" for name, value in SMALL.items()]
    settings += ["parallel=2", "threads=2", "train_points=60"]
    command = [sys.executable, "-m", "handrail", "run", "quickstart", "--out", str(tmp_path)]
    command += ["--model", str(tiny_model), *(part for s in settings for part in ("--set", s))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("train M1-SFT"):
            break
    mine = children(process.pid)
    assert len(mine) == 2
    process.kill()
    process.wait()
    process.stderr.close()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in mine):
        assert time.monotonic() < end, "a process outlived the one that started it"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("settings", "threads", "expected"),
    [
        ({"seeds": 3}, 2, 2),
        ({"seeds": 3}, 8, 3),
        ({"seeds": 1}, 8, 1),
        ({"seeds": 3}, 1, 1),
        ({"seeds": 3, "parallel": 1}, 8, 1),
        ({"seeds": 3, "parallel": 2}, 1, 2),
        ({"seeds": 2, "parallel": 5}, 8, 2),
        ({"seeds": 3, "model": "large"}, 8, 1),
        ({"seeds": 3, "model": "small"}, 8, 3),
    ],
)
def test_how_many_seeds_run_at_once(
    settings: dict[str, Any], threads: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"large": 200_000_000, "small": 5_000_000}
    monkeypatch.setattr(parallel, "count_parameters", sizes.__getitem__)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(parallel, "resolve_device", lambda: "cpu")
    assert how_many(FlowSettings(**settings)) == expected
    monkeypatch.setattr(parallel, "resolve_device", lambda: "cuda")
    assert how_many(FlowSettings(**settings)) == min(settings.get("parallel", 1), settings["seeds"])


def children(parent: int | None = None) -> list[int]:
    """The living processes that `parent` (this process) has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, of = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(of) == (parent or os.getpid()) and state != "Z":
            found.append(int(stat.parent.name))
    return found
