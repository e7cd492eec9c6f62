"""Sections that are tables or text: what was left out, judge quality, anything else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from handrail.ranking import Estimate, PairResult
from handrail.records import Skip
from handrail.reports.html import Safe, figure, join, table, tag
from handrail.reports.numbers import compact, n_text, percent, points, span
from handrail.reports.winrates import by_pair

Cell = str | int | float | Estimate


@dataclass(frozen=True)
class LeftOut:
    """What was skipped or cut: reasons and counts. `counts` adds rows of (what, reason, count)."""

    skips: Sequence[Skip] = ()
    counts: Sequence[tuple[str, str, int]] = ()
    title: str = "What was skipped or cut"
    most: int = 40

    def rows(self) -> list[tuple[str, str, int, str]]:
        """What, why, how many and one place, the most frequent first."""
        groups: Counter[tuple[str, str]] = Counter()
        where: dict[tuple[str, str], str] = {}
        for skip in self.skips:
            groups[skip.what, skip.reason] += skip.count
            where.setdefault((skip.what, skip.reason), skip.where)
        rows = [(w, r, n, "") for w, r, n in self.counts if n]
        rows += [(w, r, n, where[w, r]) for (w, r), n in groups.items()]
        return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))

    def html(self) -> Safe:
        """Reasons by how often, with one place each; says so where nothing was left out."""
        rows = self.rows()
        if not rows:
            return tag("p", "Nothing was skipped or cut.")
        total = sum(row[2] for row in rows)
        cells: list[list[object]] = [
            [what, reason, f"{n:,}", place] for what, reason, n, place in rows[: self.most]
        ]
        rest = rows[self.most :]
        note = f"{total:,} in all."
        if rest:
            note += f" Not shown: {len(rest):,} rarer reasons, {sum(r[2] for r in rest):,} in all."
        columns: list[object] = ["What", "Why", "How many", "For example"]
        return table(columns, cells, "Skipped or cut, by reason", note, "left-out", True)


@dataclass(frozen=True)
class JudgeQuality:
    """How far the judge can be trusted: flips between orders, position bias, failures."""

    results: Sequence[PairResult]
    judge: str = ""
    title: str = "The judge"

    def html(self) -> Safe:
        """One row per pair and dimension."""
        if not self.results:
            return Safe("")
        bodies = [_quality(a, b, cells) for (a, b), cells in by_pair(self.results).items()]
        columns = (
            "Dimension",
            "n",
            "Flip rate",
            "First minus second",
            "Failed judgements",
            "Left unjudged",
        )
        head = tag("thead", tag("tr", *(tag("th", column, scope="col") for column in columns)))
        note = (
            "Flip rate: comparisons whose two orders disagree. First minus second: verdicts for "
            "the reply shown first minus those for the second, in points. Failed judgements are "
            "in no win rate; a comparison is left unjudged when none of its orders succeeded."
        )
        caption = f"Judge: {self.judge}" if self.judge else "Judge"
        inside = tag("div", tag("table", head, *bodies, class_="quality"), class_="scroll")
        return figure(inside, caption, note)


def _quality(a: str, b: str, cells: Mapping[str, PairResult]) -> Safe:
    """One pair's rows under its names."""
    rows = [tag("tr", tag("th", f"{a} against {b}", colspan=6, scope="rowgroup", class_="group"))]
    for dimension, one in cells.items():
        rows.append(
            tag(
                "tr",
                tag("th", dimension, scope="row"),
                tag("td", f"{one.n:,}"),
                tag("td", figure_text(one.flips)),
                tag("td", figure_text(one.first_bias, signed=True)),
                tag("td", f"{one.errors:,}"),
                tag("td", f"{one.unjudged:,}"),
            )
        )
    return tag("tbody", *rows)


@dataclass(frozen=True)
class DataTable:
    """Any table; an `Estimate` is shown with its interval, and n below.

    `unit` says how numbers are written: "share" in percent, "points" with sign, "decimal" to three
    places, "" as they are. One for all columns, or one for each.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    note: str = ""
    unit: str | tuple[str, ...] = ""

    def html(self) -> Safe:
        """The table, or nothing without rows."""
        if not self.rows:
            return Safe("")
        units = (self.unit,) * len(self.columns) if isinstance(self.unit, str) else self.unit
        cells: list[list[object]] = [
            [_cell(cell, unit) for cell, unit in zip(row, units, strict=True)] for row in self.rows
        ]
        return table(
            list(self.columns), cells, self.caption or self.title, self.note, "", not self.caption
        )


_WRITERS: Mapping[str, Callable[[float], str]] = {
    "share": percent,
    "points": points,
    "decimal": "{:.3f}".format,
    "": compact,
}


def _cell(cell: Cell, unit: str) -> object:
    write = _WRITERS[unit]
    if isinstance(cell, Estimate):
        if cell.n == 0:
            return "–"
        if unit in ("share", "points") or math.isnan(cell.low):
            interval = span(cell, signed=unit == "points")
        else:
            interval = f"{write(cell.low)} to {write(cell.high)}"
        return join([write(cell.value), tag("small", f"{interval}; {n_text(cell.n)}")])
    if isinstance(cell, float):
        return write(cell)
    return f"{cell:,}" if isinstance(cell, int) else cell


@dataclass(frozen=True)
class Prose:
    """Paragraphs of plain text."""

    title: str
    text: Sequence[str]

    def html(self) -> Safe:
        """The paragraphs."""
        return join([tag("p", paragraph) for paragraph in self.text])


def figure_text(one: Estimate, signed: bool = False) -> Safe:
    """An estimate in a cell: value and interval."""
    if one.n == 0:
        return tag("span", "–", title="nothing was judged in both orders")
    value = points(one.value) if signed else percent(one.value)
    return join([f"{value} ", tag("small", span(one, signed))])
