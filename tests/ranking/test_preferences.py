from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.ranking import preferences
from handrail.records import JudgeError, Outcome, Verdict

LENGTHS = {("t0", "x"): 5, ("t0", "y"): 9, ("t1", "x"): 9, ("t1", "y"): 5, ("t2", "x"): 7}


def verdict(turn: str, outcome: str, order: Literal["AB", "BA"]) -> Verdict:
    return Verdict(turn=turn, a="x", b="y", dimension="d", outcome=Outcome(outcome), order=order)


def test_a_worked_example() -> None:
    judged = [
        verdict("t0", "B", "AB"),  # longer, second
        verdict("t0", "B", "BA"),  # longer, first
        verdict("t1", "A", "AB"),  # longer, first
        verdict("t1", "B", "BA"),  # shorter, first: the orders disagree
        verdict("t2", "TIE", "AB"),
        verdict("t2", "A", "BA"),  # no length of y; second
        JudgeError(turn="t3", a="x", b="y", dimension="d", problem="?"),
    ]
    habits = preferences(judged, LENGTHS)
    assert (habits.verdicts, habits.decided) == (6, 5)
    assert habits.flips.value == pytest.approx(2 / 3)
    assert habits.ties.value == pytest.approx(1 / 6)
    assert habits.first.value == pytest.approx(3 / 5)
    assert (habits.longer.value, habits.longer.n) == (pytest.approx(3 / 4), 4)
    assert habits.longer.clusters == 2
    together = preferences(judged, LENGTHS, {"t0": "c", "t1": "c"})
    assert together.longer.clusters == 1


def test_nothing_to_see_is_no_figure() -> None:
    habits = preferences([], {})
    assert habits.verdicts == habits.flips.n == habits.first.n == habits.longer.n == 0


outcomes = st.sampled_from([o.value for o in Outcome])


@given(st.lists(st.tuples(st.integers(0, 5), outcomes, st.sampled_from(["AB", "BA"]))))
def test_exchanging_the_two_systems_changes_no_habit(rows: list[tuple[int, str, str]]) -> None:
    judged = [verdict(f"t{n}", outcome, order) for n, outcome, order in rows]  # type: ignore[arg-type]
    swapped = [one.swap() for one in judged]
    one, other = preferences(judged, LENGTHS), preferences(swapped, LENGTHS)
    for name in ("ties", "first", "longer"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a.n, repr(a.value), repr(a.low)) == (b.n, repr(b.value), repr(b.low))
