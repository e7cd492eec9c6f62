"""K-wise ranking: is the best reply first, is the order right, how do the two orders correlate?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import factorial

import numpy as np
from scipy import stats

from handrail.ranking import Estimate, Resampling, rate
from handrail.ranking.estimates import DEFAULT, Floats
from handrail.rewards.measures.resample import SIGNED, mean_of
from handrail.rewards.measures.scored import Scored, gold_values, prompt_of


@dataclass(frozen=True)
class KWise:
    """How a model orders the K replies of a prompt, over prompts.

    `best_first`: the highest score is of a reply that people put first (of several highest scores
    each counts for its share). `exact`: every pair that people ordered is in that order.
    `tau`: Kendall's tau-b, `rho`: Spearman's correlation, of scores and gold within a prompt.
    `chance_best` and `chance_exact` are what a random order reaches on the same prompts.
    `sizes` counts the prompts by K. Left out: `one_reply` prompts with fewer than two replies that
    have feedback, `all_tied` ones that people put level, `unscored` ones with a reply that has no
    score; `flat` ones, where all scores are equal, have no correlation but count in the shares.
    """

    model: str
    best_first: Estimate
    exact: Estimate
    tau: Estimate
    rho: Estimate
    chance_best: float
    chance_exact: float
    sizes: dict[int, int]
    one_reply: int
    all_tied: int
    unscored: int
    flat: int


def kwise(scored: Scored, how: Resampling = DEFAULT) -> KWise:
    """All K-wise figures of a model."""
    rows: list[tuple[float, float, float, float, float, float]] = []
    names: list[str] = []
    lost: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for turn, scores in zip(scored.turns, scored.scores, strict=True):
        _, gold_all = gold_values(turn)
        known = ~np.isnan(gold_all)
        gold_K, score_K = gold_all[known], np.asarray(scores, np.float64)[known]
        if len(gold_K) < 2:
            lost["one_reply"] += 1
        elif np.ptp(gold_K) == 0:
            lost["all_tied"] += 1
        elif not np.isfinite(score_K).all():
            lost["unscored"] += 1
        else:
            lost["flat"] += bool(np.ptp(score_K) == 0)
            sizes[len(gold_K)] += 1
            rows.append(of_prompt(gold_K, score_K))
            names.append(prompt_of(turn))
    table = np.array(rows, np.float64).reshape(-1, 6)
    best, exact, tau, rho, by_luck, exact_by_luck = table.T
    return KWise(
        model=scored.model,
        best_first=rate(best, names, how),
        exact=rate(exact, names, how),
        tau=mean_of(tau, names, "mean tau-b", how, SIGNED),
        rho=mean_of(rho, names, "mean Spearman", how, SIGNED),
        chance_best=float(by_luck.mean()) if len(rows) else float("nan"),
        chance_exact=float(exact_by_luck.mean()) if len(rows) else float("nan"),
        sizes=dict(sorted(sizes.items())),
        one_reply=lost["one_reply"],
        all_tied=lost["all_tied"],
        unscored=lost["unscored"],
        flat=lost["flat"],
    )


def of_prompt(gold_K: Floats, score_K: Floats) -> tuple[float, float, float, float, float, float]:
    """Best first, exact order, tau-b, rho, and what luck gives for the first two.

    Luck puts the K replies in any order alike: the best of m is first in m / K of them, and the
    order is right in prod(g!) / K!, g being the sizes of the groups that people put level.
    """
    k = len(gold_K)
    is_best = gold_K == gold_K.max()
    best = float(is_best[score_K == score_K.max()].mean())
    higher = gold_K[:, None] > gold_K[None, :]
    exact = float((score_K[:, None] > score_K[None, :])[higher].all())
    groups = np.unique(gold_K, return_counts=True)[1]
    lucky = float(np.prod([factorial(int(g)) for g in groups], dtype=float)) / factorial(k)
    tau = rho = float("nan")
    if np.ptp(score_K) > 0:
        tau = tau_b(gold_K, score_K)
        ranks = stats.rankdata(gold_K), stats.rankdata(score_K)
        rho = float(np.corrcoef(*ranks)[0, 1])
    return best, exact, tau, rho, float(is_best.mean()), lucky


def tau_b(x_K: Floats, y_K: Floats) -> float:
    """Kendall's tau-b (1945): concordant less discordant pairs, each column's ties allowed for.

    NaN where one of the two is all ties.
    """
    x, y = (np.sign(v[:, None] - v[None, :]) for v in (x_K, y_K))
    untied = float(np.abs(x).sum() * np.abs(y).sum())
    return float((x * y).sum() / np.sqrt(untied)) if untied else float("nan")
