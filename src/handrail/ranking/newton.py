"""Bradley-Terry strengths by Newton's method, many data sets at once.

Shape suffixes: K systems, R data sets (bootstrap replicates).
"""

from __future__ import annotations

import numpy as np

from handrail.ranking.estimates import Floats

_STEPS = 200
_REACH = 1.5  # a step's range in natural units, within which it cannot overshoot


class NotConverged(ArithmeticError):
    """Newton's method did not end; the data hardly connect the systems."""


def fit(wins_RKK: Floats, start_RK: Floats, tolerance: float = 1e-10) -> Floats:
    """Maximum-likelihood strengths of each win matrix, natural logarithms, shape (R, K).

    i beats j with probability 1 / (1 + exp(s_j - s_i)) (Bradley and Terry 1952). The mean of each
    row of strengths stays that of its start. A system without comparisons keeps its start. The
    others of a matrix must be strongly connected by wins, or there is no maximum.

    Newton's step is shortened to a range of 1.5: the third derivative of a logistic
    log-likelihood is bounded by its second times the range of the step, so that each such step
    ascends (Bach 2010, "Self-concordant analysis for logistic regression").

    Args:
        wins_RKK: weighted wins of row over column; ties as half a win each; the diagonal is 0.
        start_RK: strengths to begin from; the full data's solution for replicates.
        tolerance: the largest gradient, per comparison of the system, that counts as zero.

    Raises:
        NotConverged: after 200 steps, or where the likelihood has become flat.
    """
    games_RKK = wins_RKK + wins_RKK.transpose(0, 2, 1)
    won_RK, played_RK = wins_RKK.sum(2), games_RKK.sum(2)
    k = wins_RKK.shape[1]
    idle_RK = played_RK == 0
    s_RK = start_RK.astype(np.float64, copy=True)
    open_R = np.arange(len(s_RK))
    for _ in range(_STEPS):
        s = s_RK[open_R]
        p = 1.0 / (1.0 + np.exp(s[:, None, :] - s[:, :, None]))
        expected = games_RKK[open_R] * p
        gradient = won_RK[open_R] - expected.sum(2)
        size = np.abs(gradient) / np.where(idle_RK[open_R], 1.0, played_RK[open_R])
        unsolved = size.max(1, initial=0.0) > tolerance
        if not unsolved.any():
            return s_RK
        open_R = open_R[unsolved]
        curvature = (expected * (1.0 - p))[unsolved]
        hessian = -curvature + 1.0 / k  # the constant fixes the mean, which no comparison does
        diagonal = np.arange(k)
        hessian[:, diagonal, diagonal] += curvature.sum(2) + idle_RK[open_R]
        try:
            step = np.linalg.solve(hessian, gradient[unsolved][..., None])[..., 0]
        except np.linalg.LinAlgError:
            raise NotConverged("a system's strength has no bound") from None
        reach = np.ptp(step, axis=1)
        s_RK[open_R] += step * np.minimum(1.0, _REACH / np.maximum(reach, 1e-300))[:, None]
    raise NotConverged(f"no maximum of the likelihood after {_STEPS} steps")
