"""Hallucination: what a reply states or promises that neither context nor playbook holds."""

from __future__ import annotations

import re
from functools import lru_cache

from handrail.records.negation import negated
from handrail.world.facts import MONTHS, WEEKDAYS, Fact, digits, facts
from handrail.world.lexicon import joined, known, stem, words
from handrail.world.matter import at_hand
from handrail.world.phrases import table
from handrail.world.promises import invented_events, invented_promises
from handrail.world.source import Source, pool_names, sentences

# Spans of time that are manners of speaking, not facts.
_MANNER = re.compile(
    r"\b(?:a|one|two|2|1|few) (?:more )?(?:moments?|minutes?|mins?|seconds?)\b", re.IGNORECASE
)
_UNDER_WAY = re.compile(
    r"\b(?!it\b|that\b|this\b|they\b|all\b)(\w+) (?:is|are) "
    r"(?:on (?:its|their) way|in the (?:post|mail)|in transit|out for delivery)\b"
)
_PRODUCT = (
    r"(?:plan|app|package|tariff|bundle|club|program|programme|card|membership|subscription|deal"
    r"|portal|centre|center|store|shop|bank|account|fund|bonds?|scheme|insurance|cover|pass"
    r"|savings|credit|loan|edition|investment)"
)
_CAMEL = re.compile(r"\b[A-Z][a-z]+[A-Z][A-Za-z]+\b")
_PLACE = re.compile(
    r"\b(?!(?:Mr|Mrs|Ms|Dr|Miss) )(?:[A-Z][a-z]+ ){1,2}(?:Street|Road|Avenue|Lane|Square|Station"
    r"|Airport|Park|Hotel|Mall|Tower|Bridge|Market|Hospital|School|Branch)\b"
)
_CAPITAL = re.compile(r"(?<![.!?:\"] )(?<![\w.@/'\"-])(?<!^)\b([A-Z][A-Za-z]+)\b")
_FIRST = re.compile(r"(?:^|[.!?:] |, )([A-Z][a-z]+)\b")
_VOCATIVE = re.compile(
    r"(?:^|[.!?] )(?:(?:hello|hi|hey|dear|sorry|thanks|thank you|sure|okay|all right|of course"
    r"|yes|no|goodbye|bye|welcome),? )?([A-Z][a-z]+)(?=[,.!?])",
)


# Counts that only structure what is said.
_STRUCTURE = re.compile(
    r"\d+ (?:(?:more|other|small|simple|quick|little|last|final) )?"
    r"(?:things?|ways?|steps?|options?|reasons?|choices|points? to|places"
    r"|details|parts|facts|words)\b"
)
# What is counted where the count is a fact, not a manner of speaking.
_MEASURED = re.compile(
    r"\d+ (?:\w+ )?(?:questions?|points|gigabytes?|gb|pieces?|stars|instal+ments|copies|payments?"
    r"|bookings?|fees|times|cents|vouchers|calls|cards|orders|parcels|lines|sims|people|customers"
    r"|colleagues|vans|items)\b",
    re.IGNORECASE,
)
# Words by which a sum or a difference of what the source holds is stated.
_RECKONED = re.compile(
    r"\b(?:more|less|differences?|total|totals|together|altogether|both|sum|adds? up|combined"
    r"|cheaper|dearer|extra|save|overall|in all)\b",
    re.IGNORECASE,
)


_AMOUNT = re.compile(r"[$€£]|\b(?:dollars|euros|pounds)\b", re.IGNORECASE)


