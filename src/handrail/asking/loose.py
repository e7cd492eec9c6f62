"""JSON objects within a model's words, also those that are nearly JSON.

Models write Python's literals for JSON's, quote with apostrophes, leave a comma before a bracket
and break lines within texts. All of that says one thing only, and is read. A missing quote or
bracket does not, and is not guessed: such an object is given back as a fragment.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

# A brace that begins an object: a key follows, or the end. Braces in prose do not.
_OPENING = re.compile(r"""\{(?=\s*(?:["'}]|[A-Za-z_]\w*\s*:))""")
_SPACE = re.compile(r"\s*")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"' + r"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_]\w*")
_MARK = re.compile(r"\\.|[\"'{}]", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS = {"true": True, "false": False, "null": None, "none": None}  # in any case
_DEEPEST = 40


class _Broken(Exception):
    """The text at hand is not even nearly JSON."""


@dataclass
class Found:
    """The objects of a text that are not within another one, in order.

    `fragments` are those that cannot be read: they are broken, have no end, or name a key twice
    with different values. `words` is the text beside all of these.
    """

    objects: list[dict[str, Any]] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    words: str = ""


def objects(text: str) -> Found:
    """The objects in a text, what is nearly one, and the rest."""
    found = Found()
    words: list[str] = []
    at = 0
    while (start := _OPENING.search(text, at)) is not None:
        begin = start.start()
        words.append(text[at:begin])
        value, at = _object(text, begin)
        if value is None:
            found.fragments.append(text[begin:at])
        else:
            found.objects.append(value)
    found.words = " ".join((*words, text[at:]))
    return found


def _object(text: str, begin: int) -> tuple[dict[str, Any] | None, int]:
    try:
        value, end = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError, _Broken):
        try:
            value, end = _Loose(text).value(begin, 0)
        except (ValueError, _Broken):
            return None, _end(text, begin)
    return value, end


def _end(text: str, begin: int) -> int:
    """Where the object that begins here ends, by its braces; the text's end where it does not."""
    depth, quote = 0, ""
    for mark in _MARK.finditer(text, begin):
        if quote:
            quote = "" if mark[0] == quote else quote
        elif mark[0] in "\"'":
            quote = mark[0]
        elif mark[0] == "{":
            depth += 1
        elif mark[0] == "}":
            depth -= 1
            if depth == 0:
                return mark.end()
    return len(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as an object; a key that has two values says nothing."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if made.setdefault(key, value) != value:
            raise _Broken
    return made


_DECODER = json.JSONDecoder(object_pairs_hook=_once, strict=False)


class _Loose:
    """Reads one value: JSON with either quote, bare keys, Python's words, a comma at the end."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends; raises `_Broken`."""
        if depth > _DEEPEST:
            raise _Broken
        first = self.text[at : at + 1]
        if first == "{":
            return self._object(at, depth)
        if first == "[":
            return self._list(at, depth)
        if found := _STRING.match(self.text, at):
            return _unescaped(found), found.end()
        if found := _NUMBER.match(self.text, at):
            digits = found[0]
            return (int(digits) if digits.lstrip("-").isdigit() else float(digits)), found.end()
        found = _WORD.match(self.text, at)
        if found is None or found[0].casefold() not in _WORDS:
            raise _Broken
        return _WORDS[found[0].casefold()], found.end()

    def _object(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        pairs: list[tuple[str, Any]] = []
        at = self._space(at + 1)
        while self.text[at : at + 1] != "}":
            key, at = self._key(at)
            value, at = self.value(self._after(at, ":"), depth + 1)
            pairs.append((key, value))
            at = self._next(at, "}")
        return _once(pairs), at + 1

    def _list(self, at: int, depth: int) -> tuple[list[Any], int]:
        items = []
        at = self._space(at + 1)
        while self.text[at : at + 1] != "]":
            item, at = self.value(at, depth + 1)
            items.append(item)
            at = self._next(at, "]")
        return items, at + 1

    def _key(self, at: int) -> tuple[str, int]:
        if found := _STRING.match(self.text, at):
            return _unescaped(found), found.end()
        if found := _WORD.match(self.text, at):
            return found[0], found.end()
        raise _Broken

    def _space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def _after(self, at: int, mark: str) -> int:
        """Past the mark that must come now, and the space around it."""
        at = self._space(at)
        if self.text[at : at + 1] != mark:
            raise _Broken
        return self._space(at + 1)

    def _next(self, at: int, close: str) -> int:
        """At the closing bracket, or past the comma before the next item."""
        at = self._space(at)
        return at if self.text[at : at + 1] == close else self._after(at, ",")


def _unescaped(found: re.Match[str]) -> str:
    """The text of a quoted string; an escape that JSON does not have stays as it is."""
    quoted: str = found[1] if found[1] is not None else found[2]

    def one(escape: re.Match[str]) -> str:
        code = escape[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        return _ESCAPES.get(code, code if code in "\"'\\/" else escape[0])

    return _ESCAPE.sub(one, quoted)
