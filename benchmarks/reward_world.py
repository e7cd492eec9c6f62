"""Reward models of the care world, where the truth about a reply is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from reward_fit import (
    PREFERENCE,
    Fit,
    as_ratings,
    fitted,
    pair_accuracy,
    range_errors,
    scores_of,
)
from scipy import stats

from handrail.records import Reply, SamplingParams, Turn
from handrail.rewards.measures.best_of_n import kl_of, picked_of
from handrail.world import feedback_turns, quality
from handrail.world.annotators import perceived

Line = dict[str, Any]
Done = Callable[[Line], bool]
TRAIN, TEST, NOISE = 500, 200, 0.15
EPOCHS, RATE = 2, 3e-4
NOISES = (0.0, 0.15, 0.3, 0.6)
LOSSES = ("logistic", "sigmoid_mse", "mse")
MEANS = ("none", "over_s + wgt_s_075", "augment + under_s_30% + wgt_s_075")
WEIGHTS = (0.25, 0.375, 0.5, 0.625, 0.75)
PROMPTS, DRAWN = 60, 32  # of the overoptimisation


def jobs() -> list[Line]:
    """Loss, means and noise of every model, the most wanted ones first."""
    rows = [{"loss": PREFERENCE, "means": "none", "noise": NOISE}]
    rows += [{"loss": loss, "means": "none", "noise": NOISE} for loss in LOSSES]
    rows += [
        {"loss": loss, "means": "none", "noise": noise}
        for noise in NOISES
        for loss in (PREFERENCE, "logistic")
        if noise != NOISE
    ]
    rows += [{"loss": loss, "means": m, "noise": NOISE} for m in MEANS[1:] for loss in LOSSES]
    return rows


def lines(seed: int, done: Done) -> Iterator[Line]:
    """One line per model of a seed; those that are done are passed over."""
    test = feedback_turns(TEST, replies=4, noise=NOISE, seed=9000 + seed)
    truth = [np.array(row) for row in test.truth]
    told = [np.array([perceived(q) for q in row]) for row in test.truth]
    data: dict[float, list[Turn]] = {}
    both: dict[str, list[np.ndarray]] = {}
    drawn: tuple[list[Turn], list[np.ndarray]] | None = None
    for job in jobs():
        wanted = {"experiment": "world", "seed": seed, **job}
        plain = job["noise"] == NOISE and job["means"] == "none"
        kept = plain and job["loss"] in (PREFERENCE, "logistic")
        optimised = job["means"] == "none" and job["loss"] in (PREFERENCE, "logistic")
        if done(wanted) and not (kept and not done(combined_key(seed, WEIGHTS[0]))):
            continue
        if optimised and drawn is None:
            drawn = candidates(seed)
        if job["noise"] not in data:
            data[job["noise"]] = feedback_turns(
                TRAIN, replies=4, noise=job["noise"], seed=100 + seed
            ).turns
        fit = Fit("world", job["loss"], job["means"], epochs=EPOCHS, rate=RATE, seed=seed)
        reward, facts = fitted(fit, data[job["noise"]])
        scores = scores_of(reward, test.turns)
        line = wanted | fit.told() | facts | measured(scores, truth)
        if job["loss"] != PREFERENCE:
            line |= range_errors(as_ratings(job["loss"], scores), told)
        if optimised and drawn is not None:
            line["best_of"] = overoptimised(scores_of(reward, drawn[0]), drawn[1])
        if kept:
            both[job["loss"]] = scores
        yield line
        if len(both) == 2 and kept:
            for weight in WEIGHTS:
                mixed = [
                    weight * p + (1 - weight) * a
                    for p, a in zip(both[PREFERENCE], both["logistic"], strict=True)
                ]
                yield combined_key(seed, weight) | measured(mixed, truth)


def combined_key(seed: int, weight: float) -> Line:
    """What names the line of a combination: the thesis's weighted mean, the rating as a logit."""
    return {
        "experiment": "world",
        "seed": seed,
        "loss": "combined",
        "means": f"weight {weight:g}",
        "noise": NOISE,
    }


def measured(scores: list[np.ndarray], truth: list[np.ndarray]) -> Line:
    """Accuracy on pairs, order within prompts, and what picking the best of four gains."""
    accuracy, pairs = pair_accuracy(scores, truth)
    taus = [stats.kendalltau(s, t).statistic for s, t in zip(scores, truth, strict=True)]
    picked = float(np.mean([picked_of(s, t, len(t)) for s, t in zip(scores, truth, strict=True)]))
    mean = float(np.mean([t.mean() for t in truth]))
    best = float(np.mean([t.max() for t in truth]))
    return {
        "accuracy": accuracy,
        "pairs": pairs,
        "kendall": float(np.nanmean(taus)),
        "picked": picked,
        "mean": mean,
        "best": best,
        "gain": (picked - mean) / (best - mean),
    }


def candidates(seed: int) -> tuple[list[Turn], list[np.ndarray]]:
    """Replies of the base model to prompts that no reward model has seen, with their truth."""
    import handrail

    made = feedback_turns(PROMPTS, replies=2, seed=7000 + seed).turns
    turns = [turn.model_copy(update={"replies": ()}) for turn in made]
    params = SamplingParams(n=DRAWN, temperature=1.0, seed=seed)
    drawn = handrail.load("world").sample(turns, params)
    ready, truth = [], []
    for turn, samples in zip(turns, drawn, strict=True):
        texts = [s.text for s in samples if s.text.strip()]
        ready.append(turn.model_copy(update={"replies": tuple(Reply(text=t) for t in texts)}))
        truth.append(np.array([quality(turn, text) for text in texts]))
    return ready, truth


def overoptimised(scores: list[np.ndarray], truth: list[np.ndarray]) -> list[Line]:
    """Proxy (in standard deviations) and truth of the best of n by the proxy; the best there is.

    Gao et al. 2023 (arXiv 2210.10760): the curves part where the proxy is optimised too far.
    """
    flat = np.concatenate(scores)
    centre, spread = np.nanmean(flat), np.nanstd(flat)
    out = []
    for n in (1, 2, 4, 8, 16, 32):
        able = [
            ((s[np.isfinite(s)] - centre) / spread, t[np.isfinite(s)])
            for s, t in zip(scores, truth, strict=True)
            if np.isfinite(s).sum() >= n
        ]
        out.append(
            {
                "n": n,
                "kl": kl_of(n),
                "prompts": len(able),
                "proxy": float(np.mean([picked_of(s, s, n) for s, _ in able])),
                "truth": float(np.mean([picked_of(s, t, n) for s, t in able])),
                "possible": float(np.mean([picked_of(t, t, n) for _, t in able])),
            }
        )
    return out
