"""`handrail.rank`: what verdicts say of many systems, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handrail.cli.files import as_turns, read_records
from handrail.cli.judged import errors_beside
from handrail.cli.names import stem
from handrail.cli.ranking_lengths import Items, against
from handrail.ranking import (
    LengthControlled,
    MajorityRanking,
    PointsTable,
    Ratings,
    Resampling,
    WinMatrix,
    WinRule,
    ballots_of,
    bradley_terry,
    clusters_of,
    elo,
    instruction_difficulty,
    length_controlled,
    majority_ranking,
    matches_of,
    win_matrix,
    winning_points,
)
from handrail.records import (
    DIMENSIONS,
    JudgeError,
    RecordError,
    SettingError,
    Skip,
    Turn,
    Verdict,
    nearest,
)

METHODS = ("bradley-terry", "elo", "win-rate", "borda", "ranked-pairs", "length-controlled")
RULES = {
    "ties-half": WinRule.TIES_HALF,
    "acceptable": WinRule.ACCEPTABLE,
    "wins": WinRule.WINS,
}
Judgements = str | Path | Iterable[Any]
Result = Ratings | WinMatrix | PointsTable | MajorityRanking | Mapping[str, LengthControlled]


@dataclass(frozen=True)
class Ranked:
    """A ranking of systems, and what it was made of.

    `matrix` are the win rates beneath it. `errors` counts failed judgements by system pair's
    dimension, `judges` the verdicts by judge. `others` are dimensions that the files hold too.
    """

    method: str
    dimension: str
    result: Result
    matrix: WinMatrix
    verdicts: int
    errors: int
    judges: Mapping[str, int]
    others: tuple[str, ...]
    skipped: tuple[Skip, ...]
    clustered: bool

    def summary(self) -> dict[str, Any]:
        """The whole result as plain data."""
        if isinstance(self.result, Mapping):
            ranking: dict[str, Any] = {
                "method": "length-controlled win rate",
                "systems": [{"system": s, **one.as_dict()} for s, one in self.result.items()],
            }
        else:
            ranking = self.result.as_dict()
        return {
            "method": self.method,
            "dimension": self.dimension,
            "other_dimensions": list(self.others),
            "verdicts": self.verdicts,
            "errors": self.errors,
            "judges": dict(self.judges),
            "clustered": self.clustered,
            "ranking": ranking,
            "win_rates": self.matrix.as_dict(),
            "skipped": [skip.model_dump() for skip in self.skipped],
        }

    def write_page(self, path: str | Path, command: str = "") -> Path:
        """Write the ranking as one self-contained HTML page; returns its path."""
        from handrail.cli.ranking_page import page_of
        from handrail.reports import write_report

        return write_report(path, page_of(self, command))


def rank(
    verdicts: Judgements | Sequence[str | Path],
    method: str = "bradley-terry",
    *,
    turns: Judgements | Sequence[str | Path] | None = None,
    dimension: str | None = None,
    anchor: str = "",
    rule: str = "ties-half",
    how: Resampling | None = None,
) -> Ranked:
    """Rank systems by the verdicts on their replies, with intervals.

    handrail.rank("verdicts.jsonl", turns="test.jsonl").summary()["ranking"]

    Args:
        verdicts: files of verdicts (`handrail judge --out`) or verdicts; the failed judgements in
            the `.errors.jsonl` beside a file are counted. Those of several judges (their `judge`)
            on one pair at one turn are ballots of their own.
        method: one of `METHODS`.
        turns: files of turns or replies, or turns: their conversations are what is resampled, and
            the length-controlled rate takes lengths from their replies (by author, else by file).
        dimension: which one; by default adherence, else the first that the verdicts have.
        anchor: the system that is held at 1,000 points, or the baseline of length control.
        rule: what a win rate counts as won: "ties-half", "acceptable" (of both) or "wins".
        how: rounds, level and seed of the intervals; 1,000 rounds by default.

    Raises:
        SettingError: an unknown method, rule, dimension or system, or a method that lacks what it
            needs.
        RecordError: files of another kind, or without a verdict.
    """
    if method not in METHODS:
        raise SettingError(f"unknown method '{method}'", nearest(method, METHODS))
    if rule not in RULES:
        raise SettingError(f"unknown rule '{rule}'", nearest(rule, RULES))
    if method == "length-controlled" and not (anchor and turns is not None):
        raise SettingError(
            "the length-controlled rate needs a baseline and the replies",
            "Give --anchor NAME (anchor=) and --turns FILE for each system's replies (turns=)",
        )
    how = how or Resampling(resamples=1000)
    judged, skipped = _judged(verdicts)
    chosen, others = _dimension(judged, dimension)
    of_one = [one for one in judged if one.dimension == chosen]
    systems = {s for one in of_one if isinstance(one, Verdict) for s in (one.a, one.b)}
    if anchor and anchor not in systems:
        raise SettingError(f"no verdict is about a system '{anchor}'", nearest(anchor, systems))
    read = _turns(turns)
    clusters = clusters_of([turn for _, some in read for turn in some])
    skipped += _unknown_turns(of_one, clusters, turns is not None)
    made = matches_of(of_one, clusters, RULES[rule])
    half = made if rule == "ties-half" else matches_of(of_one, clusters)
    result: Result
    if method == "win-rate":
        result = win_matrix(made, RULES[rule], how)
    elif method == "bradley-terry":
        result = bradley_terry(half, how, anchor)
    elif method == "elo":
        result = elo(half, how, anchor)
    elif method == "ranked-pairs":
        result = majority_ranking(half, how)
    elif method == "borda":
        result = _borda(of_one, clusters, how, skipped)
    else:
        tables, unknown = against(of_one, read, anchor)
        skipped += unknown
        result = _lengths(tables, clusters, how)
    return Ranked(
        method=method,
        dimension=chosen,
        result=result,
        matrix=win_matrix(made, RULES[rule], how),
        verdicts=sum(isinstance(one, Verdict) for one in of_one),
        errors=sum(isinstance(one, JudgeError) for one in of_one),
        judges=Counter(one.judge or "unnamed" for one in of_one if isinstance(one, Verdict)),
        others=others,
        skipped=tuple(skipped),
        clustered=turns is not None,
    )


def _judged(verdicts: Any) -> tuple[list[Verdict | JudgeError], list[Skip]]:
    """The verdicts and failed judgements of files (with the errors beside them) or records."""
    if isinstance(verdicts, str | Path):
        verdicts = [verdicts]
    given = list(verdicts)
    paths = [Path(one) for one in given if isinstance(one, str | Path)]
    judged = [one for one in given if isinstance(one, Verdict | JudgeError)]
    if len(paths) + len(judged) != len(given):
        raise SettingError("verdicts are files, `Verdict`s or `JudgeError`s", "Give some")
    beside = [errors_beside(path) for path in paths]
    seen = {path.resolve() for path in paths}
    more = [path for path in beside if path.exists() and path.resolve() not in seen]
    for path in [*dict.fromkeys(paths), *dict.fromkeys(more)]:
        records = read_records(path).records
        kind = type(records[0])
        if kind not in (Verdict, JudgeError):
            raise RecordError(
                f"this file holds {kind.__name__} records",
                "Name files of verdicts, as `handrail judge --out` writes them",
                str(path),
            )
        judged += records
    if not any(isinstance(one, Verdict) for one in judged):
        failed = f" ({len(judged):,} failed judgements)" if judged else ""
        raise RecordError(f"there is no verdict to rank by{failed}", "Judge some replies first")
    twice = len(paths) - len(dict.fromkeys(paths))
    if not twice:
        return judged, []
    return judged, [Skip(what="file of verdicts", reason="named twice, read once", count=twice)]


def _dimension(
    judged: Sequence[Verdict | JudgeError], wanted: str | None
) -> tuple[str, tuple[str, ...]]:
    """The dimension to rank on, and the others that the verdicts have."""
    found = list(dict.fromkeys(one.dimension for one in judged if isinstance(one, Verdict)))
    if wanted is not None and wanted not in found:
        raise SettingError(f"no verdict is on the dimension '{wanted}'", nearest(wanted, found))
    known = [d for d in DIMENSIONS if d in found]
    chosen = wanted if wanted is not None else (known or found)[0]
    return chosen, tuple(d for d in found if d != chosen)


def _turns(turns: Any) -> list[tuple[str, list[Turn]]]:
    """Turns by the name of their file ("" for records)."""
    if turns is None:
        return []
    if isinstance(turns, str | Path):
        turns = [turns]
    given = list(turns)
    paths = [one for one in given if isinstance(one, str | Path)]
    read = [(stem(path), as_turns(path).records) for path in paths]
    records = [one for one in given if not isinstance(one, str | Path)]
    return read + ([("", as_turns(records).records)] if records else [])


def _unknown_turns(
    judged: Sequence[Verdict | JudgeError], clusters: Mapping[str, str], given: bool
) -> list[Skip]:
    """Verdicts at turns whose conversation is unknown although turns were given.

    Raises:
        RecordError: that is true of all of them.
    """
    if not given:
        return []
    at = [one.turn for one in judged if isinstance(one, Verdict)]
    unknown = sum(turn not in clusters for turn in at)
    if at and unknown == len(at):
        raise RecordError(
            "the turns given are none of those that were judged",
            "Name the file of turns that the replies were judged at: they are matched by id",
        )
    reason = "the turn is not among --turns: it is a cluster of its own"
    return [Skip(what="verdict", reason=reason, count=unknown)] if unknown else []


def _borda(
    judged: Sequence[Verdict | JudgeError],
    clusters: Mapping[str, str],
    how: Resampling,
    skipped: list[Skip],
) -> PointsTable:
    """Winning points of each judge's rankings, merged per turn."""
    ballots = ballots_of(judged)
    if ballots.incomplete:
        reason = "a judge decided only some of the pairs at the turn, so there is no ranking"
        skipped.append(Skip(what="turn and judge", reason=reason, count=ballots.incomplete))
    if not ballots.rankings:
        raise RecordError(
            "no judge decided every pair of its systems at any turn",
            "Rank by --method bradley-terry or ranked-pairs, which take pairs as they are",
        )
    return winning_points(ballots.rankings, ballots.turns, None, how, clusters)


def _lengths(
    tables: Mapping[str, Items], clusters: Mapping[str, str], how: Resampling
) -> dict[str, LengthControlled]:
    """Length-controlled win rates of all systems that met the anchor, the best first."""
    found = {}
    for system, (turns, won, longer) in tables.items():
        place = {turn: i for i, turn in enumerate(turns)}
        rest = [t for name, t in tables.items() if name != system]
        hard = None
        if len(rest) >= 2:  # an instruction's difficulty is that for the others, never one's own
            y, gap = np.full((len(rest), len(turns)), np.nan), np.zeros((len(rest), len(turns)))
            for row, (theirs, w, g) in enumerate(rest):
                for turn, one, two in zip(theirs, w, g, strict=True):
                    if turn in place:
                        y[row, place[turn]], gap[row, place[turn]] = one, two
            hard = instruction_difficulty(y, gap)
        groups = [clusters.get(turn, turn) for turn in turns]
        found[system] = length_controlled(won, longer, hard, groups, how=how)
    return dict(sorted(found.items(), key=lambda item: -item[1].controlled.value))
