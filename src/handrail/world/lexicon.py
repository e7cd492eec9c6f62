"""Words that the world and common English know, stems, and the oracle's pattern tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from handrail.world.phrases import DATA, table

TABLES = (
    "common pools topics_bank topics_telecom topics_retail families_opening families_closing "
    "families_every families_forbidden"
)
_WORD = re.compile(r"[a-z]+")


@lru_cache(maxsize=256)
def joined(name: str, part: str = "") -> re.Pattern[str]:
    """All patterns of the oracle's table `name` (and its `part`) as one alternative."""
    patterns: Any = table("oracle")[name]
    if part:
        patterns = patterns[part]
    if isinstance(patterns, str):
        patterns = [patterns]
    return either(patterns)


def either(patterns: Iterable[str]) -> re.Pattern[str]:
    """Patterns as one alternative, without regard to case."""
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE)


@lru_cache(maxsize=64)
def words(name: str) -> frozenset[str]:
    """The oracle's word list `name`."""
    return frozenset(str(table("oracle")[name]).split())


def _texts(node: Any) -> Iterable[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


@lru_cache(maxsize=1)
def world_words() -> frozenset[str]:
    """Every lower-case word of the world's tables."""
    found: set[str] = set()
    for name in TABLES.split():
        for text in _texts(table(name)):
            found.update(_WORD.findall(text.lower()))
    return frozenset(found)


@lru_cache(maxsize=1)
def english() -> frozenset[str]:
    """Common English words, and the world's."""
    listed = (DATA / "words.txt").read_text("utf-8").split()
    return frozenset(listed) | world_words() | words("care_words") | words("plain_words")


@lru_cache(maxsize=1)
def trigrams() -> frozenset[str]:
    """Letter triples (with word edges) of English words: what a real word is made of."""
    return frozenset(f"^{w}$"[i : i + 3] for w in english() for i in range(len(w)) if len(w) >= 3)


_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ers", "ly", "ness", "ment", "able", "ible", "ful")
_ENDINGS_2 = (
    "ance",
    "ence",
    "tion",
    "ity",
    "ive",
    "al",
    "ous",
    "ish",
    "wise",
    "less",
    "ship",
    "est",
)


@lru_cache(maxsize=32768)
def known(word: str) -> bool:
    """Whether a lower-case word, or the word under its ending, is a common one."""
    lexicon = english()
    if word in lexicon:
        return True
    for ending in _ENDINGS + _ENDINGS_2:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            root = word[: -len(ending)]
            if root in lexicon or root + "e" in lexicon or root[:-1] + "y" in lexicon:
                return True
            if len(root) > 3 and root[-1] == root[-2] and root[:-1] in lexicon:
                return True
    for prefix in ("un", "re", "non", "mis", "pre", "over", "dis"):
        if word.startswith(prefix) and word[len(prefix) :] in lexicon and len(word) > 5:
            return True
    return False


@lru_cache(maxsize=32768)
def wordlike(word: str) -> bool:
    """Whether a word that is not known is at least spelled as English words are."""
    edged = f"^{word}$"
    return all(edged[i : i + 3] in trigrams() for i in range(len(word)))


@lru_cache(maxsize=32768)
def stem(word: str) -> str:
    """A crude stem: plural and verb endings cut."""
    if word.endswith("'s"):
        word = word[:-2]
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word


@lru_cache(maxsize=1)
def stop_stems() -> frozenset[str]:
    """Stems of words that say nothing about the matter."""
    return frozenset(stem(w) for w in words("stopwords")) | words("stopwords")


@lru_cache(maxsize=16384)
def flat(text: str) -> str:
    """The words of a text, in small letters, without marks."""
    return re.sub(r"\W+", " ", text.lower()).strip()


_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d[\d,.]*\d|\d")


@lru_cache(maxsize=16384)
def content(text: str) -> frozenset[str]:
    """Stems of the words and the numbers that carry meaning in a text."""
    stops = stop_stems()
    out: set[str] = set()
    for token in _TOKEN.findall(text.lower()):
        if token[0].isdigit():
            out.add(token)
            continue
        if "'" in token:
            token = token.split("'")[0]
        root = stem(token)
        if token not in stops and root not in stops and len(token) > 1:
            out.add(root)
    return frozenset(out)


@lru_cache(maxsize=1)
def care_stems() -> frozenset[str]:
    """Stems that belong to customer care."""
    chat: set[str] = set()
    for text in table("common")["small_talk"]:
        chat |= content(text)
    own = {stem(w) for w in world_words() | words("care_words")}
    return frozenset(own - (chat - {stem(w) for w in words("care_words")}))


@lru_cache(maxsize=1)
def bad_pairs() -> frozenset[tuple[str, str]]:
    """Pairs of neighbouring words that no English sentence has."""
    oracle = table("oracle")
    classes = {**oracle["word_classes"], **oracle["word_classes2"]}
    return frozenset(
        (a, b)
        for first, second in oracle["bad_pairs"]
        for a in classes[first].split()
        for b in classes[second].split()
    )
