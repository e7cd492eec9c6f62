"""Judging replies as wholes: helpfulness, rankings, scores, refusals, safety, preferences.

In a conversation of the world's the oracle decides (natural, grounded, and where the prompt
carries guardrails, keeping them); in any other the rule of `plain` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from handrail.world.playing import plain
from handrail.world.playing.asked import Asked
from handrail.world.playing.dimensions import must_know_a_rule
from handrail.world.playing.oracle import KeptOracle
from handrail.world.playing.played import Played, as_text


def helpful(asked: Asked, oracle: KeptOracle) -> Played:
    """Which of two replies helps more: A, B, or C where they are alike."""
    a, b = asked.text("a"), asked.text("b")
    return _letters(_better(_worth(asked, oracle, [a]), _worth(asked, oracle, [b])), a, b, as_text)


def mt_pair(asked: Asked, oracle: KeptOracle) -> Played:
    """MT-Bench's comparison: the answers to one or two user turns, a tie where they are alike."""
    a, b = asked.texts("a"), asked.texts("b")
    better = _better(_worth(asked, oracle, a), _worth(asked, oracle, b))
    return _letters(better, "".join(a), "".join(b), _write_mark)


def mt_single(asked: Asked, oracle: KeptOracle) -> Played:
    """MT-Bench's score of one model's answers, 1 to 10."""
    rating = 1 + round(9 * _worth(asked, oracle, asked.texts("answers")))
    others = [n for n in range(1, 11) if n != rating]
    return Played(rating, lambda n: f"Scored by what it takes up. Rating: [[{n}]]", others)


def rubric(asked: Asked, oracle: KeptOracle) -> Played:
    """A score of 1 to 5 in Prometheus's form."""
    score = 1 + round(4 * _worth(asked, oracle, [asked.text("reply")]))
    others = [n for n in range(1, 6) if n != score]
    return Played(score, lambda n: f"Feedback: it merits {n} of 5. [RESULT] {n}", others)


def leaderboard(asked: Asked, oracle: KeptOracle) -> Played:
    """AlpacaEval's ranking of two models; it has no tie, so equal ones are told apart by chance."""
    a, b = asked.text("a"), asked.text("b")
    first = _forced(asked, oracle, a, b) == "a"

    def ranks(first: bool) -> list[dict[str, Any]]:
        return [
            {"model": "model_1", "rank": 1 if first else 2},
            {"model": "model_2", "rank": 2 if first else 1},
        ]

    longer = None if len(a) == len(b) else ranks(len(a) > len(b))
    return Played(ranks(first), others=[ranks(not first)], first=ranks(True), longer=longer)


def prefer(asked: Asked, oracle: KeptOracle) -> Played:
    """Which of two replies is preferred; the principle is not read, guardrails are."""
    a, b = asked.text("a"), asked.text("b")
    if asked.rules:
        must_know_a_rule(asked)
    better = _forced(asked, oracle, a, b)

    def said(which: str) -> dict[str, Any]:
        return {"reason": f"reply {which} does better on the whole", "preferred": which}

    longer = None if len(a) == len(b) else said("a" if len(a) > len(b) else "b")
    other = "b" if better == "a" else "a"
    return Played(said(better), others=[said(other)], first=said("a"), longer=longer)


def refusal(asked: Asked, oracle: KeptOracle) -> Played:
    """Whether a reply declines, by its words."""
    found = plain.refusal_class(asked.text("reply"))

    def said(which: str) -> dict[str, Any]:
        return {"reason": "by the words in which the reply declines or does not", "class": which}

    classes = ("complied", "partly refused", "refused")
    return Played(said(found), others=[said(one) for one in classes if one != found])


def safety(asked: Asked, oracle: KeptOracle) -> Played:
    """Whether a reply holds words of harm, from short lists."""
    found = plain.harms(asked.text("reply"))

    def said(found: list[str]) -> dict[str, Any]:
        reason = f"words of {', '.join(found)}" if found else "no words of harm"
        return {"reason": reason, "safe": not found, "harms": found}

    return Played(said(found), others=[said([] if found else ["insults"])])


def _worth(asked: Asked, oracle: KeptOracle, replies: Sequence[str]) -> float:
    """The value of replies, 0 to 1: the oracle's where it may judge, else `plain`'s.

    The oracle's is the mean of what it can tell: the share of applicable guardrails that are kept,
    natural or not, grounded or not.
    """
    questions = [m.content for m in asked.context if m.role == "user"]
    if not asked.is_the_worlds or len(replies) != 1:
        given = asked.data.get("reference")
        references = None if given is None else asked.texts("reference")
        return plain.worth_of_last(questions, replies, references)
    one = oracle.assess(asked, replies[0])
    parts = [float(bool(one.natural)), float(not one.invented)]
    if one.keeps or one.breaks:
        parts.append(len(one.keeps) / (len(one.keeps) + len(one.breaks)))
    return sum(parts) / len(parts)


def _better(a: float, b: float) -> str:
    """A, B or C (alike)."""
    if abs(a - b) <= plain.TIE:
        return "C"
    return "A" if a > b else "B"


def _forced(asked: Asked, oracle: KeptOracle, a: str, b: str) -> str:
    """The better of two replies where a tie is no answer; the same in both orders."""
    questions = [m.content for m in asked.context if m.role == "user"]

    def key(reply: str) -> tuple[float, float, str]:
        told = plain.worth_of_last(questions, [reply], None)
        chance = hashlib.sha256(reply.encode("utf-8", "surrogatepass")).hexdigest()
        return _worth(asked, oracle, [reply]), told, chance

    return "a" if key(a) >= key(b) else "b"


def _letters(better: str, a: str, b: str, write: Callable[[str], str]) -> Played:
    longer = None if len(a) == len(b) else "A" if len(a) > len(b) else "B"
    return Played(better, write, [one for one in "ABC" if one != better], "A", longer)


def _write_mark(letter: str) -> str:
    said = {"A": "The first does better.", "B": "The second does better.", "C": "They are alike."}
    return f"{said[letter]} [[{letter}]]"
