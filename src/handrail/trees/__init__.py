"""Text to token trees to packed batches: every distinct token of a conversation once."""

from handrail.trees.batch import TreeBatch, TreeLayout, collate, pack, shuffled
from handrail.trees.branches import NO_REPLY, OnLong, TreeSettings, check_on_long
from handrail.trees.build import Forest, build_trees
from handrail.trees.render import Renderer
from handrail.trees.tree import Block, TokenTree, TreeReply, Trie

__all__ = [
    "NO_REPLY",
    "Block",
    "Forest",
    "OnLong",
    "Renderer",
    "TokenTree",
    "TreeBatch",
    "TreeLayout",
    "TreeReply",
    "TreeSettings",
    "Trie",
    "build_trees",
    "check_on_long",
    "collate",
    "pack",
    "shuffled",
]
