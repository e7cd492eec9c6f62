"""What `handrail data filter` does: turns, conversations and plain rows of any file, filtered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from handrail.cli.files import some
from handrail.records import Conversation, Loaded, RecordError, SettingError, Turn, atomic_write
from handrail.records.store import OnError, ending

if TYPE_CHECKING:
    from handrail.synthesis import EvaluationText, Filter, Filtered

Progress = Callable[[str, int, int], None]
# Where the prompt of a row stands, in files of other people's; the first that is there counts,
# with what it is about (`input`) after it.
PROMPTS = ("prompt", "instruction", "question", "query", "text", "messages", "conversations")
BESIDE = ("input",)
_WORDS = ("value", "content", "text")  # of a message


class PlainRow(BaseModel):
    """One row of a file that is no record of Handrail's, and where it stands."""

    where: str
    fields: dict[str, Any]


def filter_records(
    data: str | Path | Iterable[Any] | Loaded[Any],
    filters: Sequence[Filter],
    *,
    part: str = "new",
    texts: Sequence[str] = (),
    on_error: OnError = "stop",
    progress: Progress | None = None,
) -> Filtered[Any]:
    """Keep the records that pass all filters; the others come with the reason.

    handrail.filter_records("turns.jsonl", [handrail.synthesis.Length(max_words=200)]).kept

    Args:
        data: turns, conversations or rows (dictionaries), or a file of them: JSON Lines, JSON,
            CSV, Parquet, or `.txt` with a prompt a line.
        filters: `Length`, `Language`, `NearDuplicates`, `Contamination` of `handrail.synthesis`,
            or your own; in this order, each on what is left.
        part: what they look at: "new" (of a turn what was said since the assistant's last message,
            and the replies), "prompt", "reply", "all".
        texts: of rows, the fields that they look at; by default the first there is of prompt,
            instruction, question, query, text, messages, conversations, and `input`.
        on_error: "stop" at the first fault, or "skip" bad rows.
        progress: called as (filter, done, total).

    Raises:
        HandrailError: nothing to read, rows without such a field, or no filter.
    """
    return filter_read(read_any(data, on_error), filters, part, texts, progress)


def filter_read(
    read: Loaded[Any],
    filters: Sequence[Filter],
    part: str = "new",
    texts: Sequence[str] = (),
    progress: Progress | None = None,
) -> Filtered[Any]:
    """`filter_records` of what `read_any` read."""
    from handrail.synthesis import Dropped, Filtered, run_filters

    if not filters:
        raise SettingError("there is no filter", "Name at least one, such as --language en")
    made = run_filters(read.records, filters, lambda r: text_of(r, part, texts), name_of, progress)
    return Filtered(
        [_bare(r) for r in made.kept], [Dropped(_bare(d.record), d.skip) for d in made.dropped]
    )


def evaluation_texts(
    files: Sequence[str | Path], texts: Sequence[str] = ()
) -> list[EvaluationText]:
    """The prompts of evaluation sets, for `Contamination`; each knows its file and record.

    Raises:
        HandrailError: a file that cannot be read or has no text.
    """
    from handrail.synthesis import EvaluationText

    found = []
    for path in files:
        for record in read_any(path).records:
            part = "prompt" if isinstance(record, Turn | Conversation) else "new"
            where = name_of(record).removeprefix(f"{path}, ")
            found.append(EvaluationText(text_of(record, part, texts), Path(path).name, where))
    return found


def read_any(
    data: str | Path | Iterable[Any] | Loaded[Any], on_error: OnError = "stop"
) -> Loaded[Any]:
    """Turns, conversations, or else rows.

    Raises:
        RecordError: a fault, another kind of record, or nothing to use.
    """
    from handrail.cli.files import read_records
    from handrail.sources.kinds import is_own, kind_of

    if isinstance(data, Loaded):
        return data
    if not isinstance(data, str | Path):
        given = [PlainRow(where=f"row {n}", fields=r) if isinstance(r, dict) else r
                 for n, r in enumerate(data, start=1)]  # fmt: skip
        return Loaded(given)
    path = Path(data)
    if ending(path) == ".txt":
        return some(_lines(path), path)
    if not is_own(path):
        return some(_rows(path, on_error), path)
    if kind_of(path) not in (Turn, Conversation):
        raise RecordError(
            f"this file holds {kind_of(path).__name__} records",
            "Name a file of turns, conversations or prompts",
            str(path),
        )
    return some(read_records(path, on_error=on_error), path)


