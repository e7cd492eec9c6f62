"""The page of a choice among reward models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from handrail.cli.rewarding.select_text import (
    COST_COLUMNS,
    behind,
    cost_cells,
    match_rows,
    notes,
    number,
    says,
)
from handrail.reports.dots import dot_plot, percent0
from handrail.reports.html import Safe, figure, join, table, tag
from handrail.reports.numbers import DASH, percent, points, share_text, span
from handrail.reports.page import Report

if TYPE_CHECKING:
    from handrail.cli.rewarding.selecting import Choice


def page_of(choice: Choice, command: str = "") -> Report:
    """The report of a choice."""
    made = choice.selection
    facts = {
        "models": str(len(made.candidates)),
        "questions": f"{int(made.table.asked_C.sum()):,}",
        "categories": str(len(made.table.categories)),
        "recommended": made.recommended.name,
    }
    sections = (Recommended(choice), Matches(choice), Costs(choice), LeftOut(choice))
    settings = {"per_category": choice.per_category, "seed": choice.seed}
    return Report(
        "Choosing a reward model",
        sections,
        "How often each model prefers the reply that people preferred",
        facts,
        settings,
        command=command,
    )


@dataclass(frozen=True)
class Recommended:
    """The recommendation in words, and each model's share of matches."""

    choice: Choice
    title: str = "Which one to take"

    def html(self) -> Safe:
        """Sentences, then dots with whiskers, the best first."""
        made = self.choice.selection
        order = sorted(made.candidates, key=lambda one: -one.share.value)
        rows = [
            (
                one.name,
                one.share,
                f"{percent(one.share.value)}  P(best) {one.p_best:.2f}",
                "dot" if one.tied else "dot hollow",
                share_text(one.share),
            )
            for one in order
        ]
        low = min(0.5, *(one.share.low for one in order)) - 0.02
        high = max(0.5, *(one.share.high for one in order)) + 0.02
        plot = dot_plot(
            rows, (max(0.0, low), min(1.0, high)), "Matches of each model", percent0, wide=True
        )
        level = made.best.share.level
        note = (
            "Dot: share of questions on which the model scores the better reply higher, a tie "
            f"counting half; whisker: {level:.0%} interval, by bootstrap over conversations. "
            "Hollow: told apart from the best. P(best): the share of bootstrap replicates, the "
            "same for all models, in which it has the most matches. Guessing matches 50%."
        )
        words = [tag("p", line) for line in says(self.choice)]
        return join([*words, figure(plot, "Share of matches", note)])


@dataclass(frozen=True)
class Matches:
    """Matches by category: total and average below."""

    choice: Choice
    title: str = "Matches by category"

    def html(self) -> Safe:
        """The table, the most matches of a row in bold, with each cell's interval."""
        made = self.choice.selection
        columns, texts = match_rows(made.table)
        rows: list[list[object]] = []
        for at, category in enumerate(made.table.categories):
            cells = [one.categories[category] for one in made.candidates]
            most = made.table.matches_CM[at].max()
            shown = [
                tag(
                    "span",
                    tag("b", number(k)) if k == most else number(k),
                    tag("small", span(cell)),
                )
                for k, cell in zip(made.table.matches_CM[at], cells, strict=True)
            ]
            rows.append([texts[at][0], *shown])
        totals = made.table.totals_M
        rows += [
            [
                row[0],
                *(
                    tag("b", cell) if total == totals.max() else cell
                    for cell, total in zip(row[1:], totals, strict=True)
                ),
            ]
            for row in texts[-2:]
        ]
        note = (
            "Questions on which a model scores the better reply higher; a tie counts half. Small: "
            f"{made.best.share.level:.0%} interval of the share, in per cent (Wilson's, or by "
            "bootstrap where conversations hold several questions). Bold: the most of a row."
        )
        return table(list(columns), rows, "Matches by category", note, quiet=True)


@dataclass(frozen=True)
class Costs:
    """What each model is worth beside what it costs."""

    choice: Choice
    title: str = "What they cost"

    def html(self) -> Safe:
        """One row per model."""
        made = self.choice.selection
        rows: list[list[object]] = [
            [
                one.name,
                tag("span", percent(one.share.value), tag("small", span(one.share))),
                DASH
                if one is made.best
                else tag("span", points(-one.behind.value), tag("small", behind(one))),
                f"{one.p_best:.2f}",
                f"{one.ties:,}",
                f"{one.unscored:,}",
                *cost_cells(one.cost),
            ]
            for one in made.candidates
        ]
        head: list[object] = ["Model", "Matches", "To the best", "P(best)", "Ties", "No score"]
        note = (
            "Per 1,000 scores: seconds as measured when they were made, tokens of prompt and reply "
            "together, money of endpoints with a price. A combined reward costs what its models "
            "cost together. To the best: points, with an interval at "
            f"{made.best.behind.level:.1%} each, so that all hold together."
        )
        return table([*head, *COST_COLUMNS], rows, "What they cost", note, quiet=True)


@dataclass(frozen=True)
class LeftOut:
    """What was left out, and categories with few questions."""

    choice: Choice
    title: str = "What was left out"

    def html(self) -> Safe:
        """A list; nothing where nothing was."""
        told = notes(self.choice)
        return Safe(tag("ul", *(tag("li", line) for line in told))) if told else Safe("")
