"""Scores without a model: what a playbook's checks say, and what length alone would say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from handrail.records import CheckResult, SettingError, Turn, nearest

_WORD = re.compile(r"\w+")


def playbook_score(turn: Turn, reply: str) -> float:
    """Share of the checks kept less the share broken, in -1..1; NaN where there is no check.

    Checks that do not apply to the reply count neither way; where none applies the score is 0.
    """
    results = {} if turn.playbook is None else turn.playbook.results(turn.context, reply)
    if not results:
        return float("nan")
    kept = sum(result is CheckResult.KEPT for result in results.values())
    broken = sum(result is CheckResult.BROKEN for result in results.values())
    return (kept - broken) / max(kept + broken, 1)


def _drawn(turn: Turn, reply: str) -> float:
    """A number in 0..1 that is the same for the same reply to the same turn."""
    digest = hashlib.sha256(f"{turn.id}\x1f{reply}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _overlap(turn: Turn, reply: str) -> float:
    """The share of the reply's words that the conversation holds."""
    asked = {word for m in turn.context for word in _WORD.findall(m.content.lower())}
    words = _WORD.findall(reply.lower())
    return sum(word in asked for word in words) / max(len(words), 1)


RULES: Mapping[str, Callable[[Turn, str], float]] = {
    "playbook": playbook_score,
    "length": lambda _turn, reply: float(len(reply)),
    "shorter": lambda _turn, reply: -float(len(reply)),
    "random": _drawn,
    "overlap": _overlap,
    "constant": lambda _turn, _reply: 0.5,
}


FLOORS = ("length", "shorter", "random")  # rules that know nothing of quality


@dataclass(frozen=True)
class RuleScorer:
    """Scores by a rule.

    "playbook": `playbook_score`. The others are what a reward model has to beat: "length" and
    "shorter" count characters, more or fewer is better; "random" is drawn from turn and reply;
    "overlap" is the share of the reply's words that the conversation holds; "constant" rates every
    reply 0.5.
    """

    rule: str

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SettingError(f"there is no rule '{self.rule}'", nearest(self.rule, RULES))

    @property
    def name(self) -> str:
        """As `open_scorer` takes it."""
        return f"rule:{self.rule}"

    @property
    def trained_with(self) -> str:
        """As a reward model says it: "rule", a constant rating "rating/constant"."""
        return "rating/constant" if self.rule == "constant" else "rule"

    def probability(self, score: float) -> float:
        """The score of the constant as the rating that it is.

        Raises:
            SettingError: another rule's score is no rating.
        """
        if self.rule != "constant":
            raise SettingError(
                f"the scores of '{self.name}' are no ratings", "Take them as an order"
            )
        return score

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """The rule's score of each reply."""
        return [RULES[self.rule](turn, reply) for reply in replies]
