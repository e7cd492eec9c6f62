"""Stage 2 of the guardrail-alignment paper: a reply that clearly breaks a named guardrail.

Section V-A: for every agent message that follows guardrails, a rejected message is made that
breaks them (880 conversations gave 8,457 data points). Here each rejected reply is also judged: it
must break the named guardrail, and the chosen one must keep it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from handrail.asking import show
from handrail.records import (
    Answer,
    Assessment,
    Assessor,
    FailedPoint,
    Failure,
    JudgeError,
    Message,
    Reply,
    Request,
    SettingError,
    Skip,
    Try,
    Turn,
    assess_each,
)
from handrail.synthesis.ask import NOT_ASKED, UNANSWERED, Asking, Progress, by_reason
from handrail.synthesis.broken import Broken
from handrail.synthesis.forms import KINDS, Kind
from handrail.synthesis.points import Point, known_kinds


@dataclass(frozen=True)
class _Open:
    """A point in the making: the kind of its next try, and what was tried."""

    point: Point
    keeps: tuple[str, ...]
    kind: Kind
    tries: tuple[Try, ...] = ()

    @property
    def again(self) -> bool:
        """Whether the next try is of the last one's kind, and tells what was wrong with it."""
        last = self.tries[-1] if self.tries else None
        return last is not None and bool(last.reply) and last.kind == self.kind

    def next(self, load: Counter[str], kinds: Sequence[Kind]) -> _Open:
        """The point for its next try: a kind that gave a reply once more, then the rarest of kinds.

        `load` counts what was made or is being tried; a kind without a reply (the model declined
        it) is not tried twice while there is another.
        """
        tried = Counter(t.kind for t in self.tries)
        if self.again and tried[self.kind] == 1:
            return self
        return replace(self, kind=min(kinds, key=lambda k: (tried[k], load[k])))


def break_replies(
    points: Sequence[Point],
    asking: Asking,
    judge: Assessor,
    tries: int = 4,
    progress: Progress | None = None,
    kinds: Sequence[str] = KINDS,
) -> Broken:
    """Make a rejected reply for each point, and let the judge confirm both replies.

    First the chosen replies are judged: one that does not keep the named guardrail gives its place
    to another guardrail that it is marked with and keeps; one that breaks any is no example. Then
    a rejected reply is asked for, which must differ from the chosen one and break the named
    guardrail. A try that fails is repeated as another sample, the model being told what was wrong;
    after that, and where the model declines a kind, with the kind that was made least often.

    Args:
        points: what `choose_points` chose.
        asking: the model and the prompt `violate`.
        judge: assesses replies one by one or at once (`BatchAssessor`).
        tries: at most so many replies are asked for at a point.
        progress: called as (stage, done, total).
        kinds: of break that may be tried.

    Raises:
        SettingError: fewer than 1 try, or an unknown kind.
        HandrailError: what no question survives (a wrong key).
    """
    if tries < 1:
        raise SettingError(f"{tries} tries make nothing", "Try at least once")
    wanted = known_kinds(kinds)
    told = progress or (lambda stage, done, total: None)
    current, failed = _confirmed(points, judge, told)
    made: list[tuple[int, Turn]] = []
    asked = 0
    for number in range(tries):
        if not current:
            break
        stage = f"break, try {number + 1}"
        answers = asking.ask(
            [_request(one, asking) for one in current],
            lambda done, total, stage=stage: told(stage, done, total),  # type: ignore[misc]
        )
        asked += len(current)
        current, done = _judged(current, answers, judge, asking, told, f"judge, try {number + 1}")
        made += done
        current = _rebalanced(current, made, wanted)
        current, stopped = _without_answers(current, bool(done))
        failed += stopped
    failed += [_failed_point(one, _most(one.tries)) for one in current]
    turns = tuple(turn for _, turn in sorted(made, key=lambda m: m[0]))
    ways = Counter(turn.tags["break"] for turn in turns)
    return Broken(
        turns=turns,
        failed=tuple(failed),
        counts={"points": len(points), "made": len(turns), "failed": len(failed), "tries": asked},
        kinds={kind: ways[kind] for kind in KINDS},
    )


def _rebalanced(
    current: Sequence[_Open], made: Sequence[tuple[int, Turn]], kinds: Sequence[Kind]
) -> list[_Open]:
    """The open points with the kinds of their next tries, so that all kinds stay level."""
    load = Counter(turn.tags["break"] for _, turn in made)
    again: list[_Open] = []
    for one in current:
        again.append(one.next(load, kinds))
        load[again[-1].kind] += 1
    return again


def _confirmed(
    points: Sequence[Point], judge: Assessor, told: Progress
) -> tuple[list[_Open], list[FailedPoint]]:
    """The points whose chosen reply the judge agrees with, and those it does not."""
    assessed = assess_each(
        judge, [(p.turn, p.chosen.text) for p in points], partial(told, "judge chosen")
    )
    taken = Counter(p.guardrail for p in points)
    good: list[_Open] = []
    failed: list[FailedPoint] = []
    for point, one in zip(points, assessed, strict=True):
        reason = detail = ""
        if isinstance(one, JudgeError):
            reason = NOT_ASKED if one.kind == "limit" else f"the judge failed: {one.problem}"
        elif one.breaks:
            reason = "the judge sees the chosen reply break a guardrail"
            detail = ": ".join(filter(None, (", ".join(one.breaks), one.reason)))
        else:
            keeps = tuple(g for g in point.chosen.keeps if g in one.keeps)
            if point.guardrail in keeps:
                good.append(_Open(point, keeps, point.kind))
            elif keeps:
                other = min(keeps, key=lambda g: (taken[g], g))
                taken[other] += 1
                good.append(_Open(replace(point, guardrail=other), keeps, point.kind))
            else:
                reason = "the judge does not see the chosen reply keep what it is marked with"
        if reason:
            turn, rule = point.turn.id, point.guardrail
            failed.append(
                FailedPoint(turn=turn, guardrail=rule, reason=reason, detail=detail, tries=())
            )
    return good, failed


