"""A turn's replies as token sequences: which of them, mismatched ones, what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from handrail.records import RenderError, SettingError, Skip, Turn
from handrail.trees.render import Renderer
from handrail.trees.tree import Trie

LONG_MEND = (
    "Raise the budget (token_budget, and max_tokens where it is set) as far as the model's "
    "positions go, or set on_long to 'skip' or 'cut_context'"
)
NO_REPLY = "no reply to learn from"  # the reason why a turn without feedback is left out
OnLong = Literal["refuse", "skip", "cut_context"]
Which = Literal["all", "best"]


@dataclass(frozen=True)
class TreeSettings:
    """How trees are built.

    Attributes:
        max_tokens: longest prompt + reply, in tokens (at most the model's positions).
        tree_tokens: largest tree; more turns than fit share several trees.
        share_turns: conversations under one playbook share a tree while it holds at most this many
            turns. An optimiser step takes whole trees, so this is best the batch size; 0 is no
            limit, for what is not trained.
        replies: "all" of a turn's replies, or the "best" one (what SFT learns).
        on_long: a prompt + reply over `max_tokens` is refused (an error), skipped (that reply),
            or its oldest messages are left out until it fits (cut_context); likewise a turn whose
            replies together are over `tree_tokens`.
        mismatched: add one reply of another turn to each turn, for KTO's KL estimate.
        seed: which replies are mismatched.
    """

    max_tokens: int = 4096
    tree_tokens: int = 8192
    share_turns: int = 8
    replies: Which = "all"
    on_long: OnLong = "refuse"
    mismatched: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        check_on_long(self.on_long)
        if self.replies not in ("all", "best"):
            raise SettingError(f"replies is '{self.replies}'", "Use 'all' or 'best'")
        if self.max_tokens < 2 or self.tree_tokens < self.max_tokens:
            raise SettingError(
                f"max_tokens is {self.max_tokens} and tree_tokens {self.tree_tokens}",
                "max_tokens must be at least 2 and tree_tokens at least max_tokens",
            )
        if self.share_turns < 0:
            raise SettingError(f"share_turns is {self.share_turns}", "Use 0 or more")


def check_on_long(value: str) -> None:
    """Raise a SettingError for an `on_long` that there is not."""
    if value not in get_args(OnLong):
        raise SettingError(f"on_long is '{value}'", "Use 'refuse', 'skip' or 'cut_context'")


@dataclass(frozen=True, slots=True)
class Branch:
    """A reply at a turn, rendered: index (-1 mismatched), all tokens, how many are prompt."""

    index: int
    ids: list[int]
    n_prompt: int


def render_branches(
    turn: Turn,
    foreign: str | None,
    renderer: Renderer,
    settings: TreeSettings,
    skipped: list[Skip],
) -> list[Branch]:
    """The turn's replies as token sequences; what is left out is added to `skipped`."""
    wanted = wanted_replies(turn, settings.replies)
    if not wanted:
        skipped.append(Skip(what="turn", reason=NO_REPLY, where=turn.id))
        return []
    texts = [(i, turn.replies[i].text) for i in wanted]
    if foreign is not None:
        texts.append((-1, foreign))
    replies = [(i, renderer.reply_ids(text)) for i, text in texts]
    prompt = renderer.prompt_ids(turn)
    limit = settings.max_tokens
    sizes = [len(ids) for _, ids in replies]
    room = min(limit - max(sizes), settings.tree_tokens - sum(sizes))
    if len(prompt) > room and settings.on_long == "cut_context":
        prompt = _cut(turn, renderer, room, skipped) or prompt
    out = []
    for index, ids in replies:
        size = len(prompt) + len(ids)
        if size <= limit:
            out.append(Branch(index, prompt + ids, len(prompt)))
            continue
        problem = f"prompt and reply take {size} tokens, {limit} are allowed"
        if settings.on_long == "refuse":
            raise RenderError(problem, LONG_MEND, f"turn {turn.id}")
        reason = f"prompt and reply take more than the {limit} tokens that are allowed"
        where = f"{turn.id}[{index}] ({size} tokens)"
        what = "reply" if index >= 0 else "mismatched reply"
        skipped.append(Skip(what=what, reason=reason, where=where))
    if not _one_tree(out, settings.tree_tokens):
        problem = f"prompt and replies together take more than the {settings.tree_tokens} tokens"
        if settings.on_long == "refuse":
            raise RenderError(f"{problem} of a tree", LONG_MEND, f"turn {turn.id}")
        skipped.append(Skip(what="turn", reason=f"{problem} of a tree", where=turn.id))
        return []
    return out if any(b.index >= 0 for b in out) else []


def wanted_replies(turn: Turn, which: Which) -> list[int]:
    """Which of the turn's replies are learnt from: indices, none where it has no such reply."""
    if which == "all":
        return list(range(len(turn.replies)))
    best = turn.best()
    return [] if best is None else [best]


def _one_tree(branches: Sequence[Branch], tree_tokens: int) -> bool:
    """Whether a turn's branches fit one tree: a turn is never split."""
    if not branches:
        return True
    if branches[0].n_prompt + sum(len(b.ids) - b.n_prompt for b in branches) <= tree_tokens:
        return True
    trie = Trie()  # replies may begin alike
    for branch in branches:
        trie.add(branch.ids)
    return trie.n_tokens <= tree_tokens


def _cut(turn: Turn, renderer: Renderer, limit: int, skipped: list[Skip]) -> list[int] | None:
    """The prompt without its oldest messages, as few as possible; None if that is not enough."""
    fits = fewest_dropped(turn, renderer, limit)
    if fits is None:
        return None
    where = f"{turn.id} ({fits[0]} of {len(turn.context)} messages)"
    reason = "its oldest messages left out to fit the budget"
    skipped.append(Skip(what="context", reason=reason, where=where))
    return fits[1]


def fewest_dropped(turn: Turn, renderer: Renderer, limit: int) -> tuple[int, list[int]] | None:
    """How many of its oldest messages a turn must lose to fit, and its prompt without them.

    At least one is left out; None where the prompt takes more than `limit` tokens without any.
    """
    low, high = 1, len(turn.context)
    fits: tuple[int, list[int]] | None = None
    while low <= high:
        middle = (low + high) // 2
        ids = renderer.context_ids(turn.playbook, turn.context[middle:])
        if len(ids) <= limit:
            fits, high = (middle, ids), middle - 1
        else:
            low = middle + 1
    return fits


def mismatched_replies(turns: Sequence[Turn], seed: int) -> dict[int, str]:
    """For each turn a reply of another one, unlike all of its own: turns in a random circle."""
    able = [n for n, t in enumerate(turns) if t.replies]
    rng = np.random.default_rng(seed)
    circle = [able[i] for i in rng.permutation(len(able))]
    out: dict[int, str] = {}
    for place, n in enumerate(circle):
        own = {r.text.strip() for r in turns[n].replies}
        for step in range(1, min(len(circle), 64)):
            other = turns[circle[(place + step) % len(circle)]].replies
            text = other[(place + step) % len(other)].text
            if text.strip() not in own:
                out[n] = text
                break
    return out
