"""The rows of a CSV text: a quote that is not closed costs its own line, not those after it.

A quote that opens a cell and is not closed there runs on until the next quote, over any number of
rows. Where the text that follows is no CSV, or the row gets another number of cells than the
header, reading goes on in the line after the one where the row began. Where that next quote happens
to close the cell, the row looks whole, like one with a cell of several lines. It is taken for
swallowed rows where at least half of its later lines are rows by themselves, and one of them shares
a cell with a row of one line, in a column whose cells repeat (the role "agent"); or where all of
two or more are, and no other row of the file spans lines. A line is a row by itself where it has as
many cells as the header, none of which begins with a space where those of its column do not: prose
has spaces after its commas.

A first line `sep=;` names the delimiter, as Excel writes it. Columns without a name at the header's
end are left out where they are empty; a text that stands in one is a fault of its row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

# Longer than any text: what csv refuses by default (131,072 characters) may be one long prompt.
_CELL = 2**31 - 1
_SEPARATOR = re.compile(r'"?sep=([^\w\s"]|\t)"?\1*\s*', re.IGNORECASE)
_SWALLOWED = "swallowed"  # beside the errors of csv
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"?')
_CLOSE = 'Close the cell there; a quote inside a text is written twice, and the cell in "..."'


class CsvRow(NamedTuple):
    """One row: its line (from 1) and its cells, or what is wrong with it and the mend.

    A row with a faulty quote has the line in which the quote opens, and the cells told so far.
    """

    line: int
    cells: list[str]
    problem: str = ""
    mend: str = ""


class _Span(NamedTuple):
    """The lines `begin` to `end` (from 0, without `end`) read as one row, or csv's error."""

    begin: int
    end: int
    cells: list[str]
    error: str = ""


class _Lines:
    """The lines from `at` on; `at` may be set back."""

    def __init__(self, lines: list[str], at: int) -> None:
        self.lines, self.at = lines, at

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at == len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1]


