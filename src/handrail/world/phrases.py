"""Phrase tables and templates: `[a|b]` is a choice, `<x>` a slot; tables are YAML in `data/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

DATA = Path(__file__).parent / "data"
_PART = re.compile(r"\[([^\]]*)\]|<(\w+)>")


@lru_cache(maxsize=64)
def table(name: str) -> Any:
    """The parsed YAML table `name`; loaded once and not to be changed."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((DATA / f"{name}.yaml").read_text("utf-8"), Loader=loader)


@lru_cache(maxsize=16384)
def template_parts(template: str) -> tuple[tuple[str, Any], ...]:
    """A template as (kind, value) pieces: text, choice (tuple of templates) or slot name."""
    pieces: list[tuple[str, Any]] = []
    last = 0
    for match in _PART.finditer(template):
        if match.start() > last:
            pieces.append(("text", template[last : match.start()]))
        if match.group(2):
            pieces.append(("slot", match.group(2)))
        else:
            pieces.append(("choice", tuple(match.group(1).split("|"))))
        last = match.end()
    if last < len(template):
        pieces.append(("text", template[last:]))
    return tuple(pieces)


def fill(template: str, slots: Mapping[str, str], rng: Random) -> str:
    """One reading of a template, with a capital; `<Group>` is the slot `group` with a capital.

    Raises KeyError for a slot that has no value.
    """
    text = _read(template, slots, rng).replace("  ", " ").strip()
    return text[:1].upper() + text[1:]


def _read(template: str, slots: Mapping[str, str], rng: Random) -> str:
    out: list[str] = []
    for kind, value in template_parts(template):
        if kind == "text":
            out.append(value)
        elif kind == "choice":
            out.append(_read(rng.choice(value), slots, rng))
        elif value in slots:
            out.append(slots[value])
        else:
            lowered = slots[value[0].lower() + value[1:]]
            out.append(lowered[:1].upper() + lowered[1:])
    return "".join(out)


def join(pieces: list[str]) -> str:
    """Sentences in one line; after a piece that ends in a comma the next one starts small."""
    out = ""
    for piece in pieces:
        if not piece:
            continue
        if out.endswith(","):
            first = piece.split(" ", 1)[0].rstrip(",.")
            if first in table("common")["openers"]:
                piece = piece[:1].lower() + piece[1:]
        out = f"{out} {piece}" if out else piece
    return out
