"""Scorers that know nothing of quality: the floor that every reward model has to beat."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from handrail.records import SettingError, Turn, nearest

_WORD = re.compile(r"\w+")


def _length(_turn: Turn, reply: str) -> float:
    return float(len(reply))


def _shorter(_turn: Turn, reply: str) -> float:
    return -float(len(reply))


def _random(turn: Turn, reply: str) -> float:
    key = f"{turn.id}\x1f{reply}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(key).digest()[:6], "big") / 2**48


def _overlap(turn: Turn, reply: str) -> float:
    asked = {w for m in turn.context for w in _WORD.findall(m.content.lower())}
    words = _WORD.findall(reply.lower())
    return sum(word in asked for word in words) / max(len(words), 1)


def _constant(_turn: Turn, _reply: str) -> float:
    return 0.5


BASELINES: Mapping[str, tuple[Callable[[Turn, str], float], str]] = {
    "length": (_length, "characters of the reply"),
    "shorter": (_shorter, "the same, less is better"),
    "random": (_random, "a number drawn from turn and reply, the same each time"),
    "overlap": (_overlap, "share of the reply's words that the conversation holds"),
    "constant": (_constant, "the rating 0.5 for every reply"),
}


@dataclass(frozen=True)
class Baseline:
    """One of `BASELINES` as a scorer. "constant" is a rating, the others order replies only."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in BASELINES:
            raise SettingError(f"there is no baseline '{self.name}'", nearest(self.name, BASELINES))

    @property
    def scale(self) -> str:
        """What its scores are, as `measures.Scored` says it."""
        return "rating" if self.name == "constant" else "order"

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """One number per reply."""
        return [BASELINES[self.name][0](turn, reply) for reply in replies]
