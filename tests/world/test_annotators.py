"""Annotators: Plackett and Luce's ranks, five-point ratings, and what noise does to both."""

from __future__ import annotations

import math
from itertools import permutations
from random import Random
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import SettingError
from handrail.world import Annotators
from handrail.world.annotators import KNOTS, likert, perceived


def test_one_annotators_orders_have_the_probabilities_of_plackett_and_luce() -> None:
    qualities, noise, n = [0.9, 0.6, 0.5], 0.3, 20_000
    one, rng = Annotators(1, noise), Random(5)
    found: dict[tuple[int, ...], int] = {}
    for _ in range(n):
        ranks = tuple(one.rank(qualities, rng))
        found[ranks] = found.get(ranks, 0) + 1
    worth = [math.exp(q / noise) for q in qualities]
    for order in permutations(range(3)):
        left, chance = sum(worth), 1.0
        for reply in order:
            chance *= worth[reply] / left
            left -= worth[reply]
        ranks = tuple(order.index(i) + 1 for i in range(3))
        spread = math.sqrt(chance * (1 - chance) / n)
        assert abs(found.get(ranks, 0) / n - chance) < 4 * spread


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=2, max_size=6))
def test_without_noise_ranks_are_those_of_the_truth(qualities: list[float]) -> None:
    ranks = Annotators(3, 0.0).rank(qualities, Random(0))
    order = sorted(set(qualities), reverse=True)
    assert ranks == [order.index(q) + 1 for q in qualities]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 5), st.integers(0, 9))
def test_ranks_begin_at_one_and_have_no_gaps(
    qualities: list[float], people: int, seed: int
) -> None:
    ranks = Annotators(people, 0.2).rank(qualities, Random(seed))
    assert sorted(set(ranks)) == list(range(1, max(ranks) + 1))
    assert len(ranks) == len(qualities)


def test_more_noise_and_fewer_people_rank_worse() -> None:
    def right(people: int, noise: float) -> float:
        rng, crowd = Random(1), Annotators(people, noise)
        return fmean(r[0] < r[1] for r in (crowd.rank([0.7, 0.5], rng) for _ in range(3000)))

    assert right(1, 0.05) > right(1, 0.2) > right(1, 1.0) > 0.5
    assert right(9, 0.2) > right(1, 0.2)


def test_ratings_are_means_of_five_points() -> None:
    crowd, rng = Annotators(3, 0.3), Random(2)
    for _ in range(200):
        for rating in crowd.rate([0.2, 0.7], crowd.draw(rng), rng):
            assert 0 <= rating <= 1
            assert rating * 12 == pytest.approx(round(rating * 12))


def test_without_noise_and_bias_a_rating_is_the_nearest_point() -> None:
    crowd = Annotators(4, 0.0, bias=0.0)
    assert crowd.rate([0.0, 0.3, 0.4, 1.0], crowd.draw(Random(0)), Random(0)) == [0, 0.25, 0.5, 1]
    assert [likert(x) for x in (-1.0, 0.12, 0.13, 0.375, 0.62, 2.0)] == [0, 0, 0.25, 0.5, 0.5, 1]


def test_severe_people_rate_lower() -> None:
    crowd, rng = Annotators(2, 0.1), Random(3)
    low, high = (fmean(crowd.rate([0.5] * 500, [bias, bias], rng)) for bias in (-0.2, 0.2))
    assert low < 0.4 < 0.6 < high


def test_biases_are_of_the_pool_and_its_seed() -> None:
    crowd = Annotators(3, bias=0.2, pool=400, seed=7)
    assert len(crowd.biases) == 400
    assert abs(fmean(crowd.biases)) < 0.05
    assert pstdev(crowd.biases) == pytest.approx(0.2, rel=0.2)
    assert Annotators(3, bias=0.2, pool=400, seed=7).biases == crowd.biases
    assert Annotators(3, bias=0.2, pool=400, seed=8).biases != crowd.biases
    assert set(crowd.draw(Random(1))) <= set(crowd.biases)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_mapping_of_quality_rises(a: float, b: float) -> None:
    assert 0 <= perceived(a) <= 1
    if b - a > 1e-9:
        assert perceived(a) < perceived(b)
    assert [perceived(x) for x, _ in KNOTS] == pytest.approx([y for _, y in KNOTS])


@pytest.mark.parametrize(
    "fields",
    [
        {"per_reply": 0},
        {"per_reply": 51},
        {"noise": -0.1},
        {"noise": math.nan},
        {"bias": math.inf},
    ],
)
def test_people_that_cannot_be(fields: dict) -> None:
    with pytest.raises(SettingError, match="annotators: "):
        Annotators(**fields)
