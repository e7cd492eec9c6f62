"""What an evaluation of reward models came to, for a reader of a console."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from handrail.cli.console import count, table
from handrail.cli.rewarding.eval_input import NO_REPLY, ONE_REPLY
from handrail.ranking import Estimate
from handrail.records import Skip
from handrail.rewards.evaluating.results import RewardEvaluation
from handrail.rewards.measures import BestOfN, Calibration, RatingErrors

DASH = "-"
_MOST = 40  # rows of a table; the page and the file of results have all


def text_of(made: RewardEvaluation) -> str:
    """All tables."""
    lines = [_head(made), ""]
    for part in (_overview, _groups, _ratings, _agreement, _gains, _probes, _differences, _left):
        found = part(made)
        lines += [*found, ""] if found else []
    return "\n".join(lines).rstrip()


def share(one: Estimate) -> str:
    """A share in percent with its interval."""
    if one.n == 0:
        return DASH
    bounds = "no interval" if math.isnan(one.low) else f"{one.low:.1%} to {one.high:.1%}"
    return f"{one.value:.1%} ({bounds})"


def number(one: Estimate, digits: int = 3) -> str:
    """A number with its interval."""
    if one.n == 0:
        return DASH
    if math.isnan(one.low):
        return f"{one.value:.{digits}f} (no interval)"
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def _head(made: RewardEvaluation) -> str:
    told = [
        count(made.turns, "turn"),
        count(made.prompts, "prompt"),
        count(made.replies, "reply", "replies"),
    ]
    sets = ", ".join(f"{name or 'no set'} {n:,}" for name, n in made.sets.items())
    level = f"{made.settings.how.level:.0%}".replace("%", " %")
    return f"{', '.join(told)} ({sets or 'probes only'}); {level} intervals by prompt"


def _overview(made: RewardEvaluation) -> list[str]:
    head = (
        "model",
        "pairs right",
        "n",
        "best first",
        "tau-b",
        "r with length",
        "calibration error",
    )
    rows = [
        (
            one.model,
            share(one.pairs.overall),
            f"{one.pairs.overall.n:,}",
            share(one.kwise.best_first),
            number(one.kwise.tau, 2),
            number(one.length.pearson, 2),
            number(one.calibration.error) if isinstance(one.calibration, Calibration) else DASH,
        )
        for one in made.models
    ]
    first = made.models[0].kwise
    lines = [table(rows, head)] if made.turns else []
    if first.best_first.n:
        lines.append(
            f"A random order has the best first in {first.chance_best:.1%} of the prompts, "
            f"everything right in {first.chance_exact:.1%}."
        )
    return lines


def _groups(made: RewardEvaluation) -> list[str]:
    """Accuracy by data set and category: these in rows, models in columns."""
    sets = list(made.models[0].pairs.by_set)
    groups = list(made.models[0].pairs.by_category)
    if len(sets) < 2 and not groups:
        return []
    rows: list[tuple[str, ...]] = []
    for name in sets:
        rows.append(_row(name or "no set", [one.pairs.by_set[name] for one in made.models]))
        for key in (g for g in groups if g[0] == name):
            rows.append(_row(f"  {key[1]}", [one.pairs.by_category[key] for one in made.models]))
        if name in made.models[0].pairs.subset_mean:
            found = "  mean of its categories"
            rows.append(_row(found, [one.pairs.subset_mean[name] for one in made.models]))
    lines = [table(rows[:_MOST], ("pairs right in", *(x.model for x in made.models), "n"))]
    if rows[_MOST:]:
        lines.append(f"... {len(rows) - _MOST:,} more rows in the page and the file of results")
    return lines


def _row(name: str, found: Sequence[Estimate]) -> tuple[str, ...]:
    return (name, *(share(one) for one in found), f"{max(one.n for one in found):,}")


def _ratings(made: RewardEvaluation) -> list[str]:
    """The layout of the thesis's tables 6 and 7."""
    known = [one.ratings for one in made.models if isinstance(one.ratings, RatingErrors)]
    if not known:
        return []
    edges = made.settings.edges
    names = (
        ("low", f"<= {edges.low:g}"),
        ("high", f">= {edges.high:g}"),
        ("middle", "between"),
        ("all", "all"),
    )
    head = ("ratings", *(f"{told} {what}" for _, told in names for what in ("mse", "mae")), "r")
    rows = [
        (
            one.model,
            *(
                _plain(error)
                for name, _ in names
                for error in (one.errors[name].mse, one.errors[name].mae)
            ),
            number(one.pearson, 2),
        )
        for one in known
    ]
    counts = ", ".join(f"{told} {known[0].errors[name].mse.n:,}" for name, told in names)
    lines = [table(rows, head), f"Rated replies: {counts}."]
    return lines + [
        f"{one.model} has no rating errors: {one.ratings.why}"
        for one in made.models
        if not isinstance(one.ratings, RatingErrors)
    ]


def _plain(one: Estimate) -> str:
    return DASH if one.n == 0 else f"{one.value:.4f}"


