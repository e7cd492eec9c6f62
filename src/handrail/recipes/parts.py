"""Parts of a corpus: cut by conversation, drawn by a seed, no conversation in two pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from handrail.recipes.run import spread
from handrail.records import Conversation, Skip, Turn, content_id

T = TypeVar("T", Turn, Conversation)


def talk_of(turn: Turn) -> str:
    """The conversation of a turn, by name; turns that name none are one where the prompt is."""
    if turn.conversation_id or not turn.context:
        return turn.conversation_id or turn.id
    return content_id("prompt", [(m.role, m.content) for m in turn.context])


def take_points(make: Callable[[int], Sequence[Turn]], n: int) -> list[Turn]:
    """Turns of the first conversations that together hold at least `n`, none cut in two."""
    count = max(2, n // 4)
    turns = list(make(count))
    while len(turns) < n:
        count *= 2
        turns = list(make(count))
    return _whole(turns, n)


def cut(turns: Sequence[T], tests: list[T] | None, shares: dict[str, float]) -> dict[str, list[T]]:
    """The parts by name, the test last: `tests` where they are given, else its share."""
    names = [name for name in shares if tests is None or name != "test"]
    total = sum(shares[name] for name in names)
    found = _split(turns, {name: shares[name] / total for name in names})
    parts = dict(zip(names, found, strict=True))
    return parts if tests is None else parts | {"test": tests}


def _split(turns: Sequence[T], shares: dict[str, float]) -> list[list[T]]:
    """Parts by conversation, by a hash of its id: the same whatever else is in the file."""
    parts: list[list[T]] = [[] for _ in shares]
    for turn in turns:
        name = talk_of(turn) if isinstance(turn, Turn) else turn.id
        place, total = spread(name) / 2**64, 0.0
        for part, share in zip(parts, shares.values(), strict=True):
            total += share
            if place < total:
                part.append(turn)
                break
        else:
            parts[-1].append(turn)
    return parts


def drawn(turns: Sequence[Turn], n: int, seed: int) -> list[Turn]:
    """Whole conversations in an order that the seed decides, until they hold `n` turns."""
    ordered = sorted(turns, key=lambda t: spread(f"{seed}:{talk_of(t)}"))
    return _whole(ordered, n) if n else []


def beyond(part: str, unit: str, turns: Sequence[Turn], taken: Sequence[Turn]) -> list[Skip]:
    """The turns of a part that its setting, such as `train_points`, leaves unused."""
    reason = f"beyond {part}_{unit}; raise it to use more"
    lost = len(turns) - len(taken)
    return [Skip(what=f"{part} turn", reason=reason, count=lost)] if lost else []


def _whole(turns: Sequence[Turn], n: int) -> list[Turn]:
    """The first turns, at least `n`, that do not cut a conversation in two."""
    for end in range(n, len(turns)):
        if talk_of(turns[end]) != talk_of(turns[end - 1]):
            return list(turns[:end])
    return list(turns)
