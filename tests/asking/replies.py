"""Replies of a judging model, good and mangled, and what each of them says, found slowly."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from handrail.asking import (
    BracketLetterReading,
    BracketRatingReading,
    Form,
    JsonReading,
    LetterReading,
    RanksReading,
    ResultReading,
)
from handrail.records import Reading
from tests.mangling import damaged

REFUSALS = (
    "I can't help with that.",
    "I'm sorry, but I cannot judge these replies.",
    "As an AI language model, I am unable to take sides here.",
    "I won't be able to compare them; it is against my guidelines.",
    "Unfortunately this is something I am not able to assist with, I can\u2019t rate it.",
    "I must decline to answer.",
    "Sorry, I am not allowed to evaluate this conversation.",
    "I am not comfortable with this request.",
    "I\u2019m unable to provide a verdict on this.",
)
PROSE = (
    "Let me think about both replies first.",
    "Sure! Here is my judgement:",
    "The first reply names the fee (5 dollars), the other one does not {it never does}.",
    "Both keep the tone; what counts is the promise.",
    "That is all I can say from the text.",
)


class Bin(Form):
    reason: str = ""
    verdict: Literal["a", "b", "both", "neither"]


class Grade(Form):
    reason: str = ""
    rating: int
    natural: bool


@dataclass(frozen=True)
class Kind:
    """A form of answer: a good reply of a truth, the truth of what was read, what a text says.

    `says` gives every answer of the form that stands in a text, by plain search.
    """

    reading: Reading
    truths: tuple[Any, ...]
    wrong: tuple[Any, ...]
    reply: Callable[[Any, random.Random], str]
    truth: Callable[[Any], Any]
    says: Callable[[str], set[Any]]
    alone: bool = False  # nothing else may stand in the text


def _json_bin(truth: str, rng: random.Random) -> str:
    return _written({"reason": rng.choice(PROSE[3:]), "verdict": truth}, rng)


def _json_grade(truth: tuple[int, bool], rng: random.Random) -> str:
    rating: Any = str(truth[0]) if rng.random() < 0.3 else truth[0]
    return _written({"reason": "It's fine.", "rating": rating, "natural": truth[1]}, rng)


def _written(data: Any, rng: random.Random) -> str:
    """JSON, or what Python and JavaScript would write for it."""
    way = rng.randrange(6)
    if way == 0:
        return repr(data)
    if way == 1:
        return json.dumps(data, indent=2).replace("\n}", ",\n}")
    if way == 2:
        return re.sub(r'"(verdict|reason|rating|natural|model|rank)":', r"\1:", json.dumps(data))
    if way == 3:
        return (
            json.dumps(data).replace('"verdict": "', '"Verdict": "').upper().replace("\\N", "\\n")
        )
    return json.dumps(data, indent=rng.choice([None, 1]))


def _after(text: str, name: str) -> list[str]:
    """What follows each mention of a key, up to the end of the value."""
    parts = re.split(rf"(?i)\b{name}\b\W{{0,2}}\s*:", text)[1:]
    return [re.split(r"[,}\n]", part, maxsplit=1)[0].strip(" \"'\t").casefold() for part in parts]


def _spoken(text: str) -> str:
    return re.sub(r"(?is)^\s*<think>.*?</think>", "", text)


def _says_bin(text: str) -> set[Any]:
    return {said for said in _after(_spoken(text), "verdict") if said in KINDS["bins"].truths}


def _says_grade(text: str) -> set[Any]:
    text = _spoken(text)
    ratings = {said for said in _after(text, "rating") if said.isdigit()}
    truths = {said for said in _after(text, "natural") if said in ("true", "false")}
    return {(rating, natural) for rating in ratings for natural in truths}


def _says_letter(text: str) -> set[Any]:
    words = re.findall(r"[^\W\d_]+", _spoken(text).casefold())
    known = ("answer", "verdict", "the", "is", "final", "my", "choice", "decision")
    return {" ".join(word for word in words if word not in known)}


def _inside(text: str) -> set[str]:
    pieces = _spoken(text).split("[[")[1:]
    return {p.split("]]")[0].strip(" *").casefold() for p in pieces if "]]" in p}


def _says_result(text: str) -> set[Any]:
    found = set()
    for part in re.split(r"(?i)\[result\]", _spoken(text))[1:]:
        lines = [line for line in part.split("\n") if line.strip(" *:")]
        found |= set(re.findall(r"-?\d+(?:\.\d+)?", re.sub(r"(/|out of)\s*5", "", lines[0])))
    return {float(one) for one in found}


def _says_ranks(text: str) -> set[Any]:
    pairs = re.findall(
        r"(?is)model_([12])\b.{0,12}?rank\b.{0,5}?(\d+)|rank\b.{0,4}?(\d+)\W.{0,14}?model_([12])",
        _spoken(text),
    )
    return {(a or d, b or c) for a, b, c, d in pairs}


def _ranks(truth: tuple[int, int], rng: random.Random) -> str:
    rows = [{"model": f"model_{n}", "rank": r} for n, r in enumerate(truth, start=1)]
    rng.shuffle(rows)
    return repr(rows) if rng.random() < 0.5 else json.dumps(rows, indent=rng.choice([None, 2]))


KINDS: dict[str, Kind] = {
    "bins": Kind(
        JsonReading(Bin),
        ("a", "b", "both", "neither"),
        ("c", "", "a or b", "tie"),
        _json_bin,
        lambda data: data.verdict,
        _says_bin,
    ),
    "grade": Kind(
        JsonReading(Grade),
        tuple((n, fine) for n in (1, 4, 10) for fine in (True, False)),
        (("x", True), (4, "maybe"), (4.5, True)),
        _json_grade,
        lambda data: (str(data.rating), str(data.natural).casefold()),
        _says_grade,
    ),
    "letter": Kind(
        LetterReading(),
        ("A", "B", "C"),
        ("D", "E", "Z"),
        lambda t, rng: rng.choice(["{}", "{}.", "**{}**", '"{}"', "Answer: {}", " {}\n"]).format(t),
        lambda data: data.letter.casefold(),
        _says_letter,
        alone=True,
    ),
    "verdict": Kind(
        BracketLetterReading(),
        ("A", "B", "C"),
        ("D", "A or B", ""),
        lambda t, rng: f"{rng.choice(PROSE)}\n\n{rng.choice(['', 'Verdict: '])}[[{t}]]",
        lambda data: data.letter.casefold(),
        _inside,
    ),
    "rating": Kind(
        BracketRatingReading(),
        ("1", "7", "10", "6.5"),
        ("0", "11", "-3", "7-8", "rating", "1e3"),
        lambda t, rng: f"{rng.choice(PROSE)}\nRating: [[{t}]]",
        lambda data: f"{data.value:g}",
        _inside,
    ),
    "result": Kind(
        ResultReading(),
        (1.0, 3.0, 5.0),
        (0.0, 6.0, 4.5, "x", "4 or 5"),
        lambda t, rng: (
            f"Feedback: {rng.choice(PROSE)} [RESULT] "
            + (f"{t:g}" if isinstance(t, float) else str(t))
        ),
        lambda data: data.value,
        _says_result,
    ),
    "ranks": Kind(
        RanksReading(),
        ((1, 2), (2, 1), (1, 1)),
        ((1, 3), (0, 1), ("x", 1)),
        _ranks,
        lambda data: {(name[-1], str(rank)) for name, rank in data.ranks.items()},
        _says_ranks,
    ),
}


def dressed(reply: str, rng: random.Random, alone: bool = False) -> str:
    """The reply as models send it: fenced, introduced, after thoughts. It says the same."""
    if rng.random() < 0.3 and not alone:
        reply = f"```json\n{reply}\n```"
    if rng.random() < 0.3 and not alone:
        reply = f"{rng.choice(PROSE)}\n{reply}"
    if rng.random() < 0.2 and not alone:
        reply = f"{reply}\n{rng.choice(PROSE)}"
    if rng.random() < 0.15 and not alone:
        reply = f"{reply}\n\n{reply}"
    if rng.random() < 0.15:
        reply = f'<think>Or [[B]]? {{"verdict": "neither"}} B</think>\n{reply}'
    return reply


def mangled(kind: Kind, rng: random.Random) -> str:
    """A reply with a fault, or several: cut, damaged, contradicted, out of range, refused."""
    reply = kind.reply(rng.choice(kind.truths), rng)
    way = rng.randrange(9)
    if way in (0, 8):
        reply = kind.reply(rng.choice(kind.wrong), rng)
    elif way == 1:
        reply = f"{reply}\n{rng.choice(PROSE)}\n{kind.reply(rng.choice(kind.truths), rng)}"
    elif way == 2:
        reply = f"{reply}\n{kind.reply(rng.choice(kind.wrong), rng)}"
    elif way == 3:
        reply = rng.choice(REFUSALS)
    elif way == 4:
        reply = rng.choice(
            ["", " \n", "{}", "[]", "[[", "null", "{" * 5000, "[" * 5000, '{"' * 900]
        )
    elif way == 5:
        reply = f'{{"result": {reply}}}'
    elif way == 6:
        reply = "x" * rng.choice([10, 50_000]) + reply
    reply = dressed(reply, rng, kind.alone)
    if rng.random() < 0.4:
        reply = damaged(reply.encode(), rng).decode("utf-8", "surrogateescape")
    if rng.random() < 0.2:
        reply = reply[: rng.randrange(len(reply) + 1)]
    return reply
