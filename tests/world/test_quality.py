"""The true quality of replies: its parts, its order, and that it is the oracle's."""

from __future__ import annotations

import pytest

from handrail.records import Scorer, Turn
from handrail.world import Oracle, TrueQuality, quality, quality_parts, training_turns
from handrail.world.quality import GROUNDED, KEPT, NATURAL, NO_TEXT, OFF_MATTER, Quality


@pytest.fixture(scope="module")
def made() -> list[Turn]:
    return training_turns(12, seed=31)


def test_the_formula() -> None:
    assert pytest.approx(1.0) == KEPT + GROUNDED + NATURAL
    assert Quality(1, 1, 1, 1).value == pytest.approx(1.0)
    assert Quality(0.5, 0.5, 0, 1).value == pytest.approx(0.6 * 0.5 + 0.2 * 0.5)
    assert Quality(1, 1, 1, OFF_MATTER).value == pytest.approx(OFF_MATTER)
    assert Quality(0, 0, 0, 1).value == 0


def test_chosen_replies_are_perfect_and_rejected_ones_are_not(made: list[Turn]) -> None:
    for turn in made:
        chosen, rejected = (quality(turn, reply.text) for reply in turn.replies)
        assert chosen == pytest.approx(1.0)
        assert 0 <= rejected < chosen


def test_the_parts_are_the_oracles(made: list[Turn]) -> None:
    oracle = Oracle()
    for turn in made:
        for reply in turn.replies:
            seen, parts = oracle.assess(turn, reply.text), quality_parts(turn, reply.text)
            n = len(seen.keeps) + len(seen.breaks)
            assert parts.kept == (len(seen.keeps) / n if n else 1.0)
            assert parts.grounded == 1 / (1 + len(seen.invented or ()))
            assert parts.breaks == seen.breaks
            assert (parts.natural == 1 and parts.matter == 1) == bool(seen.natural)


def test_what_is_wrong_lowers_it_more_the_worse_it_is(made: list[Turn]) -> None:
    falls = 0
    for turn in made:
        best = turn.replies[0].text
        invents = f"{best} You will also get a credit of $1234."
        strays = f"{best} The weather is lovely today."
        noise = "xqzt brrfg wklmp trrzz."
        values = TrueQuality().score(turn, [best, invents, strays, noise])
        assert values[1] < values[0]
        assert values[2] < values[1]
        assert values[3] <= NO_TEXT
        falls += values[3] < values[2]
    assert falls == len(made)


def test_a_reply_that_stops_in_mid_sentence_still_says_something(made: list[Turn]) -> None:
    parts = quality_parts(made[0], "I can help you with the")
    assert parts.natural == 0
    assert parts.matter > NO_TEXT


def test_it_is_a_scorer_and_the_same_each_time(made: list[Turn]) -> None:
    scorer = TrueQuality()
    assert isinstance(scorer, Scorer)
    assert scorer.name == "truth"
    for turn in made:
        texts = [reply.text for reply in turn.replies]
        assert scorer.score(turn, texts) == [quality(turn, text) for text in texts]
