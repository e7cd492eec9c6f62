"""Similar turns: the fast search against a slow, obvious one."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail import world
from handrail.records import Message, Reply, Turn
from handrail.sources.grading import agent_turns
from handrail.sources.similar import SimilarTurns, asked


def turn(number: int, text: str, talk: str = "") -> Turn:
    context = (Message(role="user", content=text),)
    name = talk or f"talk-{number}"
    return Turn(id=f"t{number}", conversation_id=name, context=context, replies=(Reply(text="Ok"),))


def slowly(pool: list[Turn], one: Turn, most: int) -> list[int]:
    """Every pair of vectors, word by word."""
    bags = [asked(t) for t in pool]
    seen = Counter(word for bag in bags for word in bag)

    def vector(bag: Counter[str]) -> dict[str, float]:
        found = {
            w: n * (math.log((1 + len(pool)) / (1 + seen[w])) + 1)
            for w, n in bag.items()
            if w in seen
        }
        length = math.sqrt(sum(v * v for v in found.values())) or 1.0
        return {w: v / length for w, v in found.items()}

    own = vector(asked(one))
    scores = []
    for i, (other, bag) in enumerate(zip(pool, bags, strict=True)):
        theirs = vector(bag)
        score = round(sum(v * theirs.get(w, 0.0) for w, v in own.items()), 9)
        if score > 0 and not (one.conversation_id and one.conversation_id == other.conversation_id):
            scores.append((-score, i))
    return [i for _, i in sorted(scores)[:most]]


VOCABULARY = ["my", "card", "is", "lost", "where", "order", "refund", "ünder", "42"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=6)


@given(st.lists(st.tuples(WORDS, st.integers(0, 3)), min_size=1, max_size=9), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_equals_the_slow_search(texts: list[tuple[list[str], int]], most: int) -> None:
    pool = [turn(n, " ".join(words) + " .", f"c{talk}") for n, (words, talk) in enumerate(texts)]
    others = [*pool, turn(99, "my refund, quite unknown")]
    found = list(SimilarTurns(pool).nearest(others, most))
    assert found == [slowly(pool, one, most) for one in others]


def test_more_turns_than_are_held_at_a_time() -> None:
    turns = [t for talk in world.generate(120, 5) for t in agent_turns(talk)]
    assert len(turns) > 300
    found = list(SimilarTurns(turns).nearest(turns, 4))
    for n in (0, 17, len(turns) - 1):
        assert found[n] == slowly(turns, turns[n], 4)


def test_only_what_was_said_since_the_last_reply_counts() -> None:
    context = tuple(
        Message(role=role, content=text)  # type: ignore[arg-type]
        for role, text in (
            ("user", "old"),
            ("assistant", "yes"),
            ("user", "New, new"),
            ("user", "x"),
        )
    )
    one = Turn(id="a", context=context, replies=(Reply(text="Ok"),))
    assert asked(one) == {"new": 2, "x": 1}


@pytest.mark.parametrize("pool", [[], [turn(0, "...")]])
def test_a_pool_without_words_is_like_nothing(pool: list[Turn]) -> None:
    assert list(SimilarTurns(pool).nearest([turn(1, "hello")], 3)) == [[]]
