"""Messages into trees: what cannot stand in one is left out and counted, whatever hangs on it too.

A message of a data set that people wrote and moderated may be deleted, have no words, come twice,
or name a parent that is not there; none of this is a fault of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from handrail.sources.feedback.maker import Maker
from handrail.sources.feedback.oasst_nodes import Node

Refuse = Callable[[Node], str]
FOLLOWS = "follows a message that was left out"


class Forest:
    """Trees of messages, in the order of the data."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.children: dict[str, list[Node]] = {}
        self.roots: list[Node] = []

    def add(self, made: Maker, nodes: Iterable[Node]) -> None:
        """Add messages; one whose id came before is counted."""
        for node in nodes:
            if node.id in self.nodes:
                made.skip("message", "its id came before", node.where)
                continue
            self.nodes[node.id] = node
            if node.parent is None:
                self.roots.append(node)
            else:
                self.children.setdefault(node.parent, []).append(node)

    def add_tree(self, made: Maker, nodes: list[Node]) -> None:
        """Add a tree; one whose first message came before is counted as a whole."""
        if nodes[0].id in self.nodes:
            made.skip("tree", "came before", nodes[0].where)
        else:
            self.add(made, nodes)

    def below(self, node: Node) -> Iterator[Node]:
        """All that follows a message, but not itself; ends where parents go in a circle."""
        waiting, seen = list(self.children.get(node.id, [])), {node.id}
        while waiting:
            one = waiting.pop()
            if one.id not in seen:
                seen.add(one.id)
                waiting += self.children.get(one.id, [])
                yield one

    def drop_lost(self, made: Maker) -> None:
        """Count messages whose line of parents ends at none that is here, or goes in a circle."""
        for parent in [p for p in self.children if p not in self.nodes]:
            for node in self.children[parent]:
                made.skip("message", "its parent is not in the data", node.where)
                self._drop_below(made, node)
                self.nodes.pop(node.id)
            del self.children[parent]
        held = {node.id for root in self.roots for node in (root, *self.below(root))}
        for node in [n for n in self.nodes.values() if n.id not in held]:
            made.skip("message", "its line of parents is a circle", node.where)
            del self.nodes[node.id]

    def _drop_below(self, made: Maker, node: Node) -> None:
        for one in list(self.below(node)):
            made.skip("message", FOLLOWS, one.where)
            del self.nodes[one.id]

    def kept(self, made: Maker, nodes: Iterable[Node], refuse: Refuse) -> list[Node]:
        """Siblings without those that `refuse` has a reason against; these are counted."""
        kept = []
        for node in nodes:
            reason = refuse(node)
            if not reason:
                kept.append(node)
                continue
            made.skip("message", reason, node.where)
            below = sum(1 for _ in self.below(node))
            if below:
                made.skip("message", FOLLOWS, node.where, below)
        return kept


class Prompt(NamedTuple):
    """A message of the prompter's with the replies to it, and what was said before and at it.

    `best` tells whether every reply on the way here is the best-ranked one.
    """

    root: Node
    path: tuple[Node, ...]
    replies: list[Node]
    best: bool


def prompts(made: Maker, forest: Forest, refuse: Refuse) -> Iterator[Prompt]:
    """Every prompt of the trees, after those that it follows, in the order of the data."""
    for root in forest.kept(made, forest.roots, refuse):
        waiting: list[tuple[tuple[Node, ...], bool]] = [((root,), True)]
        while waiting:
            path, best = waiting.pop()
            follow = forest.kept(made, forest.children.get(path[-1].id, []), refuse)
            follow = forest.kept(made, follow, partial(_again, path[-1].role))
            if path[-1].role == "user":
                yield Prompt(root, path, follow, best)
                first = min(follow, key=lambda n: n.rank or float("inf"), default=None)
                ways = [((*path, n), best and n is first) for n in follow]
            else:
                ways = [((*path, n), best) for n in follow]
            waiting += reversed(ways)


def _again(role: str, node: Node) -> str:
    return "has the role of the message that it answers" if node.role == role else ""
