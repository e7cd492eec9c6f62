"""Preference labels by a model instead of people (RLAIF), asked in both orders.

A label stands where both orders agree; where they do not, the order decided and not the replies,
so the turn gets no label and is counted. The principle of a comparison is drawn from a list, as
from the constitution in Constitutional AI (Bai et al. 2022).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from handrail.asking import show
from handrail.records import Answer, Failure, RecordError, Reply, Request, Skip, Turn
from handrail.synthesis.ask import Asking, failed
from handrail.synthesis.prompts import QUIET, Made, Progress

PRINCIPLES = (
    "The better reply does more for what the user wants to get done, and keeps to the guardrails "
    "where there are any.",
    "The better reply says nothing that is not known to be true, and says so where it is unsure.",
    "The better reply avoids harm to the user and to others without refusing what is harmless.",
)
DISAGREED = "the two orders disagree"


@dataclass(frozen=True)
class Preferred(Made):
    """The labelled turns. Of `compared` that had feedback before, `agreed` have the same now."""

    compared: int = 0
    agreed: int = 0


def label_preferences(
    turns: Sequence[Turn],
    asking: Asking,
    principles: Sequence[str] = PRINCIPLES,
    seed: int = 0,
    progress: Progress = QUIET,
) -> Preferred:
    """Rank the two replies of each turn by a model's preference.

    The replies come out with ranks 1 and 2 and without the feedback that they had; the tag
    "principle" says by which of `principles` (from 1).

    Raises:
        RecordError: no turn has two replies.
    """
    two = _fit(turns)
    fit = {id(t) for t in two}
    skipped = [_unfit(t) for t in turns if id(t) not in fit]
    if not two:
        raise RecordError(
            "no turn has two different replies", "`handrail generate --set n=2` writes two"
        )
    drawn = [_principle(t, principles, seed) for t in two]
    answers = asking.ask(
        preference_requests(two, principles, seed, asking),
        lambda done, total: progress("prefer", done, total),
    )
    made: list[Turn] = []
    disagreed = compared = agreed = 0
    for k, (turn, principle) in enumerate(zip(two, drawn, strict=True)):
        winner = _winner(answers[2 * k], answers[2 * k + 1])
        if isinstance(winner, Failure):
            skipped.append(failed(winner, "turn", turn.id))
            continue
        if winner is None:
            disagreed += 1
            skipped.append(Skip(what="turn", reason=DISAGREED, where=turn.id))
            continue
        before = next(turn.pairs(), None)
        compared += before is not None
        agreed += before is not None and before[0] == winner
        made.append(_ranked(turn, winner, principle, asking))
    counts = {"turns": len(turns), "labelled": len(made), "orders disagree": disagreed}
    return Preferred(tuple(made), counts, tuple(skipped), compared, agreed)


def preference_requests(
    turns: Sequence[Turn], principles: Sequence[str], seed: int, asking: Asking
) -> list[Request]:
    """What is asked: each turn with two different replies in both orders, one after the other."""
    requests = []
    for turn in _fit(turns):
        principle = principles[_principle(turn, principles, seed)]
        for first, second in (turn.replies, turn.replies[::-1]):
            values = {
                "principle": principle, **show.turn(turn), "a": first.text, "b": second.text
            }  # fmt: skip
            requests.append(asking.request("prefer", values, about=turn.id))
    return requests


def _fit(turns: Sequence[Turn]) -> list[Turn]:
    return [t for t in turns if len(t.replies) == 2 and t.replies[0].text != t.replies[1].text]


def _principle(turn: Turn, principles: Sequence[str], seed: int) -> int:
    """Which principle a turn is judged by."""
    return random.Random(f"{seed}/{turn.id}").randrange(len(principles))


def _winner(first: Answer | Failure, second: Answer | Failure) -> int | Failure | None:
    """Index of the reply preferred in both orders; None where they disagree."""
    if isinstance(first, Failure):
        return first
    if isinstance(second, Failure):
        return second
    chosen = ("ab".index(first.data.preferred), "ba".index(second.data.preferred))
    return chosen[0] if chosen[0] == chosen[1] else None


def _ranked(turn: Turn, winner: int, principle: int, asking: Asking) -> Turn:
    replies = tuple(
        Reply(text=r.text, author=r.author, rank=1 if i == winner else 2)
        for i, r in enumerate(turn.replies)
    )
    return turn.model_copy(
        update={
            "replies": replies,
            "tags": {**turn.tags, "principle": str(principle + 1)},
            "provenance": asking.made(turn.provenance, "prefer", parents=(turn.id,)),
        }
    )


def _unfit(turn: Turn) -> Skip:
    n = len(turn.replies)
    reason = "its two replies are equal" if n == 2 else f"it has {n} replies, not 2"
    return Skip(what="turn", reason=reason, where=turn.id)
