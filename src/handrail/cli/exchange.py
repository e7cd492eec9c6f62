"""Records from other people's files and into them: data sets, transcripts, TRL's columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from handrail.cli.files import apart, read_playbook, read_records, some
from handrail.records import (
    Conversation,
    Loaded,
    Playbook,
    RecordError,
    SettingError,
    Turn,
    nearest,
)
from handrail.records.store import OnError, ending

# What `export` writes, and which of TRL's shapes each is.
FORMATS: dict[str, Any] = {
    "trl-preference": "preference",
    "trl-kto": "labelled",
    "trl-completion": "completion",
    "messages": "messages",
    "parquet": "",
}


def convert(source: str, path: str | Path, on_error: OnError = "stop") -> Loaded[Conversation]:
    """Conversations of a public data set's raw file.

    Args:
        source: "star", "abcd" or "tau_bench" (`list_sources()` lists the data sets).
        path: the raw file, with the data set's guidelines beside it.
        on_error: "stop" at the first bad dialogue, or "skip" it and list it in `.skipped`.

    Raises:
        RecordError: names file, line and field; or nothing is left to use.
    """
    from handrail.sources.registry import source as named

    return some(named(source)(path, on_error), path)


def feedback_turns(source: str, talks: Iterable[Conversation], path: str | Path) -> Loaded[Turn]:
    """The turns of a data set's conversations, with the feedback that the data set gives.

    talks = handrail.convert("star", "train.jsonl.gz").records
    turns = handrail.feedback_turns("star", talks, "train.jsonl.gz").records

    Args:
        source: as for `convert`.
        talks: what `convert` made of the raw file.
        path: the raw file, with the data set's guidelines beside it.

    `.skipped` counts the candidates that were refused as rejected replies, by reason.
    """
    from handrail.sources.registry import source as named

    return named(source).feedback(list(talks), path)


def list_sources() -> list[dict[str, str]]:
    """The public data sets that `convert` reads: name, what it is, its files, its licence."""
    from handrail.sources.registry import SOURCES

    return [
        {"name": s.name, "about": s.about, "files": s.files, "licence": s.licence}
        for s in SOURCES.values()
    ]


def import_(
    path: str | Path,
    mapping: Mapping[str, Any] | None = None,
    *,
    playbook: Playbook | str | Path | None = None,
    encoding: str | None = None,
    on_error: OnError = "stop",
) -> Loaded[Any]:
    """Records from a file of other columns: TRL's, or transcripts of your own.

    Args:
        path: JSON Lines, JSON, CSV, TSV or Parquet. Rows with TRL's columns (prompt, chosen,
            rejected; prompt, completion, label) become turns; all others are transcripts and
            become conversations.
        mapping: which column holds what (conversation, role, text, order, messages, playbook) and
            the names that roles have in the file (agent, customer, tool, system).
        playbook: of every conversation or turn that brings none itself, or its file.
        encoding: of the file; by default a byte-order mark's, else UTF-8; "detect" also tries
            cp1252 and latin-1.
        on_error: "stop" at the first fault, or "skip" what has one and list it in `.skipped`.

    Raises:
        RecordError: names file, line, field and mend; or nothing is left to use.
    """
    from handrail.sources import columns, transcripts

    book = read_playbook(playbook) if isinstance(playbook, str | Path) else playbook
    found: Loaded[Any]
    shape = _shape(Path(path), encoding, on_error, bool(mapping))
    if shape == "records":
        found = read_records(path, on_error=on_error)
        found.records = [_under(record, book, path) for record in found.records]
    elif shape == "columns":
        turns, talks = columns.load(path, playbook=book, encoding=encoding, on_error=on_error)
        found = Loaded(
            [*turns.records, *talks.records],
            [*turns.skipped, *talks.skipped],
            [*turns.warnings, *talks.warnings],
        )
    else:
        known = set(transcripts.Mapping.model_fields)
        for name in mapping or {}:
            if name not in known:
                raise SettingError(f"there is no column for '{name}'", nearest(name, known))
        columns_of = transcripts.Mapping(**(mapping or {}))
        found = transcripts.load(
            path, columns_of, playbook=book, encoding=encoding, on_error=on_error
        )
    return some(found, path)


def _shape(path: Path, encoding: str | None, on_error: OnError, mapped: bool) -> str:
    """What a file's columns say: TRL's "columns", Handrail's "records", else ""."""
    from handrail.sources import columns, kinds

    own = kinds.is_own(path)
    if mapped and (own or columns.is_export(path, encoding, on_error)):
        what = f"{kinds.kind_of(path).__name__} records" if own else "rows of an export"
        raise SettingError(
            f"these are {what} of Handrail's own, of which a mapping would read no more than the "
            "messages",
            "Leave --map out (mapping in Python)",
            str(path),
        )
    if own:
        return "records"
    return "columns" if not mapped and columns.held_in(path, encoding, on_error) else ""


def _under(record: Any, playbook: Playbook | None, path: str | Path) -> Any:
    """A record of Handrail's own with the playbook, where it has none itself."""
    from handrail.sources.rules import under

    if playbook is None:
        return record
    if not isinstance(record, Turn | Conversation):
        raise RecordError(
            f"{type(record).__name__} records have no playbook to fill",
            "Leave --playbook out (playbook= in Python)",
            str(path),
        )
    return under(playbook, record)


def export(
    data: str | Path | Iterable[Turn | Conversation] | Loaded[Any], path: str | Path, format: str
) -> int:
    """Write records in another tool's columns; returns how many rows.

    Args:
        data: turns or conversations, a file of them, or what `handrail.read` gave.
        path: `.jsonl`, `.csv` or `.parquet`. CSV holds plain texts instead of lists of messages.
        format: "trl-preference" (a row per better and worse reply), "trl-kto" (a row per desirable
            or undesirable reply), "trl-completion" (the best reply), "messages" (a row per
            conversation), "parquet" (Handrail's own records, nothing lost).

    Raises:
        HandrailError: an unknown format, a bad line, records that the format is not made of, no
            rows, or a `path` that is the file read.
    """
    from handrail.sources import arrow, columns, tables_out

    if format not in FORMATS:
        raise SettingError(f"unknown format '{format}'", nearest(format, FORMATS))
    where = ""
    if isinstance(data, str | Path):
        apart(path, data)
        where, data = str(data), read_records(data)
    records: list[Any] = data.records if isinstance(data, Loaded) else list(data)
    if format == "parquet":
        if not arrow.is_parquet(path):
            raise SettingError("Parquet goes to a .parquet file", "Rename it", str(path))
        return tables_out.write_parquet(path, records)
    wanted: type = Conversation if format == "messages" else Turn
    if not all(isinstance(record, wanted) for record in records):
        raise RecordError(
            f"{format} is made of {wanted.__name__.lower()}s, and these are others",
            "`handrail data turns` splits conversations into turns"
            if wanted is Turn
            else "Name a file of conversations",
            where,
        )
    if format == "messages":
        rows = columns.export_conversations(records)
    else:
        texts = ending(path) == ".csv"
        rows = columns.export_turns(records, FORMATS[format], conversational=not texts)
    return tables_out.write_rows(path, rows)
