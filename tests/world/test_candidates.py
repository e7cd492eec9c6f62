"""Candidate replies: all different, spoilt in every way, the same for the same draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from handrail.records import Turn
from handrail.world import TrueQuality, WorldSettings, speak
from handrail.world.candidates import SPOILING, candidates
from handrail.world.generator import hear
from handrail.world.scene import new_scene
from handrail.world.script import beats
from handrail.world.training import Point, choose


def points(n: int, seed: int) -> Iterator[Point]:
    for index in range(n):
        scene = new_scene(seed, index, WorldSettings())
        playbook = scene.playbook()
        for beat in beats(scene):
            hear(scene, beat)
            point = choose(scene, beat, playbook)
            yield point
            scene.messages.append(("assistant", speak.text_of(point.chosen)))


def test_they_differ_and_follow_from_the_draws() -> None:
    first = [candidates(p, 5, Random(n)) for n, p in enumerate(points(4, seed=3))]
    again = [candidates(p, 5, Random(n)) for n, p in enumerate(points(4, seed=3))]
    assert first == again
    assert all(len(set(texts)) == 5 for texts in first)
    assert all(text == text.strip() != "" for texts in first for text in texts)


def test_rules_are_broken_from_none_to_four_at_a_time() -> None:
    broken: Counter[int] = Counter()
    for n, point in enumerate(points(12, seed=4)):
        turn = Turn(playbook=point.playbook, context=point.context)
        parts = TrueQuality().parts(turn, candidates(point, 4, Random(n)))
        broken.update(len(part.breaks) for part in parts)
    assert {0, 1, 2, 3, 4} <= set(broken)
    assert broken[0] > 0.15 * broken.total()
    assert broken[1] > broken[3] > 0


# How each way to spoil a reply shows in its quality, in the order of SPOILING.
SHOWS = ("grounded", "matter", "matter", "natural", "natural", "matter")


@pytest.mark.parametrize("at", range(len(SPOILING)), ids=lambda at: SPOILING[at][1].__name__)
def test_each_way_to_spoil_a_reply_lowers_its_part(at: int) -> None:
    _, spoil = SPOILING[at]
    lower = total = 0
    for n, point in enumerate(points(5, seed=5)):
        turn = Turn(playbook=point.playbook, context=point.context)
        whole = speak.text_of(point.chosen)
        spoilt = spoil(point, point.chosen, Random(n))
        before, after = TrueQuality().parts(turn, [whole, spoilt])
        lower += getattr(after, SHOWS[at]) < getattr(before, SHOWS[at])
        total += 1
    # The truth is what the oracle sees: some matters of another domain it takes for this one.
    assert lower >= 0.5 * total, f"{lower} of {total}"


def test_the_rates_leave_room_for_replies_that_are_not_spoilt() -> None:
    rates = [rate for rate, _ in SPOILING]
    assert all(rate > 0 for rate in rates)
    assert 0.2 < sum(rates) < 0.6
