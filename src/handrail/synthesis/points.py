"""Which guardrail a turn's rejected reply shall break, and how: balanced, always the same."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from handrail.records import RecordError, Reply, SettingError, Turn, nearest
from handrail.synthesis.forms import KINDS, Kind


@dataclass(frozen=True)
class Point:
    """One data point to be made: a turn, the reply that keeps `guardrail`, and the kind of break.

    `place` is the turn's place in what was given, from 0.
    """

    place: int
    turn: Turn
    guardrail: str
    kind: Kind

    @property
    def chosen(self) -> Reply:
        """The turn's best reply."""
        best = self.turn.best()
        assert best is not None
        return self.turn.replies[best]

    @property
    def number(self) -> str:
        """The guardrail's number in the prompt."""
        assert self.turn.playbook is not None
        ids = [rule.id for rule in self.turn.playbook.guardrails]
        return str(ids.index(self.guardrail) + 1)


def choose_points(
    turns: Sequence[Turn], seed: int = 0, kinds: Sequence[str] = KINDS
) -> tuple[list[Point], int]:
    """One point for each turn whose best reply keeps a guardrail, and how many turns have none.

    The guardrail that was taken least often so far comes first, and of the kinds the one that this
    guardrail, then all guardrails, were given least often. Turns are taken in the order of a hash
    of seed and id, in which the points are returned: so the choice does not depend on the order
    of the turns, and the first n points are balanced too.

    Raises:
        SettingError: an unknown kind, or none.
        RecordError: not one reply is marked with a guardrail that it keeps.
    """
    wanted = known_kinds(kinds)
    able = [(i, turn, _kept(turn)) for i, turn in enumerate(turns)]
    able = [(i, turn, kept) for i, turn, kept in able if kept]
    if not able:
        raise RecordError(
            f"none of {len(turns):,} turns has a reply that is marked with a guardrail it keeps",
            "`handrail synthesize guardrails` finds guardrails and marks replies with them",
        )
    points: list[Point] = []
    rules: Counter[str] = Counter()
    ways: Counter[tuple[str, str]] = Counter()
    of_kind: Counter[str] = Counter()
    for i, turn, kept in sorted(able, key=lambda a: _chance(seed, a[1].id)):
        rule = min(kept, key=lambda g: (rules[g], _chance(seed, turn.id, g)))
        kind = min(
            wanted, key=lambda k: (ways[rule, k], of_kind[k], _chance(seed, turn.id, rule, k))
        )
        rules[rule] += 1
        ways[rule, kind] += 1
        of_kind[kind] += 1
        points.append(Point(i, turn, rule, kind))
    return points, len(turns) - len(able)


def known_kinds(kinds: Sequence[str]) -> list[Kind]:
    """The kinds of break that are named, in their usual order.

    Raises:
        SettingError: an unknown kind, or none.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise SettingError(f"unknown kind of break '{kind}'", nearest(kind, KINDS))
    if not kinds:
        raise SettingError("there is no kind of break", f"Known: {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in kinds]


def _kept(turn: Turn) -> list[str]:
    """The guardrails of the playbook that the best reply keeps."""
    best = turn.best()
    if best is None or turn.playbook is None:
        return []
    known = {rule.id for rule in turn.playbook.guardrails}
    return [g for g in turn.replies[best].keeps if g in known]


def _chance(seed: int, *parts: str) -> str:
    text = "\x1f".join((str(seed), *parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
