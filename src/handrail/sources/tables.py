"""Rows of a JSON Lines, JSON, CSV or Parquet file, each with the place it stands at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from handrail.records import RecordError
from handrail.records.store import OnError, ending
from handrail.sources.arrow import is_parquet, parquet_rows
from handrail.sources.csv_rows import CsvTable
from handrail.sources.decoding import mend_encoding, read_text

# What `read_text` leaves in the place of a byte that it could not decode.
_SPOILT = re.compile("[\udc80-\udcff]")


class Row(NamedTuple):
    """One row: where it stands, and its fields by name, or the fault that it has.

    `raw` is the text that the row was read from, where it may hold bytes that were not decoded.
    """

    where: str
    fields: dict[str, Any]
    fault: RecordError | None = None
    raw: str = ""


def kind_of(path: Path) -> str:
    """`csv`, `tsv`, `json`, `jsonl` or `parquet`, by the file's name without `.gz`."""
    if is_parquet(path):
        return "parquet"
    suffix = ending(path)
    if suffix in (".csv", ".tsv", ".json"):
        return suffix[1:]
    if suffix in (".jsonl", ".ndjson", ""):
        return "jsonl"
    raise RecordError(
        f"files of the kind '{suffix}' are not read",
        "Give JSON Lines (.jsonl), JSON (.json) or CSV (.csv, .tsv), gzip or not, or Parquet",
        str(path),
    )


def table_rows(
    path: Path, encoding: str | None = None, on_error: OnError = "stop"
) -> Iterator[Row]:
    """Every row of a file; a bad row comes with its fault instead of fields.

    Args:
        path: the file.
        encoding: see `read_text`.
        on_error: "stop" refuses a file with a byte that the encoding does not know; "skip" makes
            it the fault of the row in which it stands (JSON, which is read whole, stops). So it is
            with a gzip file that is cut off: its rest is a last row with that fault.
    """
    kind = kind_of(path)
    if kind == "parquet":
        for number, fields in enumerate(parquet_rows(path), start=1):
            yield Row(f"{path}, row {number}", fields)
        return
    name = (encoding or "utf-8").upper()
    bear = on_error == "skip" and kind != "json"
    lost: list[RecordError] = []
    text = read_text(path, encoding, mark=bear, lost=lost if bear else None)
    if kind in ("csv", "tsv"):
        if _SPOILT.search(text.split("\n", 1)[0]):
            raise RecordError(f"the header is not {name}", mend_encoding(encoding), str(path))
        found = _csv(path, text, "\t" if kind == "tsv" else None)
    else:
        found = _json(path, text) if kind == "json" else _jsonl(path, text)
    for row in found:
        spoilt = _SPOILT.search(row.raw)
        if spoilt is None:
            yield row
            continue
        problem = f"byte 0x{ord(spoilt[0]) - 0xDC00:02x} is not {name}"
        fault = RecordError(problem, mend_encoding(encoding), row.where)
        yield Row(row.where, row.fields, fault)
    for fault in lost:
        yield Row(fault.where, {}, fault)


def _object(value: Any, where: str, raw: str = "") -> Row:
    if isinstance(value, dict):
        return Row(where, value, None, raw)
    fault = RecordError(
        f"expected a JSON object, found {type(value).__name__}",
        "Each row is one object with named fields",
        where,
    )
    return Row(where, {}, fault, raw)


def _jsonl(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            last = not text.endswith("\n") and number == text.count("\n") + 1
            tail = " (the file may be cut off here)" if last else ""
            fault = RecordError(
                f"this is not JSON: {error}{tail}", "Each line holds one JSON object", where
            )
            yield Row(where, {}, fault, line)
            continue
        yield _object(value, where, line)


def _json(path: Path, text: str) -> Iterator[Row]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"this is not JSON: {error} (the file may be cut off)",
            "Give a list of objects, or one object per line in a .jsonl file",
            str(path),
        ) from None
    if not isinstance(value, list):
        raise RecordError(
            f"expected a list of objects, found {type(value).__name__}",
            "Give a list, or one object per line in a .jsonl file",
            str(path),
        )
    for number, item in enumerate(value, start=1):
        yield _object(item, f"{path}, item {number}")


def _csv(path: Path, text: str, delimiter: str | None) -> Iterator[Row]:
    table = CsvTable(text, delimiter)
    header = table.header
    if table.error:
        raise RecordError(f"the header line is not CSV: {table.error}", "Mend it", str(path))
    if len(set(header)) != len(header):
        twice = next(h for h in header if header.count(h) > 1)
        raise RecordError(f"two columns have the name '{twice}'", "Rename one", str(path))
    for row in table.rows():
        where = f"{path}, line {row.line}"
        fault = RecordError(row.problem, row.mend, where) if row.problem else None
        raw = "" if fault else "".join(row.cells)
        cells = [cell.replace("\r\n", "\n") for cell in row.cells]
        yield Row(where, dict(zip(header, cells, strict=False)), fault, raw)
