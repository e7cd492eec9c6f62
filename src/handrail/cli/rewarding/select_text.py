"""A choice among reward models in words and tables of text, and as plain data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from handrail.cli.console import count
from handrail.reports.numbers import DASH, compact, percent, points, span
from handrail.reports.tables import console_table

if TYPE_CHECKING:
    from handrail.cli.rewarding.selecting import Choice
    from handrail.rewards.evaluating.costs import Cost
    from handrail.rewards.evaluating.selection import Candidate, MatchTable


def summary_of(choice: Choice) -> dict[str, Any]:
    """All figures as plain data; what is unknown is None."""
    made = choice.selection
    return {
        "recommended": made.recommended.name,
        "best": made.best.name,
        "cannot_be_told_apart": [one.name for one in made.tied],
        "says": says(choice),
        "questions": int(made.table.asked_C.sum()),
        "per_category": choice.per_category,
        "seed": choice.seed,
        "categories": {
            name: int(n) for name, n in zip(made.table.categories, made.table.asked_C, strict=True)
        },
        "models": [_candidate(one) for one in made.candidates],
        "left_out_questions": made.left_out,
        "short_categories": dict(choice.drawn.short),
        "scored_now": choice.scored,
        "problems": list(choice.problems),
        "skipped": [skip.model_dump() for skip in choice.skipped],
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    return {
        "name": one.name,
        "matches": one.share.value * one.share.n,
        "share": one.share.as_dict(),
        "categories": {name: cell.as_dict() for name, cell in one.categories.items()},
        "probability_best": one.p_best,
        "behind_best": one.behind.as_dict(),
        "tied_with_best": one.tied,
        "floor": one.floor,
        "ties": one.ties,
        "unscored": one.unscored,
        "cost_per_1000": dict(vars(one.cost)),
    }


def text_of(choice: Choice) -> str:
    """Both tables, what was left out, and the recommendation."""
    table = choice.selection.table
    columns, rows = match_rows(table)
    blocks = [console_table(columns, rows), console_table(*model_rows(choice))]
    left = notes(choice)
    return "\n".join([*blocks, *left, *([""] if left else []), *says(choice)])


def match_rows(table: MatchTable) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the matches: categories, then "No. of matches" and "Avg. matches"."""
    each = table.per_category
    rows = [
        [name if each else f"{name} (of {int(n)})", *map(number, matches)]
        for name, n, matches in zip(table.categories, table.asked_C, table.matches_CM, strict=True)
    ]
    total = int(table.asked_C.sum())
    rows.append([f"No. of matches (/{total:,})", *map(number, table.totals_M)])
    average = f"{total / len(table.categories):.4g}"
    rows.append([f"Avg. matches (/{average})", *(f"{mean:.2f}" for mean in table.averages_M)])
    return [f"Category (of {each})" if each else "Category", *table.models], rows


def number(matches: float) -> str:
    """Matches, of which ties are halves."""
    return f"{matches:,.0f}" if matches == int(matches) else f"{matches:,.1f}"


def model_rows(choice: Choice) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of what each model is worth and what 1,000 scores cost."""
    made = choice.selection
    rows = [
        [
            one.name,
            f"{percent(one.share.value)} ({span(one.share)})",
            f"{one.p_best:.2f}",
            DASH if one is made.best else f"{points(-one.behind.value)} ({behind(one)})",
            f"{one.ties:,}",
            f"{one.unscored:,}",
            *cost_cells(one.cost),
        ]
        for one in made.candidates
    ]
    head = ["Model", "Matches", "P(best)", "To the best", "Ties", "No score"]
    return [*head, *COST_COLUMNS], rows


COST_COLUMNS = ("s/1,000", "Tokens/1,000", "Parameters", "Money/1,000")


def behind(one: Candidate) -> str:
    """The interval of a model's share less the best one's, in points."""
    if math.isnan(one.behind.low):
        return "no interval"
    return f"{points(-one.behind.high)} to {points(-one.behind.low)}"


def cost_cells(cost: Cost) -> list[str]:
    """Seconds, tokens and money per 1,000 scores, and parameters."""
    money = DASH if cost.money is None else "0" if not cost.money else f"{cost.money:.4g}"
    return [
        DASH if cost.seconds is None else _seconds(cost.seconds),
        DASH if cost.tokens is None else compact(cost.tokens),
        DASH if cost.parameters is None else millions(cost.parameters),
        f"{money} {cost.currency}".strip(),
    ]


def _seconds(seconds: float) -> str:
    return "< 0.01" if seconds < 0.01 else f"{seconds:.3g}"


def millions(parameters: int) -> str:
    """A number of parameters as people say it."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= size:
            return f"{parameters / size:.3g} {letter}"
    return str(parameters)