def _agreement(made: RewardEvaluation) -> list[str]:
    """One table per judge: models in rows, data sets in columns."""
    lines: list[str] = []
    for place, first in enumerate(made.models[0].agreement):
        sets = list(first.by_set)
        several = len(sets) > 1
        head = (
            f"same winner as {first.judge}",
            *(name or "no set" for name in (sets if several else ())),
            "all",
            "kappa",
            "ties kept",
            "n",
        )
        rows = []
        for model in made.models:
            one = model.agreement[place]
            rows.append(
                (
                    one.model,
                    *(share(one.by_set[s].same) for s in (sets if several else ())),
                    share(one.overall.same),
                    number(one.overall.kappa, 2),
                    share(one.overall.with_ties),
                    f"{one.overall.same.n:,}",
                )
            )
        told = f"{first.judge} says tie on {count(first.ties, 'pair')}."
        lines += [table(rows, head), told, ""]
    return lines[:-1]


def _gains(made: RewardEvaluation) -> list[str]:
    """Best-of-n: the gain over a random reply, by n."""
    lines: list[str] = []
    kinds = list(dict.fromkeys(b.gold for one in made.models for b in one.best_of_n))
    for kind in kinds:
        found = [b for one in made.models for b in one.best_of_n if b.gold == kind]
        sizes = [s.n for s in max(found, key=lambda b: len(b.steps)).steps if s.n > 1]
        if not sizes:
            continue
        head = (
            f"gain in {kind} over a random reply",
            *(f"best of {n}" for n in sizes),
            "of oracle's",
        )
        rows = [(b.model, *(_gain(b, n) for n in sizes), _of_oracle(b)) for b in found]
        counts = ", ".join(f"{s.prompts:,} with {s.n} or more" for s in found[0].steps if s.n > 1)
        lines += [table(rows, head), f"Prompts: {counts}.", ""]
    return lines[:-1]


def _gain(one: BestOfN, n: int) -> str:
    step = next((s for s in one.steps if s.n == n), None)
    return DASH if step is None else number(step.gain)


def _of_oracle(one: BestOfN) -> str:
    return share(one.steps[-1].of_oracle) if one.steps else DASH


def _probes(made: RewardEvaluation) -> list[str]:
    found = [one.probe for one in made.models if one.probe is not None]
    if not found:
        return []
    tests = (
        "best > bad",
        "best > irrelevant",
        "best > meaningless",
        "best > each other",
        "full order",
    )
    rows = [(one.model, *(share(one.passes[test]) for test in tests)) for one in found]
    return [table(rows, (f"{len(made.probes)} probes", *tests))]


def _differences(made: RewardEvaluation) -> list[str]:
    rows = []
    for one in made.differences:
        gap, p = one.paired.difference, one.paired.permutation.p_value
        if gap.n:
            ends = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
            told = f"{100 * gap.value:+.1f} ({'no interval' if math.isnan(gap.low) else ends})"
            rows.append((f"{one.a} less {one.b}", one.on, told, f"{p:.3g}", f"{gap.n:,}"))
    lines = [table(rows[:_MOST], ("points", "on", "difference", "p", "n"))] if rows else []
    return [*lines, f"... {len(rows) - _MOST:,} more"] if rows[_MOST:] else lines


def _left(made: RewardEvaluation) -> list[str]:
    """What is in no figure, with the reason and how many, and what was read all the same."""
    lines = [f"{n:,} x {what}: {reason}" for what, reason, n in left_out(made)]
    lines += _skips(made.skipped)
    warnings = _skips(made.warnings)
    return [
        *(["Left out:", *lines] if lines else []),
        *(["Read all the same:", *warnings] if warnings else []),
    ]


def _skips(skips: Sequence[Skip]) -> list[str]:
    """Each reason once, with how often and one place."""
    groups: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], str] = {}
    for skip in skips:
        groups[skip.what, skip.reason] += skip.count
        where.setdefault((skip.what, skip.reason), skip.where)
    lines = []
    for (what, reason), n in groups.items():
        place = where[what, reason]
        told = f" ({place}{', ...' if n > 1 else ''})" if place else ""
        lines.append(f"{n:,} x {what}: {reason}{told}")
    return lines


def left_out(made: RewardEvaluation) -> list[tuple[str, str, int]]:
    """What, why and how many items no figure holds; what all models share is told once."""
    first = made.models[0]
    k, p = first.kwise, first.pairs
    alone = sum(s.count for s in made.skipped if s.reason in (ONE_REPLY, NO_REPLY))  # told there
    rows = [
        ("pair", "people put both replies level", p.gold_ties),
        ("pair", "the two replies have no feedback of one kind", p.unknown),
        ("prompt", "fewer than two replies have feedback that orders them", k.one_reply - alone),
        ("prompt", "people put all replies level", k.all_tied),
    ]
    rated = next((m.ratings for m in made.models if isinstance(m.ratings, RatingErrors)), None)
    if rated is not None:
        rows.append(("reply", "it has no rating", rated.missing))
    for one in made.models:
        rows += [
            ("reply", f"{one.model} gave it no score", one.unscored),
            (
                "order",
                f"{one.model} gave a reply of the prompt no score",
                one.kwise.unscored,
            ),
            (
                "probe",
                f"{one.model} is a file of scores, which holds none",
                len(made.probes) if one.probe is None else 0,
            ),
            ("probe", f"{one.model} gave a reply no score", one.probe.unscored if one.probe else 0),
            ("correlation", f"{one.model} scores all replies of the prompt alike", one.kwise.flat),
        ]
    return [row for key, group in groupby(rows, key=lambda row: row) for row in [key] if row[2]]
