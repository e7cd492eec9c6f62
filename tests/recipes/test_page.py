"""The page of a flow: which turns it shows as examples."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from handrail import world
from handrail.ranking import Estimate
from handrail.recipes.outcome import _perplexity
from handrail.recipes.page import _SHOWN, _examples
from handrail.records import Assessment, JudgeError, Reply
from handrail.reports import Examples

TURNS = world.training_turns(12, 5)[:24]
GAINED, LOST = "SFT→IPO keeps what M1-SFT breaks", "SFT→IPO breaks what M1-SFT keeps"
BOTH = "M1-SFT and SFT→IPO both break a rule"
NEITHER = "M1-SFT and SFT→IPO both keep every rule"
FOUR = [(n, GAINED) for n in range(4)]


def findings(before: str, after: str) -> SimpleNamespace:
    """Findings where `x` breaks a rule, `.` keeps all and `?` was not judged, turn by turn."""

    def judged(marks: str) -> list[Assessment | JudgeError]:
        found: list[Assessment | JudgeError] = []
        for turn, mark in zip(TURNS, marks, strict=False):
            rule = turn.playbook.guardrails[0].id
            error = JudgeError(turn=turn.id, a="", b="", dimension="adherence", problem="no answer")
            known = Assessment(breaks=(rule,) if mark == "x" else ())
            found.append(error if mark == "?" else known)
        return found

    said = {
        name: [Reply(text=f"{name} {n}") for n in range(len(before))]
        for name in ("base", "M1-SFT", "SFT→IPO")
    }
    assessed = {name: judged(m) for name, m in zip(said, ("." * 24, before, after), strict=True)}
    outcomes = SimpleNamespace(
        seeds=[SimpleNamespace(replies=said)],
        turns=TURNS[: len(before)],
        sft="M1-SFT",
        aligned="SFT→IPO",
    )
    return SimpleNamespace(outcomes=outcomes, assessed=[assessed])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("xx.x?", ".x...", [(0, GAINED), (3, GAINED)]),
        ("x..?", ".x.x", [(0, GAINED), (1, LOST)]),
        ("xxxxxxxxxxxx....", "............x...", [(n, GAINED) for n in range(6)]),
        ("xx....", "..x...", [(0, GAINED), (1, GAINED), (2, LOST)]),
        ("x" * 8 + "." * 8, "." * 8 + "x" * 4 + "." * 4, [*FOUR, (8, LOST), (9, LOST)]),
        ("..x?.x.", "..x?.x.", [(2, BOTH), (5, BOTH), (0, NEITHER)]),
        ("?", "x", []),
    ],
)  # fmt: skip
def test_examples_are_turns_that_differ_in_the_proportion_in_which_they_occur(
    before: str, after: str, expected: list[tuple[int, str]]
) -> None:
    shown = _examples(findings(before, after))
    assert len(shown) <= _SHOWN
    numbers = {turn.id: n for n, turn in enumerate(TURNS)}
    assert [(numbers[one.turn.id], one.why) for one in shown] == expected
    for one in shown:
        number = numbers[one.turn.id]
        said = {r.system: r.text for r in one.replies}
        assert said == {name: f"{name} {number}" for name in ("base", "M1-SFT", "SFT→IPO")}


def test_the_page_marks_the_rule_that_an_example_breaks() -> None:
    shown = _examples(findings("x", "."))
    page = Examples(shown).html()
    assert GAINED in page
    for system in ("base", "M1-SFT", "SFT→IPO"):
        assert f"{system} 0" in page
    rule = TURNS[0].playbook.guardrails[0]
    assert rule.text.split(".")[0][:30] in page
    kept = Examples(_examples(findings(".", "x"))).html()
    assert LOST in kept
    assert page.count("breaks") >= 2


def test_the_perplexity_of_a_model_that_training_spoilt_is_infinite() -> None:
    names = [t.id for t in TURNS[:4]]
    facts = {"nats": [4000.0] * 4, "tokens": [5] * 4, "best_turns": names}
    seeds = [SimpleNamespace(facts={"SFT": facts})]
    outcomes = SimpleNamespace(systems=["SFT"], seeds=seeds)
    found = _perplexity(outcomes, {n: n for n in names})["SFT"]  # type: ignore[arg-type]
    assert found.value == float("inf")
    assert isinstance(found, Estimate)
    assert found.as_dict()["estimate"] is None
