"""`handrail.rank`: what verdicts say of many systems, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handrail.cli.ranking_input import dimension_of, judged_of, turns_of, without_turn
from handrail.cli.ranking_lengths import Items, against
from handrail.ranking import (
    ROUNDS,
    LengthControlled,
    MajorityRanking,
    Matches,
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
    met_groups,
    win_matrix,
    winning_points,
)
from handrail.records import (
    JudgeError,
    RecordError,
    SettingError,
    Skip,
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


_RATERS: Mapping[str, Callable[[Matches, Resampling, str], Ratings | MajorityRanking]] = {
    "bradley-terry": bradley_terry,
    "elo": elo,
    "ranked-pairs": lambda matches, how, _anchor: majority_ranking(matches, how),
}


@dataclass(frozen=True)
class Ranked:
    """A ranking of systems, and what it was made of.

    `matrix` are the win rates beneath it; `groups` the systems that comparisons connect, which are
    several where some never met others even by way of third ones. `errors` counts failed
    judgements, `judges` the verdicts by judge. `others` are dimensions that the files hold too;
    `clustered` says that turns were given, so that their conversations were resampled.
    """

    method: str
    dimension: str
    result: Result
    matrix: WinMatrix
    groups: tuple[tuple[str, ...], ...]
    judges: Mapping[str, int]
    errors: int
    others: tuple[str, ...]
    skipped: tuple[Skip, ...]
    clustered: bool

    @property
    def verdicts(self) -> int:
        """How many verdicts were ranked by."""
        return sum(self.judges.values())

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
            "groups": [list(group) for group in self.groups],
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
    how: Resampling = ROUNDS,
) -> Ranked:
    """Rank systems by the verdicts on their replies, with intervals.

    handrail.rank("verdicts.jsonl", turns="test.jsonl").summary()["ranking"]

    Args:
        verdicts: files (`handrail judge --out`; what failed is counted from the file beside each)
            or verdicts. Several judges (their `judge`) have a ballot each per pair and turn.
        method: one of `METHODS`.
        turns: files of turns or replies, or turns: their conversations are what is resampled, and
            the length-controlled rate takes lengths from their replies (by author, else by file).
        dimension: which one; by default adherence, else the first that the verdicts have.
        anchor: the system held at 1,000 points, or the baseline of length control.
        rule: what a win rate counts as won: "ties-half", "acceptable" (of both) or "wins".
        how: rounds, level and seed of the intervals.

    Raises:
        SettingError: an unknown name, or a method that lacks what it needs.
        RecordError: files of another kind, or without a verdict.
    """
    _check(method, rule, anchor, turns is not None)
    judged, skipped = judged_of(verdicts)
    chosen, others = dimension_of(judged, dimension)
    of_one = _with_anchor(anchor, [one for one in judged if one.dimension == chosen])
    read = turns_of(turns)
    clusters = clusters_of([turn for _, some in read for turn in some])
    skipped += without_turn(of_one, clusters, turns is not None)
    made = matches_of(of_one, clusters, RULES[rule])
    matrix = win_matrix(made, RULES[rule], how)
    result: Result = matrix
    if method == "borda":
        result = _borda(of_one, clusters, how, skipped)
    elif method == "length-controlled":
        tables, unknown = against(of_one, read, anchor)
        skipped += unknown
        result = _lengths(tables, clusters, how)
    elif method in _RATERS:
        result = _RATERS[method](made, how, anchor)
    return Ranked(
        method=method,
        dimension=chosen,
        result=result,
        matrix=matrix,
        groups=met_groups(made.met(), made.systems),
        judges=Counter(one.judge or "unnamed" for one in of_one if isinstance(one, Verdict)),
        errors=sum(isinstance(one, JudgeError) for one in of_one),
        others=others,
        skipped=tuple(skipped),
        clustered=turns is not None,
    )


def _check(method: str, rule: str, anchor: str, has_turns: bool) -> None:
    """Refuse a request that no data could answer."""
    if method not in METHODS:
        raise SettingError(f"unknown method '{method}'", nearest(method, METHODS))
    if rule not in RULES:
        raise SettingError(f"unknown rule '{rule}'", nearest(rule, RULES))
    if rule != "ties-half" and method != "win-rate":
        raise SettingError(
            f"the rule '{rule}' is for win rates; {method} counts ties as half a win each",
            "Rank by --method win-rate, or leave the rule out",
        )
    if method == "length-controlled" and not (anchor and has_turns):
        raise SettingError(
            "the length-controlled rate needs a baseline and the replies",
            "Give --anchor NAME (anchor=) and --turns FILE for each system's replies (turns=)",
        )
    if anchor and method not in ("bradley-terry", "elo", "length-controlled"):
        raise SettingError(
            f"{method} has no anchor", "Leave it out, or rank by --method bradley-terry"
        )


def _with_anchor(
    anchor: str, judged: Sequence[Verdict | JudgeError]
) -> Sequence[Verdict | JudgeError]:
    """The judgements, some of which are about the anchor where there is one."""
    systems = {s for one in judged if isinstance(one, Verdict) for s in (one.a, one.b)}
    if anchor and anchor not in systems:
        raise SettingError(f"no verdict is about a system '{anchor}'", nearest(anchor, systems))
    return judged


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
