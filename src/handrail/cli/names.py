"""Names that follow from the names of files."""

from __future__ import annotations

from pathlib import Path

ENDINGS = (".jsonl", ".json", ".parquet", ".csv", ".tsv")


def stem(path: str | Path) -> str:
    """A file's name without what it says of its contents: `a.2026-11-01.jsonl.gz`, `a.2026-11-01`.

    Dots within a name (a date, a version) tell files apart, so that they stay.
    """
    name = Path(path).name
    for ending in (".gz", *ENDINGS):
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
            if ending != ".gz":
                break
    return name
