"""What a reply promises or says has happened, where nothing in the source grounds it."""

from __future__ import annotations

import re
from functools import lru_cache

from handrail.world.facts import digits
from handrail.world.lexicon import content, joined, stem
from handrail.world.phrases import table
from handrail.world.source import Source, sentences

# What the customer's own words can ground too: what he asked for or told.
_TOLD = frozenset(
    (
        "ended",
        "handed",
        "found",
        "lost",
        "misuse",
        "stock",
        "fixed",
        "moved",
        "outage",
        "outcome",
        "away",
    )
)
# Promises whose own patterns hold negations.
_NEGATING = frozenset(("nopay", "free", "assurance", "findings"))
# Promises that a condition after them leaves open.
_WEIGHED = frozenset(("refund", "approval", "credit", "replacement", "compensation", "waive"))
_CONDITION = re.compile(
    r"\b(?:if|provided|subject to|depend\w*|unless)\b"
    r"(?! you (?:like|want|wish|prefer|agree|have|need))",
    re.IGNORECASE,
)
_NEXT = re.compile(r";| but | and |\bplease\b|\blet (?:me|us)\b", re.IGNORECASE)
_OFFERS = re.compile(
    r"(?:would you like|how about|do you want|shall (?:we|i)"
    r"|(?:may|could|can) i (?:offer|interest|tempt)|have you (?:seen|tried)|want"
    r"|what about|why not|fancy|care for|interested in)\b",
    re.IGNORECASE,
)
_CUT = re.compile(r"[,;:]| but | and | so ")
# What a rule grants, so that it may come "on us" or "for free".
_GRANTED = re.compile(r"\b(?:points|vouchers?|codes?|months?|discounts?|percent)\b", re.IGNORECASE)


def invented_promises(source: Source, reply: str) -> list[str]:
    """Refunds, credits, gifts and the like that a reply promises and nothing grounds."""
    out: list[str] = []
    for sentence in map(digits, sentences(reply)):
        if sentence.rstrip(" \"')").endswith("?") and not _OFFERS.match(sentence):
            sentence = sentence.rpartition(",")[0]  # what is told before the question
        for kind, text in _promised(sentence):
            held = source.everything if kind in _TOLD else source.granting
            if joined("grounds", kind).search(held):
                continue
            if kind != "free" or not _granted(source, sentence):
                out.append(text)
    return out


@lru_cache(maxsize=8192)
def _promised(sentence: str) -> tuple[tuple[str, str], ...]:
    """The kinds of promises that a sentence makes, and the words of each."""
    found = []
    for kind in table("oracle")["promises"]:
        match = joined("promises", kind).search(sentence)
        if match is None:
            continue
        offer = _OFFERS.match(sentence)
        before = _CUT.split(sentence[offer.end() if offer else 0 : match.start()])[-1]
        inside = "" if kind in _NEGATING else match.group()
        if joined("open_words").search(before) or joined("open_words").search(inside):
            continue
        if kind in _WEIGHED and _CONDITION.search(_NEXT.split(sentence[match.end() :])[0]):
            continue
        found.append((kind, match.group().strip()))
    return tuple(found)


def _granted(source: Source, sentence: str) -> bool:
    """Whether what a sentence gives away is what a rule or the card grants."""
    held = {stem(word.lower()) for word in _GRANTED.findall(source.granting)}
    return bool({stem(word.lower()) for word in _GRANTED.findall(sentence)} & held)


@lru_cache(maxsize=1)
def _rivals() -> re.Pattern[str]:
    """What agents state of another company: "Eastbank charges fees as well"."""
    pools = table("pools")
    names = "|".join(re.escape(n) for key in pools if key.endswith("_rival") for n in pools[key])
    return re.compile(
        rf"\b({names})(?: \w+)? (?:charges?|costs?|has|have|offers?|is|are|takes?|asks?|does|lacks?"
        r"|raises?|adds?|wants?|gives?|pays?|sells?)\b([^.?!;]*)",
        re.IGNORECASE,
    )


@lru_cache(maxsize=8192)
def _told_of(sentence: str) -> tuple[str, ...]:
    """The causes and wares that a sentence tells of."""
    names = ("causes", "wares")
    return tuple(m.group() for name in names for m in joined(name).finditer(sentence))


def invented_events(source: Source, reply: str) -> list[str]:
    """Causes, wares and other companies' ways that a reply tells of and the source does not."""
    out: list[str] = []
    for sentence in sentences(reply):
        for text in _told_of(sentence):
            if stem(text.split()[-1].lower()) not in source.stems:
                out.append(text)
        claim = _rivals().search(sentence)
        before = _CUT.split(sentence[: claim.start()])[-1] if claim else ""
        if (
            claim
            and not joined("open_words").search(before)
            and not sentence.rstrip().endswith("?")
        ):
            name = claim.group(1).lower()
            texts = [m.content for m in source.turn.context if m.role != "assistant"]
            told = "\n".join(t for text in texts for t in sentences(text) if name in t.lower())
            if not told or content(claim.group(2)) - content(told):
                out.append(claim.group().strip())
    return out
