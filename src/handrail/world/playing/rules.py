"""A guardrail's text read backwards: its family and the values of its parameters.

Prompts carry guardrails as texts. The world's texts are templates, so each leads back to the
family's executable check; a text that no template gives is no guardrail of the world's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from handrail.records import Guardrail
from handrail.world.families import Family, families, guardrail
from handrail.world.phrases import table
from handrail.world.playing.templates import pattern_of
from handrail.world.source import straight

# How the values of a parameter look, so that another writer's rule is not taken for the world's:
# "Never talk about the weather." names no rival. Pools of numbers take any whole number.
_NAME = r"(?-i:[A-Z])[\w'&-]*(?: (?-i:[A-Z])[\w'&-]*){0,2}"
_WORDS = r"[a-z][a-z' -]{0,38}[a-z]"
_LOOKS = {
    **dict.fromkeys(("brand", "agent", "lead", "plan", "app", "rival"), _NAME),
    **dict.fromkeys(("id", "item", "sendto", "channel", "group", "wish", "term"), _WORDS),
    "slogan": _WORDS,
    "code": r"[A-Z][A-Z0-9-]{2,15}",
    "phone": r"\d[\d -]{4,18}\d",
    "morning": r"\d{1,2} [ap]m",
    "evening": r"\d{1,2} [ap]m",
    "site": r"(?:[\w-]+\.)+[a-z]{2,}",
}
_NUMBER = r"[1-9]\d{0,3}"
_LONGEST = 400  # characters; no rule of the world's has as many


@dataclass(frozen=True)
class Known:
    """A guardrail of the world's, found again: its family, its values, and the rule itself."""

    family: Family
    values: tuple[tuple[str, str], ...]
    guardrail: Guardrail

    @property
    def slots(self) -> dict[str, str]:
        """The values by parameter."""
        return dict(self.values)


@lru_cache(maxsize=8192)
def known(text: str) -> Known | None:
    """The world's guardrail with this text; None where the text is not the world's.

    Of several templates that give the text, the one with the most words of its own counts, and of
    these the one whose values the world itself draws: "Do not mention our internal systems." names
    no rival.
    """
    if len(text) > _LONGEST:
        return None
    plain = re.sub(r"\s+", " ", straight(text)).strip()
    found = [*_readings(plain)] or [*_readings(f"{plain}.")]
    return max(found, key=lambda one: one[0])[1] if found else None


def _readings(text: str) -> Iterator[tuple[tuple[int, bool], Known]]:
    """Each way to read a text as a family's, with how well it fits."""
    for family in families().values():
        for index, template in enumerate(family.texts):
            match = pattern_of(template, _looks(family)).fullmatch(text)
            if match is None:
                continue
            values = match.groupdict()
            rule = guardrail(family.id, index, **values)
            if rule.text != text:
                continue
            own = len(text) - sum(map(len, values.values()))
            drawn = all(values[name] in _pool(pool) for name, pool in family.params.items())
            yield (own, drawn), Known(family, tuple(sorted(values.items())), rule)


@lru_cache(maxsize=256)
def _pool(name: str) -> frozenset[str]:
    """All values that the world draws for a kind of parameter, over its businesses."""
    pools = table("pools")
    ends = [key for key in pools if key == name or key.endswith(f"_{name}")]
    return frozenset(str(value) for key in ends for value in pools[key])


def values_of(pool: str) -> tuple[str, ...]:
    """The values that the world draws for a kind of parameter, in a fixed order."""
    return tuple(sorted(_pool(pool)))


def _looks(family: Family) -> tuple[tuple[str, str], ...]:
    return tuple((name, _LOOKS.get(pool, _NUMBER)) for name, pool in family.params.items())
