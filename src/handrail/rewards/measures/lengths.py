"""Does a model like long replies? Correlation of score and length, over all and within prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from handrail.ranking import Estimate, Resampling
from handrail.ranking.estimates import DEFAULT, Floats
from handrail.rewards.measures.resample import SIGNED, correlation, mean_of
from handrail.rewards.measures.scored import Scored, prompt_of


@dataclass(frozen=True)
class LengthBias:
    """How a model's scores go with the characters of the replies.

    `pearson` and `spearman` are over all replies; `within_pearson` is of each reply's score and
    length less the mean of its prompt's, and `within_spearman` the mean over prompts: what is left
    when prompts that call for long replies cannot make the correlation. `gold_pearson` is the
    correlation of the true rating with length, NaN without ratings: what a perfect model would
    have. The intervals of Spearman's over all replies keep the ranks of the whole sample.
    """

    model: str
    pearson: Estimate
    spearman: Estimate
    within_pearson: Estimate
    within_spearman: Estimate
    gold_pearson: Estimate
    unscored: int


def length_bias(
    scored: Scored, gold: tuple[tuple[float, ...], ...] | None = None, how: Resampling = DEFAULT
) -> LengthBias:
    """Correlations of scores with lengths; `gold` are the true values of the same replies."""
    score_N, length_N, names, turn_N = columns(scored)
    known = np.isfinite(score_N)
    gold_N = np.array([v for row in gold for v in row]) if gold else np.full(len(score_N), np.nan)
    all_names, all_lengths = names, length_N
    names = [c for c, one in zip(names, known, strict=True) if one]
    score, length, turn = score_N[known], length_N[known], turn_N[known]
    centred = [_centred(x, turn) for x in (score, length)]
    several = _sizes(turn) > 1
    inner_names = [c for c, one in zip(names, several, strict=True) if one]
    rho, of = _within(score, length, turn, names)
    ranks = stats.rankdata(score), stats.rankdata(length)
    return LengthBias(
        model=scored.model,
        pearson=correlation(score, length, names, "Pearson", how),
        spearman=correlation(ranks[0], ranks[1], names, "Spearman", how),
        within_pearson=correlation(
            centred[0][several], centred[1][several], inner_names, "Pearson within prompts", how
        ),
        within_spearman=mean_of(rho, of, "mean Spearman within prompts", how, SIGNED),
        gold_pearson=correlation(gold_N, all_lengths, all_names, "Pearson", how),
        unscored=int((~known).sum()),
    )


def columns(scored: Scored) -> tuple[Floats, Floats, list[str], Floats]:
    """Score, characters, prompt and number of the turn of every reply."""
    score_N = np.array([s for row in scored.scores for s in row], np.float64)
    replies = [(t, turn, r) for t, turn in enumerate(scored.turns) for r in turn.replies]
    length_N = np.array([len(r.text) for _, _, r in replies], np.float64)
    names = [prompt_of(turn) for _, turn, _ in replies]
    return score_N, length_N, names, np.array([t for t, _, _ in replies], np.float64)


def _sizes(turn_N: Floats) -> Floats:
    """How many items the turn of each item has."""
    _, place, counts = np.unique(turn_N, return_inverse=True, return_counts=True)
    out: Floats = counts[place].astype(np.float64)
    return out


def _centred(x_N: Floats, turn_N: Floats) -> Floats:
    """Each value less the mean of its turn's."""
    _, place = np.unique(turn_N, return_inverse=True)
    counts = np.bincount(place)
    out: Floats = x_N - (np.bincount(place, x_N) / np.maximum(counts, 1))[place]
    return out


def _within(
    score_N: Floats, length_N: Floats, turn_N: Floats, names: list[str]
) -> tuple[Floats, list[str]]:
    """Spearman's correlation of each turn with two different scores and lengths, and its prompt."""
    rho, of = [], []
    for t in np.unique(turn_N):
        rows = np.flatnonzero(turn_N == t)
        s, n = score_N[rows], length_N[rows]
        if len(rows) > 1 and np.ptp(s) > 0 and np.ptp(n) > 0:
            rho.append(float(np.corrcoef(stats.rankdata(s), stats.rankdata(n))[0, 1]))
            of.append(names[rows[0]])
    return np.array(rho, np.float64), of
