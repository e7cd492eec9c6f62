"""Hallucination: what a reply states or promises that neither context nor playbook holds."""

from __future__ import annotations

import re
from functools import lru_cache

from handrail.records.checks import negated
from handrail.world.facts import MONTHS, WEEKDAYS, Fact, digits, facts
from handrail.world.lexicon import joined, known, stem
from handrail.world.phrases import table
from handrail.world.source import Source, pool_names, sentences

# Spans of time that are manners of speaking, not facts.
_MANNER = re.compile(
    r"\b(?:a|one|two|2|1|few) (?:more )?(?:moments?|minutes?|mins?|seconds?)\b", re.IGNORECASE
)
_UNDER_WAY = re.compile(
    r"\b(?!it\b|that\b|this\b|they\b|all\b)(\w+) (?:is|are) "
    r"(?:on (?:its|their) way|in the (?:post|mail)|in transit|out for delivery)\b"
)
_TITLES = frozenset(
    [
        "i",
        "mr",
        "mrs",
        "ms",
        "dr",
        "miss",
        "sir",
        "madam",
        "dear",
        "pin",
        "sim",
        "id",
        "sms",
        "gb",
        "iban",
        "atm",
        "ok",
        "pdf",
        "usa",
        "uk",
        "eu",
        "faq",
        "asap",
        "fyi",
        "btw",
        "eta",
        "tbh",
        "imo",
        "lol",
        "vip",
        "tv",
        "pc",
        "url",
        "vat",
        "gdpr",
        "it's",
    ]
)
_PRODUCT = (
    r"(?:plan|app|package|tariff|bundle|club|program|programme|card|membership|subscription|deal"
    r"|portal|centre|center|store|shop|bank|account)"
)
_CAPITAL = re.compile(r"(?<![.!?:\"] )(?<![\w.@/'\"-])(?<!^)\b([A-Z][A-Za-z]+)\b")
_FIRST = re.compile(r"(?:^|[.!?:] |, )([A-Z][a-z]+)\b")
_VOCATIVE = re.compile(
    r"(?:^|[.!?] )(?:(?:hello|hi|hey|dear|sorry|thanks|thank you|sure|okay|all right|of course"
    r"|yes|no|goodbye|bye|welcome),? )?([A-Z][a-z]+)(?=[,.!?])",
)


# Counts that only structure what is said.
_STRUCTURE = re.compile(
    r"\d+ (?:(?:more|other|small|simple) )?(?:things?|ways?|steps?|options?|reasons?|choices)\b"
)


def _foreign(sentence: str) -> bool:
    """Whether a sentence is in another language: its capitals are no names."""
    small = re.findall(r"\b[a-z]{2,}\b", sentence)
    return sum(not known(word) for word in small) >= max(2, len(small) // 3)


def _skipped(fact: Fact, sentence: str, reply: str) -> bool:
    """Whether a fact that the source lacks is none after all."""
    if fact.kind == "span" and _MANNER.search(fact.text):
        return True
    if fact.kind == "number" and _STRUCTURE.match(digits(sentence)[fact.start :]):
        return True
    if fact.kind == "weekday" and sentence.rstrip(" \"')").endswith("?"):
        return True  # a day that is only asked about
    if fact.kind in ("weekday", "when", "date", "span", "time"):
        at = reply.lower().find(fact.text.lower())
        return at >= 0 and negated(reply, at)
    return fact.kind == "number" and len(fact.value) <= 2 and "digit" in sentence


def _grounded(fact: Fact, source: Source) -> bool:
    held = source.facts
    if (fact.kind, fact.value) in held:
        return True
    if fact.kind in ("money", "number"):
        return ("number", fact.value) in held or ("code", fact.value) in held
    if fact.kind == "when":
        if fact.value in source.everything.lower():
            return True
        return "within" in fact.value and any(kind == "span" for kind, _ in held)
    if fact.kind == "phone":
        return fact.value in re.sub(r"[ -]", "", source.everything)
    if fact.kind in ("code", "link"):
        return fact.value.removeprefix("https://").rstrip("/.") in source.everything.lower()
    return False


def invented_facts(source: Source, reply: str) -> list[str]:
    """Amounts, dates, times, numbers, codes and links that the source does not hold."""
    out: list[str] = []
    for sentence in sentences(reply):
        for fact in facts(sentence):
            if _skipped(fact, sentence, reply):
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
    for match in _CAPITAL.finditer(reply):
        word = match.group(1)
        low = word.lower()
        if low in source.words or low in _TITLES or (low[:3] in _DATES and low in _CALENDAR):
            continue
        if word.isupper():
            if len(word) > 4:
                out.append(word)
            continue
        rest = reply[match.end() :]
        if not known(low) or re.match(rf" {_PRODUCT}\b", rest, re.IGNORECASE):
            out.append(word)
    for sent in _UNDER_WAY.findall(reply):
        if stem(sent.lower()) not in source.stems:
            out.append(f"{sent} on its way")
    for thing in joined("things").findall(reply):
        if stem(thing.lower()) not in source.stems:
            out.append(thing)
    for match in _FIRST.finditer(reply):
        low = match.group(1).lower()
        after = re.match(r"[ ,]+([a-z]+)", reply[match.end() :])
        fine = low in source.words or known(low) or low in _CALENDAR or low in _TITLES
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
_DATES = frozenset(n[:3] for n in _CALENDAR)


# What the customer's own words can ground too: what he asked for or told.
_TOLD = frozenset(("ended", "handed"))
# Promises whose own patterns hold negations.
_NEGATING = frozenset(("waive", "free", "assurance", "findings"))


def invented_promises(source: Source, reply: str) -> list[str]:
    """Refunds, credits, gifts and the like that a reply promises and nothing grounds."""
    out: list[str] = []
    opens = re.compile(table("oracle")["open_words"], re.IGNORECASE)
    for sentence in sentences(reply):
        if sentence.rstrip(" \"')").endswith("?") and not re.match(
            r"(?i)(?:would you like|how about|do you want|shall (?:we|i)|can i offer)", sentence
        ):
            continue
        for kind in table("oracle")["promises"]:
            match = joined("promises", kind).search(sentence)
            held = source.everything if kind in _TOLD else source.granting
            if match is None or joined("grounds", kind).search(held):
                continue
            before = re.split(r"[,;:]| but | and | so ", sentence[: match.start()])[-1]
            inside = match.group()
            if kind in _NEGATING:
                inside = ""
            if opens.search(before) or opens.search(inside):
                continue
            out.append(match.group().strip())
    return out


def invented(source: Source, reply: str) -> tuple[str, ...]:
    """Every span of a reply that neither context nor playbook holds."""
    found = invented_facts(source, reply)
    found += invented_names(source, reply)
    found += invented_promises(source, reply)
    return tuple(dict.fromkeys(found))
