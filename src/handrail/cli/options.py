"""Settings of several parts under one roof: listed with their meaning, given by name."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import takewhile
from textwrap import wrap
from typing import Any, get_type_hints

from pydantic import BaseModel

from handrail.records import Skip, unknown_setting


def left_out(skips: Iterable[Skip]) -> dict[str, Any]:
    """How much was left out or cut, in all and by reason, for a command's summary."""
    reasons: Counter[str] = Counter()
    for skip in skips:
        reasons[skip.reason] += skip.count
    return {"skipped": reasons.total(), "skipped_reasons": dict(reasons)}


def fields(kind: type) -> dict[str, dict[str, Any]]:
    """A settings class's fields: type and default as text, and what its docstring says of each."""
    if issubclass(kind, BaseModel):
        found = {
            name: (field.annotation, field.get_default(call_default_factory=True))
            for name, field in kind.model_fields.items()
        }
    else:
        assert dataclasses.is_dataclass(kind)
        hints = get_type_hints(kind)
        found = {
            f.name: (
                hints[f.name],
                f.default if f.default_factory is dataclasses.MISSING else f.default_factory(),
            )
            for f in dataclasses.fields(kind)
            if f.init
        }
    meaning: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):  # what a class says wins over what it inherits
        meaning |= attributes(inspect.cleandoc(base.__doc__ or ""))
    return {
        name: {
            "name": name,
            "type": type_text(annotation),
            "default": default,
            "description": meaning.get(name, ""),
        }
        for name, (annotation, default) in found.items()
    }


def type_text(annotation: Any) -> str:
    """A type as a user reads it: `int`, `full|lora`, `float or none`."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)
    text = re.sub(r"Literal\[([^\]]*)\]", lambda m: m[1].replace("'", "").replace(", ", "|"), text)
    text = text.replace('"', "").replace(" | None", " or none")
    return re.sub(r"Optional\[(.*)\]", r"\1 or none", text)


def attributes(doc: str) -> dict[str, str]:
    """What the "Attributes:" section of a cleaned docstring says of each name.

    An entry begins with its name, or several that share the text (`a, b: text`), four spaces in;
    its further lines stand deeper, so that a name in the middle of a text is text.
    """
    section = doc.partition("Attributes:\n")[2]
    lines = takewhile(lambda line: not line or line.startswith(" "), section.splitlines())
    texts: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        entry = re.fullmatch(r" {4}(\w+(?:, \w+)*): *(.*)", line)
        if entry:
            names = entry[1].split(", ")
        for name in names:
            texts.setdefault(name, []).append(entry[2] if entry else line.strip())
    return {name: " ".join(parts).strip() for name, parts in texts.items()}


def listing(rows: Iterable[Mapping[str, Any]]) -> str:
    """Settings for a reader: name, type and default on a line, the meaning below it."""
    lines = []
    for row in rows:
        lines.append(f"{row['name']}  ({row['type']}; default {row['default']!r})")
        lines += wrap(row["description"], 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def share(
    values: Mapping[str, Any],
    kinds: Mapping[str, type],
    what: str = "",
    fixed: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """Each part's share of the values, by name; a name that two parts have goes to both.

    `what`: what the settings are for, as an error calls it. `fixed`: names that nobody may set.

    Raises:
        SettingError: a name that no part has, with the nearest one that exists.
    """
    known = {part: set(fields(kind)).difference(fixed) for part, kind in kinds.items()}
    every = set().union(*known.values())
    for name in values:
        if name not in every:
            raise unknown_setting(str(name), every, what)
    return {
        part: {name: value for name, value in values.items() if name in names}
        for part, names in known.items()
    }


def plain(settings: Any) -> dict[str, Any]:
    """A settings object's values as plain data."""
    if isinstance(settings, BaseModel):
        return settings.model_dump(mode="json")
    return dataclasses.asdict(settings)
