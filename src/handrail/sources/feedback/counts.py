"""What feedback there is: turns, pairs and ties, ratings, labels, good and bad, per data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from handrail.records import Turn


@dataclass
class FeedbackCount:
    """How much feedback of each kind there is.

    Attributes:
        turns, replies: all of them.
        pairs: of replies of a turn, one of which is better by rank.
        ties: of replies of a turn with equal ranks.
        rated, labelled: replies with a rating, or with a label.
        desirable, undesirable: replies that are marked so.
    """

    turns: int = 0
    replies: int = 0
    pairs: int = 0
    ties: int = 0
    rated: int = 0
    labelled: int = 0
    desirable: int = 0
    undesirable: int = 0

    def add(self, turn: Turn) -> None:
        """Count one turn more."""
        self.turns += 1
        self.replies += len(turn.replies)
        ranks = [reply.rank for reply in turn.replies if reply.rank is not None]
        for a, b in combinations(ranks, 2):
            self.pairs += a != b
            self.ties += a == b
        for reply in turn.replies:
            self.rated += reply.rating is not None
            self.labelled += bool(reply.labels)
            self.desirable += reply.desirable is True
            self.undesirable += reply.desirable is False


def count_feedback(turns: Iterable[Turn]) -> dict[str, FeedbackCount]:
    """The counts of each data set (the tag `set`), in the order in which the sets come."""
    counts: dict[str, FeedbackCount] = {}
    for turn in turns:
        counts.setdefault(turn.tags.get("set", ""), FeedbackCount()).add(turn)
    return counts