def violate_values(point: Point, kind: str) -> dict[str, object]:
    """What the task `violate` is asked with."""
    return {
        **show.turn(point.turn),
        "reply": point.chosen.text,
        "guardrail": point.number,
        "kind": kind,
    }


def _request(one: _Open, asking: Asking) -> Request:
    """The next question at a point; a repeated one tells what was wrong with the last reply."""
    more: list[Message] = []
    if one.again:
        last = one.tries[-1]
        text = (
            f"That reply does not serve: {last.problem}. Write another one that clearly breaks "
            f"guardrail {one.point.number} by {one.kind}, in the form asked for."
        )
        more = [
            Message(role="assistant", content=last.reply),
            Message(role="user", content=text),
        ]
    return asking.request(
        "violate",
        violate_values(one.point, one.kind),
        about=one.point.turn.id,
        sample=len(one.tries),
        more=more,
    )


def _judged(
    current: Sequence[_Open],
    answers: Sequence[Answer | Failure],
    judge: Assessor,
    asking: Asking,
    told: Progress,
    stage: str,
) -> tuple[list[_Open], list[tuple[int, Turn]]]:
    """The points that need another try, and the turns that are done, with their places."""
    problems: list[tuple[str, str, str]] = []  # (reply, problem, failure) of each try
    for one, answer in zip(current, answers, strict=True):
        if isinstance(answer, Failure):
            problems.append(("", f"{answer.kind}: {answer.problem}", answer.kind))
            continue
        text = answer.data.reply.strip()
        equal = _plain(text) == _plain(one.point.chosen.text)
        problem = "it is empty" if not text else "it is the agent's own reply" if equal else ""
        problems.append((text, problem, ""))
    shown = [i for i, (_, problem, _) in enumerate(problems) if not problem]
    pairs = [(current[i].point.turn, problems[i][0]) for i in shown]
    verdicts = dict(zip(shown, assess_each(judge, pairs, partial(told, stage)), strict=True))
    again: list[_Open] = []
    done: list[tuple[int, Turn]] = []
    for i, (one, (text, problem, failure)) in enumerate(zip(current, problems, strict=True)):
        verdict = verdicts.get(i)
        if isinstance(verdict, JudgeError):
            problem, failure = f"the judge failed: {verdict.problem}", verdict.kind
        elif verdict is not None and one.point.guardrail not in verdict.breaks:
            problem = "the judge does not see it break the guardrail"
        elif verdict is not None:
            done.append((one.point.place, _turn(one, text, verdict, asking, judge)))
            continue
        tried = Try(
            kind=one.kind, sample=len(one.tries), reply=text, problem=problem, failure=failure
        )
        again.append(replace(one, tries=(*one.tries, tried)))
    return again, done


def _plain(text: str) -> str:
    """A reply without what hardly shows: case, spaces, kinds of quotes, a last full stop."""
    straight = text.translate({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'})
    return " ".join(straight.split()).casefold().rstrip(".")


def _turn(one: _Open, text: str, verdict: Assessment, asking: Asking, judge: Assessor) -> Turn:
    """The data point: the chosen reply first, the rejected one second."""
    turn, chosen = one.point.turn, one.point.chosen
    made = asking.made(turn.provenance, "violate", parents=(turn.id,))
    made = made.model_copy(update={"made_by": f"{made.made_by}, judged by {judge.name}"})
    replies = (
        chosen.model_copy(update={"rank": 1, "desirable": True, "keeps": one.keeps}),
        Reply(
            text=text,
            author=asking.model.name,
            rank=2,
            desirable=False,
            keeps=verdict.keeps,
            breaks=verdict.breaks,
        ),
    )
    tags = {**turn.tags, "break": one.kind, "guardrail": one.point.guardrail}
    return turn.model_copy(update={"replies": replies, "tags": tags, "provenance": made})


def _failed_point(one: _Open, reason: str) -> FailedPoint:
    return FailedPoint(
        turn=one.point.turn.id, guardrail=one.point.guardrail, reason=reason, tries=one.tries
    )


def _without_answers(
    current: Sequence[_Open], answered: bool
) -> tuple[list[_Open], list[FailedPoint]]:
    """The points to go on with, and those that a limit or an endpoint that is gone has ended."""
    dead = not answered and all(one.tries[-1].failure in UNANSWERED for one in current)
    left, stopped = [], []
    for one in current:
        last = one.tries[-1]
        if last.failure == "limit":
            stopped.append(_failed_point(one, NOT_ASKED))
        elif dead:
            stopped.append(_failed_point(one, last.problem))
        else:
            left.append(one)
    return left, stopped


def _most(tries: Sequence[Try]) -> str:
    """The problem that was met most often, of equally frequent ones the latest."""
    skips = [Skip(what="try", reason=t.problem) for t in reversed(tries)]
    return next(iter(by_reason(skips)))
