"""A folder that another process works in."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handrail.training.lock import run_lock


def _hold(folder: Path, ready: Any, done: Any) -> None:
    with run_lock(folder):
        ready.set()
        done.wait(60)


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Another process holds the folder's run lock while this lasts; gives its number."""
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(folder, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        assert other.pid is not None
        yield other.pid
    finally:
        done.set()
        other.join(60)