class CsvTable:
    """A CSV text; `header` holds the names of its columns, `error` why the first row is none."""

    def __init__(self, text: str, delimiter: str | None = None) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), _CELL))
        self.lines = list(io.StringIO(text, newline=""))
        first = self.lines[0] if self.lines else ""
        named = _SEPARATOR.fullmatch(first)
        self.delimiter = named[1] if named else delimiter or max(",;\t|", key=first.count)
        self.header: list[str] = []
        self._body = self._nameless = 0
        head = next(self._spans(1 if named else 0), _Span(0, 0, []))
        names, self.error = [name.strip() for name in head.cells], head.error
        while len(names) > 1 and not names[-1]:
            names.pop()
        self.header, self._nameless = names, len(head.cells) - len(names)
        self._body = head.end
        # Of the columns, filled by `_learn`: cells that repeat, and which begin with a space.
        self._usual: list[set[str]] = [set() for _ in self.header]
        self._spaced: set[int] = set()
        self._long = 0

    def rows(self) -> Iterator[CsvRow]:
        """Every row below the header that is not blank."""
        self._learn()
        for span in self._spans(self._body, look=True):
            if span.error:
                yield self._broken(span)
            elif any(cell.strip() for cell in span.cells):
                yield self._row(span)

    def _learn(self) -> None:
        """Count the rows of several lines, and note how the cells of rows of one line look."""
        whole = [span for span in self._spans(self._body) if self._whole(span)]
        single = [span.cells for span in whole if span.end == span.begin + 1]
        self._long = len(whole) - len(single)
        for column, cells in enumerate(zip(*single, strict=True)):
            different = {cell for cell in cells if cell.strip()}
            if 2 * len(different) <= len(cells):
                self._usual[column] = different
            if any(cell[:1] == " " for cell in cells):
                self._spaced.add(column)

    def _whole(self, span: _Span) -> bool:
        return not span.error and len(span.cells) == len(self.header)

    def _spans(self, at: int, look: bool = False) -> Iterator[_Span]:
        """The rows from line `at` on; with `look`, those that swallowed others are broken."""
        feed = _Lines(self.lines, at)
        reader = csv.reader(feed, delimiter=self.delimiter, strict=True)
        while feed.at < len(self.lines):
            begin = feed.at
            try:
                span = _Span(begin, begin, self._named(next(reader)))
            except csv.Error as error:
                span = _Span(begin, begin, [], str(error))
            span = span._replace(end=feed.at)
            if self._body and span.end > begin + 1:
                if look and self._whole(span) and self._swallowed(span):
                    span = span._replace(error=_SWALLOWED)
                if not self._whole(span):
                    feed.at = begin + 1
            yield span

    def _named(self, cells: list[str]) -> list[str]:
        """A row's cells without the empty ones of columns that have no name."""
        extra = cells[len(self.header) :]
        empty = len(extra) <= self._nameless and not any(cell.strip() for cell in extra)
        return cells[: len(self.header)] if self.header and empty else cells

    def _swallowed(self, span: _Span) -> bool:
        """Whether a row's later lines are rows themselves; see the head of this module."""
        lines = [line for line in self.lines[span.begin + 1 : span.end] if line.strip()]
        rows = [cells for cells in map(self._alone, lines) if cells]
        if any(
            cell in usual for cells in rows for usual, cell in zip(self._usual, cells, strict=True)
        ):
            return 2 * len(rows) >= len(lines)
        return self._long == 1 and len(rows) == len(lines) > 1

    def _alone(self, line: str) -> list[str]:
        """The cells of a line that is a row by itself; none where it is not, as prose is not."""
        try:
            cells = self._named(next(csv.reader([line], delimiter=self.delimiter, strict=True)))
        except csv.Error:
            return []
        if len(cells) != len(self.header):
            return []
        prose = any(c[:1] == " " and i not in self._spaced for i, c in enumerate(cells))
        return [] if prose else cells

    def _row(self, span: _Span) -> CsvRow:
        have, want = len(span.cells), len(self.header)
        if have == want:
            return CsvRow(span.begin + 1, span.cells)
        if want < have <= want + self._nameless:
            return CsvRow(
                span.begin + 1,
                span.cells,
                "a text stands in a column that has no name in the header",
                "Name the column in the header line, or empty its cells",
            )
        last = have < want and span.end == len(self.lines)
        return CsvRow(
            span.begin + 1,
            span.cells,
            f"the row has {have} cells, the header {want}"
            + (" (the file may be cut off here)" if last else ""),
            "Quote cells that hold the delimiter or line breaks",
        )

    def _broken(self, span: _Span) -> CsvRow:
        """The fault of a row whose quote is not closed where its cell ends."""
        line, cells, rest = self._opened(span)
        what = "the quote that opens a cell"
        if len(cells) < len(self.header):
            what = f"the quote that opens the cell '{self.header[len(cells)]}'"
        one_line = line + 1 == span.end
        if span.error == _SWALLOWED:
            problem = f"{what} is closed only after other rows of the table"
        elif "end of data" in span.error:
            problem = f"{what} is never closed"
            problem += " (the file may be cut off here)" if one_line else ""
        elif one_line:
            problem = f"{what} is closed, and more text follows in the cell"
        else:
            problem = f"{what} is not closed before the next quote opens"
        # What follows the quote in its line may still tell whose the row is.
        after = rest.rstrip("\r\n").split(self.delimiter)
        told = [*cells, *after] if len(cells) + len(after) == len(self.header) else cells
        return CsvRow(line + 1, told, problem, _CLOSE)

    def _opened(self, span: _Span) -> tuple[int, list[str], str]:
        """The line (from 0) of the faulty quote, the cells before it, its line from it on."""
        text = "".join(self.lines[span.begin : span.end])
        plain = re.compile(rf"[^{re.escape(self.delimiter)}\r\n]*")
        at = opened = 0
        while True:
            quoted = _QUOTED.match(text, at)
            found = quoted or plain.match(text, at)
            assert found is not None  # `plain` may be empty
            opened = at if quoted else opened
            if span.error == _SWALLOWED and quoted and re.search(r"[\r\n]", quoted[0]):
                break
            at = found.end()
            if not text.startswith(self.delimiter, at):
                break
            at += 1
        head = io.StringIO(text[:opened], newline="")
        cells = next(csv.reader(head, delimiter=self.delimiter), [])[:-1]
        line, start = span.begin, 0
        while start + len(self.lines[line]) <= opened:
            start += len(self.lines[line])
            line += 1
        return line, cells, self.lines[line][opened - start :]
