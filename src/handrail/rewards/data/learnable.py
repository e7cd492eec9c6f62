"""Which turns and replies a reward model can learn from, by what it learns; the rest is told."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from handrail.records import Loaded, RecordError, Skip, Turn
from handrail.records.store import OnError
from handrail.rewards.data.rated import SKIPPING, UNIT, is_judged
from handrail.rewards.data.scales import Scale, stated_scale

PREFERENCES = "bradley_terry"
_UNIT = Scale.parse(UNIT)


def learnable(read: Loaded[Turn], loss: str, on_error: OnError = "stop") -> Loaded[Turn]:
    """The turns as a loss learns from them: what it cannot learn from is left out and counted.

    By preferences ("bradley_terry") a turn needs a better and a worse reply, and each reply
    one that it is better or worse than; by ratings ("logistic" and the others) each needs one in
    0..1.

    Raises:
        RecordError: with on_error="stop" the first fault, and how many there are; always where the
            turns state that their ratings are on another scale than 0..1, or nothing is left.
    """
    turns: list[Turn] = []
    skips: list[Skip] = []
    for turn in read.records:
        kept = _compared(turn, skips) if loss == PREFERENCES else _rated(turn, skips)
        if kept is not None:
            turns.append(kept)
    if skips and on_error == "stop":
        _stop(skips, loss)
    if not turns:
        first = f"; {skips[0].where}: {skips[0].reason}" if skips else ""
        raise RecordError(f"there is nothing that {loss} can learn from{first}", _mend(loss))
    return Loaded(turns, [*read.skipped, *skips], list(read.warnings), read.file)


def _compared(turn: Turn, skips: list[Skip]) -> Turn | None:
    """The turn with the replies that are better or worse than another, if there are any."""
    compared = {i for pair in turn.pairs() for i in pair}
    if compared:
        return _only(turn, compared, skips)
    if len(turn.replies) < 2:
        reason = "it has no reply" if not turn.replies else "it has one reply, and none to compare"
    elif sum(map(is_judged, turn.replies)) > 1:
        reason = "its replies are all tied"
    else:
        reason = "nothing says which of its replies is better"
    skips.append(Skip(what="turn", reason=reason, where=f"turn '{turn.id}'"))
    return None


def _only(turn: Turn, compared: Set[int], skips: list[Skip]) -> Turn:
    """The turn with these of its replies; the others are counted."""
    for i, reply in enumerate(turn.replies):
        if i not in compared:
            reason = "its rating is NaN" if _is_nan(reply.rating) else "it is compared with none"
            skips.append(Skip(what="reply", reason=reason, where=f"turn '{turn.id}', replies.{i}"))
    if len(compared) == len(turn.replies):
        return turn
    return turn.model_copy(update={"replies": tuple(turn.replies[i] for i in sorted(compared))})


def _is_nan(rating: float | None) -> bool:
    return rating is not None and math.isnan(rating)


def _rated(turn: Turn, skips: list[Skip]) -> Turn | None:
    """The turn with its rated replies, if there are any."""
    stated = stated_scale(turn)
    if stated != _UNIT:
        raise RecordError(
            f"its ratings are on the scale {stated.name}, and are learnt on {UNIT}",
            "Bring them there with `handrail reward prepare` (handrail.prepare_rewards in Python)",
            f"turn '{turn.id}'",
        )
    if not turn.replies:
        skips.append(Skip(what="turn", reason="it has no reply", where=f"turn '{turn.id}'"))
        return None
    kept = []
    for i, reply in enumerate(turn.replies):
        reason = _fault(reply.rating)
        if reason:
            value = "" if reply.rating is None else f" ({reply.rating:g})"
            where = f"turn '{turn.id}', replies.{i}{value}"
            skips.append(Skip(what="reply", reason=reason, where=where))
        else:
            kept.append(reply)
    if len(kept) == len(turn.replies):
        return turn
    return turn.model_copy(update={"replies": tuple(kept)}) if kept else None


def _fault(rating: float | None) -> str:
    """Why a rating cannot be learnt; "" where it can."""
    if rating is None:
        return "it has no rating"
    if _is_nan(rating):
        return "its rating is NaN"
    return "" if 0 <= rating <= 1 else f"its rating is outside {UNIT}"


def _stop(skips: Sequence[Skip], loss: str) -> None:
    first, more = skips[0], len(skips) - 1
    others = f" (and {more:,} more that {loss} cannot learn from)" if more else ""
    raise RecordError(
        first.reason + others,
        f"{_mend(loss)}, or leave out and count what has a fault with {SKIPPING}",
        first.where,
    )


def _mend(loss: str) -> str:
    if loss == PREFERENCES:
        return "Give replies ranks, or learn from ratings (--loss logistic)"
    return "Bring ratings to 0..1 with `handrail reward prepare`, as in --scale 1..5"
