"""Open Assistant: what people replied to a prompt, ranked by people, each reply labelled.

Köpf et al., "OpenAssistant Conversations - Democratizing Large Language Model Alignment" (2023).
A turn is a prompt with its replies: rank 0 of the data, the best, is rank 1 here; labels (quality,
toxicity, helpfulness and others, as far as the data has them) are the annotators' means, 0 to 1.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field, field_validator

from handrail.records import Message, Reply
from handrail.sources.feedback.cells import Cells
from handrail.sources.feedback.maker import Maker, Table
from handrail.sources.feedback.oasst_forest import Forest, Prompt, prompts
from handrail.sources.feedback.oasst_nodes import Node, is_tree, message_node, tree_nodes
from handrail.sources.feedback.options import Options, several

UNSTATED = ""


class OasstOptions(Options):
    """Options of `oasst`.

    Attributes:
        langs: languages of the prompts to keep (en,es,fr,de); all where not set. `pt` stands for
            pt-BR too.
        states: states of the trees to keep; null keeps all. A tree without a state is kept.
        threads: all prompts, or the best ones: those that follow the best-ranked reply at every
            point before them (of unranked replies the first).
        feedback: what a turn must have: rank (two ranked replies), labels (a labelled reply), any
            of the two, or none.
        min_replies: how many replies a turn must have.
        max_replies: how many it may keep; of more, the best-ranked ones.
        synthetic: keep messages that a program wrote.
        unreviewed: keep messages whose review is open; those that failed it never are.
    """

    langs: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = ("ready_for_export",)
    threads: Literal["all", "best"] = "all"
    feedback: Literal["any", "rank", "labels", "none"] = "any"
    min_replies: int = Field(default=1, ge=1)
    max_replies: int | None = Field(default=None, ge=1)
    synthetic: bool = True
    unreviewed: bool = True

    _lists = field_validator("langs", "states", mode="before")(several)


def fill(made: Maker, table: Table, options: OasstOptions) -> None:
    """One turn per prompt of a tree that has replies with feedback."""
    forest = Forest()

    def row(cells: Cells) -> None:
        if not is_tree(cells):
            forest.add(made, [message_node(cells)])
            return
        nodes, nulls = tree_nodes(cells)
        if nulls:
            made.skip("message", "is null", cells.row.where, nulls)
        forest.add_tree(made, nodes)

    made.each(table, row)
    forest.drop_lost(made)
    forest.roots = [root for root in forest.roots if _in_state(made, root, options)]
    for prompt in prompts(made, forest, partial(_refusal, options=options)):
        if prompt.replies:
            work = partial(_add, made, prompt, options, table.split)
            made.attempt(prompt.path[-1].where, work)


def _in_state(made: Maker, root: Node, options: OasstOptions) -> bool:
    states = options.states
    if states is None or root.state in (UNSTATED, *states):
        return True
    made.skip("tree", f"its state is {root.state}, not {' or '.join(states)}", root.where)
    return False


def _refusal(node: Node, options: OasstOptions) -> str:
    """Why a message cannot stand in a turn; empty where nothing speaks against it."""
    if node.deleted:
        return "was deleted"
    if not node.text.strip():
        return "has no text"
    if node.reviewed is False:
        return "failed its review"
    if node.reviewed is None and not options.unreviewed:
        return "its review is open"
    if node.synthetic and not options.synthetic:
        return "was written by a program"
    return ""


def _add(made: Maker, prompt: Prompt, options: OasstOptions, split: str) -> None:
    """Add a prompt's turn, or count why it has none."""
    asked, replies = prompt.path[-1], prompt.replies
    reason = _left_out(prompt, options)
    if reason:
        made.skip("turn", reason, asked.where)
        return
    if options.max_replies is not None and len(replies) > options.max_replies:
        best = sorted(replies, key=lambda n: n.rank or float("inf"))[: options.max_replies]
        made.skip("reply", "beyond max_replies", asked.where, len(replies) - len(best))
        replies = [n for n in replies if n in best]
    unranked = sum(n.rank is None for n in replies)
    if 0 < unranked < len(replies):
        made.warn("turn", "its replies are ranked in part", asked.where)
    made.add(
        [Message(role=n.role, content=n.text) for n in prompt.path],
        [Reply(text=n.text, author=n.author, rank=n.rank, labels=dict(n.labels)) for n in replies],
        asked.where,
        key=asked.id,
        conversation=f"{made.name}/{prompt.root.id}",
        set=made.name,
        lang=asked.lang,
        split=split,
        state=prompt.root.state,
    )


def _left_out(prompt: Prompt, options: OasstOptions) -> str:
    """Why a prompt gives no turn; empty where it does."""
    lang, replies = prompt.path[-1].lang, prompt.replies
    if options.langs is not None and not {lang, lang.partition("-")[0]} & set(options.langs):
        return f"its language is {lang or 'not stated'}"
    if options.threads == "best" and not prompt.best:
        return "not on a thread of best-ranked replies"
    if len(replies) < options.min_replies:
        return f"has fewer than {options.min_replies} replies"
    ranked = sum(n.rank is not None for n in replies) > 1
    labelled = any(n.labels for n in replies)
    held = {"any": ranked or labelled, "rank": ranked, "labels": labelled, "none": True}
    if held[options.feedback]:
        return ""
    return {"any": "has no feedback", "rank": "has no two ranked replies"}.get(
        options.feedback, "has no labelled reply"
    )
