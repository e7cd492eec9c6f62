"""What a command says: progress and notes on stderr, the result on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_S = 20.0  # between progress lines where stderr is not a terminal


class Console:
    """One command's way to speak. `json`: the summary is the only thing on stdout."""

    def __init__(self) -> None:
        self.json = self.quiet = self.debug = False
        self.folder: Path | None = None  # the run's folder, where a traceback belongs
        self.kept = ""  # what an interrupt leaves behind, in one sentence
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def progress(self, stage: str, done: float, total: float, note: str = "") -> None:
        """Show that `done` of `total` units of `stage` are done, with the time left."""
        if self.quiet:
            return
        if sys.stderr.isatty():
            self._bar(stage, done, total, note)
        else:
            self._line(stage, done, total, note)

    def say(self, text: str) -> None:
        """A note on stderr, above the bars."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """As `say`, also when quiet."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def result(self, summary: dict[str, Any], text: str) -> None:
        """Print what came out: `summary` as JSON, or `text` for a reader."""
        self.close()
        shown = json.dumps(summary, ensure_ascii=False, default=str) if self.json else text
        print(shown, flush=True)

    def error(self, text: str) -> None:
        """One message on stderr, also when quiet."""
        print(text, file=sys.stderr, flush=True)

    def traceback(self) -> None:
        """The traceback of the exception in flight, on stderr."""
        import traceback

        print(traceback.format_exc(), file=sys.stderr, flush=True)

    def defect(self, error: Exception) -> None:
        """Own up to an exception that no user should see, and keep its traceback."""
        import tempfile
        import traceback

        if self.debug:
            self.traceback()
            return
        folder = self.folder if self.folder and self.folder.is_dir() else tempfile.gettempdir()
        path = Path(folder) / f"handrail-traceback-{time.strftime('%Y%m%d-%H%M%S')}.txt"
        try:
            path.write_text(traceback.format_exc(), "utf-8")
            where = f"The traceback is in {path}; --debug prints it"
        except OSError:
            where = "Run it again with --debug for the traceback"
        name = type(error).__name__
        self.error(f"This is a defect of Handrail's, not yours: {name}: {error}. {where}.")

    def close(self) -> None:
        """Take the bars down."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks = {}

    def _bar(self, stage: str, done: float, total: float, note: str) -> None:
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, note=note)
        self._bars.update(self._tasks[stage], completed=done, total=total, note=note)

    def _line(self, stage: str, done: float, total: float, note: str) -> None:
        now = time.monotonic()
        begun = self._begun.setdefault(stage, now)
        first, last = stage not in self._told, done >= total
        if self._told.get(stage) == float("inf"):
            return
        if not (first or last or now - self._told[stage] >= LINE_EVERY_S):
            return
        self._told[stage] = float("inf") if last else now
        share = done / total if total else 1.0
        left = (now - begun) * (1 - share) / share if share > 0 else None
        time_text = (
            f", took {clock(now - begun)}"
            if last
            else (f", {clock(left)} left" if left is not None and not first else "")
        )
        note_text = f"  {note}" if note else ""
        print(f"{stage}: {share:.0%}{time_text}{note_text}", file=sys.stderr, flush=True)


def count(n: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 reply", "2,000 replies"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def clock(seconds: float) -> str:
    """A duration as m:ss or h:mm:ss."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _bars() -> Progress:
    from rich.console import Console as Rich
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Rich(stderr=True),
        refresh_per_second=4,
    )


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = ()) -> str:
    """Rows as aligned columns of text: words to the left, numbers to the right."""
    lines = [head, *rows] if head else list(rows)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(cell: str) -> bool:
    return bool(cell) and (cell[0].isdigit() or (cell[0] in "-+" and cell[1:2].isdigit()))
