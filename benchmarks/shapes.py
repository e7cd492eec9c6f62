"""The benchmark's synthetic data: conversations and pairs with exact numbers of tokens.

Every word of a text is one token ("w17"), so lengths are what the shape says. Rendered by
Handrail's own renderer; what TRL reads is the text of the very same tokens.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from handrail.records import Guardrail, Message, Playbook, Reply, Turn

if TYPE_CHECKING:  # the driver needs the names of the shapes, not torch
    from handrail.trees import Renderer

SHAPES = ("conversation", "long_prompt", "short_prompt", "k4")
PLAYBOOK, CUSTOMER, CHOSEN, REJECTED = 300, 60, 110, 90  # tokens, of the shape "conversation"
_GUARDRAILS = 6


@dataclass(frozen=True)
class Size:
    """An architecture, and how many pairs TRL trains per step at that size.

    `key_heads`: heads of keys and values; 0 is as many as `heads`. `tied`: one embedding for input
    and output. `positions`: the longest conversation of the shapes has 3,700 tokens (20 turns).
    """

    layers: int
    width: int
    heads: int
    intermediate: int
    vocab: int
    batch: int
    key_heads: int = 0
    family: Literal["llama", "gpt2"] = "llama"
    tied: bool = False
    positions: int = 8192


SIZES = {
    "T": Size(1, 32, 2, 64, 256, 2),  # for tests of the benchmark itself
    "S": Size(4, 256, 4, 688, 4096, 8),
    "M": Size(6, 512, 8, 1376, 32000, 4),
    # Real scale, for a GPU: GPT-2 medium with room for whole conversations, and Llama 3.2 1B.
    "gpt2-medium": Size(24, 1024, 16, 4096, 50257, 8, family="gpt2", tied=True, positions=4096),
    "llama-1b": Size(16, 2048, 32, 8192, 128256, 4, key_heads=8, tied=True),
}
GPU_SIZES = ("gpt2-medium", "llama-1b")


class Words:
    """Draws texts of exactly so many tokens from w0, w1, ..."""

    def __init__(self, vocab: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._vocab = vocab

    def text(self, n: int) -> str:
        """`n` words, each one token."""
        if n < 1:
            raise ValueError(f"a text needs at least one token, asked for {n}")
        return " ".join(f"w{self._random.randrange(self._vocab)}" for _ in range(n))

    def between(self, low: int, high: int) -> int:
        """A length, uniform in low..high."""
        return self._random.randint(low, high)


def make_turns(shape: str, renderer: Renderer, words: Words, units: int, turns: int) -> list[Turn]:
    """The turns of a shape: `units` conversations (of `turns` agent turns each), or prompts."""
    if shape == "conversation":
        return [t for n in range(units) for t in _conversation(n, renderer, words, turns)]
    if shape == "long_prompt":
        # Triangular round 600: median 600, from 300 to 900 tokens.
        lengths = [
            (words.between(150, 450) + words.between(150, 450), words.between(88, 132))
            for _ in range(units)
        ]
        return [
            single(n, renderer, words, p, [c, words.between(72, 108)], playbook=150)
            for n, (p, c) in enumerate(lengths)
        ]
    if shape == "short_prompt":
        return [
            single(
                n,
                renderer,
                words,
                words.between(50, 70),
                [words.between(150, 350), words.between(150, 350)],
            )
            for n in range(units)
        ]
    if shape == "k4":
        return [single(n, renderer, words, 120, [150] * 4) for n in range(units)]
    raise ValueError(f"unknown shape {shape!r}; known: {', '.join(SHAPES)}")


def _playbook(name: str, renderer: Renderer, words: Words, total: int) -> Playbook:
    """A playbook with which an empty conversation's prompt (without its cue) has `total` tokens."""

    def make(lengths: list[int]) -> Playbook:
        return Playbook(
            guardrails=tuple(
                Guardrail(id=f"{name}-{i}", text=words.text(n)) for i, n in enumerate(lengths)
            )
        )

    bare = len(renderer.context_ids(make([1] * _GUARDRAILS), ())) - 1
    spare = total - bare
    if spare < 0:
        raise ValueError(f"the prompt's frame alone has {bare} tokens, more than {total}")
    lengths = [1 + spare // _GUARDRAILS + (i < spare % _GUARDRAILS) for i in range(_GUARDRAILS)]
    return make(lengths)


def _filled(
    renderer: Renderer,
    words: Words,
    playbook: Playbook | None,
    context: tuple[Message, ...],
    total: int,
) -> tuple[Message, ...]:
    """The context with a customer message after it, so that the prompt has `total` tokens."""
    one = (*context, Message(role="user", content="w0"))
    spare = total - len(renderer.context_ids(playbook, one))
    return (*context, Message(role="user", content=words.text(1 + spare)))


def _conversation(number: int, renderer: Renderer, words: Words, turns: int) -> list[Turn]:
    """One conversation: at each agent turn a chosen reply, which goes on, and a rejected one."""
    playbook = _playbook(f"rule-{number}", renderer, words, PLAYBOOK)
    context: tuple[Message, ...] = ()
    total, out = PLAYBOOK, []
    for turn in range(turns):
        total += CUSTOMER
        context = _filled(renderer, words, playbook, context, total)
        chosen, rejected = words.text(CHOSEN - 1), words.text(REJECTED - 1)
        out.append(_turn(f"c{number}-t{turn}", f"c{number}", playbook, context, [chosen, rejected]))
        context = (*context, Message(role="assistant", content=chosen))
        total += CHOSEN
    return out


def single(
    number: int,
    renderer: Renderer,
    words: Words,
    prompt: int,
    replies: list[int],
    playbook: int = 0,
) -> Turn:
    """A turn of its own: a prompt of `prompt` tokens and replies of so many, best first."""
    rules = _playbook(f"rule-{number}", renderer, words, playbook) if playbook else None
    context = _filled(renderer, words, rules, (), prompt)
    texts = [words.text(n - 1) for n in replies]
    return _turn(f"p{number}", f"p{number}", rules, context, texts)


def _turn(
    name: str,
    conversation: str,
    playbook: Playbook | None,
    context: tuple[Message, ...],
    texts: list[str],
) -> Turn:
    replies = tuple(
        Reply(text=text, rank=n + 1, desirable=(n == 0) if len(texts) == 2 else None)
        for n, text in enumerate(texts)
    )
    return Turn(
        id=name, conversation_id=conversation, playbook=playbook, context=context, replies=replies
    )
