"""One row's cells by type, with those that may be absent or null."""

from __future__ import annotations

from typing import Any

from handrail.records import RecordError
from handrail.sources.labelled.fields import Fields

LEAVE = "Leave such rows out with --on-error skip (on_error='skip' in Python)"


class Cells(Fields):
    """As `Fields`; also cells that may be absent. What is of another type is one clear error."""

    def has(self, *names: str) -> bool:
        """Whether the row has all these columns, null or not."""
        return all(name in self.row.fields for name in names)

    def given(self, name: str) -> bool:
        """Whether a cell is there and not null."""
        return self.row.fields.get(name) is not None

    def any_of(self, *names: str) -> str:
        """The first of the names that the row has a column for; else the first, to be missed."""
        return next((name for name in names if self.has(name)), names[0])

    def words(self, name: str) -> str:
        """A text that is not empty."""
        if not self.text(name).strip():
            raise RecordError(f"field '{name}': the text is empty", LEAVE)
        return self.text(name)

    def text_or(self, name: str, other: str = "") -> str:
        """A text, or `other` where the cell is absent or null."""
        return self.text(name) if self.given(name) else other

    def text_or_none(self, name: str) -> str | None:
        """A text; None where it is null. Its column must be there."""
        return None if self[name] is None else self.text(name)

    def key(self, name: str) -> str:
        """A name: a text, or a number written as one."""
        value = self[name]
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise self._wrong(name, "a name")
        return str(value)

    def flag(self, name: str) -> bool:
        """True or false, or 1 and 0 (CSV, Parquet)."""
        value = self[name]
        if isinstance(value, bool):
            return value
        told = {"0": False, "1": True, "true": True, "false": False}.get(str(value).strip().lower())
        if told is None:
            raise self._wrong(name, "true or false")
        return told

    def flag_or_none(self, name: str) -> bool | None:
        """As `flag`; None where the cell is absent or null."""
        return self.flag(name) if self.given(name) else None

    def count_or_none(self, name: str) -> int | None:
        """A whole number from 0, also as 1.0 (tables with nulls hold such); None where absent."""
        if not self.given(name):
            return None
        value = self[name]
        if isinstance(value, float):
            if value != value:
                return None
            value = int(value) if value.is_integer() else value
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._wrong(name, "a whole number from 0")
        return value

    def figure(self, name: str) -> float:
        """A finite number, or a text of one (CSV)."""
        value = self[name]
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise self._wrong(name, "a number") from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
            raise self._wrong(name, "a number")
        return float(value)

    def list(self, name: str) -> list[Any]:
        """A list of anything."""
        value = self[name]
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value

    def inner(self, name: str, value: object) -> Cells:
        """The cells of an object that stands in the cell `name` (as one of a list, say)."""
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return Cells(self.row._replace(fields=value), self._mend, self._warn)
