"""Run folders: a stage is whole or absent, kept while its inputs are the same."""

from __future__ import annotations

import multiprocessing
import os
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.recipes.run import Run, digest, read_json, versions, watcher, write_json
from handrail.records import HandrailWarning, RunError
from handrail.training import Progress


def counting(calls: list[Path], text: str = "made"):
    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "result.txt").write_text(text)

    return make


def test_a_stage_is_made_once_for_equal_inputs_and_again_for_others(tmp_path: Path) -> None:
    run, calls = Run(tmp_path), []
    first = run.stage("a", {"x": 1}, counting(calls))
    again = run.stage("a", {"x": 1}, counting(calls))
    assert first == again
    assert (first / "result.txt").read_text() == "made"
    assert len(calls) == 1
    run.stage("a", {"x": 2}, counting(calls, "anew"))
    assert (first / "result.txt").read_text() == "anew"
    assert run.made == ["a", "a"]
    assert run.reused == ["a"]


def test_a_stage_of_another_version_is_kept_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handrail, "__version__", "0.0.9")
    for name in ("a", "b"):
        Run(tmp_path).stage(name, 1, counting([]))
    assert versions(tmp_path) == "0.0.9"
    monkeypatch.undo()
    calls: list[Path] = []
    run = Run(tmp_path)
    with pytest.warns(HandrailWarning, match="'a' was made by Handrail 0.0.9"):
        run.stage("a", 1, counting(calls))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        run.stage("b", 1, counting(calls))
    assert not calls
    assert versions(tmp_path) == f"{handrail.__version__}, some stages by 0.0.9"


def test_a_stage_that_failed_is_absent_and_gets_its_own_files_back(tmp_path: Path) -> None:
    run = Run(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        run.stage("a", 1, fail)
    assert not (tmp_path / "stages" / "a").exists()
    seen = []
    run.stage("a", 1, lambda folder: seen.append((folder / "half.txt").read_text()))
    assert seen == ["half"]
    assert [p.name for p in (tmp_path / "stages").iterdir()] == ["a"]


def test_a_whole_stage_stays_until_its_successor_is_whole(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.stage("a", 1, counting([], "old"))

    def fail(folder: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.stage("a", 2, fail)
    assert (tmp_path / "stages" / "a" / "result.txt").read_text() == "old"


FORK = multiprocessing.get_context("fork")


def _enter(folder: Path, start: Any, over: Any, entered: Any) -> None:
    start.wait(60)
    try:
        with Run(folder).locked():
            entered.put("held")
            over.wait(60)  # hold it until the other has tried too
    except RunError:
        entered.put("refused")
        over.wait(60)


def test_of_two_that_start_at_once_one_gets_the_folder(tmp_path: Path) -> None:
    for attempt in range(10):
        start, over, entered = FORK.Barrier(2), FORK.Barrier(2), FORK.Queue()
        given = (tmp_path / str(attempt), start, over, entered)
        two = [FORK.Process(target=_enter, args=given) for _ in range(2)]
        for process in two:
            process.start()
        outcomes = sorted(entered.get(timeout=60) for _ in two)
        for process in two:
            process.join(60)
        assert outcomes == ["held", "refused"]


def _hold(folder: Path, ready: Any) -> None:
    with Run(folder).locked():
        ready.set()
        time.sleep(60)


def test_a_held_folder_names_its_process_and_is_free_once_that_is_killed(tmp_path: Path) -> None:
    ready = FORK.Event()
    holder = FORK.Process(target=_hold, args=(tmp_path, ready))
    holder.start()
    assert ready.wait(60)
    with (
        pytest.raises(RunError, match=rf"another run .*process {holder.pid}.*--out"),
        Run(tmp_path).locked(),
    ):
        pass
    holder.kill()
    holder.join(60)
    # What a killed run leaves names a process; that its number lives on in another means nothing.
    for left in tmp_path.glob("*lock"):
        left.write_text(str(os.getppid()))
    with Run(tmp_path).locked():
        pass


def test_a_lock_file_that_names_a_live_process_holds_nothing(tmp_path: Path) -> None:
    for name in ("run.lock", ".lock"):
        (tmp_path / name).write_text(str(os.getppid()))
    with Run(tmp_path).locked():
        pass


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="another folder"), Run(tmp_path / "file").locked():
        pass


def test_digests_depend_on_content_not_on_order_of_keys(tmp_path: Path) -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    write_json(tmp_path / "x.json", {"b": 1, "a": 2})
    assert read_json(tmp_path / "x.json") == {"a": 2, "b": 1}
    assert (tmp_path / "x.json").read_text().index('"a"') < (tmp_path / "x.json").read_text().index(
        '"b"'
    )


@pytest.mark.parametrize(
    ("label", "stages"),
    [
        ("", ["reference", "train", "train"]),
        ("IPO, seed 0", ["reference of IPO, seed 0", "train IPO, seed 0", "train IPO, seed 0"]),
    ],
)
def test_the_trainers_progress_is_told_as_a_runs(label: str, stages: list[str]) -> None:
    told: list[tuple] = []
    watch = watcher(lambda *given: told.append(given), label)
    for phase, metrics in (("reference", {}), ("train", {"loss": 0.0}), ("train", {"loss": None})):
        watch(Progress(phase, 3, 7, 0.5, metrics, seconds=1.0, eta_seconds=1.0))
    assert [one[0] for one in told] == stages
    assert [one[1:3] for one in told] == [(3, 7)] * 3
    assert [one[3] for one in told] == ["", "loss 0", ""]


@pytest.mark.parametrize("damage", ["emptied", "gone"])
def test_a_damaged_stage_is_made_again_and_told(tmp_path: Path, damage: str) -> None:
    calls: list[Path] = []
    stage = Run(tmp_path).stage("a", 1, counting(calls))
    if damage == "gone":
        (stage / "result.txt").unlink()
    else:
        (stage / "result.txt").write_text("")
    with pytest.raises(RunError, match="the stage 'a' is damaged"):
        Run(tmp_path, frozen=True).stage("a", 1, counting(calls))
    with pytest.warns(HandrailWarning, match="the stage is made again"):
        Run(tmp_path).stage("a", 1, counting(calls))
    assert (stage / "result.txt").read_text() == "made"
    assert len(calls) == 2
    Run(tmp_path).stage("a", 1, counting(calls))
    assert len(calls) == 2
