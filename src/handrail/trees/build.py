"""From turns to token trees: which replies, who shares a tree, what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from handrail.records import Skip, Turn
from handrail.trees.branches import Branch, TreeSettings, mismatched_replies, render_branches
from handrail.trees.render import Renderer
from handrail.trees.tree import Ints, TokenTree, TreeReply, Trie


@dataclass(frozen=True)
class Forest:
    """Trees, what was left out or cut, and figures about them.

    `stats`: turns, replies, trees, trained tokens, tokens in trees, tokens without sharing (every
    prompt + reply by itself), longest sequence, mismatched replies, splits (trees that
    conversations over `tree_tokens` were split into), prefix_breaks (turns whose prompt does not
    go on from the turn before), and what the renderer had to fold (its `counts`).
    """

    trees: tuple[TokenTree, ...]
    skipped: tuple[Skip, ...] = ()
    stats: dict[str, int] = field(default_factory=dict)


def build_trees(
    turns: Iterable[Turn], renderer: Renderer, settings: TreeSettings | None = None
) -> Forest:
    """Merge turns into token trees.

    All turns of a conversation share one, and conversations under one playbook share one as long
    as it stays within `tree_tokens` and `share_turns`. The result depends on the turns, their order
    and the settings alone.

    Raises:
        RenderError: a prompt + reply is over `max_tokens` and `on_long` is "refuse".
    """
    settings = settings or TreeSettings()
    before = Counter(renderer.counts)
    turns = list(turns)
    skipped: list[Skip] = []
    foreign = mismatched_replies(turns, settings.seed) if settings.mismatched else {}
    if settings.mismatched:
        skipped += [
            Skip(what="mismatched reply", reason="no other turn's reply differs", where=t.id)
            for n, t in enumerate(turns)
            if n not in foreign and t.replies
        ]
    rendered: list[tuple[Turn, list[Branch]]] = []
    groups: dict[tuple[object, ...], list[int]] = {}
    for n, turn in enumerate(turns):
        branches = render_branches(turn, foreign.get(n), renderer, settings, skipped)
        if branches:
            groups.setdefault(_group(turn), []).append(len(rendered))
            rendered.append((turn, branches))
    breaks = _prefix_breaks(rendered, groups, skipped)
    makers, splits = _place(rendered, groups, settings)
    trees = tuple(maker.tree() for maker in makers)
    stats = stats_of(trees, rendered)
    stats.update(splits=splits, prefix_breaks=breaks)
    stats.update({k: v - before[k] for k, v in renderer.counts.items() if v > before[k]})
    return Forest(trees, tuple(skipped), stats)


def _group(turn: Turn) -> tuple[object, ...]:
    """Turns with equal keys belong to one conversation; the first part is the playbook."""
    rules = None if turn.playbook is None else tuple(g.text for g in turn.playbook.guardrails)
    opening = turn.context[0].content if turn.context else ""
    return rules, turn.conversation_id or opening


def _prefix_breaks(
    rendered: list[tuple[Turn, list[Branch]]],
    groups: dict[tuple[object, ...], list[int]],
    skipped: list[Skip],
) -> int:
    """Count turns whose prompt does not go on from the prompt of the turn before.

    Such turns share what they can with the others and run by themselves from there on.
    """
    total = 0
    for (_, name), members in groups.items():
        broken = 0
        order = sorted(members, key=lambda n: len(rendered[n][0].context))
        for a, b in pairwise(order):
            (earlier, first), (later, second) = rendered[a], rendered[b]
            if later.context[: len(earlier.context)] == earlier.context:
                prompt = first[0].ids[: first[0].n_prompt]
                broken += second[0].ids[: len(prompt)] != prompt
        if broken:
            reason = "the prompt does not go on from the turn before, and runs apart"
            skipped.append(Skip(what="sharing", reason=reason, where=str(name), count=broken))
        total += broken
    return total


class _TreeMaker:
    """Collects the branches of one tree."""

    def __init__(self) -> None:
        self.trie = Trie()
        self.turns: list[tuple[Turn, list[Branch]]] = []

    def add(self, turn: Turn, branches: list[Branch]) -> None:
        self.turns.append((turn, branches))
        for branch in branches:
            self.trie.add(branch.ids)

    def tree(self) -> TokenTree:
        """Lay out the tree and find every reply in it."""
        tree = self.trie.layout()
        replies: list[TreeReply] = []
        pairs: list[tuple[int, int]] = []
        for number, (turn, branches) in enumerate(self.turns):
            at: dict[int, int] = {}
            best = turn.best()
            for branch in branches:
                at[branch.index] = len(replies)
                places = self.trie.positions(branch.ids)
                replies.append(reply_of(number, turn, branch, best, places))
            pairs += [(at[i], at[j]) for i, j in turn.pairs() if i in at and j in at]
        return TokenTree(
            tree.tokens_T,
            tree.depth_T,
            tree.enter_T,
            tree.exit_T,
            tree.blocks,
            tuple(replies),
            tuple(pairs),
            len(self.turns),
            tree.n_segments,
        )


def reply_of(number: int, turn: Turn, branch: Branch, best: int | None, places: Ints) -> TreeReply:
    """A branch with its feedback; `places` are those of its tokens in the tree."""
    source_n = places[branch.n_prompt - 1 : -1]
    target_n = np.asarray(branch.ids[branch.n_prompt :], dtype=np.int64)
    last = int(places[-1])
    if branch.index < 0:
        return TreeReply(number, turn.id, -1, source_n, target_n, last, mismatched=True)
    reply = turn.replies[branch.index]
    return TreeReply(
        number,
        turn.id,
        branch.index,
        source_n,
        target_n,
        last,
        best=branch.index == best,
        desirable=-1 if reply.desirable is None else int(reply.desirable),
        rank=-1 if reply.rank is None else reply.rank,
        rating=float("nan") if reply.rating is None else reply.rating,
        weight=reply.weight,
    )


def _place(
    rendered: list[tuple[Turn, list[Branch]]],
    groups: dict[tuple[object, ...], list[int]],
    settings: TreeSettings,
) -> tuple[list[_TreeMaker], int]:
    """Fill trees: a conversation whole where it fits, beside others of the same playbook."""
    budget, most = settings.tree_tokens, settings.share_turns
    makers: list[_TreeMaker] = []
    open_trees: dict[object, _TreeMaker] = {}
    splits = 0

    def new(rules: object) -> _TreeMaker:
        maker = open_trees[rules] = _TreeMaker()
        makers.append(maker)
        return maker

    for (rules, name), members in groups.items():
        own = Trie()
        for n in members:
            for branch in rendered[n][1]:
                own.add(branch.ids)
        shared = open_trees.get(rules) if rules is not None else None
        # The bound is safe: in a common tree a conversation costs no more than by itself.
        whole = (
            shared is not None
            and shared.trie.n_tokens + own.n_tokens <= budget
            and (not most or len(shared.turns) + len(members) <= most)
        )
        key = rules if rules is not None else (rules, name)
        maker = shared if whole and shared is not None else new(key)
        for n in sorted(members, key=lambda n: len(rendered[n][0].context)):
            turn, branches = rendered[n]
            cost = _cost(maker.trie, branches)
            if maker.turns and maker.trie.n_tokens + cost > budget:
                maker = new(key)
                splits += 1
            maker.add(turn, branches)
    return makers, splits


def _cost(trie: Trie, branches: list[Branch]) -> int:
    """An upper bound of the tokens that a turn's branches add to a tree."""
    first = trie.cost(branches[0].ids)
    return first + sum(len(b.ids) - b.n_prompt for b in branches[1:])


def stats_of(
    trees: Sequence[TokenTree], rendered: Sequence[tuple[Turn, list[Branch]]]
) -> dict[str, int]:
    """The figures of a forest that hold whatever its trees share."""
    branches = [b for _, bs in rendered for b in bs]
    return {
        "turns": len(rendered),
        "replies": sum(b.index >= 0 for b in branches),
        "mismatched": sum(b.index < 0 for b in branches),
        "trees": len(trees),
        "pairs": sum(len(t.pairs) for t in trees),
        "tokens": sum(len(t) for t in trees),
        "tokens_unshared": sum(len(b.ids) for b in branches),
        "tokens_trained": sum(len(b.ids) - b.n_prompt for b in branches if b.index >= 0),
        "longest": max((len(b.ids) for b in branches), default=0),
    }
