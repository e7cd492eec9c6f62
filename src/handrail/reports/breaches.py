"""Which guardrails break, by system: a heat map that is a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handrail.ranking import BreachCell, BreachTable
from handrail.reports.html import Safe, figure, join, tag
from handrail.reports.numbers import percent, share_text

_MANY = 6  # systems above which columns are narrow, so that all fit on the page
_FEW = 10  # applicable times below which a cell is pale and a row is folded away


@dataclass(frozen=True)
class BreachHeatMap:
    """Guardrail families x systems, breaches per time that the rule applied, worst family first.

    Families that applied fewer than 10 times to every system are folded away below.
    """

    breaches: BreachTable
    title: str = "Which guardrails break"

    def html(self) -> Safe:
        """The heat map with totals, or nothing where no guardrail was judged."""
        table = self.breaches
        if not table.families:
            return Safe("")
        rare = [f for f in table.families if self._most(f) < _FEW]
        often = [f for f in table.families if self._most(f) >= _FEW]
        total = self._row("all guardrails", "", table.totals, "total")
        note = (
            "Breaches per time that the rule applied, and n; under the pointer: counts and "
            f"Wilson's interval. Pale: the rule applied fewer than {_FEW} times. Worst first, by "
            "the lower end of the interval over all systems. Beside a name: one of its rules."
        )
        shown = self._table([total, *self._rows(often)])
        body = figure(shown, "Breaches by guardrail and system", note, quiet=True)
        if not rare:
            return body
        label = f"{len(rare)} guardrails that applied fewer than {_FEW} times to each system"
        folded = figure(self._table(self._rows(rare)), label, quiet=True)
        return join([body, tag("details", tag("summary", label), folded)])

    def _most(self, family: str) -> int:
        return max(self.breaches.cells[family, s].applicable for s in self.breaches.systems)

    def _table(self, rows: Sequence[Safe]) -> Safe:
        head = [tag("th", "Guardrail", scope="col")]
        head += [tag("th", system, scope="col") for system in self.breaches.systems]
        many = len(self.breaches.systems) > _MANY
        inside = tag(
            "table",
            tag("thead", tag("tr", *head)),
            tag("tbody", *rows),
            class_="heat many" if many else "heat",
        )
        return tag("div", inside, class_="scroll")

    def _rows(self, families: Sequence[str]) -> list[Safe]:
        table = self.breaches
        return [
            self._row(
                family,
                table.rule_texts.get(family, ""),
                {system: table.cells[family, system] for system in table.systems},
            )
            for family in families
        ]

    def _row(
        self, name: str, rule: str, cells: Mapping[str, BreachCell], class_: str | None = None
    ) -> Safe:
        head = tag(
            "th", name, tag("small", rule) if rule else None, scope="row", title=rule or None
        )
        top = max(
            (c.estimate.value for c in self.breaches.cells.values() if c.applicable >= _FEW),
            default=1.0,
        )
        values = [_cell(cells[system], top) for system in self.breaches.systems]
        return tag("tr", head, *values, class_=class_)


def _cell(cell: BreachCell, top: float) -> Safe:
    """One share on its colour; `top` is the share of the darkest."""
    if not cell.applicable:
        return tag("td", "–", class_="unknown", title="the rule never applied")
    value = cell.estimate.value
    heat = min(1.0, value / top) if top else 0.0
    few = cell.applicable < _FEW
    hint = f"{cell.breaches:,} of {cell.applicable:,}: {share_text(cell.estimate)}"
    return tag(
        "td",
        percent(value, 0 if value in (0, 1) else 1),
        tag("small", f"n {cell.applicable:,}"),
        class_="few" if few else "hot" if heat > 0.72 else None,
        style=f"--heat:{heat * (0.3 if few else 1):.2f}",
        title=hint,
    )
