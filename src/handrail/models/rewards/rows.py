"""Prompts and replies that are scored, as rows of trees in which equal beginnings stand once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from handrail.trees import TreeBatch, TreeReply, Trie, collate


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and a reply in tokens; `place` is theirs among all."""

    prompt: tuple[int, ...]
    reply: tuple[int, ...]
    place: int

    def __len__(self) -> int:
        return len(self.prompt) + len(self.reply)


def rows_of(pairs: Sequence[Pair], row_tokens: int) -> Iterator[tuple[list[Pair], TreeBatch]]:
    """Rows of about `row_tokens` tokens at most; each with its pairs, in the order of its replies.

    Pairs in the order of their tokens stand beside those that begin alike, so one pass over them
    finds what they share. Replies to one prompt share a row where they fit one; a sequence larger
    than a row has a row of its own.
    """
    held: list[Pair] = []
    trie = Trie()
    for group in _by_prompt(pairs):
        prompt, *_ = group
        size = len(prompt.prompt) + sum(len(pair.reply) for pair in group)
        if held and size <= row_tokens and trie.n_tokens + _cost(trie, group) > row_tokens:
            yield held, _row(trie, held)
            held, trie = [], Trie()
        for pair in group:
            ids = pair.prompt + pair.reply
            if held and trie.n_tokens + trie.cost(ids) > row_tokens:
                yield held, _row(trie, held)
                held, trie = [], Trie()
            trie.add(ids)
            held.append(pair)
    if held:
        yield held, _row(trie, held)


def _by_prompt(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Pairs of one prompt each, in the order of their tokens."""
    groups: dict[tuple[int, ...], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.prompt, []).append(pair)
    for prompt in sorted(groups):
        yield sorted(groups[prompt], key=lambda pair: pair.reply)


def _cost(trie: Trie, group: Sequence[Pair]) -> int:
    """An upper bound of the tokens that a prompt's pairs add."""
    first = trie.cost(group[0].prompt + group[0].reply)
    return first + sum(len(pair.reply) for pair in group[1:])


def _row(trie: Trie, pairs: Sequence[Pair]) -> TreeBatch:
    """The row of a trie, its replies in the order of the pairs."""
    tree = trie.layout()
    replies = []
    for number, pair in enumerate(pairs):
        places = trie.positions(pair.prompt + pair.reply)
        start = len(pair.prompt)
        target_n = np.asarray(pair.reply, dtype=np.int64)
        source_n = places[start - 1 : -1]
        replies.append(TreeReply(number, "", 0, source_n, target_n, int(places[-1])))
    return collate([replace(tree, replies=tuple(replies), n_turns=len(pairs))])
