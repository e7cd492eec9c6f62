"""Answers that are no JSON object: a letter, `[[A]]`, `[[7]]`, `[RESULT] 4`, a list of ranks.

The forms are those of the papers that the judges follow (docs/judging.md). Where a text says two
things, or something beyond the form's range, it is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handrail.asking.loose import objects
from handrail.asking.reading import Form
from handrail.asking.refusing import answer_of, no_answer
from handrail.records import Unreadable

_LETTER = re.compile(
    r"(?:(?:my |the )?(?:final )?(?:answer|verdict|choice|decision)(?: is)?\s*[:=]?\s*)?"
    r"[\s*_`\"'(\[{<]*(?P<letter>[A-Z])[\s*_`\"')\]}>.!]*",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\[\[([^\[\]]*)\]\]")
_NUMBER = re.compile(r"[\s*]*(?P<number>-?\d+(?:\.\d+)?)(?:\s*/\s*(?P<of>\d+))?[\s*]*")
_RANK = re.compile(r"[\"'](?:rank|model)\b[\"']?\W{0,3}:|[\"']rank\b", re.IGNORECASE)
_RESULT = re.compile(r"\[RESULT\]", re.IGNORECASE)
_SCORE = re.compile(
    r"[\s:*(\[]*(?:score\s*[:=]?\s*)?(?P<number>-?\d+(?:\.\d+)?)"
    r"(?:\s*(?:/|out of)\s*(?P<of>\d+))?[\s*)\].\"']*",
    re.IGNORECASE,
)


class Choice(Form):
    """The letter that was chosen, and what was said before it."""

    letter: str
    reason: str = ""


class Score(Form):
    """The number that was given, and what was said before it."""

    value: float
    reason: str = ""


class Ranks(Form):
    """The rank of each model, 1 the best; equal ranks are a tie."""

    ranks: dict[str, int]


@dataclass(frozen=True)
class _Plain:
    """Base of readings that ask for no JSON schema."""

    @property
    def schema(self) -> None:
        """No schema: the answer is no JSON object."""
        return None


@dataclass(frozen=True)
class LetterReading(_Plain):
    """Reads a text that is one letter and nothing else ("B", "**B**", "Answer: B.")."""

    letters: str = "ABC"

    def read(self, text: str) -> Choice:
        """The letter, a capital; raises `Unreadable`."""
        said = answer_of(text)
        found = _LETTER.fullmatch(said)
        if found is None:
            raise no_answer(said, f"it is not one of the letters {', '.join(self.letters)} alone")
        return Choice(letter=_known(found["letter"], self.letters))


@dataclass(frozen=True)
class BracketLetterReading(_Plain):
    """Reads the letter in double brackets, `[[A]]`; all that stands in such must be the same."""

    letters: str = "ABC"

    def read(self, text: str) -> Choice:
        """The letter, a capital, and the words before it; raises `Unreadable`."""
        said, inside = _bracketed(text, f"[[{self.letters[0]}]]")
        (letter,) = {_known(one.strip(" *"), self.letters) for one in inside}
        return Choice(letter=letter, reason=_before(said, "[["))


@dataclass(frozen=True)
class BracketRatingReading(_Plain):
    """Reads the number in double brackets, `[[7]]` or `[[7.5]]`, from `low` to `high`."""

    low: float = 1.0
    high: float = 10.0

    def read(self, text: str) -> Score:
        """The number and the words before it; raises `Unreadable`."""
        said, inside = _bracketed(text, "[[rating]]")
        (value,) = {_number(_NUMBER.fullmatch(i), i, self.low, self.high) for i in inside}
        return Score(value=value, reason=_before(said, "[["))


@dataclass(frozen=True)
class ResultReading(_Plain):
    """Reads `Feedback: ... [RESULT] 4`: a whole number from `low` to `high`."""

    low: int = 1
    high: int = 5

    def read(self, text: str) -> Score:
        """The number and the feedback; raises `Unreadable`."""
        said = answer_of(text)
        found = [_first_line(rest) for rest in _RESULT.split(said)[1:]]
        if not found:
            raise no_answer(said, "it holds no [RESULT] with a number")
        values = {_number(_SCORE.fullmatch(one), one, self.low, self.high) for one in found}
        if len(values) > 1:
            raise Unreadable(f"it holds {len(values)} different answers", "schema")
        (value,) = values
        if value != int(value):
            raise Unreadable(f"{value:g} is not a whole number", "schema")
        reason = re.sub(r"^\W*feedback\W*", "", _before(said, "[RESULT]"), flags=re.IGNORECASE)
        return Score(value=value, reason=reason)


@dataclass(frozen=True)
class RanksReading(_Plain):
    """Reads the list of models and ranks of AlpacaEval's leaderboard form, in JSON or Python.

    Each model must be ranked once (twice alike is once), with a rank from 1 to their number.
    """

    models: Sequence[str] = ("model_1", "model_2")

    def read(self, text: str) -> Ranks:
        """The ranks; raises `Unreadable`."""
        said = answer_of(text)
        there = objects(said)
        entries = [entry for value in there.objects for entry in _entries(value)]
        lost = [one for one in (*there.fragments, there.words) if _RANK.search(one)]
        if lost:
            raise Unreadable("its list is broken or cut off")
        if not entries:
            raise no_answer(said, "it holds no list of models with ranks")
        ranks: dict[str, int] = {}
        for entry in entries:
            name, rank = self._entry(entry)
            if ranks.setdefault(name, rank) != rank:
                raise Unreadable(f"it ranks {name} twice", "schema")
        if missing := [name for name in self.models if name not in ranks]:
            raise Unreadable(f"it does not rank {' and '.join(missing)}", "schema")
        return Ranks(ranks=ranks)

    def _entry(self, entry: Mapping[str, Any]) -> tuple[str, int]:
        name = re.sub(r"[\s-]+", "_", str(entry["model"]).strip()).casefold()
        if name not in self.models:
            raise Unreadable(f"there is no model '{str(entry['model'])[:40]}'", "schema")
        rank = str(entry["rank"]).strip()
        if rank not in {str(n) for n in range(1, len(self.models) + 1)}:
            raise Unreadable(f"'{rank[:40]}' is no rank from 1 to {len(self.models)}", "schema")
        return name, int(rank)


def _entries(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The object where it is an entry, or the entries of a list within it."""
    if {"model", "rank"} <= value.keys():
        return [value]
    if {"model", "rank"} & value.keys():
        raise Unreadable("an entry lacks its model or its rank", "schema")
    lists = [item for item in value.values() if isinstance(item, list)]
    held = [one for items in lists for one in items if isinstance(one, dict)]
    return [entry for one in held for entry in _entries(one)]


