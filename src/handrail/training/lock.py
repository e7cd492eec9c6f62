"""One run per folder: a lock that the system drops when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handrail.records import RunError

LOCK = ".lock"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock file names its pid.

    Raises:
        RunError: another run holds the folder, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(
            f"the folder cannot be written ({error.strerror})",
            "Choose another folder (--out)",
            str(folder),
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise RunError(
                f"another run works in this folder (process {owner})",
                "Wait for it, end it, or choose another folder (--out)",
                str(folder),
            ) from None
        except OSError as error:
            raise RunError(
                f"the folder cannot be locked ({error.strerror})",
                "Choose a folder on another file system (--out)",
                str(folder),
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