def says(choice: Choice) -> list[str]:
    """The recommendation and how sure it is, a sentence a line."""
    made = choice.selection
    one, best = made.recommended, made.best
    lines = [
        f"Recommended: {one.name}. It matches {percent(one.share.value)} of "
        f"{count(one.share.n, 'question')} ({span(one.share)}), and is the best of "
        f"{count(len(made.candidates), 'model')} with probability {one.p_best:.2f}."
    ]
    tied = [other for other in made.tied if other is not best]
    if tied:
        names = ", ".join(other.name for other in tied)
        told = (
            f"{best.name} has the most matches ({percent(best.share.value)}), and these cannot be "
            f"told apart from it on these questions: {names}."
        )
        lines += [told, *_cheapest(choice)]
    elif len(made.candidates) > 1:
        near = min((c for c in made.candidates if c is not best), key=lambda c: c.behind.value)
        lines.append(
            f"Every other model is worse; the next is {near.name}, by "
            f"{points(near.behind.value)} points ({points(near.behind.low)} to "
            f"{points(near.behind.high)}; all together at {1 - _error(choice):.0%})."
        )
    floors = [other.name for other in made.tied if other.floor]
    if floors:
        lines.append(
            f"{' and '.join(floors)} {'knows' if len(floors) == 1 else 'know'} nothing of quality, "
            "so these questions do not show that any model does: ask more of them."
        )
    if best.share.low <= 0.5:
        lines.append("None of them is shown to be better than guessing (50%).")
    return lines


def _cheapest(choice: Choice) -> list[str]:
    """Why the recommended one of those that tie is; nothing where it has no rival."""
    made = choice.selection
    able = [one for one in made.tied if not one.floor]
    if len(able) < 2:
        return []
    one, best = made.recommended, made.best
    if one is best:
        return [f"None of these {len(able)} models is far cheaper: {cost_sentence(one.cost)}."]
    if best.floor:
        return [f"{one.name} is the one to take of these {len(able)} models."]
    return [
        f"{one.name} is the cheapest of these {len(able)} models: {cost_sentence(one.cost)}, where "
        f"{best.name} takes {cost_sentence(best.cost, '')}. Where cost does not count, take "
        f"{best.name}."
    ]


def _error(choice: Choice) -> float:
    """How often any of the intervals to the best may fail."""
    others = max(len(choice.selection.candidates) - 1, 1)
    return (1 - choice.selection.best.behind.level) * others


def cost_sentence(cost: Cost, per: str = " per 1,000 scores") -> str:
    """What 1,000 scores cost, in words."""
    parts = []
    if cost.money:
        parts.append(f"{cost.money:.4g} {cost.currency}")
    if cost.seconds is not None:
        parts.append(f"{_seconds(cost.seconds)} s")
    return " and ".join(parts) + per if parts else "nobody knows what"


def notes(choice: Choice) -> list[str]:
    """What was left out, or is thin."""
    made, told = choice.selection, []
    short = choice.drawn.short
    if short:
        shown = ", ".join(f"{name} ({n})" for name, n in list(short.items())[:8])
        more = f" and {len(short) - 8} more" if len(short) > 8 else ""
        told.append(f"Fewer than {choice.per_category} questions: {shown}{more}.")
    if made.left_out:
        whose = ", ".join(f"{c.name} {c.unscored:,}" for c in made.candidates if c.unscored)
        told.append(
            f"{count(made.left_out, 'question')} left out for all, for want of a score: {whose}."
        )
    reasons: dict[str, int] = {}
    for skip in choice.skipped:
        label = f"{skip.what}: {skip.reason}"
        reasons[label] = reasons.get(label, 0) + skip.count
    told += [f"Left out: {n:,} x {label}." for label, n in reasons.items()]
    told += [f"Scores were not kept: {problem}." for problem in choice.problems]
    return told
