"""Naturalness: whether a reply is well-formed and goes on coherently from its context."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from handrail.world.facts import digits
from handrail.world.lexicon import (
    bad_pairs,
    care_stems,
    content,
    flat,
    joined,
    known,
    stem,
    wordlike,
    words,
)
from handrail.world.phrases import table
from handrail.world.roles import misplaced
from handrail.world.source import Source, products, sentences, straight

_TOKEN = re.compile(r"(?<![\dA-Za-z])[A-Za-z]+(?:'[A-Za-z]+)?")
_ENDS = re.compile(r"[.!?)\"'\u2026]$|[:;]-?[)(DP]$|[\u2600-\u27bf\U0001f300-\U0001faff]$")
_REPEAT = re.compile(r"\b(\w+(?: \w+){2,5})[ ,.]+\1\b", re.IGNORECASE)
_TWICE = re.compile(
    r"\b(?!that|had|very|really|no|bye|ha|so|is|do|yes|many|much|long)(\w+) \1\b", re.I
)
_PAIR = re.compile(r"[A-Za-z']+|[^A-Za-z'\s]+")


def garbled(source: Source, reply: str) -> str:
    """Why a reply is no well-formed English text, or nothing."""
    tokens = _TOKEN.findall(reply)
    if not tokens:
        return "empty"
    if joined("role_marks").search(reply):
        return "marks that no agent writes"
    opening = {s.split()[0].strip(",.!?") for s in sentences(reply)}
    strange = [
        t
        for t in tokens
        if "'" not in t
        and len(t) > 1
        and not known(t.lower())
        and t.lower() not in source.words
        and not (t[0].isupper() and (wordlike(t.lower()) or t not in opening))
        and not (t.isupper() and len(t) <= 5)
    ]
    links = re.findall(r"\S+\.\w+", reply)
    strange = [t for t in strange if not any(t in link for link in links)]
    if any(not wordlike(t.lower()) for t in strange) or len(strange) > max(1, len(tokens) // 8):
        return f"no words: {', '.join(strange)}"
    parts = _PAIR.findall(reply.replace(" May ", " month ").lower())
    for first, second in pairwise(parts):
        if (first, second) in bad_pairs():
            return f"no English: {first} {second}"
    if _TWICE.search(reply) or _REPEAT.search(reply):
        return "words repeated"
    return _cut_off(source, reply)


def _cut_off(source: Source, reply: str) -> str:
    """Whether the reply stops in mid-sentence."""
    end = reply.rstrip()
    last = _TOKEN.findall(end)[-1].lower()
    if _ENDS.search(end):
        final = sentences(end)[-1]
        closed = end.rstrip(".!?\"')")
        dangles = last in words("dangling") and closed.lower().endswith(last)
        hard = last in _HARD and dangles
        return f"cut off after '{last}'" if hard and len(_TOKEN.findall(final)) > 1 else ""
    tail = re.split(r"[.!?]\s", end)[-1].lower().strip()
    if any(f'"{tail}"' in rule.lower() for rule in source.rules):
        return ""  # a slogan or signature that a rule asks for
    if end.endswith((",", ";", ":", "-")) or last in words("dangling"):
        return f"cut off after '{last}'"
    signed = tail.startswith(("yours", "best", "kind", "thank", "regards", "sincerely", "warm"))
    if signed or re.search(r"\d$|\.\w+$", end) or len(tail.split()) <= 3:
        return ""
    return "no end of sentence"


_HARD = frozenset(
    ("a", "an", "the", "your", "my", "our", "their", "and", "or", "but", "because", "than")
)


def repeats(source: Source, reply: str) -> str:
    """Whether the reply says again what the agent said, or one sentence twice."""
    plain = [flat(s) for s in sentences(reply)]
    long = [s for s in plain if len(s.split()) >= 4]
    if len(set(long)) < len(long):
        return "a sentence twice"
    mine_words = flat(reply).split()
    for earlier in source.agent:
        theirs = flat(earlier).split()
        if len(mine_words) >= 5 and _alike(mine_words, theirs):
            return "an earlier reply again"
    return ""


def _alike(a: list[str], b: list[str]) -> bool:
    """Whether two texts share nine words in ten."""
    both = len(set(a) & set(b))
    return (
        both >= 0.9 * max(len(set(a)), len(set(b)))
        and abs(len(a) - len(b)) <= 4
        and "shall" not in set(a) ^ set(b)
    )


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
    return _one([matter for matter, _ in table("oracle")["matters"]])


@lru_cache(maxsize=1)
def _topical() -> frozenset[str]:
    """Stems of nouns that belong to one matter or another."""
    return frozenset(stem(word) for word in words("topical"))


def strays(source: Source, reply: str) -> str:
    """Whether the reply leaves the matter: another business, small talk, foreign sentences."""
    held = source.everything
    low = held.lower()
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
        meant = {w for w in content(sentence) if not w[0].isdigit()}
        if len(meant) >= 3 and not meant & (care_stems() | source.stems):
            return f"off the matter: {sentence.strip()}"
    return ""


_DONE = re.compile(
    r"\b(?:everything|that|it|all)(?: is|'s) (?:now )?(?:all )?(?:done|set|finished|completed)\b",
    re.IGNORECASE,
)
_LEAVES = re.compile(
    r"\b(?:good ?bye|bye(?: for now)?|farewell)\b"
    r"|\bglad (?:that )?(?:i|we) could help\b|\bit was (?:my|our|a) pleasure\b"
    r"|\b(?:you are|you're)(?: very| most)? welcome(?! (?:to|at|here))",
    re.IGNORECASE,
)


def unresponsive(source: Source, reply: str) -> str:
    """Whether the reply passes over the newest user message."""
    newest, low = source.newest, reply.lower()
    if not newest:
        return ""
    busy = "?" in newest or len(newest.split()) > 4
    if busy and not _parting().search(newest) and _LEAVES.search(reply):
        return "takes leave in the middle"
    if _DONE.search(reply) and not source.agent:
        return "calls done what was not asked for"
    said = digits(low)
    meant = content(said)
    foreign = (meant & _topical()) - source.stems
    if foreign and not meant & source.current:
        return f"another matter: {', '.join(sorted(foreign))}"
    if _hears(source, said):
        return ""
    if _only_parts(newest):
        return "passes over the thanks or the goodbye"
    if any(_meets(kind).search(said) for kind in _kinds(newest)):
        return ""
    asks = "?" in newest
    if meant & (source.current if asks else source.told):
        return ""
    if not asks and joined("hearing").search(said):
        return ""
    return "passes over what the customer said"


@lru_cache(maxsize=256)
def _asks(kind: str) -> re.Pattern[str]:
    """How customers put a message of this kind."""
    needs = table("needs")[kind]
    return _one(needs["asks"] if "asks" in needs else table("triggers")[kind])


@lru_cache(maxsize=256)
def _meets(kind: str) -> re.Pattern[str]:
    """What a fitting answer to it holds."""
    return _one(table("needs")[kind]["needs"])


@lru_cache(maxsize=1)
def _parting() -> re.Pattern[str]:
    """A customer who thanks or takes leave."""
    return _one(table("triggers")["done"] + table("triggers")["thanks"])


def _one(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE)


def _only_parts(message: str) -> bool:
    """Whether a message thanks or takes leave and says nothing else."""
    return (
        "?" not in message
        and len(message.split()) <= 9
        and not re.search(r"\d", message)
        and bool(_parting().search(message))
        and not any(_asks(kind).search(message) for kind in ("upset", "gives_id", "request"))
    )


@lru_cache(maxsize=16384)
def _kinds(message: str) -> tuple[str, ...]:
    """The kinds of a customer's message."""
    return tuple(kind for kind in table("needs") if _asks(kind).search(message))


def _hears(source: Source, said: str) -> bool:
    """Whether the reply holds the line or asks back in a way that fits any message."""
    if _parting().search(source.newest) and "?" not in source.newest:
        return bool(joined("closing_words").search(said))
    return bool(joined("holding").search(said))


def unnatural(source: Source, reply: str) -> str:
    """Why a reply is not a coherent continuation of its context; empty when it is."""
    text = straight(reply)
    for judge in (garbled, repeats, misplaced, strays, unresponsive):
        reason = judge(source, text)
        if reason:
            return reason
    return ""