def _foreign(sentence: str) -> bool:
    """Whether a sentence is in another language: its capitals are no names."""
    small = re.findall(r"\b[a-z]{2,}\b", sentence)
    return sum(not known(word) for word in small) >= max(2, len(small) // 3)


def _skipped(fact: Fact, sentence: str, reply: str) -> bool:
    """Whether a fact that the source lacks is none after all."""
    if fact.kind == "span" and _MANNER.search(fact.text):
        return True
    if fact.text == "1 year" and re.search(r"\bin a year\b", sentence) and _AMOUNT.search(sentence):
        return True  # what something comes to in a year
    if fact.kind == "number" and _STRUCTURE.match(digits(sentence)[fact.start :]):
        return True
    if fact.kind == "weekday" and sentence.rstrip(" \"')").endswith("?"):
        return True  # a day that is only asked about
    if fact.kind in ("weekday", "when", "date", "span", "time", "month"):
        at = reply.lower().find(fact.text.lower())
        return at >= 0 and negated(reply, at)
    if fact.kind != "number" or len(fact.value) > 2:
        return False
    if "digit" in sentence:
        return True
    # A small number in words before a plural only structures what is said: "two places".
    worded = not re.search(rf"\b{fact.value}\b", sentence)
    rest = digits(sentence)[fact.start :]
    return worded and bool(re.match(r"\d+ (?:\w+ )?\w+s\b", rest)) and not _MEASURED.match(rest)


def _reckoned(fact: Fact, sentence: str, source: Source) -> bool:
    """Whether a fact follows from those that the source holds: a sum, a rate, a day to come."""
    if fact.kind == "date":
        return _later(fact, source)
    if fact.kind != "money":
        return False
    held = [float(value) for kind, value in source.facts if kind == "money" and _PLAIN(value)]
    amount = float(fact.value)
    if _RECKONED.search(sentence) and any(
        abs(abs(a + b) - amount) < 0.001 or abs(a - b) == amount for a in held for b in held
    ):
        return True
    if not _RATED.search(sentence):
        return False
    spans = [value for kind, value in source.facts if kind == "span"]
    counts = {int(v[:-1]) / 24 for v in spans if v.endswith("h")}
    counts |= {float(v[:-2]) for v in spans if v.endswith("mo")} | {12.0}
    counts = {n for n in counts if 1 < n < 32}
    sums = held + [abs(a - b) for a in held for b in held]
    return any(
        abs(a * n - amount) < 0.01 or abs(a / n - amount) < 0.01 for a in sums for n in counts
    )


def _later(fact: Fact, source: Source) -> bool:
    """Whether a day is a day of the source and a length of time of the source after it."""
    days = {_day(value) for kind, value in source.facts if kind == "date"}
    spans = {int(v[:-1]) // 24 for kind, v in source.facts if kind == "span" and v.endswith("h")}
    return any((_day(fact.value) - day) % 365 in spans for day in days)


def _day(value: str) -> int:
    """The day in the year of "month/day"."""
    month, day = (int(part) for part in value.split("/"))
    return sum(_DAYS[: month - 1]) + day


_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Words by which a rate, or what it comes to, is stated.
_RATED = re.compile(
    r"\b(?:a|per|each|every|in a|the whole) (?:day|week|month|year)\b|\b(?:daily|monthly|yearly"
    r"|apiece|each|in (?:all|total)|altogether)\b",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"\d+(?:\.\d+)?").fullmatch


def _grounded(fact: Fact, source: Source) -> bool:
    held = source.facts
    if (fact.kind, fact.value) in held:
        return True
    if fact.kind in ("money", "number"):
        kinds = ("number", "code") if fact.kind == "money" else ("number", "code", "part")
        return any((kind, fact.value) in held for kind in kinds)
    if fact.kind == "date" and not fact.text[-1].isalpha() and re.search(r"[/.]", fact.text):
        return ("day and month", fact.value) in held
    if fact.kind == "month":
        return fact.text.lower() in source.everything.lower()
    if fact.kind == "when":
        if fact.value in source.everything.lower():
            return True
        vague = "within" in fact.value and "hour" not in fact.value
        return vague and any(kind == "span" for kind, _ in held)
    if fact.kind == "phone":
        return fact.value in re.sub(r"[ -]", "", source.everything)
    if fact.kind in ("code", "link"):
        value, text = fact.value.removeprefix("https://").rstrip("/."), source.everything.lower()
        return value in text or re.sub(r"[ -]", "", value) in re.sub(r"[ -]", "", text)
    return fact.kind == "time" and (fact.kind, fact.value + "p") in held


def invented_facts(source: Source, reply: str) -> list[str]:
    """Amounts, dates, times, numbers, codes and links that the source does not hold."""
    out: list[str] = []
    for sentence in sentences(reply):
        for fact in facts(sentence):
            if _skipped(fact, sentence, reply) or _reckoned(fact, sentence, source):
                continue
            if not _grounded(fact, source) or _miscounted(fact, sentence, source):
                out.append(fact.text)
    return out


_COUNTED = re.compile(r"\b(\d+) (?:\w+ )?(questions?)\b")


def _miscounted(fact: Fact, sentence: str, source: Source) -> bool:
    """Whether the source counts the same things, and never as many as the reply says."""
    if fact.kind != "number":
        return False
    counted = _COUNTED.match(digits(sentence)[fact.start :])
    if counted is None:
        return False
    noun = stem(counted.group(2).lower())
    counts = {n for n, what in _COUNTED.findall(digits(source.everything)) if stem(what) == noun}
    return bool(counts) and counted.group(1) not in counts


@lru_cache(maxsize=1)
def _pool_pattern() -> re.Pattern[str]:
    names = sorted(pool_names(), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(re.escape(n) for n in names)})\b", re.IGNORECASE)


@lru_cache(maxsize=1)
def _plan_names() -> re.Pattern[str]:
    plans = "|".join(table("pools")["plan"])
    return re.compile(rf"(?:\b(?:{plans})|(?<=[a-z] )[A-Z][a-z]+) (?=[Pp]lan\b)")


@lru_cache(maxsize=1)
def _known_names() -> frozenset[str]:
    """Words that are both names in the world and common ones: only a capital makes them names."""
    return frozenset(n for n in pool_names() if " " not in n) - set(table("pools")["group"])


def _named(source: Source, reply: str) -> list[str]:
    """Words with a capital inside a sentence that are names the source lacks."""
    out: list[str] = []
    for match in _CAPITAL.finditer(reply):
        word = match.group(1)
        low = word.lower()
        if low in source.words or low in words("titles") or low in _CALENDAR:
            continue
        if word.isupper():
            if len(word) > 4 and not known(low):
                out.append(word)
            continue
        rest = reply[match.end() :]
        product = re.match(rf" (?:[a-z]+ )?{_PRODUCT}\b", rest, re.IGNORECASE)
        if (
            not known(low)
            or low in words("proper_names")
            or (product and low not in words("own_places"))
        ):
            out.append(word)
    return out


def invented_names(source: Source, reply: str) -> list[str]:
    """People, companies, products and voucher codes that the source does not name."""
    held = source.everything.lower()
    reply = " ".join(s for s in sentences(reply) if not _foreign(s))
    out: list[str] = []
    for match in _pool_pattern().finditer(reply):
        name = match.group()
        single = name.lower() in _known_names()
        if (name[0].isupper() or not single) and not re.search(
            rf"\b{re.escape(name.lower())}", held
        ):
            out.append(name)
    out += [name for name in _CAMEL.findall(reply) if name.lower() not in held]
    out += [place for place in _PLACE.findall(reply) if place.lower() not in held]
    out += _named(source, reply)
    for sent in _UNDER_WAY.findall(reply):
        if stem(sent.lower()) not in source.stems:
            out.append(f"{sent} on its way")
    for thing in joined("things").findall(reply):
        if stem(thing.lower()) not in source.stems:
            out.append(thing)
    for match in _FIRST.finditer(reply):
        low = match.group(1).lower()
        after = re.match(r"[ ,]+([a-z]+)", reply[match.end() :])
        fine = low in source.words or low in _CALENDAR or low in words("titles")
        fine = fine or (known(low) and low not in words("proper_names"))
        if not fine and (after is None or known(after.group(1))):
            out.append(match.group(1))
    for match in _plan_names().finditer(reply):
        name = match.group().strip()
        if name.lower() not in source.words and name not in ("Your", "The", "Our", "This", "A"):
            out.append(f"{name} plan")
    return list(dict.fromkeys(out))


_CALENDAR = frozenset(
    [*MONTHS, *(m[:3] for m in MONTHS), "sept", *WEEKDAYS, *(d + "s" for d in WEEKDAYS)]
)


def invented(source: Source, reply: str) -> tuple[str, ...]:
    """Every span of a reply that neither context nor playbook holds."""
    # What belongs to another world altogether is no statement about the customer's matter.
    reply = at_hand(source, reply)
    found = invented_facts(source, reply)
    found += invented_names(source, reply)
    found += invented_promises(source, reply)
    found += invented_events(source, reply)
    return tuple(dict.fromkeys(found))
