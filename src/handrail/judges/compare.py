"""Judge whole test sets: every pair of systems in both orders, every system by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from handrail.records import (
    DIMENSIONS,
    Assessment,
    Assessor,
    BatchJudge,
    Comparison,
    Judge,
    JudgeError,
    Message,
    RecordError,
    SettingError,
    Turn,
    Verdict,
    assess_each,
    nearest,
    no_assessment,
)

Progress = Callable[[int, int], None]  # (done, total)
Replies = Mapping[str, Sequence[str | None]]  # system -> one reply per turn, None where it failed
# System -> the conversation before each of its replies; None where it gave none.
Contexts = Mapping[str, Sequence[tuple[Message, ...] | None]]
NO_REPLY = "no reply of"  # so begins the problem where a system gave none


@dataclass(frozen=True)
class Orders:
    """In which orders two replies are shown: both, or one that is drawn per turn and pair.

    One order halves what a judge costs, and then nobody can tell how it bends to the order: no flip
    rate, and the position's preference stays in single verdicts (over many it evens out, as each
    system stands first in half of them). The draw follows from the seed, the turn and the pair, so
    that all dimensions see the same order and a second run the same one.
    """

    both: bool = True
    seed: int = 0

    @property
    def name(self) -> str:
        """What results call it: "both" or "random"."""
        return "both" if self.both else "random"

    def swaps(self, turn: str, a: str, b: str) -> tuple[bool, ...]:
        """For each showing of (a, b) at the turn, whether b comes first."""
        if self.both:
            return (False, True)
        key = "\x1f".join((str(self.seed), turn, a, b))
        return (hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 1,)


BOTH = Orders()


def compare_systems(
    turns: Sequence[Turn],
    replies_by_system: Replies,
    judge: Judge,
    pairs: Sequence[tuple[str, str]],
    dimensions: Sequence[str] = DIMENSIONS,
    orders: Orders = BOTH,
    progress: Progress | None = None,
    contexts: Contexts | None = None,
) -> list[Verdict | JudgeError]:
    """Judge each pair of systems at each turn on each dimension, in both orders.

    Every verdict is in terms of the pair as given (a, b); `order` tells which was shown first. A
    judgement that failed, and a turn where a system has no reply, is a `JudgeError`.

    Args:
        turns: the test turns.
        replies_by_system: per system one reply for each turn, in the order of `turns`; None
            where the system gave none.
        judge: any `Judge`.
        pairs: (a, b) names of systems.
        dimensions: what to judge on.
        orders: both, or one drawn for each turn and pair.
        progress: called as (done, total) comparisons.
        contexts: per system the conversation in which it gave each reply, where these differ from
            the turns'; judges of whole talks show them.

    Returns:
        Verdicts and errors by turn, pair, dimension, order: the same for the same input.

    Raises:
        HandrailError: unknown systems in `pairs`, or replies that do not match the turns.
    """
    laid_out = showings(turns, replies_by_system, pairs, dimensions, orders, contexts)
    return compare_shown(judge, laid_out, progress)


def showings(
    turns: Sequence[Turn],
    replies_by_system: Replies,
    pairs: Sequence[tuple[str, str]],
    dimensions: Sequence[str] = DIMENSIONS,
    orders: Orders = BOTH,
    contexts: Contexts | None = None,
) -> list[Showing]:
    """What `compare_systems` shows a judge, in its order; arguments and errors are its own."""
    _check(turns, replies_by_system)
    for name in (name for pair in pairs for name in pair):
        if name not in replies_by_system:
            raise SettingError(
                f"there are no replies of '{name}'", nearest(name, replies_by_system)
            )

    def said(name: str, i: int) -> _Said:
        return _Said(name, replies_by_system[name][i], contexts[name][i] if contexts else None)

    return [
        Showing(turn, said(a, i), said(b, i), dimension, swapped)
        for i, turn in enumerate(turns)
        for a, b in pairs
        for dimension in dimensions
        for swapped in orders.swaps(turn.id, a, b)
    ]


def compare_shown(
    judge: Judge, shown: Sequence[Showing], progress: Progress | None = None
) -> list[Verdict | JudgeError]:
    """The judge's verdicts on what `showings` laid out."""
    asked = [one.comparison for one in shown if one.comparison is not None]
    answers = iter(compare_each(judge, asked, progress))
    return [one.told(judge.name, answers) for one in shown]


