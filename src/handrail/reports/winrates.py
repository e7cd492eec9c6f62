"""Win rates in the layout of the guardrail-alignment paper's Table 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from handrail.ranking import PairResult, WinRate
from handrail.records import DIMENSIONS
from handrail.reports.html import Safe, figure, tag
from handrail.reports.numbers import n_text, not_resampled, p_text, percent, points, span

Pair = tuple[str, str]
# Per pair two rows of per cents, one for each system, in the order of `DIMENSIONS`.
Reference = Mapping[Pair, tuple[Sequence[float], Sequence[float]]]


@dataclass(frozen=True)
class WinRateTable:
    """Two rows per pair of systems, the better of each column in bold, then their difference.

    Args:
        results: of `compare_pairs`.
        labels: per pair what it is ("Fig. 4a"), shown above its rows.
        reference: published win rates of the same pairs, shown beside.
        reference_name: whose they are.
    """

    results: Sequence[PairResult]
    labels: Mapping[Pair, str] = field(default_factory=dict)
    reference: Reference = field(default_factory=dict)
    reference_name: str = "paper"
    title: str = "Win rates"

    def html(self) -> Safe:
        """The table, or nothing without results."""
        if not self.results:
            return Safe("")
        grid = by_pair(self.results)
        dimensions = dimensions_of(self.results)
        shown = any(pair in self.reference for pair in grid)
        bodies = [self._body(pair, cells, dimensions, shown) for pair, cells in grid.items()]
        rule = self.results[0].win_a.rule
        inside = tag("table", _head(dimensions, shown, self.reference_name), *bodies, class_="wins")
        seeds = max(result.seeds for result in self.results)
        over = f"{seeds} training seeds and conversations" if seeds > 1 else "conversations"
        level = self.results[0].win_a.estimate.level
        others = not_resampled(
            e
            for r in self.results
            for e in (r.win_a.estimate, r.win_b.estimate, r.paired.difference)
        )
        note = (
            f"Win rate = {rule}; every comparison is judged in both orders. Small figures: "
            f"{level:.0%} intervals by bootstrap over {over}{others}; n: comparisons judged. "
            "Difference: "
            "second row minus first, in percentage points, with the p-value of a permutation test "
            "that exchanges the two systems by conversation. Bold: the higher one."
        )
        if shown:
            note += (
                f" The columns “{self.reference_name}” are published figures of another model, "
                "judge and data set; only their directions can be compared."
            )
        return figure(
            tag("div", inside, class_="scroll"), "Win rates of pairs of systems", note, True
        )

    def _body(
        self, pair: Pair, cells: Mapping[str, PairResult], dimensions: Sequence[str], shown: bool
    ) -> Safe:
        rows = []
        label = self.labels.get(pair, "")
        if label:
            width = 1 + len(dimensions) * (2 if shown else 1)
            rows.append(
                tag("tr", tag("th", label, colspan=width, scope="rowgroup", class_="group"))
            )
        for which, name in enumerate(pair):
            row = [tag("th", name, scope="row")]
            for dimension in dimensions:
                row.append(_cell(cells.get(dimension), which))
                if shown:
                    row.append(self._published(pair, which, dimension))
            rows.append(tag("tr", *row))
        last = [tag("th", "difference", scope="row")]
        for dimension in dimensions:
            last.append(_difference(cells.get(dimension)))
            if shown:
                last.append(self._published_gap(pair, dimension))
        rows.append(tag("tr", *last, class_="difference"))
        return tag("tbody", *rows)

    def _value(self, pair: Pair, which: int, dimension: str) -> float | None:
        rows = self.reference.get(pair)
        if rows is None or dimension not in DIMENSIONS:
            return None
        return rows[which][DIMENSIONS.index(dimension)]

    def _published(self, pair: Pair, which: int, dimension: str) -> Safe:
        mine, other = (self._value(pair, w, dimension) for w in (which, 1 - which))
        if mine is None or other is None:
            return tag("td", class_="paper")
        shown = f"{mine:.1f}%"
        return tag("td", tag("b", shown) if mine > other else shown, class_="paper")

    def _published_gap(self, pair: Pair, dimension: str) -> Safe:
        first, second = (self._value(pair, w, dimension) for w in (0, 1))
        if first is None or second is None:
            return tag("td", class_="paper")
        return tag("td", points((second - first) / 100), class_="paper")


def _head(dimensions: Sequence[str], shown: bool, name: str) -> Safe:
    span_ = 2 if shown else None
    first = [tag("th", "Model", scope="col", rowspan=span_)]
    first += [tag("th", d.capitalize(), scope="colgroup", colspan=span_) for d in dimensions]
    rows = [tag("tr", *first)]
    if shown:
        below = [
            tag("th", text, scope="col", class_=class_)
            for _ in dimensions
            for text, class_ in (("here", "here"), (name, "paper"))
        ]
        rows.append(tag("tr", *below))
    return tag("thead", *rows)


def _cell(result: PairResult | None, which: int) -> Safe:
    if result is None or result.n == 0:
        return tag("td", "not judged", class_="unknown")
    wins: tuple[WinRate, WinRate] = (result.win_a, result.win_b)
    mine, other = wins[which].estimate, wins[1 - which].estimate
    shown = percent(mine.value)
    return tag(
        "td",
        tag("b", shown) if mine.value > other.value else shown,
        tag("small", f"{span(mine)}"),
    )


def _difference(result: PairResult | None) -> Safe:
    if result is None or result.n == 0:
        return tag("td")
    gap = result.paired.difference  # a minus b; the table shows second minus first
    low, high = points(-gap.high), points(-gap.low)
    mood = "" if not result.paired.clear else "up" if gap.high < 0 else "down"
    return tag(
        "td",
        tag("span", points(-gap.value), class_=mood or None),
        tag("small", f"{low} to {high}"),
        tag("small", f"{p_text(result.paired.permutation.p_value)}, {n_text(result.n)}"),
    )


def by_pair(results: Sequence[PairResult]) -> dict[Pair, dict[str, PairResult]]:
    """Results as pair -> dimension -> result, in the order in which they came."""
    grid: dict[Pair, dict[str, PairResult]] = {}
    for result in results:
        grid.setdefault((result.a, result.b), {})[result.dimension] = result
    return grid


def dimensions_of(results: Sequence[PairResult]) -> list[str]:
    """The dimensions among the results, the paper's first and in its order."""
    found = {result.dimension for result in results if result.n}
    return [d for d in DIMENSIONS if d in found] + sorted(found - set(DIMENSIONS))
