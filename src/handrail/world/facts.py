"""Facts in a text, in one spelling: amounts, dates, times, spans of time, numbers, codes, links.

"$25", "25 dollars" and "twenty-five dollars" are one fact; "March 12", "12 March" and "the 12th of
March" another. Each fact is a (kind, value) pair with the span of text it was read from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_UNITS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_SMALL = {w: i + 1 for i, w in enumerate(_UNITS.split())}
_TENS = {
    w: 10 * (i + 2)
    for i, w in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    )
}
_MONTHS = "january february march april may june july august september october november december"
MONTHS = _MONTHS.split()
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_ONES = "|".join(list(_SMALL)[:9])
_UNDER_20 = "|".join(sorted(_SMALL, key=len, reverse=True))
_UNDER_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{_ONES})\b)?|(?:{_UNDER_20}))"
_UNDER_1000 = rf"(?:(?:a|{_UNDER_20}) hundred(?:,? (?:and )?{_UNDER_100}\b)?|{_UNDER_100})"
_NUMBER_WORDS = re.compile(
    rf"\b(?:(?:a|{_UNDER_1000}) thousand(?:,? (?:and )?{_UNDER_1000}\b)?|{_UNDER_1000})\b",
    re.IGNORECASE,
)
_MONTH = "|".join([*MONTHS, *(m[:3] for m in MONTHS if m != "may"), "sept"])
_NTH = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_ORDINALS = {w: i + 1 for i, w in enumerate(_NTH.split())} | {"thirtieth": 30}
_ORDINAL = rf"(?:(?:twenty|thirty)[- ])?(?:{'|'.join(sorted(_ORDINALS, key=len, reverse=True))})"
_NAMED_DAY = re.compile(
    rf"\b(?P<before>(?:{_MONTH}) (?:the )?)?\b(?P<nth>{_ORDINAL})\b"
    rf"(?P<after>(?: day)?(?: of)? (?={_MONTH}))?",
    re.IGNORECASE,
)
# A length of time in words that hold no number: "within a week", "half a year".
_LENGTHS = (
    (re.compile(r"\b(?:a|one) fortnight\b", re.I), "2 weeks"),
    (re.compile(r"\bhalf a year\b", re.I), "6 months"),
    (re.compile(r"\bhalf an hour\b", re.I), "30 minutes"),
    (re.compile(r"\b(?:a year and a half|one and a half years)\b", re.I), "18 months"),
    (
        re.compile(
            r"\b(takes?|taking|took|within|in|after|lasts?|allow|needs?|about|around|roughly"
            r"|approximately|another|nearly|almost|up to|at least|under|than)"
            r"( (?:only|just|about|around|another|roughly))? (?:an?|one)"
            r"( (?:full|whole|business|working|calendar|single))? (hour|day|week|month|year)\b"
            r"(?! (?:or (?:two|so)|and a half)\b)",
            re.I,
        ),
        r"\1\2 1\3 \4",
    ),
)
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("link", r"\b(?:https?://)?(?:[\w-]+\.)+(?:com|org|net|co|io|uk|de|eu|info|help)\b(?:/\S*)?"),
    ("link", r"\b[\w.]+@[\w.]+\b"),
    ("date", rf"\b(?P<m1>{_MONTH})\.? (?:the )?(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)"),
    (
        "date",
        rf"\b(?P<d2>\d{{1,2}})(?:st|nd|rd|th|\.)?(?: day)?(?: of)?[ -](?P<m2>{_MONTH})\b"
        r"(?! (?:be|have|take|not|well|need|also|come|change|go|apply)\b)",
    ),
    ("date", r"\b(?!24/7)(?P<n1>\d{1,2})/(?P<n2>\d{1,2})(?:/\d{2,4})?\b"),
    ("date", r"\b(?P<n3>\d{1,2})\.(?P<n4>\d{1,2})\.(?:\d{4}\b)"),
    ("date", r"\b\d{4}-(?P<n5>\d\d)-(?P<n6>\d\d)\b"),
    ("money", r"[$€£]\s?(?P<a1>\d[\d,]*(?:\.\d+)?)(?P<k>k\b)?"),
    (
        "money",
        r"\b(?P<a2>\d[\d,]*(?:\.\d+)?) ?(?:dollars?|euros?|pounds?|bucks|quid|usd\b"
        r"|eur\b|€|£)",
    ),
    ("money", r"\busd ?(?P<a3>\d[\d,]*(?:\.\d+)?)"),
    ("percent", r"\b(?P<p>\d+(?:\.\d+)?) ?(?:%|percent\b|per cent\b|pct\b)"),
    (
        "time",
        r"\b(?P<h>\d{1,2})(?:[:.](?P<min>\d{2}))? ?"
        r"(?:(?P<half>[ap])\.?m\b\.?|(?:in the|at) (?P<part>morning|afternoon|evening|night))",
    ),
    ("time", r"\b(?P<h3>[01]?\d|2[0-3])(?::|h)(?P<min3>[0-5]\d)\b(?: ?(?:h|hrs|hours)\b)?"),
    ("time", r"\b(?P<h2>\d{1,2}) o'clock"),
    (
        "span",
        r"\b(?P<s>\d+)(?:(?: ?[-–] ?| (?:to|or|and) |-to-)(?P<s2>\d+))?[- ]?(?:\w+ )?"
        r"(?:(?:business|working|full|calendar|free|more) )?"
        r"(?P<u>minute|min|hour|hr|day|week|month|year)s?\b",
    ),
    ("code", r"\b(?-i:[A-Z]{2,6})-\d+\b"),
    ("phone", r"\b(?:\+?\d{1,3}[ -])?\d{3,4}[- ]\d{3,4}(?:[- ]\d{2,4})?\b"),
    ("code", r"\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{4,}\b(?:-[A-Za-z0-9]+)*"),
    ("number", r"\b\d[\d,]*(?:\.\d+)?\b"),
)
_ALL = re.compile(
    "|".join(f"(?P<k{i}>{pattern})" for i, (_, pattern) in enumerate(_PATTERNS)), re.IGNORECASE
)
_FREE = re.compile(
    r"\b24/7\b|\b100 ?(?:%|percent|per cent)(?: (?:sure|certain|safe))?"
    r"|^\(?\d[.)] |(?<=[:;,.] )\(?\d\)(?= |$)|(?<=[a-z]: )1\.(?= [A-Z])",
    re.M,
)
# A month without a day; "may" only with a capital.
_BARE_MONTH = re.compile(
    r"\b(?:in|since|until|till|from|by|before|after|during|early|late|last|next|end of|start of) "
    rf"(?P<m>(?-i:May)|{'|'.join(m for m in MONTHS if m != 'may')})\b(?! \d)",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(rf"\b(?:{'|'.join(WEEKDAYS)})s?\b", re.IGNORECASE)
_RELATIVE = re.compile(
    r"\b(?:tomorrow|tonight|overnight|(?:next|this|the following|the coming|end of the|end of this"
    r"|later this|by the end of the) (?:week|weekend|month|year|day)|same day|next-day|next day"
    r"|the day after(?: tomorrow)?"
    r"|later today|(?:by|before) the weekend"
    r"|(?:by|before) the end of (?:today|the (?:day|week|month|year))"
    r"|(?:by|before) (?:today|tomorrow|tonight|midday|lunch(?:time)?|christmas|easter)"
    r"|first thing (?:in the morning|tomorrow)|around the clock|round the clock|24/7"
    r"|day and night|by noon|at noon|midnight|end of day"
    r"|(?:within|in) (?:an?|the) (?:hour|day|week|month|year))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Fact:
    """A fact: its kind, its value in one spelling, and the span of text it stands in."""

    kind: str
    value: str
    text: str
    start: int


def _number(match: re.Match[str]) -> str:
    if match.group().lower() == "one":
        return match.group()
    total, part = 0, 0
    for word in re.findall(r"[a-z]+", match.group().lower()):
        if word in _SMALL:
            part += _SMALL[word]
        elif word in _TENS:
            part += _TENS[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        elif word == "thousand":
            total, part = total + max(part, 1) * 1000, 0
    return str(total + part)


def _named_day(match: re.Match[str]) -> str:
    """A day named by its ordinal beside a month; any other ordinal stays."""
    before, after = match.group("before") or "", match.group("after") or ""
    if not before and not after:
        return match.group()
    words = re.findall(r"[a-z]+", match.group("nth").lower())
    day = sum(_TENS.get(w, 0) + _ORDINALS.get(w, 0) for w in words)
    return f"{before.replace(' the ', ' ')}{day}{' ' if after else ''}"


@lru_cache(maxsize=4096)
def digits(text: str) -> str:
    """Number words as digits: "twenty-five dollars" becomes "25 dollars"; "one" alone stays."""
    text = _ONE_OF.sub("1 ", text)
    if _HAS_ORDINAL.search(text):
        text = _NAMED_DAY.sub(_named_day, text)
    return _NUMBER_WORDS.sub(_number, text)


_ONE_OF = re.compile(r"\bone (?=(?:\w+ )?(?:dollar|hour|day|week|month|year|percent))")
_HAS_ORDINAL = re.compile(r"(?:first|second|third|th)\b", re.IGNORECASE)


def _plain(number: str) -> str:
    value = float(number.replace(",", "").rstrip("."))
    return str(int(value)) if value == int(value) else f"{value:g}"


def _month(name: str) -> int:
    return next(i + 1 for i, m in enumerate(MONTHS) if m.startswith(name.lower()[:3]))


def _span(n: str, unit: str) -> str:
    """A span of time in hours up to weeks, months beyond: 2 days = 48 hours, 1 year = 12 months."""
    hours = {"hour": 1, "hr": 1, "day": 24, "week": 168}
    if unit in hours:
        return f"{int(n) * hours[unit]}h"
    if unit in ("month", "year"):
        return f"{int(n) * (12 if unit == 'year' else 1)}mo"
    return f"{n}min"


def _read(match: re.Match[str], text: str) -> list[Fact]:
    kind = next(_PATTERNS[i][0] for i in range(len(_PATTERNS)) if match.group(f"k{i}") is not None)
    get, whole = match.groupdict().get, match.group()

    def fact(value: str, of: str = kind) -> Fact:
        return Fact(of, value, whole.strip(), match.start())

    if kind == "date":
        for one, other in (("n1", "n2"), ("n3", "n4"), ("n5", "n6")):
            if get(one):
                return [fact(f"{int(get(one) or 0)}/{int(get(other) or 0)}")]
        month, day = (get("m1") or get("m2") or ""), (get("d1") or get("d2") or "0")
        return [fact(f"{_month(month)}/{int(day)}")]
    if kind == "money":
        value = _plain(get("a1") or get("a2") or get("a3") or "0")
        return [fact(f"{int(value) * 1000}" if get("k") else value)]
    if kind == "percent":
        return [fact(_plain(get("p") or "0"))]
    if kind == "time":
        hour = int(get("h") or get("h2") or get("h3") or "0")
        part = get("half") or ("a" if get("part") == "morning" else "p" if get("part") else "")
        if hour > 12:
            hour, part = hour - 12, "p"
        minute = get("min") or get("min3") or "00"
        return [fact(f"{hour}{'' if minute == '00' else ':' + minute}{part.lower()}")]
    if kind == "span":
        values = [get("s") or "0"] + ([get("s2") or "0"] if get("s2") else [])
        return [fact(_span(v, (get("u") or "").lower())) for v in values]
    if kind == "phone":
        return [fact(re.sub(r"\D", "", whole))]
    if kind == "number":
        return [fact(_plain(whole))]
    return [fact(whole.lower().rstrip("."))]


@lru_cache(maxsize=4096)
def facts(text: str) -> tuple[Fact, ...]:
    """The facts of a text; idioms such as "24/7" or "100% sure" are none."""
    for pattern, plain in _LENGTHS:
        text = pattern.sub(plain, text)
    whole = digits(text)
    clean = _FREE.sub(lambda m: " " * len(m.group()), whole)
    found: list[Fact] = []
    for match in _ALL.finditer(clean):
        found += _read(match, clean)
    for match in _WEEKDAY.finditer(clean):
        found.append(Fact("weekday", match.group().lower()[:3], match.group(), match.start()))
    for match in _BARE_MONTH.finditer(clean):
        month = match.group("m")
        found.append(Fact("month", str(_month(month)), month, match.start()))
    for match in _RELATIVE.finditer(whole):
        found.append(Fact("when", match.group().lower(), match.group(), match.start()))
    return tuple(found)
