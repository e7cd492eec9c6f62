"""Turns with ratings, for the tests of preparing them."""

from __future__ import annotations

from collections.abc import Sequence

from handrail.records import Message, Reply, Turn


def rated_turns(rows: Sequence[Sequence[float | None]], name: str = "t") -> list[Turn]:
    """A turn for each row, a reply for each rating; every text is there once."""
    return [
        Turn(
            id=f"{name}{i}",
            context=(Message(role="user", content=f"Question {name}{i}"),),
            replies=tuple(
                Reply(text=f"Reply {name}{i}.{j}", rating=rating) for j, rating in enumerate(row)
            ),
        )
        for i, row in enumerate(rows)
    ]
