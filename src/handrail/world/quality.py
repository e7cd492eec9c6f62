"""The truth about a reply in the care world: one number in 0..1, from the oracle's rules.

Reward models learn from annotators (`annotators.py`), who see this number through noise; what a
reward model is worth is how well it finds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handrail.records import Turn
from handrail.world.grounding import invented
from handrail.world.matter import strays
from handrail.world.natural import garbled, repeats, unresponsive
from handrail.world.oracle import adherence
from handrail.world.roles import misplaced
from handrail.world.source import Source, straight

KEPT, GROUNDED, NATURAL = 0.6, 0.2, 0.2  # shares of the parts; they add up to 1
OFF_MATTER, NO_TEXT = 0.4, 0.1  # what is left of a reply off the matter, of one that is no text


@dataclass(frozen=True)
class Quality:
    """The parts of a reply's quality.

    Attributes:
        kept: share of the guardrails that apply which are kept; 1 where none applies.
        grounded: 1 / (1 + invented facts, names and promises).
        natural: 1 where the reply is whole, says nothing twice and stays in the agent's role.
        matter: 1 on the matter, `OFF_MATTER` where the reply leaves it or passes over what the
            customer said, `NO_TEXT` where its words make no text.
        breaks: the guardrails that it breaks.
    """

    kept: float
    grounded: float
    natural: float
    matter: float
    breaks: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """Matter x (0.6 kept + 0.2 grounded + 0.2 natural), in 0..1.

        The matter multiplies: a polite, true reply to another question is of little use.
        """
        return self.matter * (KEPT * self.kept + GROUNDED * self.grounded + NATURAL * self.natural)


def quality(turn: Turn, reply: str) -> float:
    """How good a reply is, in 0..1, by `quality_parts`; the same at every call."""
    return quality_parts(turn, reply).value


def quality_parts(turn: Turn, reply: str) -> Quality:
    """What makes a reply's quality."""
    return _parts(Source(turn), reply)


def _parts(source: Source, reply: str) -> Quality:
    text = straight(reply)
    keeps, breaks = adherence(source, reply)
    spoilt = garbled(source, text)
    # A text that only stops in mid-sentence still says what it says.
    unreadable = bool(spoilt) and not spoilt.startswith("cut off")
    if unreadable:
        matter = NO_TEXT
    else:
        matter = OFF_MATTER if strays(source, text) or unresponsive(source, text) else 1.0
    return Quality(
        kept=len(keeps) / (len(keeps) + len(breaks)) if keeps or breaks else 1.0,
        grounded=1.0 / (1 + len(invented(source, text))),
        natural=float(not spoilt and not repeats(source, text) and not misplaced(source, text)),
        matter=matter,
        breaks=breaks,
    )


class TrueQuality:
    """The truth as a scorer, beside which a reward model's scores are held."""

    def __init__(self, name: str = "truth") -> None:
        self.name = name

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """The quality of each reply; what the turn holds is read once."""
        return [part.value for part in self.parts(turn, replies)]

    def parts(self, turn: Turn, replies: Sequence[str]) -> list[Quality]:
        """The parts of each reply's quality."""
        source = Source(turn)
        return [_parts(source, reply) for reply in replies]
