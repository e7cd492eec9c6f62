"""A judge at work on a table of replies: what it has to ask, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Protocol

from handrail.cli.alignment import Table
from handrail.cli.console import count
from handrail.cli.judged import pairs_of
from handrail.judges import (
    NO_REPLY,
    AssessorJudge,
    MTPairJudge,
    Orders,
    RewardJudge,
    RuleJudge,
    Showing,
    assess_systems,
    compare_shown,
    showings,
)
from handrail.ranking import (
    WinRule,
    clusters_of,
    compare_pairs,
    grade_difference,
    grade_rows,
    preferences,
    system_rates,
)
from handrail.records import (
    DIMENSIONS,
    Assessor,
    Grader,
    Judge,
    JudgeError,
    Rating,
    RecordError,
    Request,
    SettingError,
    Verdict,
    nearest,
)

Progress = Callable[[str, float, float], None]
# What counts as a win where it is not the guardrail-alignment paper's: by prompt (docs/judging.md).
_WINS = {"helpful": WinRule.WINS, "leaderboard": WinRule.TIES_HALF, "mt_pair": WinRule.TIES_HALF}


class Work(Protocol):
    """What a kind of judge does with a table. `shows_own`: each system's own conversation."""

    shows_own: bool

    def choose(self, dimensions: Sequence[str] | None) -> None:
        """Judge on these dimensions only; raises `SettingError` for one that it does not know."""

    def requests(self) -> list[Request]:
        """All questions to a language model; none for other judges."""

    def judged(self, progress: Progress, why: str) -> dict[str, Any]:
        """The fields of `Judged` that came of it."""


class Comparing:
    """Pairs of systems, compared; an assessor's systems are assessed one by one as well."""

    def __init__(self, what: Table, judge: Judge | Assessor, orders: Orders) -> None:
        """Raises `SettingError` where the judge compares and there is one system only."""
        self.what, self.orders = what, orders
        self.judge: Judge = judge if isinstance(judge, Judge) else AssessorJudge(judge)
        self.pairs = pairs_of(what.replies)
        self.dimensions: tuple[str, ...] = tuple(getattr(self.judge, "dimensions", DIMENSIONS))
        self.assesses = isinstance(self.judge, AssessorJudge)
        self.shows_own = isinstance(judge, MTPairJudge)
        self._shown: list[Showing] | None = None
        if not self.pairs and not self.assesses:
            raise SettingError(
                f"{self.judge.name} compares the replies of two systems, and there is one",
                "Name a second file of replies, or a judge that grades replies by themselves",
            )

    def choose(self, dimensions: Sequence[str] | None) -> None:
        """Judge on these only."""
        for name in dimensions or ():
            if name not in self.dimensions:
                raise SettingError(
                    f"{self.judge.name} does not judge '{name}'", nearest(name, self.dimensions)
                )
        self.dimensions = tuple(dimensions or self.dimensions)

    def requests(self) -> list[Request]:
        """The questions; of an assessor one for each distinct reply."""
        if isinstance(self.judge, AssessorJudge):
            replies = {
                (turn.id, text): (turn, text)
                for texts in self.what.replies.values()
                for turn, text in zip(self.what.turns, texts, strict=True)
                if text is not None
            }
            return requests_of(self.judge.assessor, list(replies.values()))
        shown = [one.comparison for one in self._showings()]
        return requests_of(self.judge, [one for one in shown if one is not None])

    def judged(self, progress: Progress, why: str) -> dict[str, Any]:
        """Verdicts, rates of an assessor, win rates, the judge's habits."""
        clusters = clusters_of(self.what.turns)
        made: dict[str, Any] = {}
        if isinstance(self.judge, AssessorJudge):
            made["rates"] = self._rates(self.judge, clusters, progress, why)
            known = {rate.dimension for rate in made["rates"] if rate.estimate.n}
            self.dimensions = tuple(d for d in self.dimensions if d in known)
        judged = compare_shown(self.judge, self._showings(), partial(progress, "judge"))
        errors = tuple(one for one in judged if isinstance(one, JudgeError))
        verdicts = tuple(one for one in judged if isinstance(one, Verdict))
        if not verdicts and not self.assesses:
            raise nothing(errors, why)
        rule = _WINS.get(getattr(self.judge, "prompt", ""), WinRule.ACCEPTABLE)
        if isinstance(self.judge, RuleJudge | RewardJudge):
            rule = WinRule.TIES_HALF
        return made | {
            "verdicts": verdicts,
            "errors": errors,
            "pairs": compare_pairs(judged, clusters=clusters, rule=rule),
            "habits": preferences(verdicts, self.what.lengths(), clusters) if verdicts else None,
        }

    def _rates(
        self, judge: AssessorJudge, clusters: Mapping[str, str], progress: Progress, why: str
    ) -> Any:
        turns = self.what.turns
        told = partial(progress, "assess")
        assessed = assess_systems(turns, self.what.replies, judge, told)
        rates = system_rates(
            assessed, clusters=[clusters[t.id] for t in turns], dimensions=self.dimensions
        )
        if not any(rate.estimate.n for rate in rates):
            raise nothing([e for e in chain(*assessed.values()) if isinstance(e, JudgeError)], why)
        return rates

    def _showings(self) -> list[Showing]:
        """What the judge is shown on its dimensions; the same objects each time it is asked."""
        if self._shown is None:
            what = self.what
            contexts = what.contexts if self.shows_own else None
            self._shown = showings(
                what.turns, what.replies, self.pairs, self.dimensions, self.orders, contexts
            )
        return self._shown


