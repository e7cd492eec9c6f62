"""The fields of a raw row, by type: what is not as it should be is one clear error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from handrail.records import RecordError
from handrail.sources.tables import Row

T = TypeVar("T")


class Fields:
    """One row's fields. Each reader raises `RecordError` for what is not there or of no use."""

    def __init__(self, row: Row, mend: str, warn: Callable[[str, str], None]) -> None:
        """`mend` ends every error; `warn` counts what is odd and read all the same."""
        self.row, self._mend, self._warn = row, mend, warn

    def __getitem__(self, name: str) -> Any:
        if name not in self.row.fields:
            raise RecordError(f"field '{name}' is missing", self._mend)
        return self.row.fields[name]

    def text(self, name: str) -> str:
        """A text; JSON's true and false become the words that they stood for, with a warning."""
        value = self[name]
        if isinstance(value, bool):
            self._warn("text", f"a JSON boolean in '{name}', read as the word {value}")
            return str(value)
        if not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value

    def number(self, name: str) -> int:
        """A whole number, or a text of one (CSV)."""
        value = self[name]
        if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, "a whole number")
        return value

    def one_of(self, name: str, known: Mapping[Any, T]) -> T:
        """What the value stands for; a boolean is never the number that it equals."""
        value = self[name]
        if not isinstance(value, str | int) or isinstance(value, bool) or value not in known:
            raise self._wrong(name, f"one of {', '.join(repr(k) for k in known)}")
        return known[value]

    def object(self, name: str) -> dict[str, Any]:
        """A JSON object."""
        value = self[name]
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return value

    def texts(self, name: str) -> dict[str, str | None]:
        """A JSON object of texts and nulls."""
        value = self.object(name)
        if not all(text is None or isinstance(text, str) for text in value.values()):
            raise self._wrong(name, "an object of texts")
        return value

    def between(self, name: str, high: float) -> float:
        """A number from 0 to `high`."""
        value = self[name]
        if not _is_number(value) or not 0 <= value <= high:
            raise self._wrong(name, f"a number from 0 to {high:g}")
        return float(value)

    def numbers(self, name: str, count: int) -> list[float]:
        """A list of so many numbers."""
        value = self[name]
        if not isinstance(value, list) or len(value) != count or not all(map(_is_number, value)):
            raise self._wrong(name, f"a list of {count} numbers")
        return [float(x) for x in value]

    def figures(self) -> dict[str, float]:
        """The fields whose texts are numbers (CSV)."""
        found = {}
        for name, value in self.row.fields.items():
            try:
                found[name] = float(value)
            except (TypeError, ValueError):
                continue
        return found

    def _wrong(self, name: str, wanted: str) -> RecordError:
        shown = repr(self[name])
        shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
        return RecordError(f"field '{name}': expected {wanted}, found {shown}", self._mend)


def _is_number(value: object) -> bool:
    """Whether a value is a number that a float can hold, and not NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= 1e300
