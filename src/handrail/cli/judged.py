"""What a judge said of some systems' replies, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.files import records_out
from handrail.cli.names import stem
from handrail.judges import IDENTICAL
from handrail.ranking import (
    Estimate,
    GradeRow,
    PairedDifference,
    PairResult,
    Preferences,
    SystemRate,
)
from handrail.records import (
    JudgeError,
    Rating,
    SettingError,
    Skip,
    Spent,
    Verdict,
    write_jsonl,
)

if TYPE_CHECKING:
    from handrail.sampling.server.prices import Estimate as Cost


@dataclass(frozen=True)
class Judged:
    """A judge's verdicts or ratings with their figures.

    `judge` is the judge's name; `why` says why it was this one where nobody named it. `orders` is
    "both" or "random". `habits` are of the verdicts, `grades` and `differences` (a, b, paired) of
    the ratings of a judge that grades replies by themselves. `spent` is what a language model
    cost, `cost` what it was thought to cost before; both None for other judges.
    """

    judge: str
    turns: int
    why: str = ""
    orders: str = "both"
    verdicts: tuple[Verdict, ...] = ()
    ratings: tuple[Rating, ...] = ()
    errors: tuple[JudgeError, ...] = ()
    rates: tuple[SystemRate, ...] = ()
    pairs: tuple[PairResult, ...] = ()
    habits: Preferences | None = None
    grades: tuple[GradeRow, ...] = ()
    differences: tuple[tuple[str, str, PairedDifference], ...] = ()
    skipped: tuple[Skip, ...] = ()
    spent: Spent | None = None
    cost: Cost | None = None

    @property
    def failures(self) -> dict[str, int]:
        """Judgements that failed, by kind (a language model's) or reason."""
        return dict(Counter(error.kind or error.problem for error in self.errors).most_common())

    @property
    def identical(self) -> int:
        """Ties of equal replies, which were not asked about."""
        return sum(one.rationale == IDENTICAL for one in self.verdicts)

    def write(self, path: str | Path) -> Path | None:
        """Write the verdicts or ratings, and failed judgements beside them; the latter's path.

        Raises:
            SettingError: only one system was judged by a judge that compares two; or `path` has
                the ending of another kind of file.
        """
        if not self.pairs and not self.ratings:
            raise no_verdicts(path)
        return write_judgements(path, self.ratings or self.verdicts, self.errors)

    def summary(self) -> dict[str, Any]:
        """Counts, rates, win rates, the judge's habits and costs as plain data."""
        from handrail.cli.llm import spent_summary

        made: dict[str, Any] = {
            "judge": self.judge,
            "judge_because": self.why,
            "orders": self.orders,
            "turns": self.turns,
            "verdicts": len(self.verdicts),
            "ratings": len(self.ratings),
            "errors": len(self.errors),
            "failures": self.failures,
            "identical": self.identical,
            "skipped": [skip.model_dump() for skip in self.skipped],
            "rates": [
                {"system": r.system, "dimension": r.dimension} | _plain(r.estimate)
                for r in self.rates
                if r.estimate.n
            ],
            "win_rates": [
                {"system": w.system, "against": w.against, "dimension": w.dimension}
                | _plain(w.estimate)
                | {"rule": str(w.rule), "p": pair.paired.permutation.p_value}
                for pair in self.pairs
                for w in (pair.win_a, pair.win_b)
                if pair.n
            ],
            "flip_rates": [
                {"a": p.a, "b": p.b, "dimension": p.dimension} | _plain(p.flips)
                for p in self.pairs
                if p.n
            ],
            **_habits(self.habits),
            "grades": [_graded(row) for row in self.grades],
            "grade_differences": [
                {"a": a, "b": b} | _plain(d.difference) | {"p": d.permutation.p_value}
                for a, b, d in self.differences
            ],
        }
        if self.spent is not None:
            made["spent"] = spent_summary(self.spent)
        if self.cost is not None:
            made["estimate"] = vars(self.cost)
        return made


def _plain(estimate: Estimate) -> dict[str, Any]:
    return dict(estimate.as_dict())


def _habits(habits: Preferences | None) -> dict[str, Any]:
    if habits is None:
        return {}
    return {
        "decided": habits.decided,
        "flip_rate": _plain(habits.flips),
        "tie_rate": _plain(habits.ties),
        "first_preference": _plain(habits.first),
        "length_preference": _plain(habits.longer),
    }


def _graded(row: GradeRow) -> dict[str, Any]:
    return {
        "system": row.system,
        "dimension": row.dimension,
        **_plain(row.mean),
        "scale": [row.low, row.high],
        "counts": dict(row.counts),
        "errors": row.errors,
    }


def write_judgements(
    path: str | Path, made: Sequence[Verdict | Rating], errors: Sequence[JudgeError]
) -> Path | None:
    """Write judgements, and those that failed beside them; returns the latter's path, if any.

    Raises:
        SettingError: `path` has the ending of another kind of file.
    """
    write_jsonl(records_out(path), made)
    beside = errors_beside(path)
    if errors:
        write_jsonl(beside, errors)
        return beside
    beside.unlink(missing_ok=True)  # of an earlier judging
    return None


def errors_beside(path: str | Path) -> Path:
    """Where the judgements that failed are written, beside the verdicts in `path`."""
    return Path(path).with_name(f"{stem(path)}.errors.jsonl")


def no_verdicts(path: str | Path) -> SettingError:
    """Why one system's judgements cannot be written as verdicts."""
    return SettingError(
        "there are no verdicts to write: each compares the replies of two systems",
        "Judge a second file of replies too, or leave out --out (`write` in Python)",
        str(path),
    )


def pairs_of(systems: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every pair of systems, in the order in which they were given."""
    return list(combinations(systems, 2))
