"""The tables of `judge-eval`: judges in rows; data sets, their parts, or figures in columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from handrail.cli.console import count, table
from handrail.cli.judge_results import JudgeEvaluation, SetResult
from handrail.ranking.estimates import Estimate
from handrail.ranking.graded import GraderScore
from handrail.ranking.meta import JudgeScore
from handrail.records import Skip

DASH = "-"
WIDTH = 110
OTHERS, ALWAYS = "one labeller by the others", "always the same answer"


def lines_of(made: JudgeEvaluation) -> list[str]:
    """Everything, for a reader."""
    lines = [*_overview(made)]
    for one in made.sets:
        lines += ["", *_set_lines(one)]
    return lines


def _overview(made: JudgeEvaluation) -> list[str]:
    """Agreement, judges in rows and data sets in columns."""
    sets = [one for one in made.sets if one.people is not None]
    if not sets:
        return []
    head = ("agreement", *(f"{one.name}{'' if one.by == 'human' else '*'}" for one in sets))
    rows = [
        (
            judge,
            *(share(one.scores[judge].agreement) if judge in one.scores else DASH for one in sets),
        )
        for judge in made.judges
    ]
    rows.append((OTHERS, *(share(one.people.left_out) if one.people else DASH for one in sets)))
    rows.append((ALWAYS, *(share(one.people.always) if one.people else DASH for one in sets)))
    lines = ["Share of verdicts that are the label, ties among them:", table(rows, head)]
    other = [f"{one.name}'s by {one.by}" for one in sets if one.by != "human"]
    return lines + ([f"* no people's labels: {', '.join(other)}"] if other else [])


def _set_lines(one: SetResult) -> list[str]:
    lines = [_title(one)]
    if one.people is not None:
        lines += _parts(one)
        lines += ["", *_figures(one.scores)]
        people = one.people
        told = [
            f"labels: {share(people.ties)} ties, {share(people.longer)} of the decided for the "
            f"longer reply; '{people.commonest}' is the most frequent"
        ]
        if people.pairwise.n:
            told.append(
                f"labellers: {interval(people.left_out)} as most of the others, pairs of them "
                f"alike {interval(people.pairwise)}, Krippendorff's alpha "
                f"{interval(people.alpha, False)}"
                + (f", Fleiss's kappa {interval(people.fleiss, False)}" if people.fleiss else "")
            )
        lines += ["", *told]
    if one.ratings:
        lines += ["", *_ratings(one)]
    lines += [f"{name}: {_cost(one, name)}" for name in one.spent]
    lines += [f"{name}: failed, most often: {why}" for name, why in one.problems.items()]
    lines += [_skip("left out", skip) for skip in one.skipped]
    lines += [_skip("read all the same", skip) for skip in one.warnings]
    return lines


def _title(one: SetResult) -> str:
    what = []
    if one.people is not None:
        what.append(count(one.people.items, "comparison"))
        if one.shown < one.people.items:
            what.append(f"{one.shown:,} with both texts")
        what.append(count(one.people.labels, "label"))
    if one.ratings:
        what.append(count(one.ratings, "rated reply", "rated replies"))
    what.append(count(one.prompts, "prompt"))
    by = "people" if one.by == "human" else f"{one.by} (not people)"
    return f"== {one.name}: {', '.join(what)}; labels by {by}"


def _parts(one: SetResult) -> list[str]:
    """Agreement, judges in rows and the parts of the set in columns."""
    assert one.people is not None
    subsets = list(one.people_of)
    if len(subsets) < 2:
        return []
    whole = one.people
    head = ("agreement", *subsets, "all")
    rows = [
        (judge, *(share(values[s]) for s in subsets), share(one.scores[judge].agreement))
        for judge, values in one.agreement.items()
    ]
    if whole.left_out.n:
        left = (share(one.people_of[s].left_out) for s in subsets)
        rows.append((OTHERS, *left, share(whole.left_out)))
    always = (share(one.people_of[s].always) for s in subsets)
    rows.append((ALWAYS, *always, share(whole.always)))
    rows.append(("comparisons", *(str(one.people_of[s].items) for s in subsets), str(whole.items)))
    return _narrow(rows, head)


def _narrow(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> list[str]:
    """A table, or several below each other with the first column in each, so that lines fit."""
    wide = [max(len(line[i]) for line in (head, *rows)) + 2 for i in range(len(head))]
    parts: list[list[int]] = [[0]]
    for i in range(1, len(head)):
        if len(parts[-1]) > 1 and sum(wide[j] for j in (*parts[-1], i)) > WIDTH:
            parts.append([0])
        parts[-1].append(i)
    lines: list[str] = []
    for part in parts:
        cut = [tuple(line[i] for i in part) for line in (head, *rows)]
        lines += [*([""] if lines else []), table(cut[1:], cut[0])]
    return lines


_FIGURES: Mapping[str, Callable[[JudgeScore], str]] = {
    "n": lambda s: str(s.agreement.n),
    "agreement (95 %)": lambda s: interval(s.agreement),
    "without ties": lambda s: interval(s.without_ties),
    "kappa": lambda s: interval(s.kappa, False),
    "as one more": lambda s: share(s.as_one_more),
    "flips": lambda s: share(s.flips),
    "first": lambda s: share(s.first, True),
    "longer": lambda s: share(s.longer),
    "wrongly longer": lambda s: share(s.wrongly_longer),
    "wrongly shorter": lambda s: share(s.wrongly_shorter),
    "ties": lambda s: share(s.ties),
    "failed": lambda s: failures(s.failures),
}


def _figures(scores: Mapping[str, JudgeScore]) -> list[str]:
    """All figures of each judge; columns that hold none are dropped."""
    if not scores:
        return ["no judge has a verdict here"]
    rows = [(judge, *(cell(s) for cell in _FIGURES.values())) for judge, s in scores.items()]
    head = ("judge", *_FIGURES)
    keep = [any(row[i] not in (DASH, "0") for row in rows) for i in range(len(head))]
    cut = [tuple(cell for cell, k in zip(row, keep, strict=True) if k) for row in (head, *rows)]
    return _narrow(cut[1:], cut[0])


def _ratings(one: SetResult) -> list[str]:
    def row(name: str, s: GraderScore) -> tuple[str, ...]:
        parts = (interval(x, False) for x in (s.pearson, s.spearman, s.kendall))
        error = f"{s.error.value:.2f}" if s.error is not None else DASH
        return (name, *parts, error, str(s.unrated))

    rows = [row(name, score) for name, score in one.graders.items()]
    if one.other_ratings is not None:
        rows.append(row(OTHERS, one.other_ratings))
    if not rows:
        return ["no judge rates replies here"]
    head = ("ratings", "Pearson", "Spearman", "Kendall tau-b", "mean error", "failed")
    return [table(rows, head)]


def _cost(one: SetResult, name: str) -> str:
    from handrail.cli.llm import spent_lines

    return "; ".join(spent_lines(one.spent[name]))


def _skip(what: str, skip: Skip) -> str:
    return f"{what}: {skip.count:,} x {skip.what}, {skip.reason}" + (
        f" ({skip.where})" if skip.what == "row" else ""
    )


def share(value: Estimate, signed: bool = False) -> str:
    """A share in per cent; a dash where there is nothing to tell it from."""
    if not value.n:
        return DASH
    return f"{100 * value.value:+.1f}" if signed else f"{100 * value.value:.1f}"


def interval(value: Estimate, per_cent: bool = True) -> str:
    """A figure with its interval, in per cent or as it is."""
    if not value.n:
        return DASH
    scale, digits = (100, 1) if per_cent else (1, 2)
    if math.isnan(value.low):
        return f"{scale * value.value:.{digits}f} (no interval)"
    low, high = (f"{scale * x:.{digits}f}" for x in (value.low, value.high))
    return f"{scale * value.value:.{digits}f} ({low} to {high})"


def failures(kinds: Mapping[str, int]) -> str:
    """How many judgements failed, by kind."""
    if not kinds:
        return "0"
    told = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    return told if len(kinds) == 1 else f"{sum(kinds.values())}: {told}"
