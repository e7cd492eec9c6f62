"""A reply in parts (sentences, clauses after ", and", an address before a comma) to be changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from handrail.world.source import sentences

_CLAUSE = re.compile(r", and (?=(?:I|we|you|there|please|our|it|that|is|may|can) )")
_ADDRESS = re.compile(r"(?:Dear |Of course, |All right, |Valued )?(?:\w+ ){0,2}\w+, (?=\w)")
# Where in a reply acts of a place go: early ones after its first part, the last ones at its end.
_EARLY = frozenset({"name", "sorry_start", "greet", "thanks", "feel", "feel2", "feel_late"})
_EARLY |= {"intro", "thanks2", "core_before"}
_LATE = frozenset({"ask", "ask2", "ask3", "close", "close2", "sign", "end", "pad", "remind"})


@dataclass(frozen=True)
class Parts:
    """Parts of a reply, each whole by itself: a capital first, a full stop last."""

    texts: tuple[str, ...]

    @classmethod
    def of(cls, reply: str) -> Parts:
        """The parts of a reply."""
        out: list[str] = []
        for sentence in sentences(reply):
            clauses = _CLAUSE.split(sentence)
            first = _ADDRESS.match(clauses[0])
            if first and len(first.group().split()) <= 4 and not out:
                out.append(first.group().strip())
                clauses[0] = clauses[0][first.end() :]
            out += [_whole(clause, last=clause is clauses[-1]) for clause in clauses]
        return cls(tuple(part for part in out if part))

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, at: int) -> str:
        """One part by itself."""
        return self.texts[at]

    def without(self, gone: Sequence[int]) -> str:
        """The reply without some parts."""
        return _joined([t for at, t in enumerate(self.texts) if at not in gone])

    def replaced(self, gone: Sequence[int], new: str) -> str:
        """The reply with a text in place of the first of some parts, the others left out."""
        at = min(gone)
        kept = [(i, t) for i, t in enumerate(self.texts) if i not in gone]
        before = [t for i, t in kept if i < at]
        return _joined([*before, *([new] if new else []), *(t for i, t in kept if i > at)])

    def added(self, new: str, at: int | None) -> str:
        """The reply with a text before the part `at`; None: at its end."""
        at = len(self.texts) if at is None else at
        return _joined([*self.texts[:at], new, *self.texts[at:]])

    def places(self, place: str) -> list[int]:
        """Where a text of a place may stand, the best first."""
        n = len(self.texts)
        if place in _LATE:
            wanted = [n, n - 1]
        elif place in _EARLY:
            wanted = [1, 0, 2, n]
        else:
            wanted = [n - 1, n, n // 2, 1]
        return list(dict.fromkeys(min(max(at, 0), n) for at in wanted))


def _whole(clause: str, last: bool) -> str:
    clause = clause.strip()
    if not clause:
        return ""
    return clause[0].upper() + clause[1:] + ("" if last else ".")


def _joined(texts: Sequence[str]) -> str:
    """Parts in one line; after an address the next begins small, as far as it may."""
    out = ""
    for text in texts:
        if out.endswith(",") and not re.match(r"I\b|I'|[A-Z]\w*[A-Z\d]", text):
            text = text[0].lower() + text[1:]
        out = f"{out} {text}" if out else text
    return out[:-1] + "." if out.endswith(",") else out
