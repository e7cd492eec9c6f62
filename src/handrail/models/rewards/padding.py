"""Sequences of like lengths together, so that little of what is computed is padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

# Padding may be this share of what a batch computes: smaller batches are slower on their own.
_PADDING = 0.2


def batches(sizes: Mapping[int, int], room: int) -> Iterator[list[int]]:
    """The keys in the order of their sizes, the largest first, as many at once as fit padded."""
    held: list[int] = []
    for n in sorted(sizes, key=lambda n: -sizes[n]):
        if held and (len(held) + 1) * sizes[held[0]] > room:
            yield held
            held = []
        held.append(n)
    if held:
        yield held


def alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of sequences of like lengths, with little padding among them."""
    held: list[int] = []
    real = 0
    for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        real += lengths[n]
        if held and (1 - _PADDING) * (len(held) + 1) * lengths[held[0]] > real:
            yield held
            held, real = [], lengths[n]
        held.append(n)
    if held:
        yield held
