"""A run killed at any moment goes on to the same losses and weights, bit for bit."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import trainertoys
from safetensors.torch import load_file
from trainertoys import RUN, forest, policy

from handrail.objectives import KTO, SFT
from handrail.training import read_metrics, train

# Processes of their own, forked from a server that has imported everything once.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["peft", "transformers", "handrail.models", "handrail.training"])
PATIENCE = 600


def start(out: Path) -> tuple[BaseProcess, float]:
    """A run in a process of its own that has just begun to work, and when that was."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=trainertoys.run, args=(out, theirs))
    process.start()
    theirs.close()
    assert ours.poll(PATIENCE)
    try:
        ours.recv()
    except EOFError:  # it had nothing left to do
        assert (out / "result.json").exists(), "the run failed"
    return process, time.perf_counter()


def finish(process: BaseProcess) -> None:
    process.join(PATIENCE)
    assert process.exitcode == 0


def outcome(out: Path):
    """Everything of a run that must not depend on when it was killed."""
    lines = read_metrics(out / "metrics.jsonl")
    course = [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
    return course, load_file(out / "final" / "model.safetensors")


def assert_same(one, other) -> None:
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    assert all(one[1][name].equal(other[1][name]) for name in one[1])


def killed(out: Path, wait: float) -> bool:
    """Start the run, kill it after a wait; whether that hit it before it was finished."""
    process, _ = start(out)
    time.sleep(wait)
    process.kill()
    process.join(PATIENCE)
    return process.exitcode == -signal.SIGKILL and not (out / "result.json").exists()


def finish_and_compare(out: Path, expected) -> None:
    finish(start(out)[0])
    assert_same(outcome(out), expected)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory):
    """The outcome of a run that nobody kills, and how long it works."""
    out = tmp_path_factory.mktemp("uninterrupted")
    process, begun = start(out)
    finish(process)
    return outcome(out), time.perf_counter() - begun


SEEDS, KILLS = 4, 20


@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random_moments(uninterrupted, seed: int, tmp_path: Path) -> None:
    """Twenty kills in all that hit a run, each after a random part of a run's whole time.

    A run that finishes before its kill is compared and followed by a fresh one.
    """
    expected, seconds = uninterrupted
    rng = random.Random(seed)
    kills, fresh = 0, 0
    while kills < KILLS // SEEDS:
        out = tmp_path / str(fresh)
        fresh += 1
        assert fresh < 20, f"only {kills} kills hit a run"
        while kills < KILLS // SEEDS and not (out / "result.json").exists():
            kills += killed(out, rng.uniform(0.0, 0.3) * seconds)
        finish_and_compare(out, expected)
    print(f"seed {seed}: {kills} kills hit {fresh} runs")


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("save_file", 2),
        ("save_file", 6),
        ("replace", 4),
        ("replace", 9),
        ("fsync", 12),
        ("fsync", 31),
        ("_sync", 17),
        ("remove", 2),
        ("write_state", 3),
    ],
)
def test_killed_while_a_checkpoint_is_written(
    name: str, at: int, uninterrupted, tmp_path: Path
) -> None:
    process = CONTEXT.Process(target=trainertoys.run_and_die, args=(tmp_path, name, at))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    finish_and_compare(tmp_path, uninterrupted[0])
    assert not list(tmp_path.rglob(".new-*"))
    assert not list(tmp_path.rglob(".old-*"))


@pytest.mark.parametrize(("mode", "stop_at"), [("full", 1), ("full", 5), ("lora", 3)])
def test_stopped_in_one_process(mode: str, stop_at: int, tmp_path: Path) -> None:
    """The same within one process, at a step between two checkpoints, for full fine-tuning too."""
    settings = RUN.model_copy(update={"checkpoint_every": 2})

    def run(out: Path, stop: int | None = None) -> None:
        def watch(p) -> None:
            if p.phase == "train" and p.done == stop:
                raise KeyboardInterrupt

        made = policy(mode, lora_dropout=0.2)
        data = {"eval_forest": forest(2, seed=1)}
        train(made, forest(), KTO(), settings, out, progress=watch, **data)

    run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", stop_at)
    run(tmp_path / "parts")
    assert_same(outcome(tmp_path / "parts"), outcome(tmp_path / "whole"))


def test_early_stopping_survives_a_stop(tmp_path: Path) -> None:
    settings = RUN.model_copy(
        update={"epochs": 20, "learning_rate": 0.05, "patience": 2, "checkpoint_every": 3}
    )

    def run(out: Path, stop: int | None = None):
        def watch(p) -> None:
            if p.phase == "train" and p.done == stop:
                raise KeyboardInterrupt

        data = {"eval_forest": forest(2, seed=1)}
        return train(policy(), forest(), SFT(), settings, out, progress=watch, **data)

    whole = run(tmp_path / "whole")
    assert whole.stopped_early
    for stop in (4, whole.steps):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / str(stop), stop)
        assert run(tmp_path / str(stop)).best_step == whole.best_step
        assert_same(outcome(tmp_path / str(stop)), outcome(tmp_path / "whole"))
