"""The probe's tests by hand, and that the packaged probes are what they should be."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from handrail.rewards.combining.rules import RuleScorer
from handrail.rewards.evaluating.probes import probes
from handrail.rewards.measures import KINDS, TESTS, probe, score_turns
from handrail.rewards.measures.probing import passed
from tests.rewards.measures.made import NAN, QUICK, scored


def test_which_tests_four_scores_pass() -> None:
    assert all(passed((4, 3, 2, 1)).values())
    assert not any(passed((1, 1, 1, 1)).values())
    found = passed((3, 4, 1, 2))
    assert [name for name in TESTS if found[name]] == [
        "best > irrelevant",
        "best > meaningless",
        "bad > irrelevant",
        "bad > meaningless",
    ]


def test_chance_is_as_the_page_says() -> None:
    orders = [passed(p) for p in permutations((1, 2, 3, 4))]
    assert np.mean([o["best > bad"] for o in orders]) == 1 / 2
    assert np.mean([o["best > each other"] for o in orders]) == 1 / 4
    assert np.mean([o["full order"] for o in orders]) == pytest.approx(1 / 24)


def test_pass_rates_and_missing_scores() -> None:
    turns = probes()[:4]
    found = probe(scored(turns, [[4, 3, 2, 1], [4, 1, 2, 3], [1, 2, 3, 4], [1, 2, NAN, 3]]), QUICK)
    assert found.passes["full order"].value == pytest.approx(1 / 3)
    assert found.passes["best > each other"].value == pytest.approx(2 / 3)
    assert (found.passes["full order"].n, found.unscored) == (3, 1)
    assert found.means["best"] == 3.0
    assert found.by_category["general"]["full order"].n == 3


def test_a_category_without_a_score_is_in_the_result_with_no_items() -> None:
    found = probe(scored(probes()[:2], [[NAN] * 4, [1, 2, NAN, 3]]), QUICK)
    assert found.unscored == 2
    assert {c: row["full order"].n for c, row in found.by_category.items()} == {"general": 0}


def test_thirty_distinct_probes_with_four_replies_each() -> None:
    turns = probes()
    assert len(turns) == 30
    assert len({turn.id for turn in turns}) == 30
    texts = [reply.text for turn in turns for reply in turn.replies]
    assert len(set(texts)) == 120
    assert len({turn.context[0].content for turn in turns}) == 30
    for turn in turns:
        assert tuple(reply.author for reply in turn.replies) == KINDS
        assert [reply.rank for reply in turn.replies] == [1, 2, 3, 4]
    assert Counter(turn.tags["category"] for turn in turns) == {"general": 15, "care": 15}
    assert {turn.tags["flaw"] for turn in turns} >= {"wrong", "vague", "rude", "careless"}
    assert {turn.tags["noise"] for turn in turns} >= {"salad", "poetic", "loop", "broken"}


def test_length_alone_does_not_order_the_replies() -> None:
    lengths = np.array([[len(r.text) for r in turn.replies] for turn in probes()])
    assert (lengths.max(1) / lengths.min(1)).max() < 1.2
    means = lengths.mean(0)
    assert means.max() / means.min() < 1.03
    longest = Counter(lengths.argmax(1).tolist())
    assert all(longest[k] >= 5 for k in range(4))
    for rule in ("length", "shorter"):
        made = scored(probes(), score_turns(RuleScorer(rule), probes()))
        for test in ("best > bad", "best > irrelevant", "best > meaningless"):
            assert 0.25 <= probe(made, QUICK).passes[test].value <= 0.65
        assert probe(made, QUICK).passes["full order"].value < 0.2