class Grading:
    """Single replies, graded."""

    shows_own = True

    def __init__(self, what: Table, judge: Grader) -> None:
        self.what, self.judge = what, judge
        self.given = {
            name: [
                (turn, text) if text is not None else None
                for turn, text in zip(what.own_turns(name), texts, strict=True)
            ]
            for name, texts in what.replies.items()
        }

    def choose(self, dimensions: Sequence[str] | None) -> None:
        """A grader has one dimension."""
        own = getattr(self.judge, "dimension", "")
        for name in dimensions or ():
            if name != own:
                raise SettingError(
                    f"{self.judge.name} does not judge '{name}'", nearest(name, [own])
                )

    def requests(self) -> list[Request]:
        """One question for each reply."""
        return requests_of(self.judge, [one for row in self.given.values() for one in row if one])

    def judged(self, progress: Progress, why: str) -> dict[str, Any]:
        """Ratings, each system's mean, differences of systems."""
        asked = [one for row in self.given.values() for one in row if one]
        answers = iter(self.judge.grade_all(asked, partial(progress, "grade")))
        rated: dict[str, list[Rating | JudgeError]] = {}
        for name, row in self.given.items():
            rated[name] = [
                self._missing(turn.id, name)
                if one is None
                else next(answers).model_copy(update={"a": name})
                for turn, one in zip(self.what.turns, row, strict=True)
            ]
        every = list(chain(*rated.values()))
        errors = tuple(one for one in every if isinstance(one, JudgeError))
        if len(errors) == len(every):
            raise nothing(errors, why)
        clusters = clusters_of(self.what.turns)
        names = [clusters[turn.id] for turn in self.what.turns]
        return {
            "ratings": tuple(one for one in every if isinstance(one, Rating)),
            "errors": errors,
            "grades": grade_rows(rated, names),
            "differences": tuple(
                (a, b, grade_difference(rated[a], rated[b], names)) for a, b in pairs_of(rated)
            ),
        }

    def _missing(self, turn: str, system: str) -> JudgeError:
        return JudgeError(
            turn=turn,
            a=system,
            b="",
            dimension=getattr(self.judge, "dimension", ""),
            judge=self.judge.name,
            problem=f"{NO_REPLY} {system}",
        )


def requests_of(judge: Any, of: Sequence[Any]) -> list[Request]:
    """A judge's questions on these, where it is one that asks a language model."""
    ask: Callable[[Sequence[Any]], list[Request]] | None = getattr(judge, "requests", None)
    return [] if ask is None else ask(of)


def nothing(errors: Sequence[JudgeError], why: str) -> RecordError:
    """Why a judge judged nothing at all: the most frequent reason, and why it was this judge."""
    reasons = Counter(error.problem for error in errors).most_common(1)
    reason, often = reasons[0] if reasons else ("no turns", 0)
    told = f"{reason} ({count(often, 'time')}{why and '; '}{why})"
    if any(error.kind for error in errors):
        return RecordError(
            f"not one judgement came of it: {told}",
            "Look at the endpoint, its limits and its model's replies (--debug, --max-requests)",
        )
    return RecordError(
        f"there is nothing to judge: {told}",
        "Write replies with `handrail generate`, and for the judge 'rules' give playbooks checks",
    )
