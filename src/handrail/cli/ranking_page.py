"""The page of a ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from handrail.ranking import MajorityRanking, PointsTable, Ratings, WinMatrix
from handrail.reports import DataTable, LeftOut, Report, Section
from handrail.reports.rankings import ShareDots, StrengthDots, WinHeatMap

if TYPE_CHECKING:
    from handrail.cli.ranking import Ranked


def page_of(ranked: Ranked, command: str = "") -> Report:
    """The ranking, the win rates beneath it, and what was left out."""
    first, order = _ranking(ranked)
    facts = {
        "Method": ranked.method,
        "Systems": str(len(ranked.matrix.systems)),
        "Verdicts": f"{ranked.verdicts:,}",
        "Judges": f"{len(ranked.judges)}",
    }
    if not isinstance(ranked.result, Ratings) and len(ranked.groups) > 1:
        told = "; ".join(", ".join(group) for group in ranked.groups)
        facts["Never met, so not to be compared"] = told
    return Report(
        title=f"Ranking by {ranked.dimension}",
        subtitle=f"{ranked.matrix.n:,} comparisons of {len(ranked.matrix.systems)} systems, "
        + ("resampled by conversation" if ranked.clustered else "each turn by itself"),
        sections=[
            first,
            WinHeatMap(ranked.matrix, order),
            LeftOut(ranked.skipped, [("judgement", "it failed", ranked.errors)]),
        ],
        facts=facts,
        settings=asdict(ranked.matrix.settings) | {"rule": str(ranked.matrix.rule)},
        provenance={"judges": dict(ranked.judges), "dimension": ranked.dimension},
        command=command,
    )


def _ranking(ranked: Ranked) -> tuple[Section, list[str]]:
    """The first section, and the systems in its order."""
    result = ranked.result
    if isinstance(result, Ratings):
        return StrengthDots(result), [one.system for one in result.rated]
    if isinstance(result, WinMatrix):
        shares = [(s, result.mean[s]) for s in result.systems]
        note = f"Mean win rate over the opponents that a system met; win rate = {result.rule}."
        return ShareDots(shares, note, "Mean win rates"), list(result.systems)
    if isinstance(result, PointsTable):
        shares = [(one.system, one.estimate) for one in result.points]
        return ShareDots(shares, f"{result.method}.", "Points"), [s for s, _ in shares]
    if isinstance(result, MajorityRanking):
        order = [s for tier in result.pairs.order for s in tier]
        spans = {s: " to ".join(map(str, dict.fromkeys(ends))) for s, ends in result.ranges.items()}
        rows = [(s, result.pairs.ranks[s], spans[s]) for s in order]
        columns = ("System", "Rank", "Ranks in 95 % of the replicates")
        return DataTable("Ranked pairs", columns, rows, note=result.method + "."), order
    assert isinstance(result, Mapping)
    shares = [(s, one.controlled) for s, one in result.items()]
    note = "Win rate against the baseline at equal lengths (Dubois et al. 2024)."
    return ShareDots(shares, note, "Length-controlled win rates"), [s for s, _ in shares]
