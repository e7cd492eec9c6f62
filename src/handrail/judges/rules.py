"""What code alone can say: a playbook's checks as an assessor, rules that compare replies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handrail.records import (
    Assessment,
    CheckResult,
    HandrailError,
    Outcome,
    SettingError,
    Turn,
    Verdict,
    nearest,
)


@dataclass(frozen=True)
class RuleAssessor:
    """Assess adherence by the executable checks of the turn's playbook, and nothing else.

    Naturalness and hallucination stay unknown (None). Guardrails without a check are not judged;
    `Assessment.reason` says how many there were.
    """

    name: str = "rules"

    def assess(self, turn: Turn, reply: str) -> Assessment:
        """Which guardrails that apply the reply keeps and which it breaks.

        Raises:
            HandrailError: the turn has no playbook or its playbook has no check at all, so that
                rule checks can say nothing ("no breach found" would be a false comfort).
        """
        results = {} if turn.playbook is None else turn.playbook.results(turn.context, reply)
        if not results:
            raise HandrailError(
                "rule checks cannot judge a turn whose playbook has no check",
                "Add a 'check' to at least one guardrail, or use a model as the judge",
                f"turn {turn.id}",
            )
        assert turn.playbook is not None
        unchecked = len(turn.playbook.guardrails) - len(results)
        return Assessment(
            keeps=tuple(g for g, r in results.items() if r is CheckResult.KEPT),
            breaks=tuple(g for g, r in results.items() if r is CheckResult.BROKEN),
            reason=f"{unchecked} guardrails without a check were not judged" if unchecked else "",
        )


def _longer(_key: str, first: str, second: str) -> float:
    return len(first) - len(second)


def _shorter(_key: str, first: str, second: str) -> float:
    return len(second) - len(first)


def _first(_key: str, _a: str, _b: str) -> float:
    return 1.0


def _random(key: str, _a: str, _b: str) -> float:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return (-1.0, 1.0)[digest[0] % 2]


# What each rule prefers: above 0 the first reply, below 0 the second, 0 a tie.
RULES: Mapping[str, Callable[[str, str, str], float]] = {
    "length": _longer,
    "shorter": _shorter,
    "first": _first,
    "random": _random,
}


@dataclass(frozen=True)
class RuleJudge:
    """Judges by a rule that knows nothing of quality, as a floor that every judge has to beat.

    "length" and "shorter" count characters, "first" takes the reply shown first, "random" draws
    from seed, turn, dimension and the texts in the order shown (so that the two orders are two
    draws). Equal lengths are a tie.
    """

    rule: str
    seed: int = 0
    dimensions: tuple[str, ...] = ("preference",)

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SettingError(f"there is no rule '{self.rule}'", nearest(self.rule, RULES))

    @property
    def name(self) -> str:
        """The rule's name as `--judge` takes it."""
        return f"rule:{self.rule}"

    def compare(self, turn: Turn, first: str, second: str, dimension: str) -> Verdict:
        """The rule's verdict."""
        key = "\x1f".join((str(self.seed), turn.id, dimension, first, second))
        gap = RULES[self.rule](key, first, second)
        return Verdict(
            turn=turn.id,
            a="first",
            b="second",
            dimension=dimension,
            outcome=Outcome.A if gap > 0 else Outcome.B if gap < 0 else Outcome.TIE,
            judge=self.name,
        )
