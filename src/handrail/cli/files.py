"""Reading what users hand in: records of any kind, playbooks, settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from handrail.cli.console import Console, count
from handrail.records import (
    Conversation,
    HandrailWarning,
    Loaded,
    Playbook,
    RecordError,
    SettingError,
    Skip,
    Turn,
)
from handrail.records.store import OnError, ending
from handrail.sources.arrow import is_parquet
from handrail.sources.kinds import in_lines
from handrail.sources.kinds import kind_of as kind_of

AnyLoaded = TypeVar("AnyLoaded", bound=Loaded[Any])


def read_records(
    path: str | Path, name: str | None = None, on_error: OnError = "stop"
) -> Loaded[Any]:
    """The records of a JSON Lines or Parquet file, of whatever one kind it holds.

    A playbook may also stand in a JSON or YAML file, as `load_playbook` reads it. Roles that look
    swapped stop; with on_error="skip" they are in `.warnings`.
    """
    from handrail.sources.tables_out import read_file

    kind = kind_of(path, name)
    if kind is Playbook and not in_lines(path):
        return _one_playbook(path, on_error)
    loaded: Loaded[Any] = read_file(path, kind, on_error)
    if kind in (Conversation, Turn):
        from handrail.sources.roles import note_swapped

        note_swapped(loaded, str(path), on_error)
    return loaded


def _one_playbook(path: str | Path, on_error: OnError) -> Loaded[Any]:
    """The playbook of a JSON or YAML file; with on_error="skip" its fault is counted."""
    from handrail.sources.rules import load_playbook

    try:
        return Loaded([load_playbook(path)])
    except RecordError as error:
        if on_error == "stop":
            raise
        return Loaded(skipped=[Skip(what="playbook", reason=error.told, where=error.where)])


def some(loaded: AnyLoaded, path: str | Path) -> AnyLoaded:
    """What was read, unless all of it had to be left out: then nothing can be made of it.

    Raises:
        RecordError: there is no record; names the first fault.
    """
    if loaded.records:
        return loaded
    if not loaded.skipped:
        raise RecordError("no records", "Check that this is the right file", str(path))
    first, faults = loaded.skipped[0], sum(skip.count for skip in loaded.skipped)
    raise RecordError(
        f"nothing is left to use ({faults:,} left out); the first fault is in {first.where}: "
        f"{first.reason}",
        where=str(path),
    )


def apart(out: str | Path, *inputs: str | Path | None) -> None:
    """Refuse an output that is one of the inputs, also through links.

    Raises:
        SettingError: writing `out` would destroy what is read.
    """
    for given in inputs:
        if given is None or not Path(given).exists():
            continue
        same = Path(out).samefile(given) if Path(out).exists() else False
        if same or Path(out).resolve() == Path(given).resolve():
            raise SettingError(
                "this is the file that is read, and writing would destroy it",
                "Name another file to write",
                str(out),
            )


def records_out(path: str | Path) -> Path:
    """The path of a file of records to write, which holds JSON Lines, whatever its name says.

    Raises:
        SettingError: its name ends in anything but `.jsonl` (or nothing), `.gz` or not.
    """
    if ending(path) in ("", ".jsonl"):
        return Path(path)
    raise SettingError(
        f"records are written as JSON Lines, and this name ends in '{ending(path)}'",
        "End its name in .jsonl or .jsonl.gz; `handrail data export` (handrail.export in Python) "
        "writes Parquet and CSV",
        str(path),
    )


def read_playbook(path: str | Path) -> Playbook:
    """A playbook from JSON or YAML, or the first that a file of records holds.

    A plain list of sentences is a playbook too: guardrails without checks. Where the records hold
    other playbooks too, a `HandrailWarning` says which one it is and how many the others are.
    """
    if ending(path) != ".jsonl" and not is_parquet(path):
        from handrail.sources.rules import load_playbook

        return load_playbook(path)
    records = read_records(path).records
    held = [(r, r if isinstance(r, Playbook) else getattr(r, "playbook", None)) for r in records]
    books = [(record, book) for record, book in held if book is not None]
    if not books:
        raise RecordError("no record has a playbook", "Name a file with a playbook", str(path))
    owner, first = books[0]
    others = len({book.model_dump_json(include={"guardrails"}) for _, book in books}) - 1
    if others:
        of = "" if owner is first else f" of the {type(owner).__name__.lower()}"
        text = (
            f"{path}: the playbook{of} '{owner.id}' is used, and "
            f"{count(others, 'other')} in the file {'is' if others == 1 else 'are'} not. To take "
            "another one, write it to a JSON or YAML file"
        )
        warnings.warn(text, HandrailWarning, stacklevel=2)
    return first


def read_config(path: str | Path) -> dict[str, Any]:
    """Settings from a YAML (or JSON) file: a mapping of names to values."""
    data = read_yaml(path)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingError("settings are a mapping", "Write lines of `name: value`", str(path))
    return data


def read_yaml(path: str | Path) -> Any:
    """What a YAML (or JSON) file holds."""
    return _yaml(_text(path), path)


def as_turns(
    data: str | Path | Iterable[Turn | Conversation] | Loaded[Any], on_error: OnError = "stop"
) -> Loaded[Turn]:
    """Turns from a file or from records; a conversation gives one turn per agent message.

    The reply of such a turn carries what the playbook's checks say of it.

    Args:
        data: turns or conversations, a file of them, or what `handrail.read` gave.
        on_error: "stop" at the first bad line, or "skip" bad lines and list them in `.skipped`.

    Raises:
        RecordError: a bad line, another kind of record, or nothing left to use.
    """
    from handrail.sources.grading import agent_turns

    if isinstance(data, str | Path):
        kind = kind_of(data)
        if kind not in (Turn, Conversation):
            raise RecordError(
                f"this file holds {kind.__name__} records", "Name a file of turns", str(data)
            )
        read = some(read_records(data, on_error=on_error), data)
    else:
        read = data if isinstance(data, Loaded) else Loaded(list(data))
    file = str(data) if isinstance(data, str | Path) else read.file
    made: Loaded[Turn] = Loaded([], list(read.skipped), list(read.warnings), file)
    for record in read.records:
        made.records += [record] if isinstance(record, Turn) else agent_turns(record)
    return made


def some_turns(
    data: str | Path | Iterable[Turn | Conversation] | Loaded[Any], purpose: str
) -> Loaded[Turn]:
    """`as_turns` of data that must hold a turn.

    Raises:
        RecordError: as `as_turns`, or there are no turns to `purpose`.
    """
    read = as_turns(data)
    if not read.records:
        raise RecordError(f"there are no turns to {purpose}", "Give at least one")
    return read


def read_turns(console: Console, path: str | Path, on_error: OnError) -> Loaded[Turn]:
    """`as_turns` of a file for a command: warnings go to its notes."""
    loaded = as_turns(path, on_error)
    for warning in loaded.warnings:
        console.warn(f"Warning: {warning.where}: {warning.reason}")
    return loaded


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise RecordError("this is not UTF-8", "Save the file as UTF-8", str(path)) from None
    except OSError as error:
        raise RecordError(
            f"cannot be read ({error.strerror})", "Check the path", str(path)
        ) from None


def _yaml(text: str, path: str | Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise SettingError(
            "this is nested too deeply to be read",
            "Write settings as lines of `name: value`",
            str(path),
        ) from None
    except ValueError as error:  # a date or a number that Python does not have
        raise SettingError(
            f"a value cannot be read ({error})", "Mend it, or put it in quotes", str(path)
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SettingError(
            f"this is neither YAML nor JSON ({reason})",
            "Write lines of `name: value`",
            f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path),
        ) from None
