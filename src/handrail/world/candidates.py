"""Replies of every quality at one turn: what people are given to rank and to rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from handrail.world import speak
from handrail.world.lexicon import words
from handrail.world.phrases import table
from handrail.world.scene import topics
from handrail.world.slots import date, money
from handrail.world.speak import Piece
from handrail.world.training import Point, broken, ways_to_break

# How many guardrails a reply is made to break, and how often each number comes.
_BREAKS = (0, 1, 2, 3, 4)
_BREAK_RATES = (0.26, 0.28, 0.22, 0.14, 0.10)
# What else is wrong with it; at most one of these, else nothing.
_INVENT, _CHAT, _OTHER, _AGAIN, _CUT, _SCRAMBLE = 0.14, 0.05, 0.06, 0.03, 0.05, 0.03
TRIES = 40


def candidates(point: Point, k: int, rng: Random) -> list[str]:
    """Up to `k` different replies at a point of a conversation; fewer where no more can be made.

    Each starts from the reply that keeps all and is spoilt by chance: rules broken, facts invented,
    small talk, another matter, the last reply again, cut off, letters in disorder.
    """
    made: list[str] = []
    for _ in range(TRIES):
        text = _candidate(point, rng).strip()
        if text and text not in made:
            made.append(text)
        if len(made) == k:
            break
    return made


def _candidate(point: Point, rng: Random) -> str:
    pieces = _breaking(point, rng.choices(_BREAKS, _BREAK_RATES)[0], rng)
    roll = rng.random()
    for rate, spoil in SPOILING:
        if roll < rate:
            return spoil(point, pieces, rng)
        roll -= rate
    return speak.text_of(pieces)


def _breaking(point: Point, wanted: int, rng: Random) -> list[Piece]:
    """The pieces with so many rules broken, each of another family, where there are so many."""
    ways = ways_to_break(point)
    rng.shuffle(ways)
    taken: set[str] = set()
    pieces = point.chosen
    for active, mode in ways:
        if len(taken) == wanted:
            break
        if active.family.id not in taken and mode != "odd_act":
            taken.add(active.family.id)
            pieces = broken(replace(point, chosen=pieces), active, mode)
    return pieces


def _invented(point: Point, pieces: list[Piece], rng: Random) -> str:
    values = {"amount9": money(rng, 5, 90), "date9": date(rng)}
    says = rng.sample(table("common")["invent"], rng.choice((1, 1, 2)))
    extra = [
        Piece("info_late", speak.say(point.scene, [say], values), "", "invent") for say in says
    ]
    return speak.text_of([*pieces, *extra])


def _chatting(point: Point, pieces: list[Piece], rng: Random) -> str:
    chat = Piece("info_late", rng.choice(table("common")["small_talk"]), "", "wander")
    return speak.text_of([*pieces, chat])


def _other_matter(point: Point, pieces: list[Piece], rng: Random) -> str:
    """The answer goes, and words on a matter of another domain take its place."""
    own = point.scene.topic.domain
    other = rng.choice([t for t in topics().values() if t.domain != own])
    answers = [a for ask in other.data["asks"] for a in ask["a"] if "<" not in a]
    phrases = [rng.choice(other.data["ack"]), *(rng.sample(answers, 1) if answers else ())]
    stray = [Piece("core", speak.say(point.scene, [text], {}), "", "wander") for text in phrases]
    return speak.text_of([*(p for p in pieces if p.at != "core"), *stray])


def _again(point: Point, pieces: list[Piece], rng: Random) -> str:
    return point.scene.last_agent() or _other_matter(point, pieces, rng)


def _cut(point: Point, pieces: list[Piece], rng: Random) -> str:
    """The reply up to a word that cannot be its last, or to a comma where it has none."""
    said = speak.text_of(pieces).split()
    ends = [n for n, word in enumerate(said, start=1) if word.lower() in words("hard_ends")]
    if ends:
        return " ".join(said[: rng.choice(ends)])
    return " ".join(said[: max(1, len(said) // 2)]).rstrip(".,!?") + ","


def _scrambled(point: Point, pieces: list[Piece], rng: Random) -> str:
    """The letters of each word in disorder: nothing that means anything."""
    said = [list(word) for word in speak.text_of(pieces).lower().split()]
    for word in said:
        rng.shuffle(word)
    return " ".join("".join(word) for word in said)


SPOILING: tuple[tuple[float, Callable[[Point, list[Piece], Random], str]], ...] = (
    (_INVENT, _invented),
    (_CHAT, _chatting),
    (_OTHER, _other_matter),
    (_AGAIN, _again),
    (_CUT, _cut),
    (_SCRAMBLE, _scrambled),
)
