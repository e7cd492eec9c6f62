"""Rows and records to JSON Lines, CSV and Parquet files, and records back from Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from handrail.records import Loaded, RecordError, SettingError, Skip, atomic_write, read_jsonl
from handrail.records.faults import explain
from handrail.records.store import OnError, ending, gzipped, note_once
from handrail.sources.arrow import is_parquet, parquet_rows, pyarrow

R = TypeVar("R", bound=BaseModel)


def write_rows(path: str | Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows to `.jsonl`, `.csv` or `.parquet` (the first two also `.gz`), whole or not at all.

    Raises:
        SettingError: another suffix, or Parquet without pyarrow.
        RecordError: no rows, or lists of messages for CSV, which holds plain texts only.
    """
    path, table = Path(path), list(rows)
    if not table:
        raise RecordError(
            "there are no rows to write", "Check that the turns have pairs", str(path)
        )
    suffix = ending(path)
    if is_parquet(path):
        arrow = pyarrow()
        with atomic_write(path, "wb") as file:
            arrow.parquet.write_table(arrow.Table.from_pylist(table), file)
        return len(table)
    if suffix == ".jsonl":
        text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in table)
    elif suffix == ".csv":
        text = _csv_text(table, path)
    else:
        raise SettingError(
            f"no files of the kind '{suffix}' are written",
            "Use .jsonl, .csv or .parquet",
            str(path),
        )
    data = text.encode("utf-8")
    with atomic_write(path, "wb") as file:
        file.write(gzip.compress(data, mtime=0) if gzipped(path) else data)
    return len(table)


def _csv_text(table: list[dict[str, Any]], path: Path) -> str:
    if any(isinstance(v, list | dict) for v in table[0].values()):
        raise RecordError(
            "CSV holds no lists of messages", "Write them to .jsonl or .parquet", str(path)
        )
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return sink.getvalue()


def write_parquet(path: str | Path, records: Iterable[BaseModel]) -> int:
    """Write records to Parquet: a column per field; what is not a text is JSON in it."""
    table = []
    for record in records:
        plain = _plain(type(record))
        data = record.model_dump(mode="json")
        table.append(
            {k: v if k in plain else json.dumps(v, ensure_ascii=False) for k, v in data.items()}
        )
    return write_rows(path if is_parquet(path) else Path(path).with_suffix(".parquet"), table)


def _plain(kind: type[BaseModel]) -> set[str]:
    """The fields of a record that are texts and stand in their column as they are."""
    return {name for name, field in kind.model_fields.items() if field.annotation is str}


def read_file(path: str | Path, kind: type[R], on_error: OnError = "stop") -> Loaded[R]:
    """The records of one kind that a Parquet file holds, or a JSON Lines file, by its ending."""
    read = read_parquet if is_parquet(path) else read_jsonl
    return read(path, kind, on_error)


def read_parquet(path: str | Path, kind: type[R], on_error: OnError = "stop") -> Loaded[R]:
    """Read the records of one kind that `write_parquet` wrote; bad rows as in `read_jsonl`."""
    loaded: Loaded[R] = Loaded()
    seen: dict[str, str] = {}
    for number, row in enumerate(parquet_rows(Path(path)), start=1):
        where = f"{path}, row {number}"
        try:
            record = _record(row, kind, where)
            note_once(record, seen, f"row {number}", where)
            loaded.records.append(record)
        except RecordError as error:
            if on_error == "stop":
                raise
            loaded.skipped.append(Skip(what="row", reason=error.told, where=error.where))
    return loaded


def _record(row: dict[str, Any], kind: type[R], where: str) -> R:
    data: dict[str, Any] = {}
    plain = _plain(kind)
    for name, value in row.items():
        try:
            data[name] = value if name in plain or not isinstance(value, str) else json.loads(value)
        except (ValueError, RecursionError):
            raise RecordError(
                f"column '{name}' is not JSON", "Write the file again", where
            ) from None
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise explain(error, kind, where) from None
