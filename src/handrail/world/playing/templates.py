"""Templates read backwards: from a text to the values that filled a template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from random import Random

from handrail.world.phrases import fill, template_parts

ANY = r"[^\n]+?"


@lru_cache(maxsize=4096)
def pattern_of(template: str, slots: tuple[tuple[str, str], ...] = ()) -> re.Pattern[str]:
    """A pattern that matches what a template can be read as, with a group for each slot.

    `slots` gives patterns for slots by name; any text stands in the others. A slot that comes
    twice must hold the same text. Spelling is compared without regard to case.
    """
    return re.compile(_pattern(template, dict(slots), set()), re.IGNORECASE)


def _pattern(template: str, slots: Mapping[str, str], seen: set[str]) -> str:
    out: list[str] = []
    for kind, value in template_parts(template):
        if kind == "text":
            out.append(re.escape(value).replace(r"\ ", r"\s+"))
        elif kind == "choice":
            ways = "|".join(_pattern(one, slots, seen) for one in value)
            out.append(f"(?:{ways})")
        else:
            name = value[0].lower() + value[1:]
            out.append(f"(?P={name})" if name in seen else f"(?P<{name}>{slots.get(name, ANY)})")
            seen.add(name)
    return "".join(out)


def filled(phrase: str, slots: Mapping[str, str], rng: Random) -> str:
    """A phrase with its slots filled; nothing where one has no value."""
    try:
        return fill(phrase, slots, rng)
    except KeyError:
        return ""
