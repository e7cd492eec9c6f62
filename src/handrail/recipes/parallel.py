"""Several seeds of a flow at once, each in a process of its own with its share of the threads.

Small models gain little from a second thread: two processes of one thread each do nearly twice the
work of one process with two. The processes only make the stages of a run's folder; the flow then
finds them whole, so what it does and says is the same with and without them.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import warnings
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import handrail
from handrail.models import count_parameters, resolve_device
from handrail.recipes.run import Run
from handrail.recipes.settings import SCRATCH, SMALL, FlowSettings
from handrail.records import HandrailWarning, RunError

# The package may have been found beside the caller's script, where a new process does not look.
_START = (
    "import sys; sys.path.append(sys.argv[1]); from handrail.recipes.worker import main; main()"
)

_READY = "seeds get ready"  # what is shown while processes import libraries and read the data


def how_many(settings: FlowSettings) -> int:
    """How many seeds to train at once.

    By itself more than one only on the CPU, for models below 100 million parameters.
    """
    threads = torch.get_num_threads()
    if settings.parallel:
        return min(settings.parallel, settings.seeds)
    if settings.seeds == 1 or threads == 1 or resolve_device() != "cpu":
        return 1
    small = settings.model in ("world", SCRATCH) or count_parameters(settings.model) < SMALL
    return min(threads, settings.seeds) if small else 1


def make_ahead(
    run: Run, flow: str, settings: FlowSettings, seeds: Sequence[int], most: int
) -> None:
    """Make the stages of these seeds, `most` at once; their progress and warnings are the run's.

    Raises:
        RunError: a process ended by itself.
        Exception: what a seed's work raised; the other processes are ended.
    """
    most = min(most, len(seeds))
    threads = max(1, torch.get_num_threads() // most)
    waiting = deque(seeds)
    said: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()
    running: dict[int, subprocess.Popen[str]] = {}
    heard: set[int] = set()
    run.progress(_READY, 0, most)
    try:
        while waiting or running:
            while waiting and len(running) < most:
                seed = waiting.popleft()
                running[seed] = _start(run, flow, settings, seed, threads)
                threading.Thread(target=_listen, args=(seed, running[seed], said)).start()
            seed, message = said.get()
            if len(heard) < most and seed not in heard:
                heard.add(seed)
                run.progress(_READY, len(heard), most)
            if "end" not in message:
                _heed(run, message)
                continue
            code = _ended(running.pop(seed))
            if code:
                raise RunError(
                    f"the process that trained seed {seed} ended by itself (exit status {code})",
                    "If the memory was short, set parallel=1; the same command goes on from here",
                    str(run.folder),
                )
    finally:
        for process in running.values():
            process.kill()
            _ended(process)


def _start(
    run: Run, flow: str, settings: FlowSettings, seed: int, threads: int
) -> subprocess.Popen[str]:
    """A process that makes one seed's stages. It ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _START, str(Path(handrail.__file__).parents[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )
    job = {
        "folder": str(run.folder),
        "flow": flow,
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "threads": threads,
    }
    assert process.stdin is not None
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    return process


def _ended(process: subprocess.Popen[str]) -> int:
    """Wait for a process; returns its exit status."""
    assert process.stdin is not None
    code = process.wait()
    process.stdin.close()
    return code


def _listen(
    seed: int, process: subprocess.Popen[str], said: queue.SimpleQueue[tuple[int, dict[str, Any]]]
) -> None:
    """Pass on what a process says, and that it has ended."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            said.put((seed, json.loads(line)))
    said.put((seed, {"end": True}))


def _heed(run: Run, message: dict[str, Any]) -> None:
    """Show progress and warnings; raise what the seed's work raised."""
    if "progress" in message:
        run.progress(*message["progress"])
    elif "warning" in message:
        warnings.warn(message["warning"], HandrailWarning, stacklevel=2)
    else:
        error: Exception = pickle.loads(base64.b64decode(message["error"]))
        error.add_note(message["traceback"])
        raise error
