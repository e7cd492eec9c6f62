"""Length-controlled win rates: what would be preferred if both replies were equally long?

Dubois et al. 2024, "Length-Controlled AlpacaEval": a logistic model of the judge's preference with
a term for the system, one for the difference in length and one for the instruction, asked with
the length term at zero. Here the system's own term is not penalised, so that without an effect of
length the controlled rate is the plain one.

Shape suffixes: N items (prompts), M systems, P terms, R bootstrap replicates, C clusters.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handrail.ranking.estimates import DEFAULT, Estimate, Floats, Resampling, percentile, rate
from handrail.ranking.logistic import PENALTIES, chosen_penalty, fit_logistic, sigmoid
from handrail.ranking.matches import draws

_HELD = 2_000_000


@dataclass(frozen=True)
class LengthControlled:
    """One system's win rate against a baseline, plain and length-controlled.

    `length_effect` is the log odds that a far longer reply adds, `scale` the standard deviation of
    the differences in length, `penalty` the L2 penalty that cross-validation chose. `dropped`
    counts items without a preference.
    """

    plain: Estimate
    controlled: Estimate
    identity: float
    length_effect: float
    difficulty_effect: float | None
    mean_difference: float
    scale: float
    penalty: float
    folds: int
    dropped: int
    settings: Resampling

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.controlled.as_dict(),
            "plain": self.plain.as_dict(),
            "identity": self.identity,
            "length_effect": self.length_effect,
            "difficulty_effect": self.difficulty_effect,
            "mean_difference": self.mean_difference,
            "scale": self.scale,
            "penalty": self.penalty,
            "folds": self.folds,
            "dropped": self.dropped,
            "settings": asdict(self.settings),
        }


@dataclass(frozen=True)
class _Items:
    """The items with a preference: their terms, preference, cluster; and the lengths' scale."""

    x_NP: Floats
    y_N: Floats
    cluster_N: NDArray[np.int64]
    longer_N: Floats
    scale: float

    @classmethod
    def of(
        cls,
        preferences: ArrayLike,
        longer: ArrayLike,
        difficulty: ArrayLike | None,
        clusters: Sequence[Hashable] | None,
    ) -> _Items:
        y_N, longer_N = np.asarray(preferences, np.float64), np.asarray(longer, np.float64)
        columns = [longer_N] if difficulty is None else [longer_N, np.asarray(difficulty, float)]
        names = list(clusters) if clusters is not None else list(range(y_N.size))
        if any(column.size != y_N.size for column in columns) or len(names) != y_N.size:
            raise ValueError("the columns differ in length")
        known = ~np.isnan(y_N)
        columns = [column[known] for column in columns]
        if any(np.isnan(column).any() for column in columns):
            raise ValueError("an item with a preference has no length or no difficulty")
        code: dict[Hashable, int] = {}
        kept = [name for name, k in zip(names, known, strict=True) if k]
        cluster_N = np.array([code.setdefault(name, len(code)) for name in kept], np.int64)
        longer_N = columns[0]
        scale = float(longer_N.std(ddof=1)) if longer_N.size > 1 else 0.0
        push_N = np.tanh(longer_N / scale) if scale > 0 else np.zeros(longer_N.size)
        x_NP = np.column_stack([np.ones(longer_N.size), push_N, *columns[1:]])
        return cls(x_NP, y_N[known], cluster_N, longer_N, scale)


def length_controlled(
    preferences: ArrayLike,
    longer: ArrayLike,
    difficulty: ArrayLike | None = None,
    clusters: Sequence[Hashable] | None = None,
    folds: int = 5,
    how: Resampling = DEFAULT,
) -> LengthControlled:
    """Win rate against a baseline with the judge's liking of length taken out.

    The model is logit p = identity + length_effect tanh(longer / sd(longer)) + difficulty_effect
    difficulty, fitted by penalised likelihood; the result is the mean of p with the length term
    left out. The penalty (L2, on the two effects) is chosen by cross-validated log loss over
    folds of whole clusters. The bootstrap over clusters refits with that penalty and scale.

    Args:
        preferences: how far the system's reply was preferred, 0 to 1; NaN where unknown.
        longer: its reply's length minus the baseline's, in characters.
        difficulty: of each instruction (`instruction_difficulty`), fixed across systems.
        clusters: what each item belongs to; without it each is its own.
        folds: of the cross-validation.
        how: settings of the intervals.

    Raises:
        ValueError: the columns differ in length, or a length or difficulty is unknown.
    """
    items = _Items.of(preferences, longer, difficulty, clusters)
    x_NP, y_N, cluster_N = items.x_NP, items.y_N, items.cluster_N
    penalty = chosen_penalty(x_NP, y_N, cluster_N, folds, how.seed)
    coefficients = np.full(x_NP.shape[1], np.nan)
    if y_N.size:
        coefficients = fit_logistic(x_NP, y_N, np.ones((1, y_N.size)), penalty)[0]
    return LengthControlled(
        plain=rate(y_N, cluster_N.tolist(), how),
        controlled=_controlled(x_NP, y_N, cluster_N, penalty, how),
        identity=float(coefficients[0]),
        length_effect=float(coefficients[1]),
        difficulty_effect=None if difficulty is None else float(coefficients[2]),
        mean_difference=float(items.longer_N.mean()) if y_N.size else float("nan"),
        scale=items.scale,
        penalty=penalty,
        folds=folds,
        dropped=np.size(preferences) - y_N.size,
        settings=how,
    )


