"""The contract of sources of feedback, and that the page names them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handrail.records import Loaded, Message, Provenance, Reply, RunError, Turn
from handrail.sources.feedback import FEEDBACK
from handrail.sources.feedback.counts import count_feedback
from handrail.sources.feedback.maker import Table, ranks_of
from handrail.sources.feedback.registry import check_contract

PAGE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text("utf-8")
GOOD = Turn(
    context=(Message(role="user", content="Hi"),),
    replies=(Reply(text="a", rating=2.0), Reply(text="b")),
    tags={"set": "x", "scale": "1..5"},
    provenance=Provenance(source="x"),
)


def test_the_page_has_a_row_for_each() -> None:
    section = PAGE.partition("## Replies with feedback")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(FEEDBACK)
    for name, source in FEEDBACK.items():
        assert (source.name, bool(source.about), bool(source.licence)) == (name, True, True)


def test_what_is_as_agreed_passes() -> None:
    check_contract("x", Loaded([GOOD]))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda: [GOOD], "gave list, not Loaded"),
        (lambda: Loaded([GOOD, GOOD]), "twice"),
        (lambda: Loaded([Reply(text="a")]), "gave a Reply among its turns"),
        (lambda: Loaded([GOOD.model_copy(update={"tags": {}})]), "no tag 'set'"),
        (lambda: Loaded([GOOD.model_copy(update={"replies": ()})]), "no replies"),
        (lambda: Loaded([GOOD.model_copy(update={"provenance": Provenance()})]), "no provenance"),
        (lambda: Loaded([GOOD.model_copy(update={"tags": {"set": "x"}})]), "states no scale"),
        (lambda: Loaded([GOOD.model_copy(update={"tags": {"set": "x", "scale": "0..1"}})]),
         "outside of its scale 0..1"),
        (lambda: Loaded([GOOD], ["one"]), "counted a str as skipped"),
    ],
)  # fmt: skip
def test_a_loader_that_gives_something_else_stops(spoil: Callable[[], Any], told: str) -> None:
    with pytest.raises(RunError, match=told):
        check_contract("x", spoil())


def test_feedback_is_counted_by_set() -> None:
    """Worked example: ranks 1, 2, 2 are two pairs and a tie; an unranked reply is in none."""
    replies = tuple(Reply(text=str(i), rank=r) for i, r in enumerate((1, 2, 2, None)))
    ranked = Turn(replies=replies, tags={"set": "a"})
    marked = Turn(replies=(Reply(text="x", desirable=False, rating=0.5, labels={"q": 1.0}),))
    counts = count_feedback([ranked, marked, ranked])
    assert (counts["a"].turns, counts["a"].replies) == (2, 8)
    assert (counts["a"].pairs, counts["a"].ties, counts["a"].rated) == (4, 2, 0)
    assert counts["a"].pairs == 2 * sum(1 for _ in ranked.pairs())
    assert (counts[""].desirable, counts[""].undesirable) == (0, 1)
    assert (counts[""].rated, counts[""].labelled) == (1, 1)


@pytest.mark.parametrize(
    ("name", "split"),
    [("a/train", "train"), ("train/x", ""), ("a/helpful_base_dev", "dev"), ("a/valid-00", "dev"),
     ("a/trainer", ""), ("a/comparisons_test", "test"), ("a/validation", "dev")],
)  # fmt: skip
def test_a_split_is_told_by_a_word_of_the_name(name: str, split: str) -> None:
    assert Table(name, []).split == split


def test_ranks_of_scores() -> None:
    assert ranks_of([1.0, 3.0, 1.0, 2.0]) == [3, 1, 3, 2]
