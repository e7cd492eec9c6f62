"""JSON Lines in and out: one kind of record per file, nothing lost, nothing silent."""

from __future__ import annotations

import gc
import gzip
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from handrail.records.errors import RecordError, RunError
from handrail.records.faults import explain
from handrail.records.types import Skip

R = TypeVar("R", bound=BaseModel)
OnError = Literal["stop", "skip"]


@dataclass
class Loaded(Generic[R]):
    """What a file held: the good records, and each line that was left out with its reason.

    `warnings` are of what was read all the same (roles that look swapped, spoilt text). `file` is
    where all of the records stand, where they are of one file and nothing else.
    """

    records: list[R] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    warnings: list[Skip] = field(default_factory=list)
    file: str = field(default="", compare=False)


def read_jsonl(path: str | Path, kind: type[R], on_error: OnError = "stop") -> Loaded[R]:
    r"""Read the records of one kind from a JSON Lines file (`.gz` too).

    A bad line raises `RecordError` naming file, line, field and mend, or, with
    `on_error="skip"`, is counted in `skipped` while every good line is kept. A record whose id
    came before is a bad line. Lines end at "\n" only: texts may hold other line breaks. Of a gzip
    file that is cut off, "skip" keeps the whole lines and counts the rest once.
    """
    loaded: Loaded[R] = Loaded()
    seen: dict[str, str] = {}
    with _no_collection():
        for number, raw in enumerate(lines_or_rest(Path(path), loaded, on_error), start=1):
            if not raw.strip():
                continue
            where = f"{path}, line {number}"
            try:
                record = parse_line(raw, kind, where)
                note_once(record, seen, f"line {number}", where)
                loaded.records.append(record)
            except RecordError as error:
                if on_error == "stop":
                    raise
                loaded.skipped.append(Skip(what="line", reason=error.told, where=error.where))
    if not loaded.records and on_error == "stop":
        raise RecordError("no records", "Check that this is the right file", str(path))
    return loaded


@contextmanager
def _no_collection() -> Iterator[None]:
    """Put off the search for garbage in cycles: what is read is all kept, and holds none.

    Each search walks through all that was read so far, which would take half of the time.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


def ending(path: str | Path) -> str:
    """What a file's name says it holds: its ending in small letters, without `.gz` (".jsonl")."""
    name = Path(path).name.lower()
    return Path(name.removesuffix(".gz")).suffix


def gzipped(path: str | Path) -> bool:
    """Whether a file's name says that it is gzip."""
    return Path(path).name.lower().endswith(".gz")


def note_once(record: BaseModel, seen: dict[str, str], place: str, where: str) -> None:
    """Note in `seen` that the record's id stands at `place` ("line 3") of the file.

    Raises:
        RecordError: the id came before, given by the user or filled in for equal content.
    """
    identity = getattr(record, "id", "")
    if not identity:
        return
    first = seen.setdefault(identity, place)
    if first == place:
        return
    if "id" in record.model_fields_set:
        raise RecordError(
            f"the id '{identity}' was used in {first} already",
            "Give each record its own id, or leave the id out",
            where,
        )
    raise RecordError(
        "the record equals an earlier one (neither has an id, so both were given the same one)",
        "Leave one of them out, or give each its own id",
        f"{where} (equal to {first})",
    )


def lines_or_rest(path: Path, loaded: Loaded[Any], on_error: OnError) -> Iterator[bytes]:
    """`raw_lines`; with on_error="skip" the lost rest of a file is counted in `loaded.skipped`."""
    lost: list[RecordError] = []
    yield from raw_lines(path, lost if on_error == "skip" else None)
    for error in lost:
        loaded.skipped.append(Skip(what="rest of the file", reason=error.told, where=error.where))


def raw_lines(path: Path, lost: list[RecordError] | None = None) -> Iterator[bytes]:
    """The raw lines of a plain or gzip file.

    Args:
        path: gzip where its name ends in `.gz`.
        lost: where a list is given, the fault of a gzip file that is cut off goes into it after
            the whole lines before the cut, instead of being raised.

    Raises:
        RecordError: the file cannot be read, is cut off, or is damaged inside. Of the last no line
            can be trusted: the checksum of a gzip file is one for all of it.
    """
    number = 0
    try:
        opener = gzip.open if gzipped(path) else open
        with opener(path, "rb") as file:
            for line in file:
                number += 1
                yield line
    except EOFError as error:
        problem, mend = f"the file is cut off or damaged ({error})", "Fetch or write it again"
        if lost is None:
            raise RecordError(problem, mend, str(path)) from None
        lost.append(RecordError(problem, mend, f"{path}, after line {number}"))
    except FileNotFoundError:
        raise RecordError(
            "there is no such file",
            "Check the path; a folder's files are named one by one",
            str(path),
        ) from None
    except IsADirectoryError:
        raise RecordError("this is a folder", "Name a file in it", str(path)) from None
    except PermissionError:
        raise RecordError(
            "this file may not be read", "Change its permissions", str(path)
        ) from None
    except (zlib.error, OSError) as error:
        raise RecordError(
            f"the file is cut off or damaged ({error})", "Fetch or write it again", str(path)
        ) from None


