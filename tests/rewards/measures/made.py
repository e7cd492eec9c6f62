"""Turns and scores by hand, and at random, for the tests of measures."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from handrail.ranking import Resampling
from handrail.records import Message, Reply, Turn
from handrail.rewards.measures import Scored
from handrail.rewards.measures.scored import Reads

NAN = float("nan")
QUICK = Resampling(resamples=200)


def turn(
    name: str,
    ranks: Sequence[int | None] = (),
    ratings: Sequence[float | None] = (),
    authors: Sequence[str] = (),
    texts: Sequence[str] = (),
    **tags: str,
) -> Turn:
    """A turn whose replies have these ranks and ratings."""
    k = max(len(ranks), len(ratings), len(texts), len(authors))
    return Turn(
        id=name,
        context=(Message(role="user", content=f"question {name}"),),
        replies=tuple(
            Reply(
                text=texts[i] if texts else f"reply {i} to {name}",
                rank=ranks[i] if ranks else None,
                rating=ratings[i] if ratings else None,
                author=authors[i] if authors else "",
            )
            for i in range(k)
        ),
        tags=tags,
    )


def scored(
    turns: Sequence[Turn],
    scores: Sequence[Sequence[float]],
    scale: Reads = "preference",
    model: str = "m",
) -> Scored:
    """A model's scores; of a model of ratings these are the predictions too."""
    rows = tuple(tuple(map(float, row)) for row in scores)
    return Scored(model, scale, tuple(turns), rows, rows if scale == "rating" else None, "no zero")


@st.composite
def ranked(draw: st.DrawFn, least: int = 1, most: int = 5) -> tuple[list[Turn], list[list[float]]]:
    """Some turns with ranks, ties and gaps among them, and scores with ties among them."""
    turns, scores = [], []
    for t in range(draw(st.integers(1, 5))):
        k = draw(st.integers(least, most))
        one = st.one_of(st.none(), st.integers(1, 3))
        turns.append(turn(f"t{t}", draw(st.lists(one, min_size=k, max_size=k))))
        values = st.sampled_from([0.0, 0.5, 1.0, 2.0])
        scores.append(draw(st.lists(values, min_size=k, max_size=k)))
    return turns, scores
