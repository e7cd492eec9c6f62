"""From turns to sequences that nothing is shared of, for encoders: a prompt and one reply each.

An encoder reads both ways, so that a prompt's hidden states depend on the reply behind it: K
replies are K sequences. Those of a turn stand one after the other in one tree, so that pairs and
ratings work as in trees of shared tokens; the causal blocks, which tile the tree, are the
sequences.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from handrail.records import Message, Playbook, RenderError, Skip, Turn
from handrail.trees.branches import LONG_MEND, NO_REPLY, Branch, TreeSettings, wanted_replies
from handrail.trees.build import Forest, reply_of, stats_of
from handrail.trees.styles import LABELS
from handrail.trees.tree import Block, TokenTree

# Of the longest sequence, what a prompt keeps at the least where it is cut: 256 of 2,048 tokens in
# the combined-rewards thesis (section 5.3).
LEAST_PROMPT = 1 / 8
_CACHE_SIZE = 1000  # prompts


@dataclass(frozen=True, slots=True)
class PromptIds:
    """A prompt's tokens: the guardrails, then the conversation."""

    rules: list[int]
    talk: list[int]

    def __len__(self) -> int:
        return len(self.rules) + len(self.talk)


class PairRenderer:
    """A turn and a reply as the two texts of one sequence, for a tokenizer that joins two texts.

    The first text is the guardrails under their numbers, where there are any, and the conversation,
    each message on a line after its role ("User: ...", "Agent: ..."); the second is the reply. No
    text can hold a special token, whatever it looks like.

    Attributes:
        extra: tokens that the tokenizer puts around and between two texts.

    Raises:
        RenderError: the tokenizer puts nothing between two texts.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._head, self._middle, self._tail = _frame(tokenizer)
        self.extra = len(self._head) + len(self._middle) + len(self._tail)
        self._prompts: OrderedDict[tuple[str, str], PromptIds] = OrderedDict()

    def prompt_ids(self, turn: Turn) -> list[int]:
        """All tokens before a reply's; with `reply_ids` they are what the model reads."""
        return self._before(self.encode(turn, [])[0])

    def reply_ids(self, text: str) -> list[int]:
        """Token ids of a reply; the last one ends the sequence."""
        return [*self._tokens([text.strip()])[0], *self._tail]

    def encode(self, turn: Turn, replies: Sequence[str]) -> tuple[PromptIds, list[list[int]]]:
        """The turn's prompt and each reply, without the tokens around them."""
        key = rules_text(turn.playbook), talk_text(turn.context)
        prompt = self._prompts.get(key)
        if prompt is None:
            prompt = self._prompts[key] = PromptIds(*self._tokens(key))
            if len(self._prompts) > _CACHE_SIZE:
                self._prompts.popitem(last=False)
        return prompt, self._tokens([reply.strip() for reply in replies])

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of texts in which nothing is special, whatever it looks like."""
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return ids

    def join(self, prompt: PromptIds, reply: list[int], index: int = 0) -> Branch:
        """The sequence of a prompt and a reply; the token that ends it is the reply's."""
        head = self._before(prompt)
        return Branch(index, [*head, *reply, *self._tail], len(head))

    def _before(self, prompt: PromptIds) -> list[int]:
        return [*self._head, *prompt.rules, *prompt.talk, *self._middle]

    def cut(self, prompt: PromptIds, reply: list[int], limit: int) -> PromptIds | None:
        """The prompt as it fits beside the reply into `limit` tokens, cut from its front.

        The conversation loses its front before the guardrails lose theirs, as long as an eighth of
        `limit` is left of it. None where the reply leaves the prompt less than that: replies are
        never cut.
        """
        room = limit - self.extra - len(reply)
        least = int(limit * LEAST_PROMPT)
        if room < min(len(prompt), least):
            return None
        talk = _last(prompt.talk, max(room - len(prompt.rules), min(least, room)))
        return PromptIds(_last(prompt.rules, room - len(talk)), talk)


def rules_text(playbook: Playbook | None) -> str:
    """The guardrails, a line each; "" without any."""
    if playbook is None:
        return ""
    rules = (f"{n}. {g.text}" for n, g in enumerate(playbook.guardrails, start=1))
    return "\n".join(["Guardrails:", *rules])


def talk_text(context: Iterable[Message]) -> str:
    """The messages, a line each after the name of its role."""
    return "\n".join(f"{LABELS[m.role]}: {m.content.strip()}" for m in context)


def _last(ids: list[int], n: int) -> list[int]:
    return ids[max(0, len(ids) - n) :]


def _frame(tokenizer: Any) -> tuple[list[int], list[int], list[int]]:
    """The tokens before, between and after two texts."""
    joined = tokenizer("a", "a", return_special_tokens_mask=True)
    ids, special = joined["input_ids"], joined["special_tokens_mask"]
    plain = [n for n, mark in enumerate(special) if not mark]
    gap = next((a for a, b in pairwise(plain) if b > a + 1), None)
    if gap is None:
        raise RenderError(
            "the tokenizer puts nothing between two texts, so that a reply cannot be told from "
            "its prompt",
            "Use the tokenizer that the encoder was trained with",
        )
    after = next(n for n in plain if n > gap)
    return ids[: plain[0]], ids[gap + 1 : after], ids[plain[-1] + 1 :]