def parse_line(raw: bytes, kind: type[R], where: str) -> R:
    """One line's record; raises `RecordError` that names the field and the mend."""
    data = parse_object(raw, where, f"Each line holds one {kind.__name__} object")
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise explain(error, kind, where) from None


def parse_object(
    raw: bytes, where: str, mend: str = "Each line holds one JSON object"
) -> dict[str, Any]:
    """One line's JSON object; raises `RecordError` for what is none."""
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RecordError(
            f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8", _save(raw), where
        ) from None
    except (json.JSONDecodeError, RecursionError) as error:
        tail = "" if raw.endswith(b"\n") else " (the file may be cut off here)"
        shape = _save(raw) if b"\x00" in raw else "Each line holds one JSON object"
        raise RecordError(
            f"this is not JSON: {error}{tail}", _importing(where) or shape, where
        ) from None
    except ValueError as error:  # an integer of more digits than Python reads
        raise RecordError(f"this is not usable JSON: {error}", "Shorten it", where) from None
    if b"\\ud" in raw.lower() and not _writable(data):
        raise RecordError(
            "a text holds half of a surrogate pair (\\ud800 to \\udfff)",
            "Write the file again as UTF-8, without such escapes",
            where,
        )
    if not isinstance(data, dict):
        raise RecordError(
            f"expected a JSON object, found {type(data).__name__}",
            _importing(where) or mend,
            where,
        )
    return data


def _importing(where: str) -> str:
    """The mend for a line of a file whose name says that it is a table or a JSON list."""
    table = re.fullmatch(r"(.*\.(?:csv|tsv|json)(?:\.gz)?), line \d+", where, re.IGNORECASE)
    if table is None:
        return ""
    return f"`handrail data import {table[1]} OUT` (handrail.import_ in Python) makes records of it"


def _save(raw: bytes) -> str:
    """The mend for bytes that are no text in UTF-8, by what they look like."""
    if raw.startswith(b"\x1f\x8b"):
        return "The file is gzip: let its name end in .gz"
    if raw.startswith(b"PAR1"):
        return "The file is Parquet: let its name end in .parquet"
    utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw[:200]
    return "The file looks like UTF-16: save it as UTF-8" if utf16 else "Save the file as UTF-8"


def _writable(data: object) -> bool:
    """Whether every text of parsed JSON can be written as UTF-8 again."""
    try:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


@contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Write a file aside and rename it when whole: a crash or a full disk leaves the old one.

    A link stays one, and what it leads to is written. A device or pipe is written as it is: a
    rename would put a file in its place, and nobody on the machine had the device any more.
    """
    path, temporary = Path(path), ""
    encoding = None if "b" in mode else "utf-8"
    try:
        if _is_device(path):
            with open(path, mode, encoding=encoding) as f:
                yield f
            return
        path = path.resolve() if path.is_symlink() else path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, mode, encoding=encoding, newline=None if "b" in mode else "\n") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(
            f"could not be written ({error.strerror or error})",
            "Free some space or choose another folder; what stood there is untouched",
            str(path),
        ) from None
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def _is_device(path: Path) -> bool:
    """Whether a path leads to a device, a pipe, or an open file of a process (`/dev/stdout`)."""
    there = path.exists() and not path.is_dir()
    return there and (not path.is_file() or str(path).startswith(("/dev/", "/proc/")))


def write_jsonl(path: str | Path, records: Iterable[BaseModel]) -> int:
    """Write records to a JSON Lines file (`.gz` too), whole or not at all; returns how many."""
    count = 0
    with atomic_write(path, "wb") as raw:
        # mtime 0 and no name: equal records give equal bytes.
        sink = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if gzipped(path) else raw
        for record in records:
            sink.write(record.model_dump_json(exclude_defaults=True).encode() + b"\n")
            count += 1
        if isinstance(sink, gzip.GzipFile):
            sink.close()
    return count