def compare_each(
    judge: Judge, comparisons: Sequence[Comparison], progress: Progress | None = None
) -> list[Verdict | JudgeError]:
    """The judge's answer to each comparison, in their order; at once where it can."""
    if isinstance(judge, BatchJudge):
        return judge.compare_all(comparisons, progress)
    judged: list[Verdict | JudgeError] = []
    for one in comparisons:
        judged.append(judge.compare(one.turn, one.first, one.second, one.dimension))
        if progress is not None:
            progress(len(judged), len(comparisons))
    return judged


@dataclass(frozen=True)
class _Said:
    """A system's reply at a turn (None: it gave none), and its own conversation, if it has one."""

    system: str
    reply: str | None
    before: tuple[Message, ...] | None


@dataclass(frozen=True)
class Showing:
    """One judgement of (a, b) that is due, b shown first where `swapped`."""

    turn: Turn
    a: _Said
    b: _Said
    dimension: str
    swapped: bool

    @cached_property
    def comparison(self) -> Comparison | None:
        """What the judge is shown; None where a reply is missing."""
        x, y = (self.b, self.a) if self.swapped else (self.a, self.b)
        if x.reply is None or y.reply is None:
            return None
        before = None if x.before is None or y.before is None else (x.before, y.before)
        return Comparison(self.turn, x.reply, y.reply, self.dimension, before)

    def told(self, judge: str, answers: Iterator[Verdict | JudgeError]) -> Verdict | JudgeError:
        """The next answer in terms of (a, b); without asking, where a reply is missing."""
        order: Literal["AB", "BA"] = "BA" if self.swapped else "AB"
        names = {"a": self.a.system, "b": self.b.system}
        if self.comparison is None:
            return JudgeError(
                turn=self.turn.id,
                **names,
                dimension=self.dimension,
                judge=judge,
                order=order,
                problem=f"{NO_REPLY} {self.a.system if self.a.reply is None else self.b.system}",
            )
        judged = next(answers)
        if isinstance(judged, JudgeError):
            return judged.model_copy(update={**names, "order": order})
        if self.swapped:
            judged = judged.swap()
        return judged.model_copy(update=names)


def assess_systems(
    turns: Sequence[Turn],
    replies_by_system: Replies,
    assessor: Assessor,
    progress: Progress | None = None,
) -> dict[str, list[Assessment | JudgeError]]:
    """Assess every reply of every system by itself.

    Args:
        turns: the test turns.
        replies_by_system: per system one reply for each turn; None where it gave none.
        assessor: any `Assessor`, or an `AssessorJudge` (which keeps what it assessed).
        progress: called as (done, total) replies.

    Returns:
        Per system one `Assessment` for each turn, in the order of `turns`; a `JudgeError` where
        there is no reply or the assessor failed (`a` = the system, dimension "any").

    Raises:
        HandrailError: replies that do not match the turns.
    """
    _check(turns, replies_by_system)
    asked = [
        (name, turn, replies[i])
        for i, turn in enumerate(turns)
        for name, replies in replies_by_system.items()
    ]
    given = [(turn, reply) for _, turn, reply in asked if reply is not None]
    answers = iter(assess_each(assessor, given, progress))
    assessed: dict[str, list[Assessment | JudgeError]] = {name: [] for name in replies_by_system}
    for name, turn, reply in asked:
        one = no_assessment(turn, assessor.name, "no reply") if reply is None else next(answers)
        if isinstance(one, JudgeError):
            one = one.model_copy(update={"a": name})
        assessed[name].append(one)
    return assessed


def _check(turns: Sequence[Turn], replies_by_system: Replies) -> None:
    """Replies line up with distinct turns, or the judgements would be of something else."""
    if len({turn.id for turn in turns}) != len(turns):
        raise RecordError("two turns have the same id", "Give each turn its own id")
    for name, replies in replies_by_system.items():
        if len(replies) != len(turns):
            raise RecordError(
                f"'{name}' has {len(replies)} replies for {len(turns)} turns",
                "Give one reply per turn (None where there is none), in the order of the turns",
            )