def build_sequences(
    turns: Iterable[Turn], tokenizer: Any, settings: TreeSettings | None = None
) -> Forest:
    """A tree per turn, in which every reply has a sequence of its own.

    `max_tokens`, `tree_tokens`, `replies` and `on_long` of the settings count; "cut_context" cuts
    as `PairRenderer.cut` does, and a reply that still does not fit is skipped.

    Raises:
        RenderError: a sequence is over `max_tokens`, or a turn's together over `tree_tokens`, and
            `on_long` is "refuse"; or a tokenizer that joins no two texts.
    """
    settings = settings or TreeSettings()
    renderer = PairRenderer(tokenizer)
    skipped: list[Skip] = []
    rendered: list[tuple[Turn, list[Branch]]] = []
    for turn in turns:
        branches = _branches(turn, renderer, settings, skipped)
        if branches:
            rendered.append((turn, branches))
    trees = tuple(_tree(turn, branches) for turn, branches in rendered)
    return Forest(trees, tuple(skipped), stats_of(trees, rendered))


def _branches(
    turn: Turn, renderer: PairRenderer, settings: TreeSettings, skipped: list[Skip]
) -> list[Branch]:
    """The turn's sequences; what is left out is added to `skipped`."""
    wanted = wanted_replies(turn, settings.replies)
    if not wanted:
        skipped.append(Skip(what="turn", reason=NO_REPLY, where=turn.id))
        return []
    prompt, replies = renderer.encode(turn, [turn.replies[i].text for i in wanted])
    out = []
    for index, ids in zip(wanted, replies, strict=True):
        branch = _branch(turn, index, prompt, ids, renderer, settings, skipped)
        if branch is not None:
            out.append(branch)
    if sum(len(b.ids) for b in out) <= settings.tree_tokens:
        return out
    problem = f"prompts and replies together take more than the {settings.tree_tokens} tokens"
    if settings.on_long == "refuse":
        raise RenderError(f"{problem} of a tree", LONG_MEND, f"turn {turn.id}")
    skipped.append(Skip(what="turn", reason=f"{problem} of a tree", where=turn.id))
    return []


def _branch(
    turn: Turn,
    index: int,
    prompt: PromptIds,
    ids: list[int],
    renderer: PairRenderer,
    settings: TreeSettings,
    skipped: list[Skip],
) -> Branch | None:
    """One reply's sequence; None where it is left out."""
    place, limit = f"{turn.id}[{index}]", settings.max_tokens
    if not ids:
        if settings.on_long == "refuse":
            raise RenderError("the reply has no token", "Give it words, or drop it", place)
        skipped.append(Skip(what="reply", reason="the reply has no token", where=place))
        return None
    size = len(prompt) + len(ids) + renderer.extra
    fitting: PromptIds | None = prompt
    if size > limit:
        if settings.on_long == "refuse":
            problem = f"prompt and reply take {size} tokens, {limit} are allowed"
            raise RenderError(problem, LONG_MEND, f"turn {turn.id}")
        fitting = renderer.cut(prompt, ids, limit) if settings.on_long == "cut_context" else None
        where = f"{place} ({size} tokens)"
        if fitting is None:
            reason = f"prompt and reply take more than the {limit} tokens that are allowed"
            skipped.append(Skip(what="reply", reason=reason, where=where))
            return None
        reason = "the front of its prompt left out to fit the budget"
        skipped.append(Skip(what="context", reason=reason, where=where))
    assert fitting is not None
    return renderer.join(fitting, ids, index)


def _tree(turn: Turn, branches: list[Branch]) -> TokenTree:
    """The sequences one after the other, none of which sees another."""
    lengths = [len(b.ids) for b in branches]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    best = turn.best()
    number_T = np.repeat(np.arange(len(branches)), lengths)
    at = {b.index: n for n, b in enumerate(branches)}
    return TokenTree(
        tokens_T=np.concatenate([np.asarray(b.ids, dtype=np.int64) for b in branches]),
        depth_T=np.concatenate([np.arange(n, dtype=np.int64) for n in lengths]),
        enter_T=number_T,
        exit_T=number_T + 1,
        blocks=tuple(
            Block(s, e, s, e, True) for s, e in zip(starts.tolist(), ends.tolist(), strict=True)
        ),
        replies=tuple(
            reply_of(0, turn, b, best, np.arange(start, start + len(b.ids)))
            for b, start in zip(branches, starts.tolist(), strict=True)
        ),
        pairs=tuple((at[i], at[j]) for i, j in turn.pairs() if i in at and j in at),
        n_turns=1,
        n_segments=len(branches),
    )
