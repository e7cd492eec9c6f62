"""Text to token trees to packed batches: every distinct token of a conversation once."""

from handrail.trees.batch import TreeBatch, TreeLayout, collate, pack, shuffled
from handrail.trees.branches import NO_REPLY, Branch, OnLong, TreeSettings, check_on_long
from handrail.trees.build import Forest, build_trees
from handrail.trees.render import Renderer
from handrail.trees.sequences import PairRenderer, PromptIds, build_sequences
from handrail.trees.tree import Block, TokenTree, TreeReply, Trie

__all__ = [
    "NO_REPLY",
    "Block",
    "Branch",
    "Forest",
    "OnLong",
    "PairRenderer",
    "PromptIds",
    "Renderer",
    "TokenTree",
    "TreeBatch",
    "TreeLayout",
    "TreeReply",
    "TreeSettings",
    "Trie",
    "build_sequences",
    "build_trees",
    "check_on_long",
    "collate",
    "pack",
    "shuffled",
]
