"""The oracle: judges a reply on adherence, naturalness and hallucination, exactly and alone."""

from __future__ import annotations

from handrail.records import Assessment, Turn
from handrail.world.generator import judged
from handrail.world.grounding import invented
from handrail.world.natural import unnatural
from handrail.world.source import Source, straight


class Oracle:
    """Judges replies in the care world on the three dimensions of the guardrail-alignment paper.

    Adherence by the playbook's checks; naturalness as a coherent continuation of the context;
    hallucination as facts, names and promises that neither context nor playbook holds.
    """

    def __init__(self, name: str = "oracle") -> None:
        self.name = name
        self._newest: Source | None = None

    def _source(self, turn: Turn) -> Source:
        """What the turn holds; the newest turn's is kept, as its replies come one after another."""
        newest = self._newest
        if (
            newest is None
            or newest.turn.context is not turn.context
            or newest.turn.playbook is not turn.playbook
        ):
            newest = self._newest = Source(turn)
        return newest

    def assess(self, turn: Turn, reply: str) -> Assessment:
        """Which guardrails of the playbook the reply keeps and breaks, natural, grounded."""
        source = self._source(turn)
        keeps, breaks = adherence(source, reply)
        reason = unnatural(source, reply)
        return Assessment(
            keeps=keeps,
            breaks=breaks,
            natural=not reason,
            invented=invented(source, straight(reply)),
            reason=reason,
        )


def adherence(source: Source, reply: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The guardrails of a turn's playbook that a reply keeps and those that it breaks."""
    turn = source.turn
    if turn.playbook is None:
        return (), ()
    keeps, breaks = judged(turn.playbook, turn.context, reply)
    return tuple(keeps), tuple(breaks)
