"""Turns whose customers ask alike: where to look for a reply that could stand here, and should not.

Similarity is the cosine of TF-IDF vectors of what the customer said since the agent's last reply
(Salton and Buckley 1988; smoothed as ln((1 + n) / (1 + df)) + 1).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from handrail.records import Turn

_ROWS = 256  # turns whose similarities to the whole pool are held at a time
_WORD = re.compile(r"\w+")


def asked(turn: Turn) -> Counter[str]:
    """The words that the customer said since the agent's last reply, with their counts."""
    words: Counter[str] = Counter()
    for message in reversed(turn.context):
        if message.role == "assistant":
            break
        words.update(_WORD.findall(message.content.lower()))
    return words


class SimilarTurns:
    """A pool of turns that can be asked for those most similar to others."""

    def __init__(self, pool: Sequence[Turn]) -> None:
        self.pool = list(pool)
        bags = [asked(turn) for turn in self.pool]
        names = sorted(set().union(*bags)) if bags else []
        self._column = {word: i for i, word in enumerate(names)}
        seen = Counter(word for bag in bags for word in bag)
        n = len(bags)
        self._idf = np.array([np.log((1 + n) / (1 + seen[word])) + 1.0 for word in names])
        self._pool_NV = self._rows(bags)
        talks: dict[str, list[int]] = {}
        for i, turn in enumerate(self.pool):
            talks.setdefault(turn.conversation_id, []).append(i)
        self._talks = talks

    def nearest(self, turns: Sequence[Turn], most: int) -> Iterator[list[int]]:
        """For each turn, the indices of up to `most` turns of the pool, the most similar first.

        Turns of the same conversation and those without a common word are left out; of equally
        similar ones the earlier come first.
        """
        for start in range(0, len(turns), _ROWS):
            part = turns[start : start + _ROWS]
            rows_BV = self._rows([asked(turn) for turn in part])
            # Rounded, so that what is equal on paper is equal here.
            alike_BN = np.round((rows_BV @ self._pool_NV.T).toarray(), 9)
            for turn, alike_N in zip(part, alike_BN, strict=True):
                if turn.conversation_id:
                    alike_N[self._talks.get(turn.conversation_id, [])] = 0.0
                yield _largest(alike_N, most)

    def _rows(self, bags: Sequence[Counter[str]]) -> sparse.csr_array:
        """One TF-IDF vector of length 1 (or 0, without a known word) per bag of words."""
        known = [{w: n for w, n in bag.items() if w in self._column} for bag in bags]
        columns = np.array([self._column[w] for bag in known for w in bag], dtype=np.int64)
        counts = np.array([n for bag in known for n in bag.values()], dtype=np.float64)
        ends = np.cumsum([0, *(len(bag) for bag in known)])
        values = counts * self._idf[columns]
        rows = sparse.csr_array((values, columns, ends), shape=(len(bags), len(self._column)))
        length = np.sqrt(rows.multiply(rows).sum(axis=1))
        scale = 1.0 / np.where(length > 0, length, 1.0)
        return sparse.csr_array(sparse.diags_array(scale) @ rows)


def _largest(values: np.ndarray, most: int) -> list[int]:
    """Indices of the largest positive values, largest first, ties in their order."""
    above = np.flatnonzero(values > 0)
    if len(above) > most:
        least = np.partition(values[above], -most)[-most]
        above = above[values[above] >= least]
    order = np.argsort(-values[above], kind="stable")[:most]
    return [int(i) for i in above[order]]
