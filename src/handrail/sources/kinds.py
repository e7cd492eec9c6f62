"""Which kind of record a file holds, by its name and the fields of its records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from handrail.records import (
    Conversation,
    FailedPoint,
    Guardrail,
    JudgeError,
    Playbook,
    Rating,
    RecordError,
    SettingError,
    Turn,
    Verdict,
    nearest,
)
from handrail.records.store import ending, parse_object, raw_lines
from handrail.sources.arrow import is_parquet, parquet_names

# A field that only this kind of record has, tried in this order.
KINDS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("messages", Conversation),
    ("guardrails", Playbook),
    ("outcome", Verdict),
    ("problem", JudgeError),
    ("context", Turn),
    ("replies", Turn),
    ("low", Rating),
    ("tries", FailedPoint),
)
YAML = (".yaml", ".yml")
# What these fields hold; a transcript may have a playbook's name, or one text, under the same name.
_SHAPES = {"playbook": dict, "tags": dict, "provenance": dict, "context": list, "replies": list}
NAMES = {kind.__name__.lower(): kind for _, kind in KINDS}


def kind_of(path: str | Path, name: str | None = None) -> type[BaseModel]:
    """The kind of record that a file holds: as named, else by the fields of its first line.

    A YAML file is a playbook, and so is a JSON file with a list of rules.

    Raises:
        SettingError: there is no kind of that name.
        RecordError: no line is a record of Handrail's.
    """
    if name is not None:
        if name.lower() not in NAMES:
            raise SettingError(f"unknown kind '{name}'", nearest(name.lower(), NAMES))
        return NAMES[name.lower()]
    if _is_rules(Path(path)):
        return Playbook
    for fields in _fields(Path(path)):
        kind = _kind(set(fields))
        if kind is not None:
            return kind
    raise _no_kind(Path(path))


def in_lines(path: str | Path) -> bool:
    """Whether playbooks stand in a file as records, and not as one list that a person wrote."""
    path = Path(path)
    if is_parquet(path) or ending(path) in (".jsonl", *YAML):
        return ending(path) not in YAML
    rules = next(_fields(path), {}).get("guardrails")
    return isinstance(rules, list) and all(isinstance(r, dict) and "id" in r for r in rules)


def _is_rules(path: Path) -> bool:
    """Whether a file is a list of rules, or an object that holds one: YAML, or JSON like that."""
    if ending(path) != ".json" or in_lines(path):
        return ending(path) in YAML
    try:
        data = json.loads(b"".join(raw_lines(path)).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    rules = data.get("guardrails") if isinstance(data, dict) else data
    return (
        isinstance(rules, list)
        and bool(rules)
        and all(
            isinstance(r, str)
            or (isinstance(r, dict) and "text" in r and set(r) <= set(Guardrail.model_fields))
            for r in rules
        )
    )


def is_own(path: Path) -> bool:
    """Whether a file is Handrail's own by its first good record, and not a transcript or a table.

    A conversation of nothing but its id and messages is what transcripts are too.
    """
    if not is_parquet(path) and ending(path) != ".jsonl":
        return False
    first = next(_fields(path), {})
    names, kind = set(first), _kind(set(first))
    if kind is None:
        return False
    needed = {name for name, field in kind.model_fields.items() if field.is_required()}
    if is_parquet(path):  # which is written with every field
        needed |= {"provenance"} & set(kind.model_fields)
    shaped = all(isinstance(first.get(n) or t(), t) for n, t in _SHAPES.items())
    own = bool(names & {"playbook", "tags", "provenance"}) or kind is not Conversation
    return own and shaped and needed <= names <= set(kind.model_fields)


def _kind(names: set[str]) -> type[BaseModel] | None:
    return next((kind for field, kind in KINDS if field in names), None)


def _no_kind(path: Path) -> RecordError:
    """Why no line of a file is a record: the first line's fault, or its nearest field name."""
    if is_parquet(path):
        where, names = str(path), set(next(_fields(path), {}))
    else:
        lines = ((n, raw) for n, raw in enumerate(raw_lines(path), start=1) if raw.strip())
        number, first = next(lines, (0, b""))
        if not number:
            return RecordError("the file is empty", "Check that this is the right file", str(path))
        where = f"{path}, line {number}"
        try:
            names = set(parse_object(first, where))
        except RecordError as error:
            return error
    for name in sorted(names):
        close = get_close_matches(name, [field for field, _ in KINDS], n=1, cutoff=0.75)
        if close:
            return RecordError(
                f"no record has a field '{name}'", f"Did you mean '{close[0]}'?", where
            )
    return RecordError(
        f"this does not look like a record of Handrail's; it has {', '.join(sorted(names)) or '-'}",
        "`handrail data import` (handrail.import_ in Python) reads other columns",
        where,
    )


def _fields(path: Path) -> Iterator[dict[str, Any]]:
    """Each record as far as it can be read; of Parquet the names of its columns, once."""
    if is_parquet(path):
        yield dict.fromkeys(parquet_names(path))
        return
    for raw in raw_lines(path):
        try:
            first = json.loads(raw.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue  # a bad line is reported, with its number, by the reading proper
        if isinstance(first, dict):
            yield first
