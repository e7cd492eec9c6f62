"""metrics.jsonl, one line per step, and progress for whoever watches."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from handrail.records import RunError


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        phase: "reference" (its log-probabilities, in micro-batches) or "train" (in steps).
        done, total: of this phase.
        epoch: epochs done.
        metrics: the newest line of metrics.jsonl.
        seconds: since this phase began in this process.
        eta_seconds: what the phase still takes at the pace so far.
    """

    phase: Literal["reference", "train"]
    done: int
    total: int
    epoch: float
    metrics: dict[str, Any]
    seconds: float
    eta_seconds: float


# How, for whoever called from the command line or from Python.
START_OVER = (
    "To start over, remove the run's folder or choose another (--out); in Python resume=False "
    "does it"
)
Watcher = Callable[[Progress], None]


class MetricsLog:
    """Appends lines to a file that was cut back to `offset` bytes first."""

    def __init__(self, path: Path, offset: int) -> None:
        """Open for appending after `offset`.

        Raises:
            RunError: the file is shorter than the checkpoint says it was.
        """
        path.touch(exist_ok=True)
        if path.stat().st_size < offset:
            raise RunError(
                "the metrics end before the newest checkpoint",
                f"Put the file back. {START_OVER}",
                str(path),
            )
        self.path = path
        self._file = open(path, "r+b")  # noqa: SIM115 (held open for the run)
        self._file.truncate(offset)
        self._file.seek(offset)

    def write(self, line: dict[str, Any]) -> None:
        """Append one JSON line (null for what is not finite); it outlives this process at once.

        Raises:
            RunError: the disk is full.
        """
        with self._guarded():
            self._file.write(json.dumps({k: _plain(v) for k, v in line.items()}).encode() + b"\n")
            self._file.flush()

    def flush(self) -> int:
        """Bring the file to the disk; returns its length in bytes.

        Raises:
            RunError: the disk is full.
        """
        with self._guarded():
            os.fsync(self._file.fileno())
        return self._file.tell()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"a line could not be written ({error.strerror})",
                "Free some space and start again: the run resumes at its newest checkpoint",
                str(self.path),
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl, a last one that is cut off left out."""
    lines = Path(path).read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line]
