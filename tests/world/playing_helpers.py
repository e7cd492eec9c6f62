"""Prompts as Handrail renders them, and what a player answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handrail.asking import Prompts
from handrail.records import Message
from handrail.world import Player

PROMPTS = Prompts()


def prompt(task: str, **values: Any) -> tuple[Message, ...]:
    return PROMPTS[task].render(values)


def answer(player: Player, task: str, **values: Any) -> str:
    return player.reply(prompt(task, **values))


def said(*lines: tuple[str, str]) -> list[dict[str, Any]]:
    """A conversation as prompts show it, from (who, text)."""
    return [{"n": n, "from": who, "text": text} for n, (who, text) in enumerate(lines, start=1)]


def as_chat(messages: Sequence[Message]) -> list[Mapping[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]
