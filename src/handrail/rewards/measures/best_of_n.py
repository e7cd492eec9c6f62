"""Best-of-n: how good is the reply that a model picks out of n, and where does picking overshoot?

Of a prompt's K replies every subset of n is as likely to be drawn. The expected gold value of the
pick needs no drawing (Nakano et al. 2021, "WebGPT", appendix on best-of-n): with the replies in the
order of their scores, the i-th of K is the pick in C(i - 1, n - 1) of the C(K, n) subsets.

Taking the best of n moves away from the policy by at most log n - (n - 1) / n nats (Stiennon et al.
2020; Gao et al. 2023, "Scaling Laws for Reward Model Overoptimization"). Along this distance the
score of the pick always rises; where its gold value turns down, the model is being overoptimised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from handrail.ranking import Estimate, Resampling
from handrail.ranking.estimates import DEFAULT, Floats
from handrail.rewards.measures.resample import (
    estimate_of,
    mean_of,
    share_of,
    sums_by_cluster,
)
from handrail.rewards.measures.scored import Scored, gold_values, prompt_of, ratings_of

_PROMPTS = 10  # from so many prompts on, there is a figure
_DIGITS = 12  # differences of equal sums are 0 up to rounding


@dataclass(frozen=True)
class Gold:
    """What the picks are valued by: `name`, and one value per reply (NaN: none), turn by turn."""

    name: str
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Step:
    """Picks out of n, over the prompts that have n replies or more.

    `kl` in nats. `picked`, `random` and `oracle` are the gold value of the model's pick, of a reply
    at random, and of the truly best; `gain` is picked less random on the same prompts, and
    `of_oracle` the share of the oracle's gain that this is. `proxy` is what the pick's score gains
    over the prompt's mean score, in standard deviations of all replies' scores, and `scaled` what
    its gold value gains, in those of the gold values: the two are on one axis.
    """

    n: int
    kl: float
    prompts: int
    picked: Estimate
    random: Estimate
    oracle: Estimate
    gain: Estimate
    of_oracle: Estimate
    proxy: Estimate
    scaled: Estimate


@dataclass(frozen=True)
class BestOfN:
    """Best-of-n by one gold value.

    `one_reply` prompts have fewer than two replies with score and gold value; `unscored` replies
    have a gold value and no score, and cannot be picked.
    """

    model: str
    gold: str
    steps: tuple[Step, ...]
    one_reply: int
    unscored: int


def kl_of(n: int) -> float:
    """The KL divergence of best-of-n from its policy, nats: log n - (n - 1) / n."""
    return math.log(n) - (n - 1) / n


def gold_of(scored_turns: Scored, label: str = "quality") -> list[Gold]:
    """What the data say of the replies: ratings, and ranks where a prompt has no two ratings.

    A rank counts as the share of the prompt's other ranked replies that the reply beats, a tie
    half. Each kind has its own entry: their values are not to be averaged.
    """
    turns = scored_turns.turns
    ratings, _ = ratings_of(turns, label)
    nothing = [np.full(len(turn.replies), np.nan) for turn in turns]
    rated, ranked = list(nothing), list(nothing)
    for t, turn in enumerate(turns):
        kind, values = gold_values(turn)
        if (~np.isnan(ratings[t])).sum() >= 2:
            rated[t] = ratings[t]
        elif kind in ("rank", "desirable"):
            ranked[t] = beaten(values)
    made = [("rating", rated), ("rank", ranked)]
    return [
        Gold(name, tuple(tuple(map(float, row)) for row in rows))
        for name, rows in made
        if any(not np.isnan(row).all() for row in rows)
    ]


def beaten(values_K: Floats) -> Floats:
    """The share of the other known values that each one beats, ties half; NaN stays NaN."""
    known = ~np.isnan(values_K)
    v = values_K[known]
    won = (v[:, None] > v[None, :]).sum(1) + 0.5 * ((v[:, None] == v[None, :]).sum(1) - 1)
    out = np.full(len(values_K), np.nan)
    out[known] = won / max(len(v) - 1, 1)
    return out


def picked_of(score_K: Floats, value_K: Floats, n: int) -> float:
    """The expected value of the reply with the highest score, over all subsets of n of the K.

    Replies with equal scores are picked alike.
    """
    _, place_K = np.unique(score_K, return_inverse=True)
    mean_G = np.bincount(place_K, value_K) / np.bincount(place_K)
    return float(_weights(len(score_K), n) @ mean_G[np.sort(place_K)])


@cache
def _weights(k: int, n: int) -> Floats:
    """The share of the subsets of n in which the i-th of k from below is the highest: (k,)."""
    total = math.comb(k, n)
    return np.array([math.comb(i, n - 1) / total for i in range(k)])


def sizes_up_to(most: int) -> list[int]:
    """The numbers of replies to pick from: 1, 2, 4, 8, ... and the most that there are."""
    sizes = [2**i for i in range(most.bit_length()) if 2**i <= most]
    return sizes if not sizes or sizes[-1] == most else [*sizes, most]


def _most(sizes: Sequence[int]) -> int:
    """The most replies that `_PROMPTS` prompts have, or all where there are fewer prompts."""
    ordered = sorted(sizes, reverse=True)
    return ordered[min(_PROMPTS, len(ordered)) - 1] if ordered else 0


def best_of_n(scored: Scored, gold: Gold, how: Resampling = DEFAULT) -> BestOfN:
    """Best-of-n for n = 1, 2, 4, ... up to the most replies that ten prompts have."""
    ready: list[tuple[str, Floats, Floats]] = []
    lost = unscored = 0
    for turn, scores, values in zip(scored.turns, scored.scores, gold.values, strict=True):
        score_K, gold_K = np.array(scores, np.float64), np.array(values, np.float64)
        known = ~np.isnan(gold_K)
        able = known & np.isfinite(score_K)
        unscored += int(known.sum() - able.sum())
        if able.sum() >= 2:
            ready.append((prompt_of(turn), score_K[able], gold_K[able]))
        elif known.any():
            lost += 1
    most = _most([len(s) for _, s, _ in ready])
    spreads = [float(np.concatenate([one[k] for one in ready]).std()) for k in (1, 2) if ready]
    steps = tuple(_step(n, ready, spreads, how) for n in sizes_up_to(most))
    return BestOfN(scored.model, gold.name, steps, lost, unscored)


def _step(
    n: int,
    ready: Sequence[tuple[str, Floats, Floats]],
    spreads: Sequence[float],
    how: Resampling,
) -> Step:
    fitting = [one for one in ready if len(one[1]) >= n]
    names = [name for name, _, _ in fitting]
    picked = np.array([picked_of(s, g, n) for _, s, g in fitting])
    oracle = np.array([picked_of(g, g, n) for _, _, g in fitting])
    random = np.array([g.mean() for _, _, g in fitting])
    proxy = np.array([picked_of(s, s, n) - s.mean() for _, s, _ in fitting])
    gain = (picked - random).round(_DIGITS)
    both = sums_by_cluster(np.stack([gain, (oracle - random).round(_DIGITS)], axis=1), names)
    of_score, of_gold = (spread or 1.0 for spread in spreads)
    return Step(
        n=n,
        kl=kl_of(n),
        prompts=len(fitting),
        picked=mean_of(picked, names, "mean", how),
        random=mean_of(random, names, "mean", how),
        oracle=mean_of(oracle, names, "mean", how),
        gain=mean_of(gain, names, "mean", how),
        of_oracle=estimate_of(share_of, both, len(names), "share of the oracle's gain", how),
        proxy=mean_of(proxy.round(_DIGITS) / of_score, names, "mean", how),
        scaled=mean_of(gain / of_gold, names, "mean", how),
    )
