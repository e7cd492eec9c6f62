"""What is wrong with a record, in one sentence with the mend, from pydantic's report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from handrail.records.errors import RecordError, nearest

_PLAIN = {"too_short": "the list is empty", "string_too_short": "the text is empty"}
_LISTS = {"tuple_type": "a list", "list_type": "a list", "dict_type": "an object"}


def explain(error: ValidationError, kind: type[BaseModel], where: str) -> RecordError:
    """The first problem of a record of this kind; names the field and counts the other problems."""
    problems = _own(error)
    # A field that does not exist tells most: the one that is missing may be that one, misspelt.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    path = ".".join(str(part) for part in first["loc"]) or "the record"
    others = [p for p in problems if p is not first]
    if first["type"] == "extra_forbidden":
        mend = nearest(str(first["loc"][-1]), _fields(kind, first["loc"][:-1]))
        if mend.startswith("Did you mean"):
            others = [p for p in others if not _meant(p, first, mend)]
        return RecordError(f"field '{path}' is not known here{_more(others)}", mend, where)
    if first["type"] == "missing":
        return RecordError(f"field '{path}' is missing{_more(others)}", "Add it", where)
    found = repr(first.get("input"))
    shown = found if len(found) <= 60 else found[:57] + "..."
    empty = first["type"] in _PLAIN
    return RecordError(
        f"field '{path}': {plain(first)}{'' if empty else f'; found {shown}'}{_more(others)}",
        one_of(first)
        or ("Give it something, or leave out what it stands in" if empty else "")
        or f"See the fields of {kind.__name__} in docs/records.md",
        where,
    )


def plain(first: Mapping[str, Any]) -> str:
    """One problem's message in plain words."""
    if first["type"] in _LISTS:
        return f"expected {_LISTS[first['type']]}"
    if first["type"] == "model_type":
        return "expected an object"
    return _PLAIN.get(first["type"]) or str(first["msg"]).removeprefix("Value error, ")


def one_of(first: Mapping[str, Any]) -> str:
    """`Did you mean ...?` for a problem with a word that is not one of a few."""
    if first["type"] not in ("literal_error", "enum") or not isinstance(first.get("input"), str):
        return ""
    return nearest(
        first["input"], re.findall(r"'([^']+)'", first.get("ctx", {}).get("expected", ""))
    )


def _own(error: ValidationError) -> list[Any]:
    """The problems, without those of a list that only lacks its faulty entries."""
    problems = error.errors(include_url=False)
    return [p for p in problems if p["type"] != "too_short" or not p["input"]] or problems


def _meant(problem: Mapping[str, Any], extra: Mapping[str, Any], mend: str) -> bool:
    """Whether the missing field is the one that a misspelt field of the same record means."""
    return (
        problem["type"] == "missing"
        and problem["loc"][:-1] == extra["loc"][:-1]
        and f"'{problem['loc'][-1]}'" in mend
    )


def _more(others: Sequence[object]) -> str:
    return f" (and {len(others)} more)" if others else ""


def _fields(kind: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The names of the fields of the record at a path within a record of this kind."""
    at: type[BaseModel] | None = kind
    for part in path:
        if isinstance(part, str) and at is not None:
            field = at.model_fields.get(part)
            at = _record_in(field.annotation) if field else None
    return list(at.model_fields) if at else []


def _record_in(annotation: Any) -> type[BaseModel] | None:
    """The kind of record that a field holds, alone, in a list, or where it is not None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_record_in(part) for part in get_args(annotation))
    return next((kind for kind in inner if kind is not None), None)
