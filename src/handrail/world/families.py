"""Guardrail families: rules in words with parameters, their checks and the acts around them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

from handrail.records import Check, Guardrail, SettingError, When, nearest
from handrail.world.phrases import fill, table

DOMAINS = ("bank", "telecom", "retail")
_FILES = ("families_opening", "families_closing", "families_every", "families_forbidden")
_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NAME = re.compile(r"<(\w+)>")
# Which moments in a conversation a family's condition names; triggers are named after them.
_CUE_OF_TRIGGER = {"done": "close", "gives_id": "identify", "gives_name": "named"}


@dataclass(frozen=True)
class Family:
    """One kind of rule. `cues`: moments at which agents are drawn to the act without a rule."""

    id: str
    kind: str
    texts: tuple[str, ...]
    at: str
    when: Mapping[str, Any]
    check: Mapping[str, Any]
    params: Mapping[str, str] = field(default_factory=dict)
    say: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    cues: frozenset[str] = frozenset()
    domains: tuple[str, ...] = DOMAINS
    conflicts: frozenset[str] = frozenset()
    needs: str = ""
    base: float = 0.0
    own: bool = False

    @property
    def forbids(self) -> bool:
        """Whether the acts in `say` break the rule (forbidden acts, style) rather than keep it."""
        return self.kind in ("forbid", "style")

    @property
    def waits(self) -> bool:
        """Whether the rule asks for an act at some moment of a conversation, not in every reply."""
        return bool(self.when) and not self.forbids


_SYNONYMS = {
    "text message": r"(?:text(?: message| msg)?(?:s|ed)?|sms(?:es)?)",
    "letter": r"(?:letters?|post|paper mail)",
    "e-mail": r"e-?mails?",
    "e-mail address": r"(?:(?:e-?)?mail (?:address(?:es)?|account)"
    r"|(?<=your )e-?mail(?! (?:with|from|about|of)))",
    "date of birth": r"(?:date of birth|birth[- ]?dates?|birthday|d\.?o\.?b\b|day of birth"
    r"|(?:when|(?:what|which|the) (?:day|date)(?: on which| when| that)?)"
    r" (?:were )?you (?:were )?born)",
    "postcode": r"(?:post[- ]?code|postal code|zip(?:[- ]?code)?)",
    "postal address": r"(?:(?:postal|mailing|post|posting|correspondence|letter) address"
    r"|address for (?:the |your )?(?:post|letters?|mail))",
    "phone number": r"(?:(?:(?:tele)?phone|mobile|cell|contact)(?: phone)?"
    r" ?(?:numbers?|no\b|nr\b|#)|numbers? of your (?:phone|mobile))",
    "security word": r"(?:security|secret|safety|code)[- ]?word",
    "full name": r"(?:(?:full|complete|whole|entire) name|name in full"
    r"|(?:first|given|fore)[ -]?names?,? (?:and|&|plus) (?:last|family|sur|second)[ -]?names?"
    r"|first,? and last names?|first name and surname|name and surname)",
    "students": r"students?",
    "seniors": r"(?:seniors?|senior citizens?|pensioners?|retirees?)",
    "teachers": r"(?:teachers?|teaching staff)",
    "new customers": r"(?:new (?:customers?|clients?|joiners?)|customers? who (?:are|is) new)",
}
# A number within a longer one, or the end of a range, is another number.
_ALONE = r"(?<![\d.,$])(?<!\d-)(?<!y-)(?<!\d to )(?<!\d or )"


def _years(months: int) -> str:
    """The months as years, where they are whole or half years; else what matches nothing."""
    years, rest = divmod(months, 12)
    if rest and months == 18:
        return r"(?:1\.5|one and a half) years?|(?:a|one) year and a half|(?:a|one)-and-a-half-year"
    if rest:
        return "half a year" if months == 6 else "(?!)"
    one = "|a" if years == 1 else ""
    return rf"(?:{years}|{number_word(years)}{one})(?: full| whole)?[ -]years?"


def _hours(hours: int) -> str:
    """The hours, also as days where they are whole days."""
    days, rest = divmod(hours, 24)
    text = rf"\b{value_pattern(str(hours))}(?: short| full)?(?:[ -]hours?|[ -]?hrs?|h)\b"
    if rest:
        return text
    one = "|a" if days == 1 else ""
    return rf"(?:{text}|{_ALONE}\b(?:{days}|{number_word(days)}{one})(?: full)?[ -]days?\b)"


def number_word(n: int) -> str:
    """The English word (as a pattern) for 0 to 99 and round hundreds; digits beyond."""
    if n < 20:
        return _UNITS[n]
    if n >= 100 and n % 50 == 0 and n < 1000:
        rest = " (?:and )?fifty" if n % 100 else ""
        return f"(?:{'a|' if n < 200 else ''}{_UNITS[n // 100]}) hundred{rest}"
    if n < 100:
        tens, unit = _TENS[n // 10 - 2], n % 10
        return f"{tens}-{_UNITS[unit]}" if unit else tens
    return str(n)


def value_pattern(value: str) -> str:
    """A pattern for a parameter's value that other writers' spellings match too."""
    if value.isdigit():
        words = number_word(int(value)).replace("-", "[- ]")
        words += {"12": "|a dozen", "2": "|a couple(?: of)?", "6": "|half a dozen"}.get(value, "")
        return rf"{_ALONE}(?:{value}(?![.,]\d)|{words})(?!-(?:one|two|three|four|five|eight)\b)"
    hour = re.fullmatch(r"(\d+) ([ap])m", value)
    if hour:
        return _hour(int(hour[1]), hour[2])
    if value in _SYNONYMS:
        return _SYNONYMS[value]
    if value.endswith(" number"):
        head = re.escape(value.removesuffix(" number"))
        return (
            rf"(?:{head}(?:,? (?:and|&|or|plus) (?:the |your )?\w+)?[\s-]+"
            r"(?:numbers?\b|no\b|nr\b|#)"
            rf"|numbers? (?:of|for|on|does|has) (?:your|the|this|that) {head}\b)"
        )
    text = re.escape(value).replace(r"\ ", r"[\s-]+").replace(r"\-", "[- ]?")
    text = re.sub(r"(?<=[A-Z]{3})(?=\d)|(?<=[a-z])(?=[A-Z])", "[ -]?", text)
    return text[:-3] + "(?:y|ies)" if value.endswith("ies") else text


def _hour(hour: int, half: str) -> str:
    """A full hour in either clock, the half of the day said or left open."""
    late = hour + 12 if half == "p" else hour
    said = "in the morning" if half == "a" else "(?:in the (?:afternoon|evening)|at night)"
    other = "p" if half == "a" else "a"
    return (
        rf"(?:0?{hour}|{number_word(hour)}|{late})(?:[:.]00)?(?![:.]?\d)(?! ?{other}\.?m)"
        rf"(?: ?{half}\.?m\b\.?| ?o'clock| ?hours| {said})*"
    )


def _cues(when: Mapping[str, Any]) -> frozenset[str]:
    if when.get("first"):
        return frozenset({"open"})
    if "shown" in when:
        return frozenset({"since" if "since" in when["shown"][0] else "ref"})
    trigger = str(when.get("user", ""))
    name = trigger.removeprefix("$") if trigger.startswith("$") else ""
    return frozenset({_CUE_OF_TRIGGER.get(name, name)} if name else ())


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """All families by id, in a fixed order."""
    out: dict[str, Family] = {}
    for file in _FILES:
        for key, raw in table(file).items():
            data: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()
            }
            stages = data.pop("stages", ())
            when = data.pop("when", {})
            data["conflicts"] = frozenset(data.get("conflicts", ()))
            cues = frozenset(stages) or _cues(when)
            out[key] = Family(id=key, when=when, cues=cues, **data)
    for one in list(out.values()):  # conflicts hold both ways
        for other in one.conflicts:
            if one.id not in out[other].conflicts:
                both = out[other].conflicts | {one.id}
                out[other] = Family(**{**out[other].__dict__, "conflicts": both})
    return out


@lru_cache(maxsize=8192)
def _whole(pattern: str) -> str:
    """The pattern with the shared parts that it names put in."""
    parts = table("parts")
    while True:
        put = _NAME.sub(lambda m: parts.get(m[1], m[0]), pattern)
        if put == pattern:
            return pattern
        pattern = put


def _spelled(pattern: str, values: Mapping[str, str]) -> str:
    pattern = _whole(pattern)
    for name, computed in (("<years>", _years), ("<hours>", _hours)):
        if name in pattern:
            pattern = pattern.replace(name, f"(?:{computed(int(values['n']))})")
    for name, value in values.items():
        pattern = pattern.replace(f"<{name}>", value_pattern(value))
    return pattern


def _spell_all(raw: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in raw.items():
        if isinstance(value, str) and value.startswith("$"):
            out[key] = tuple(_whole(pattern) for pattern in table("triggers")[value[1:]])
        elif isinstance(value, (list, tuple)):
            out[key] = tuple(_spelled(v, values) for v in value)
        elif value == "<n-1>":
            out[key] = int(values["n"]) - 1
        else:
            out[key] = value
    return out


@lru_cache(maxsize=16384)
def _guardrail(family_id: str, values: tuple[tuple[str, str], ...], text_index: int) -> Guardrail:
    family = families()[family_id]
    mapping = dict(values)
    when = When(**_spell_all(family.when, mapping))
    check = Check(when=when, **_spell_all(family.check, mapping))
    text = fill(family.texts[text_index], mapping, Random(0))
    return Guardrail(id=family_id, text=text, check=check, family=family_id)


def guardrail(family: str, text: int = 0, **params: object) -> Guardrail:
    """A guardrail of a family with given parameters, for example `guardrail("refund_days", n=5)`.

    `text` picks the wording. Raises `SettingError` for an unknown family or parameter.
    """
    if family not in families():
        raise SettingError(
            f"there is no guardrail family '{family}'", nearest(family, families()), "guardrail"
        )
    known = families()[family]
    if set(params) != set(known.params):
        raise SettingError(
            f"the family '{family}' takes the parameters {sorted(known.params) or 'none'}, "
            f"not {sorted(params) or 'none'}",
            f"Give {', '.join(sorted(known.params)) or 'no parameters'}",
            "guardrail",
        )
    values = tuple(sorted((name, str(value)) for name, value in params.items()))
    return _guardrail(family, values, text % len(known.texts))


def draw_values(
    family: Family, slots: Mapping[str, str], domain: str, rng: Random
) -> dict[str, str]:
    """Random values for a family's parameters; the brand is the conversation's own."""
    pools = table("pools")
    values: dict[str, str] = {}
    for name, pool in family.params.items():
        if pool in slots and pool in ("brand", "agent"):
            values[name] = slots[pool]
        else:
            choices = pools.get(pool) or pools[f"{domain}_{pool}"]
            values[name] = str(rng.choice(choices))
    return values


def other_values(
    family: Family, values: Mapping[str, str], domain: str, rng: Random
) -> dict[str, str]:
    """The same parameters with one value changed to another of its pool."""
    name = rng.choice(sorted(values))
    pools = table("pools")
    pool = family.params[name]
    choices = [str(v) for v in pools.get(pool) or pools[f"{domain}_{pool}"]]
    return {**values, name: rng.choice([c for c in choices if c != values[name]])}