def _bracketed(text: str, form: str) -> tuple[str, list[str]]:
    """The answer, and all that stands in double brackets in it: one thing, if often."""
    said = answer_of(text)
    inside = [one.strip() for one in _BRACKETS.findall(said)]
    if not inside:
        raise no_answer(said, f"it holds no {form}")
    if len({one.strip(" *").casefold() for one in inside}) > 1:
        raise Unreadable("it holds different answers in double brackets", "schema")
    return said, inside


def _known(letter: str, letters: str) -> str:
    if len(letter) != 1 or letter.upper() not in letters:
        raise Unreadable(f"'{letter[:40]}' is none of {', '.join(letters)}", "schema")
    return letter.upper()


def _number(found: re.Match[str] | None, text: str, low: float, high: float) -> float:
    """The number of a match, which must lie in the range and be out of its top, if of any."""
    if found is None:
        raise Unreadable(f"'{text.strip()[:40]}' is not a number", "schema")
    value = float(found["number"])
    if not low <= value <= high or (found["of"] and float(found["of"]) != high):
        raise Unreadable(f"{found[0].strip()[:40]} is not from {low:g} to {high:g}", "schema")
    return value


def _first_line(rest: str) -> str:
    """What follows a mark: the first line that has words."""
    lines = (line for line in rest.splitlines() if line.strip(" *:"))
    return next(lines, "")


def _before(said: str, mark: str) -> str:
    """The words before the last place of a mark."""
    return said[: said.upper().rfind(mark.upper())].strip()
