"""Rejected replies for real conversations: candidates in, the ones fit to learn from out.

A rejected reply must differ from the chosen one, must not be what the guidelines allow at that
point, and must break a guardrail that applies. Everything that is refused is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rapidfuzz import fuzz

from handrail.records import Assessor, Reply, Skip, Turn
from handrail.sources.grading import CheckAssessor

NEAR_EQUAL = 85.0  # rapidfuzz ratio (0..100) from which two replies count as the same

Allows = Callable[[Turn, str], bool]


class Candidate(NamedTuple):
    """A reply that might serve as a rejected one, and where it comes from."""

    text: str
    origin: str


@dataclass
class Tally:
    """How many candidates were kept, and refused for which reason, by origin."""

    kept: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    def skips(self) -> list[Skip]:
        """One `Skip` per origin and reason, with the count, for a run's report."""
        return [
            Skip(what="rejected candidate", reason=reason, where=origin, count=count)
            for (origin, reason), count in sorted(self.refused.items())
        ]


def add_rejected(
    turn: Turn,
    candidates: Sequence[Candidate],
    assessor: Assessor | None = None,
    *,
    allows: Allows | None = None,
    most: int = 1,
    tally: Tally | None = None,
) -> Turn:
    """The turn with up to `most` of the candidates added as rejected replies, in their order.

    Args:
        turn: its best reply (`Turn.best`) is the chosen one; without one nothing is added.
        candidates: for instance the model's own samples, `Candidate(text, "own sample")`.
        assessor: says which guardrails a candidate breaks; by default the playbook's checks.
        allows: whether the guidelines allow a reply at this turn (`Guide.allows` for STAR).
        most: how many rejected replies the turn gets.
        tally: counts what was kept and refused; what a turn has no need of is neither.

    Returns:
        the turn with the chosen reply at rank 1, desirable, and the rejected ones at rank 2,
        undesirable, with the guardrails that they break.
    """
    tally = Tally() if tally is None else tally
    assessor = CheckAssessor() if assessor is None else assessor
    best = turn.best()
    if best is None:
        for candidate in candidates:
            tally.refused[candidate.origin, "the turn has no reply that keeps its guardrails"] += 1
        return turn
    chosen = turn.replies[best]
    taken = [r.text for r in turn.replies]
    added: list[Reply] = []
    for candidate in candidates:
        reason = refusal(turn, candidate.text, taken, allows)
        breaks: tuple[str, ...] = ()
        if not reason and len(added) >= most:
            continue  # neither kept nor refused
        if not reason:
            breaks = assessor.assess(turn, candidate.text).breaks
            reason = "" if breaks else "keeps every guardrail that applies"
        if reason:
            tally.refused[candidate.origin, reason] += 1
            continue
        tally.kept[candidate.origin] += 1
        taken.append(candidate.text)
        added.append(
            Reply(
                text=candidate.text,
                author=candidate.origin,
                rank=2,
                desirable=False,
                breaks=breaks,
            )
        )
    if not added:
        return turn
    first = chosen.model_copy(update={"rank": 1, "desirable": True})
    others = [r for i, r in enumerate(turn.replies) if i != best]
    return turn.model_copy(update={"replies": (first, *others, *added)})


def refusal(turn: Turn, text: str, taken: Sequence[str], allows: Allows | None = None) -> str:
    """Why a candidate is no rejected reply whatever it breaks; empty where nothing speaks so.

    `taken`: replies of the turn that it must not be alike to.
    """
    if not text.strip():
        return "empty"
    folded = " ".join(text.lower().split())
    for other in taken:
        alike = fuzz.ratio(folded, " ".join(other.lower().split()))
        if alike >= 100.0:
            return "equal to a reply of the turn"
        if alike >= NEAR_EQUAL:
            return "near-equal to a reply of the turn"
    if allows is not None and allows(turn, text):
        return "the guidelines allow it here"
    return ""
