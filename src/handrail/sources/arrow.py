"""Parquet through pyarrow, which is an extra: rows as dictionaries, and columns by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handrail.records import RecordError, SettingError


def pyarrow() -> Any:
    """The library; `SettingError` with the mend where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SettingError(
            "Parquet needs pyarrow, which is not installed",
            "Install pyarrow (`pip install pyarrow`), or use a .jsonl file",
            "parquet",
        ) from None
    return pyarrow


def is_parquet(path: str | Path) -> bool:
    """Whether a file's name says that it is Parquet."""
    return Path(path).suffix.lower() == ".parquet"


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """All rows of a file; lists and structs as Python's lists and dictionaries."""
    rows: list[dict[str, Any]] = _read(path, "read_table").to_pylist()
    return rows


def parquet_names(path: Path) -> set[str]:
    """The names of a file's columns, without reading its rows."""
    return set(_read(path, "read_schema").names)


def _read(path: Path, how: str) -> Any:
    arrow = pyarrow()
    if not path.is_file():
        raise RecordError("there is no such file", "Check the path", str(path))
    try:
        return getattr(arrow.parquet, how)(path)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise RecordError(
            f"this is not a whole Parquet file ({' '.join(str(error).split())})",
            "Fetch or write it again",
            str(path),
        ) from None
