"""Annotators of the care world: they see a reply's true quality, each through noise of their own.

Ranks follow Plackett and Luce: of K replies each is put first with a probability in proportion to
exp(quality / noise), and so on among the rest. Drawing a Gumbel variable for each reply, adding it
to quality / noise and sorting gives exactly these orders (Yellott 1977). Ratings are given on five
points, as on Open Assistant's labels, and averaged over annotators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from random import Random

from handrail.records import SettingError

POINTS = 5  # of a Likert scale: 0, 0.25, 0.5, 0.75, 1
# What people call a reply of this quality. Between the knots it is linear; chosen so that the
# ratings are as heavy in the middle as Open Assistant's in the RLHF thesis (its figure 18: of
# 38,852 replies 10.6 % up to 0.4, 69.4 % between, 20.0 % from 0.9).
KNOTS = ((0.0, 0.05), (0.2, 0.34), (0.3, 0.42), (0.6, 0.6), (0.85, 0.82), (1.0, 1.0))


def perceived(quality: float) -> float:
    """The rating in 0..1 that people agree on for a true quality: `KNOTS`, strictly rising."""
    for (x0, y0), (x1, y1) in pairwise(KNOTS):
        if quality <= x1:
            return y0 + (y1 - y0) * (max(quality, x0) - x0) / (x1 - x0)
    return KNOTS[-1][1]


@dataclass(frozen=True)
class Annotators:
    """People who rank and rate replies.

    Attributes:
        per_reply: how many of them see each turn.
        noise: of ratings the standard deviation on the scale 0..1, of ranks the scale of Gumbel's
            distribution; 0: they all see the truth.
        bias: standard deviation of what each adds to all that they rate: some are severe.
        pool: how many there are in all, from whom those of a turn are drawn.
        seed: of their biases.
    """

    per_reply: int = 3
    noise: float = 0.15
    bias: float = 0.05
    pool: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("noise", "bias"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise SettingError(f"{name} is {value}", "Give 0 or more", "annotators")
        if not 1 <= self.per_reply <= self.pool:
            raise SettingError(
                f"{self.per_reply} annotators of {self.pool} see each turn",
                "Give at least one, and no more than there are",
                "annotators",
            )

    @cached_property
    def biases(self) -> tuple[float, ...]:
        """What each of the pool adds to all their ratings."""
        rng = Random(f"annotators/{self.seed}")
        return tuple(rng.gauss(0.0, self.bias) for _ in range(self.pool))

    def draw(self, rng: Random) -> list[float]:
        """The biases of those who see a turn."""
        return rng.sample(self.biases, self.per_reply)

    def rank(self, qualities: Sequence[float], rng: Random) -> list[int]:
        """The ranks of K replies, 1 the best: each annotator's order, merged by its mean place.

        Equal mean places are equal ranks, and ranks have no gaps (1, 2, 2, 3).
        """
        places = [self._places(qualities, rng) for _ in range(self.per_reply)]
        sums = [sum(place) for place in zip(*places, strict=True)]
        order = sorted(set(sums))
        return [order.index(total) + 1 for total in sums]

    def _places(self, qualities: Sequence[float], rng: Random) -> list[int]:
        """Twice each reply's place in one annotator's order (ties share the mean place)."""
        keys = list(qualities)
        if self.noise:
            keys = [q / self.noise + _gumbel(rng) for q in qualities]
        return [sum(o > key for o in keys) * 2 + sum(o == key for o in keys) - 1 for key in keys]

    def rate(
        self, degrees: Sequence[float], biases: Sequence[float], rng: Random, share: float = 1.0
    ) -> list[float]:
        """The mean of the annotators' ratings of each reply, whose degree in 0..1 is given.

        Args:
            degrees: what they agree on but for noise.
            biases: of those who rate, from `draw`.
            rng: of the noise.
            share: of noise and bias, for what is plainer to see.
        """
        means = []
        for degree in degrees:
            seen = [degree + share * (b + rng.gauss(0.0, self.noise)) for b in biases]
            means.append(sum(map(likert, seen)) / len(seen))
        return means


def likert(degree: float) -> float:
    """The nearest point of the scale, halves upwards; what lies beyond an end is that end."""
    steps = POINTS - 1
    return math.floor(min(1.0, max(0.0, degree)) * steps + 0.5) / steps


def _gumbel(rng: Random) -> float:
    """A draw from Gumbel's standard distribution."""
    return -math.log(-math.log(rng.random() or 5e-324))
