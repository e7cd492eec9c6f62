"""What a model from scratch reads: whole conversations as token trees, packed into steps.

Conversations under one playbook hang from one tree, so that its rules (two fifths of a short
conversation's tokens) are computed once for all of them; nothing is padded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from handrail.recipes.small_model import PretrainSettings
from handrail.records import Conversation, Turn
from handrail.trees import Renderer, TokenTree, TreeBatch, TreeReply, Trie, collate

# What a token belongs to: the prompt up to the first reply, later text, the agent's replies.
PLAYBOOK, TEXT, AGENT = 0, 1, 2
Step = list[list[int]]  # the rows of each tree of an optimiser step


@dataclass(frozen=True)
class Row:
    """One conversation: its name, token ids with their kinds, and what its playbook says."""

    name: str
    ids: list[int]
    kinds: list[int]
    rules: tuple[str, ...] = ()


def encode(conversation: Conversation, renderer: Renderer) -> Row:
    """The whole conversation's tokens, and for each what trains it."""
    book = conversation.playbook
    last = max(i for i, m in enumerate(conversation.messages) if m.role == "assistant")
    ids: list[int] = []
    kinds: list[int] = []
    for i, message in enumerate(conversation.messages[: last + 1]):
        if message.role != "assistant":
            continue
        prompt = renderer.prompt_ids(Turn(playbook=book, context=conversation.messages[:i]))
        kinds += [TEXT if ids else PLAYBOOK] * (len(prompt) - len(ids))
        reply = renderer.reply_ids(message.content)
        ids = prompt + reply
        kinds += [AGENT] * len(reply)
    rules = tuple(g.text for g in book.guardrails) if book else ()
    return Row(conversation.id, ids, kinds, rules)


def epoch_steps(rows: Sequence[Row], settings: PretrainSettings, epoch: int) -> list[Step]:
    """The trees of each step of an epoch, in a seeded random order.

    Up to `share` rows under the same rules make a tree, and up to `tokens_per_step` distinct
    tokens a step; a row longer than that has a step of its own.
    """
    generator = torch.Generator().manual_seed(settings.seed * 1009 + epoch)
    by_rules: dict[tuple[str, ...], list[int]] = defaultdict(list)
    trees: list[tuple[list[int], int]] = []
    for i in torch.randperm(len(rows), generator=generator).tolist():
        if rows[i].rules:
            by_rules[rows[i].rules].append(i)
        else:
            trees.append(([i], len(rows[i].ids)))
    for members in by_rules.values():
        trees += _trees_of(rows, members, settings)
    steps: list[Step] = []
    room = 0
    for k in torch.randperm(len(trees), generator=generator).tolist():
        members, size = trees[k]
        if not steps or size > room:
            steps.append([])
            room = settings.tokens_per_step
        steps[-1].append(members)
        room -= size
    return steps


def _trees_of(
    rows: Sequence[Row], members: Sequence[int], settings: PretrainSettings
) -> list[tuple[list[int], int]]:
    """Rows under the same rules as trees: the rows of each, and its distinct tokens."""
    trees: list[tuple[list[int], int]] = []
    trie, held = Trie(), list[int]()
    for i in members:
        full = trie.n_tokens + trie.cost(rows[i].ids) > settings.tokens_per_step
        if held and (full or len(held) == settings.share):
            trees.append((held, trie.n_tokens))
            trie, held = Trie(), []
        trie.add(rows[i].ids)
        held.append(i)
    return [*trees, (held, trie.n_tokens)]


def batch_of(rows: Sequence[Row], step: Step, least: int) -> TreeBatch:
    """The step's trees side by side; every token of a kind of at least `least` is trained."""
    return collate([_tree([rows[i] for i in members], least) for members in step])


def _tree(rows: Sequence[Row], least: int) -> TokenTree:
    """Conversations as one tree. A row's trained tokens stand where a reply's would."""
    trie = Trie()
    for row in rows:
        trie.add(row.ids)
    tree = trie.layout()
    replies = []
    for number, row in enumerate(rows):
        places = trie.positions(row.ids)
        trained = np.flatnonzero(np.asarray(row.kinds[1:]) >= least)
        targets = np.asarray(row.ids[1:], dtype=np.int64)[trained]
        last = int(places[-1])
        replies.append(TreeReply(number, row.name, 0, places[trained], targets, last))
    return replace(tree, replies=tuple(replies), n_turns=len(rows))
