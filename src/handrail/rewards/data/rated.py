"""Turns whose replies have a rating in 0..1, or none that is counted: where all ways end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from handrail.records import RecordError, Reply, Skip, Turn
from handrail.records.store import OnError

UNIT = "0..1"  # how turns state the scale of ratings that models are trained on
SKIPPING = "--on-error skip (on_error='skip' in Python)"


def is_judged(reply: Reply) -> bool:
    """Whether something says how good a reply is; a rating that is no number does not."""
    rated = reply.rating is not None and math.isfinite(reply.rating)
    return rated or reply.rank is not None or reply.desirable is not None


@dataclass
class Rated:
    """Turns with ratings in 0..1; `rated` replies have one, `skipped` counts those without."""

    turns: list[Turn]
    rated: int = 0
    skipped: list[Skip] = field(default_factory=list)
    how: str = ""


def rate_each(
    turns: Sequence[Turn],
    rating: Callable[[Turn, Reply], float | str],
    on_fault: OnError,
) -> Rated:
    """Each reply with its rating; `rating` gives a text, the reason, where there is none.

    Raises:
        RecordError: with on_fault="stop", the first fault and how many there are.
    """
    made = Rated([])
    for turn in turns:
        replies: list[Reply] = []
        for i, reply in enumerate(turn.replies):
            value = rating(turn, reply)
            if isinstance(value, str):
                where = f"turn '{turn.id}', replies.{i}"
                made.skipped.append(Skip(what="rating", reason=value, where=where))
            made.rated += not isinstance(value, str)
            update = {"rating": None if isinstance(value, str) else value}
            replies.append(reply.model_copy(update=update))
        update_turn = {"replies": tuple(replies), "tags": {**turn.tags, "scale": UNIT}}
        made.turns.append(turn.model_copy(update=update_turn) if replies else turn)
    if made.skipped and on_fault == "stop":
        first, more = made.skipped[0], len(made.skipped) - 1
        others = f" ({more:,} more {'reply has a' if more == 1 else 'replies have such a'} fault)"
        raise RecordError(
            first.reason + (others if more else ""),
            f"Mend the data, or leave such replies unrated and counted with {SKIPPING}",
            first.where,
        )
    return made
