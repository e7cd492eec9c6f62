"""A ranking as text for the console."""

from __future__ import annotations

import math

from handrail.cli.console import count, table
from handrail.cli.ranking import Ranked
from handrail.ranking import (
    Estimate,
    MajorityRanking,
    PointsTable,
    Ratings,
    WinMatrix,
)

_JUDGES = 4  # named
_NAMED = 12  # "clearly above" lines up to which each is shown


def ranked_text(ranked: Ranked) -> str:
    """What a reader gets: what was counted, the ranking, who is clearly above whom, what is not."""
    judges = ", ".join(f"{name} ({n:,})" for name, n in list(ranked.judges.items())[:_JUDGES])
    if len(ranked.judges) > _JUDGES:
        judges += f" and {count(len(ranked.judges) - _JUDGES, 'more judge')}"
    others = f" (also there: {', '.join(ranked.others)}; --dimension)" if ranked.others else ""
    lines = [
        f"{count(ranked.verdicts, 'verdict')} on {ranked.dimension}{others}, judge: {judges}",
        *_ranking(ranked),
        "",
    ]
    if not isinstance(ranked.result, Ratings) and len(ranked.groups) > 1:
        lines += ["These groups never met, so that their figures cannot be compared:"]
        lines += [f"  {', '.join(group)}" for group in ranked.groups]
    if not ranked.clustered:
        lines.append("Each turn counts as independent; --turns FILE resamples whole conversations")
    if ranked.errors:
        lines.append(f"{count(ranked.errors, 'judgement')} failed and are in no figure")
    lines += [
        f"{skip.where + ': ' if skip.where else ''}{skip.count:,} x {skip.what}, {skip.reason}"
        for skip in ranked.skipped
    ]
    return "\n".join(lines).rstrip()


def _ranking(ranked: Ranked) -> list[str]:
    result = ranked.result
    if isinstance(result, Ratings):
        return _ratings(result)
    if isinstance(result, WinMatrix):
        rows = [
            (str(i), s, percent(result.mean[s]), f"{result.mean[s].n:,}")
            for i, s in enumerate(result.systems, 1)
        ]
        head = ("", "system", "mean win rate (interval)", "n")
        lines = ["", table(rows, head), "", f"Win rate = {result.rule}; mean over opponents"]
        if len(result.systems) <= _NAMED:
            lines += ["", matrix_text(result)]
        return lines
    if isinstance(result, PointsTable):
        rows = [
            (str(i), one.system, points(one.estimate), f"{one.estimate.n:,}")
            for i, one in enumerate(result.points, 1)
        ]
        return ["", table(rows, ("", "system", "points (interval)", "n")), "", result.method]
    if isinstance(result, MajorityRanking):
        return _majority(result)
    lengths = [
        (str(i), s, percent(one.controlled), percent(one.plain), f"{one.length_effect:+.2f}",
         f"{one.controlled.n:,}")
        for i, (s, one) in enumerate(result.items(), 1)
    ]  # fmt: skip
    names = ("", "system", "length-controlled", "plain", "length effect", "n")
    return ["", table(lengths, names), "", "Length effect: log odds that a far longer reply adds"]


def _ratings(result: Ratings) -> list[str]:
    if not result.rated:
        why = "wins do not connect any two both ways."
        if result.anchor and any(len(group) > 1 for group in result.components):
            why = f"the anchor '{result.anchor}' is on no scale with others. Leave --anchor out."
        lines = ["", f"No system can be rated: {why}"]
        lines += [f"  {one.system}: {one.why}" for one in result.apart]
        return [*lines, "", "--method win-rate tells the shares of each pair"]
    rows = [
        (
            str(one.rank),
            one.system,
            f"{one.rating.value:,.0f} ({span(one.rating)})",
            f"{one.rank_low} to {one.rank_high}" if one.rank_low < one.rank_high else str(one.rank),
            f"{one.rating.n:,}",
        )
        for one in result.rated
    ]
    lines = ["", table(rows, ("rank", "system", "rating (interval)", "ranks", "n"))]
    pairs = len(result.rated) * (len(result.rated) - 1) // 2
    clear = len(result.above)
    lines += ["", f"Clearly above another: {clear:,} of {count(pairs, 'pair')}"]
    if clear <= _NAMED:
        lines += [f"  {high} above {low}" for high, low in result.above]
    lines += [f"{one.system} is {one.why}" for one in result.apart]
    if result.unbounded:
        told = "in which some system won or lost everything"
        lines.append(f"{result.unbounded:,} of {result.settings.resamples:,} rounds {told}")
    return [*lines, result.method]


def _majority(result: MajorityRanking) -> list[str]:
    ranks = result.pairs.ranks
    rows = [
        (str(ranks[s]), s, " to ".join(map(str, dict.fromkeys(result.ranges[s]))))
        for tier in result.pairs.order
        for s in tier
    ]
    lines = ["", table(rows, ("rank", "system", "ranks")), ""]
    if result.pairs.dropped:
        dropped = "; ".join(f"{a} over {b} ({m:g})" for a, b, m in result.pairs.dropped[:5])
        lines.append(f"Majorities that close a cycle and were dropped: {dropped}")
    if result.winners is None:
        lines.append("Equal margins: too many orders to tell who else could win")
    elif len(result.winners) > 1:
        could = ", ".join(result.winners)
        lines.append(f"Equal margins: by the order they are taken in, each could win: {could}")
    return [*lines, result.method]


def matrix_text(matrix: WinMatrix) -> str:
    """Win rates of row against column, in percent; a dot where two never met."""
    rows = []
    for one in matrix.systems:
        cells = []
        for other in matrix.systems:
            cell = matrix.cells.get((one, other))
            unmet = "" if one == other else "."
            cells.append(f"{100 * cell.estimate.value:.0f}" if cell else unmet)
        rows.append((one, *cells))
    return table(rows, ("% won by row against", *matrix.systems))


def percent(one: Estimate) -> str:
    """A share with its interval."""
    if math.isnan(one.low):
        return f"{one.value:.1%} (no interval)"
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def points(one: Estimate) -> str:
    """Borda points with their interval."""
    if math.isnan(one.low):
        return f"{one.value:.3f} (no interval)"
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def span(one: Estimate) -> str:
    """The interval of a rating on Elo's scale."""
    if math.isnan(one.low):
        return "no interval"
    low, high = ("no bound" if math.isinf(v) else f"{v:,.0f}" for v in (one.low, one.high))
    return f"{low} to {high}"
