"""Votes into ranks: how replies that readers voted for or against stand to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def pm_score(votes: float, accepted: bool = False) -> int:
    """A reply's score for preference-model pre-training, from its votes.

    Askell et al., "A General Language Assistant as a Laboratory for Alignment" (2021), appendix on
    preference-model pre-training: log2(1 + votes) rounded to a whole number, one more for the reply
    that the asker accepted; -1 for votes below zero.
    """
    if votes < 0:
        return -1
    return round(math.log2(1 + votes)) + int(accepted)


def ranks_apart(votes: Sequence[float], ratio: float = 1.0) -> list[int]:
    """Ranks by votes, where a lower rank has at least `ratio` times fewer votes than any above.

    From the most voted down, a new rank begins where the votes fall by the ratio from the reply
    before; replies that are nearer to one another share a rank. So every pair of unequal ranks is
    at least the ratio apart, and no pair of one rank is taken for a preference.

    Args:
        votes: of each reply; votes of zero or less are apart from all that are above.
        ratio: 1 parts all that have unequal votes.
    """
    order = sorted(range(len(votes)), key=lambda i: -votes[i])
    ranks, rank = [1] * len(votes), 1
    for above, one in pairwise(order):
        low, high = votes[one], votes[above]
        if low < high and (low <= 0 or high >= ratio * low):
            rank += 1
        ranks[one] = rank
    return ranks


def spread(ranks: Sequence[int], most: int | None) -> list[int]:
    """Up to `most` (at least 2) indices, evenly over the ranking, with its best and its worst."""
    order = sorted(range(len(ranks)), key=lambda i: ranks[i])
    if most is None or len(order) <= most:
        return list(range(len(ranks)))
    step = (len(order) - 1) / (most - 1)
    return sorted(order[round(i * step)] for i in range(most))
