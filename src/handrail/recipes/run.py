"""Run folders: stages that are whole or absent, and are made again only when an input changed.

run/
config.json          the resolved settings and the command
stages/NAME/         a finished stage; stage.json holds the digest of its inputs and who made it
stages/.NAME.DIGEST/ a stage in the making; training resumes from what lies here
report.html, summary.json
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

import handrail
from handrail.records import HandrailWarning, RunError, atomic_write

if TYPE_CHECKING:  # what reads and writes run folders loads without torch
    from handrail.training.metrics import Progress as TrainProgress
    from handrail.training.metrics import Watcher


class Progress(Protocol):
    """Told how far a piece of work is: `done` of `total` units, with a short note."""

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None: ...


def quiet(stage: str, done: float, total: float, note: str = "") -> None:
    """A `Progress` that shows nothing."""


def watcher(progress: Progress, label: str = "") -> Watcher:
    """The trainer's progress as a `Progress`, with the newest loss as the note.

    `label` says what is trained, where a run trains more than one model.
    """
    names = {"train": f"train {label}", "reference": f"reference of {label}"} if label else {}

    def watch(at: TrainProgress) -> None:
        loss = at.metrics.get("loss")
        note = f"loss {loss:.4g}" if isinstance(loss, float) else ""
        progress(names.get(at.phase, at.phase), at.done, at.total, note)

    return watch


def digest(value: Any) -> str:
    """A short digest of any JSON-like value; equal values give equal digests."""

    def plain(item: Any) -> Any:
        if isinstance(item, BaseModel):
            return item.model_dump(mode="json")
        return str(item)

    text = json.dumps(value, sort_keys=True, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_records(records: Sequence[BaseModel]) -> str:
    """The digest of a list of records, by their content."""
    total = hashlib.sha256()
    for record in records:
        total.update(record.model_dump_json(exclude_defaults=True).encode())
        total.update(b"\n")
    return total.hexdigest()[:16]


def digest_files(paths: Sequence[Path]) -> str:
    """The digest of files by their bytes, in the order given."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def spread(text: str) -> int:
    """A number below 2**64 that the text alone decides: for draws that hang on nothing else."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


class Run:
    """A run folder. One process at a time works in it."""

    def __init__(
        self, folder: str | Path, progress: Progress = quiet, *, frozen: bool = False
    ) -> None:
        """`frozen`: only read; a stage that is not whole, or of other inputs, is a RunError."""
        self.folder, self.progress, self.frozen = Path(folder), progress, frozen
        self.made: list[str] = []
        self.reused: list[str] = []
        self._told: set[str] = set()

    def stage(self, name: str, inputs: Any, make: Callable[[Path], None]) -> Path:
        """The folder of stage `name`: kept when whole and of the same inputs, else made.

        `make(folder)` fills the folder it is given. After a crash it gets the same half-filled
        folder again, so work that resumes from its own files does so.
        """
        key = digest(inputs)
        stages = self.folder / "stages"
        whole = stages / name
        record = _record_of(whole)
        if record.get("digest") == key and not self._damaged(name, whole, record):
            self._compare(name, record.get("handrail", handrail.__version__))
            self.reused.append(name)
            return whole
        if self.frozen:
            raise RunError(
                f"the stage '{name}' is not finished, or its inputs changed",
                "Finish the run first: the same `handrail run` command goes on from here",
                str(self.folder),
            )
        partial = stages / f".{name}.{key}"
        partial.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        make(partial)
        record = {
            "digest": key,
            "seconds": round(time.monotonic() - begun, 1),
            "handrail": handrail.__version__,
            "bytes": _sizes(partial),
        }
        with atomic_write(partial / "stage.json") as file:
            json.dump(record, file)
        if whole.exists():
            shutil.rmtree(whole)
        os.replace(partial, whole)
        for stale in stages.glob(f".{name}.*"):
            shutil.rmtree(stale)
        self.made.append(name)
        return whole

    def _damaged(self, name: str, whole: Path, record: dict[str, Any]) -> bool:
        """Whether files of a finished stage are gone or were changed since: it is made again."""
        sizes = record.get("bytes", {})
        found = _sizes(whole)
        bad = sorted(path for path, size in sizes.items() if found.get(path) != size)
        if not bad:
            return False
        if self.frozen:
            raise RunError(
                f"the stage '{name}' is damaged: {bad[0]} is not as it was written",
                "The `handrail run` command that made it makes it again",
                str(whole),
            )
        warnings.warn(
            f"{whole / bad[0]} is not as it was written; the stage is made again",
            HandrailWarning,
            stacklevel=3,
        )
        return True

    def _compare(self, name: str, version: str) -> None:
        """Tell, once a version, that a kept stage is another version's."""
        if version == handrail.__version__ or version in self._told or self.frozen:
            return
        self._told.add(version)
        warnings.warn(
            f"{self.folder}: the stage '{name}' was made by Handrail {version} and is kept; this "
            f"is {handrail.__version__}. For figures of one version take another folder",
            HandrailWarning,
            stacklevel=3,
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; RunError if another run holds it or it cannot be made."""
        from handrail.training.lock import run_lock  # loads torch, as all that takes the lock does

        with run_lock(self.folder):
            yield


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all, keys sorted, so equal values give equal files."""
    with atomic_write(path) as file:
        json.dump(value, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that `write_json` wrote."""
    return json.loads(path.read_text("utf-8"))


def versions(folder: Path) -> str:
    """Which versions of Handrail made a run's stages, and this one, which writes its page."""
    made = {_record_of(stage).get("handrail", "") for stage in sorted(folder.glob("stages/*"))}
    others = sorted(made - {"", handrail.__version__})
    return (
        f"{handrail.__version__}, some stages by {', '.join(others)}"
        if others
        else (handrail.__version__)
    )


def _sizes(folder: Path) -> dict[str, int]:
    """The size of every file below a folder, but for the stage's own record."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    sizes.pop("stage.json", None)
    return sizes


def _record_of(stage: Path) -> dict[str, Any]:
    """What `stage.json` says; nothing where there is none that can be read."""
    try:
        found = read_json(stage / "stage.json")
    except (FileNotFoundError, json.JSONDecodeError, NotADirectoryError):
        return {}
    return found if isinstance(found, dict) else {}
