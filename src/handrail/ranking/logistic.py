"""Penalised logistic regression of shares, many weightings of one table at once.

Shape suffixes: N items, P terms, R weightings (bootstrap replicates).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handrail.ranking.estimates import Floats

PENALTIES = tuple(float(p) for p in np.logspace(-4, 4, 17))
_STEPS = 200
_SURE = 40.0  # log odds of a data set in which all outcomes are alike


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    p: Floats = np.exp(-np.logaddexp(0.0, -x))
    return p


def fit_logistic(x_NP: Floats, y_N: Floats, weights_RN: Floats, penalty: float) -> Floats:
    """Coefficients of each weighting, shape (R, P): maximum penalised likelihood.

    The first column of `x_NP` is the constant: it is not penalised; of the others `penalty` / 2
    times the sum of squares is taken off the log likelihood. Where all outcomes of a weighting are
    0 (or 1) the constant has no maximum: it is then -40 (or 40) and the others 0. Steps are
    bounded as in `newton.fit`.

    Raises:
        ArithmeticError: no maximum after 200 steps.
    """
    terms = x_NP.shape[1]
    out = np.zeros((len(weights_RN), terms))
    share_R = weights_RN @ y_N / weights_RN.sum(1)
    sure = (share_R < 1e-12) | (share_R > 1 - 1e-12)
    out[sure, 0] = np.where(share_R[sure] > 0.5, _SURE, -_SURE)
    ridge_P = np.full(terms, penalty)
    ridge_P[0] = 0.0
    products = (x_NP[:, :, None] * x_NP[:, None, :]).reshape(len(x_NP), -1)
    open_R = np.flatnonzero(~sure)
    for _ in range(_STEPS):
        if not open_R.size:
            return out
        beta, weights = out[open_R], weights_RN[open_R]
        p = sigmoid(beta @ x_NP.T)
        gradient = (weights * (y_N - p)) @ x_NP - ridge_P * beta
        hessian = ((weights * p * (1 - p)) @ products).reshape(-1, terms, terms)
        # A term that is the same everywhere (all lengths equal) has no curvature: hold it at 0.
        hessian += np.diag(ridge_P) + 1e-9 * np.eye(terms)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        reach = np.abs(step @ x_NP.T).max(1)
        out[open_R] += step * np.minimum(1.0, 1.5 / np.maximum(reach, 1e-300))[:, None]
        open_R = open_R[np.abs(gradient).max(1) > 1e-8 * weights.sum(1)]
    raise ArithmeticError(f"no maximum of the likelihood after {_STEPS} steps")


def chosen_penalty(
    x_NP: Floats, y_N: Floats, cluster_N: NDArray[np.int64], folds: int, seed: int
) -> float:
    """The penalty of `PENALTIES` with the least log loss in cross-validation over whole clusters.

    With fewer clusters than folds there are as many folds as clusters; with one it is the
    largest penalty. Of penalties within 1e-12 of each other the larger one is taken.
    """
    found, code_N = np.unique(cluster_N, return_inverse=True)
    count = min(folds, found.size)
    if count < 2:
        return PENALTIES[-1]
    fold_C = np.arange(found.size) % count
    fold_N = np.random.default_rng(seed).permutation(fold_C)[code_N]
    weights = np.stack([(fold_N != f).astype(np.float64) for f in range(count)])
    best, chosen = np.inf, PENALTIES[-1]
    for penalty in reversed(PENALTIES):
        logit_RN = fit_logistic(x_NP, y_N, weights, penalty) @ x_NP.T
        loss_RN = np.logaddexp(0.0, logit_RN) - y_N * logit_RN
        loss = float((loss_RN * (1 - weights)).sum() / y_N.size)
        if loss < best - 1e-12:
            best, chosen = loss, penalty
    return chosen