def _controlled(
    x_NP: Floats, y_N: Floats, cluster_N: NDArray[np.int64], penalty: float, how: Resampling
) -> Estimate:
    """The mean preference at equal lengths, with its interval over clusters."""
    n, clusters = y_N.size, len(set(cluster_N.tolist()))
    method = "length-controlled win rate (Dubois et al. 2024)"
    if n == 0:
        return Estimate(float("nan"), 0.0, 1.0, 0, f"{method}, no items", 0, how.level)
    level_NP = x_NP.copy()
    level_NP[:, 1] = 0.0

    def rates(weights_RN: Floats) -> Floats:
        p_RN = sigmoid(fit_logistic(x_NP, y_N, weights_RN, penalty) @ level_NP.T)
        mean: Floats = (p_RN * weights_RN).sum(1) / weights_RN.sum(1)
        return mean

    value = float(rates(np.ones((1, n)))[0])
    if not how.resamples:
        nan = float("nan")
        return Estimate(value, nan, nan, n, f"{method}, no interval", clusters, how.level)
    if clusters < 2:
        return Estimate(value, 0.0, 1.0, n, f"{method}, none (one cluster)", clusters, how.level)
    chunks = draws(clusters, how.resamples, how.seed, max(1, _HELD // n))
    replicates = np.concatenate([rates(drawn[:, cluster_N]) for drawn in chunks])
    method += f", bootstrap over {clusters} clusters, {how.resamples} resamples"
    return percentile(replicates, value, n, method, clusters, how.level, (0.0, 1.0))


def instruction_difficulty(
    preferences: ArrayLike, longer: ArrayLike, folds: int = 5, seed: int = 0
) -> Floats:
    """How hard each instruction is for the systems beside the baseline, log odds, shape (N,).

    One logistic model of all systems: a term for each system, its effect of length, and one for
    each instruction that all share, under an L2 penalty chosen by cross-validation over cells.
    The mean is 0; more is harder. An instruction without any preference has 0.

    Args:
        preferences: of each system's reply over the baseline's, shape (M, N), NaN where unknown.
        longer: differences in length, shape (M, N).
        folds: of the cross-validation.
        seed: of the folds.
    """
    y_MN, longer_MN = np.asarray(preferences, np.float64), np.asarray(longer, np.float64)
    if y_MN.shape != longer_MN.shape or y_MN.ndim != 2:
        raise ValueError("give two tables of one shape: systems by instructions")
    spread_M = longer_MN.std(axis=1, ddof=1, keepdims=True)
    push_MN = np.tanh(longer_MN / np.where(spread_M > 0, spread_M, 1.0))
    fold_MN = np.random.default_rng(seed).integers(0, folds, y_MN.shape)
    best, chosen = np.inf, PENALTIES[0]
    for penalty in PENALTIES:
        loss, cells = 0.0, 0
        for fold in range(folds):
            held = (fold_MN == fold) & ~np.isnan(y_MN)
            identity_M, effect_M, ease_N = _joint(np.where(held, np.nan, y_MN), push_MN, penalty)
            logit = identity_M[:, None] + effect_M[:, None] * push_MN + ease_N
            y, z = y_MN[held], logit[held]
            loss += float((np.logaddexp(0.0, z) - y * z).sum())
            cells += y.size
        if loss / max(cells, 1) < best:
            best, chosen = loss / max(cells, 1), penalty
    ease_N = _joint(y_MN, push_MN, chosen)[2]
    return ease_N.mean() - ease_N


def _joint(y_MN: Floats, push_MN: Floats, penalty: float) -> tuple[Floats, Floats, Floats]:
    """Systems' terms and length effects, shape (M,), and instructions' ease, shape (N,).

    Newton's method; the instructions' part of the Hessian is diagonal, so they are eliminated.
    The small penalty on the systems' terms keeps one that always won or lost finite.
    """
    m, n = y_MN.shape
    known = ~np.isnan(y_MN)
    y = np.where(known, y_MN, 0.0)
    theta = np.zeros((2, m))  # the systems' terms, and their effects of length
    ease_N = np.zeros(n)
    small = 1e-3
    for _ in range(100):
        p = sigmoid(theta[0][:, None] + theta[1][:, None] * push_MN + ease_N)
        rest = np.where(known, y - p, 0.0)
        curve = np.where(known, p * (1 - p), 0.0)
        g = np.concatenate([rest.sum(1), (rest * push_MN).sum(1)]) - small * theta.ravel()
        g_N = rest.sum(0) - penalty * ease_N
        if max(np.abs(g).max(), np.abs(g_N).max()) < 1e-8:
            break
        d_N = curve.sum(0) + penalty
        b = np.concatenate([curve, curve * push_MN])  # (2M, N)
        a = np.diag(np.concatenate([curve.sum(1), (curve * push_MN**2).sum(1)]) + small)
        cross = np.diag((curve * push_MN).sum(1))
        a[:m, m:] += cross
        a[m:, :m] += cross
        step = np.linalg.solve(a - (b / d_N) @ b.T, g - b @ (g_N / d_N))
        step_N = (g_N - b.T @ step) / d_N
        reach = np.abs(step[:m, None] + step[m:, None] * push_MN + step_N).max()
        size = min(1.0, 1.5 / max(reach, 1e-300))
        theta += size * step.reshape(2, m)
        ease_N = ease_N + size * step_N
    return theta[0], theta[1], ease_N