def _lines(path: Path) -> Loaded[Any]:
    from handrail.records.store import raw_lines

    rows: Loaded[Any] = Loaded()
    for number, raw in enumerate(raw_lines(path), start=1):
        where = f"{path}, line {number}"
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise RecordError("this is not UTF-8", "Save the file as UTF-8", where) from None
        if text:
            rows.records.append(PlainRow(where=where, fields={"prompt": text}))
    return rows


def _rows(path: Path, on_error: OnError) -> Loaded[Any]:
    from handrail.records import Skip
    from handrail.sources.tables import table_rows

    rows: Loaded[Any] = Loaded()
    for row in table_rows(path, on_error=on_error):
        if row.fault is None:
            rows.records.append(PlainRow(where=row.where, fields=row.fields))
        elif on_error == "stop":
            raise row.fault
        else:
            rows.skipped.append(Skip(what="row", reason=row.fault.told, where=row.where))
    return rows


def text_of(record: Any, part: str = "new", texts: Sequence[str] = ()) -> str:
    """What filters look at; of a row its fields.

    Raises:
        RecordError: a row has none of the fields.
    """
    from handrail.synthesis import record_text

    if not isinstance(record, PlainRow):
        return record_text(record, part)
    names = [n for n in texts if n in record.fields]
    if not names:
        first = [n for n in PROMPTS if record.fields.get(n)][:1]
        names = [*first, *(n for n in BESIDE if first and n in record.fields)]
    if not names or (texts and not any(n in record.fields for n in texts)):
        raise RecordError(
            f"there is no field {' or '.join(texts or PROMPTS)}",
            f"Name one with --text (texts= in Python): {', '.join(sorted(record.fields))}",
            record.where,
        )
    return "\n".join(filter(None, (_words(record.fields[n]) for n in names)))


def _words(value: Any) -> str:
    """The text that a field holds: its own, or that of the messages in it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        named = [value[k] for k in _WORDS if isinstance(value.get(k), str)]
        value = named[:1] or list(value.values())
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, map(_words, value)))
    return ""


def name_of(record: Any) -> str:
    """What a record is called: its id, or where the row stands."""
    return record.where if isinstance(record, PlainRow) else str(record.id)


def _bare(record: Any) -> Any:
    return record.fields if isinstance(record, PlainRow) else record


def write_any(path: str | Path, records: Sequence[Any]) -> int:
    """Write records or rows to JSON Lines, whole or not at all; how many."""
    from handrail.records import write_jsonl

    if records and isinstance(records[0], BaseModel):
        return write_jsonl(path, records)
    return _write_rows(path, records)


def write_dropped(path: str | Path, made: Filtered[Any]) -> int:
    """Write what was dropped: reason, which record it was, and the record itself."""
    rows = [
        {"reason": d.skip.reason, "where": d.skip.where, "record": _plain(d.record)}
        for d in made.dropped
    ]
    return _write_rows(path, rows)


def _plain(record: Any) -> Any:
    return (
        record.model_dump(mode="json", exclude_defaults=True)
        if isinstance(record, BaseModel)
        else record
    )


def _write_rows(path: str | Path, rows: Sequence[dict[str, Any]]) -> int:
    import gzip

    from handrail.records.store import gzipped

    text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    data = text.encode("utf-8", "surrogatepass")
    with atomic_write(path, "wb") as sink:
        sink.write(gzip.compress(data, mtime=0) if gzipped(path) else data)
    return len(rows)
