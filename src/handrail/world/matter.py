"""Whether what a reply says belongs to the matter: another business, small talk, other worlds."""

from __future__ import annotations

import re
from functools import lru_cache

from handrail.world.lexicon import care_stems, content, either, joined, stem, words
from handrail.world.phrases import table
from handrail.world.source import Source, products, sentences


@lru_cache(maxsize=1)
def topical() -> frozenset[str]:
    """Stems of nouns that belong to one matter or another."""
    return frozenset(stem(word) for word in words("topical"))


@lru_cache(maxsize=1)
def _matters() -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Matters and the words of a conversation in which each belongs."""
    flag = re.IGNORECASE
    return tuple(
        (re.compile(matter, flag), re.compile(cues, flag))
        for matter, cues in table("oracle")["matters"]
    )


@lru_cache(maxsize=1)
def _any_matter() -> re.Pattern[str]:
    return either(matter for matter, _ in table("oracle")["matters"])


@lru_cache(maxsize=1)
def _worlds() -> frozenset[str]:
    """Stems of words from other worlds than customer care: animals, food, nature, arts."""
    listed = words("other_worlds")
    return frozenset(stem(form) for word in listed for form in (word, word + "s"))


_TURNED = re.compile(r"\b(?:you|your|yours|we|our|us|this|that|it|let's)\b", re.IGNORECASE)


def elsewhere(source: Source, sentence: str, sure: bool = False) -> bool:
    """Whether a sentence is about another world than the conversation's (`sure`: by two words)."""
    meant = {w for w in content(sentence) if not w[0].isdigit()}
    if len(meant) < 2:
        return False
    foreign = (meant & _worlds()) - source.stems
    if foreign or sure:
        if joined("jests").search(sentence):
            return False  # a joke or a saying is a manner, not a matter
        if len(foreign) >= 2 and 3 * len(foreign) >= len(meant) - 1:
            return True
        if sure:
            return False
        turned = _TURNED.search(sentence)
        return not turned and not (meant - foreign) & (care_stems() | source.stems)
    return (
        len(meant) >= 3
        and not _TURNED.search(sentence)
        and not meant & (care_stems() | source.stems)
    )


_CLAUSE = re.compile(r"(?<=[,;:])\s|\s(?=also\b)")


def _wanders(source: Source, sentence: str) -> bool:
    """Whether a sentence, or a clause of it, is about another world."""
    clauses = _CLAUSE.split(sentence) if _worlds() & content(sentence) else []
    return elsewhere(source, sentence) or any(elsewhere(source, c, sure=True) for c in clauses)


def at_hand(source: Source, reply: str) -> str:
    """The reply without what is about another world."""
    kept = []
    for sentence in sentences(reply):
        if not _wanders(source, sentence):
            kept.append(sentence)
        elif not elsewhere(source, sentence):
            clauses = _CLAUSE.split(sentence)
            kept.append(" ".join(c for c in clauses if not elsewhere(source, c, sure=True)))
    return "\n".join(kept)


def strays(source: Source, reply: str) -> str:
    """Whether the reply leaves the matter: another business, small talk, foreign sentences."""
    held = source.everything
    low = held.lower()
    # Wares that an agent offers, and jests, may come from anywhere.
    told = [s for s in sentences(reply) if not joined("wares").search(s)]
    reply = "\n".join(s for s in told if not joined("jests").search(s))
    for match in joined("small_talk").finditer(reply):
        word = match.group().lower()
        if stem(word.split()[-1]) not in source.stems and word not in low:
            return f"another matter: {word}"
    for pattern, cues in _matters() if _any_matter().search(reply) else ():
        found = pattern.search(reply)
        if found and not cues.search(held):
            return f"another matter: {found.group().lower()}"
    for product in products().findall(reply):
        if product.lower() not in low:
            return f"another matter: {product}"
    for domain in table("oracle")["domain_words"]:
        if domain in source.domains:
            continue
        for match in joined("domain_words", domain).finditer(reply):
            if stem(match.group().lower().split()[0]) not in source.stems:
                return f"another business: {match.group().lower()}"
    for sentence in sentences(reply):
        if _wanders(source, sentence):
            return f"off the matter: {sentence.strip()}"
    return ""
