"""Elo ratings: what one game after the other makes of everyone's points.

Elo's points depend on the order of the games and on K; Bradley-Terry's strengths do not. The
ratings here are therefore means over random orders, and the replicates shuffle too.

Shape suffixes: N games, K systems, R sequences, T places in a sequence.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from handrail.ranking.connected import Apart
from handrail.ranking.estimates import Floats, Resampling
from handrail.ranking.matches import Matches, draws
from handrail.ranking.strengths import CENTRE, ROUNDS, Ratings, ratings_of

K_FACTOR = 4.0
_ORDERS = 20
_HELD = 8_000_000  # places of sequences held at once


def elo(
    matches: Matches,
    how: Resampling = ROUNDS,
    anchor: str = "",
    k: float = K_FACTOR,
    centre: float = CENTRE,
) -> Ratings:
    """Elo ratings by evalica (all begin at 1,000; a tie is half a win), mean over 20 orders.

    Each verdict is a game of its own; weights are not used. Replicates draw clusters and play
    their games in a random order. Rated are the systems of the largest group that games connect.

    Args:
        matches: games that were won (1), lost (0) or tied (0.5).
        how: rounds, level and seed.
        anchor: the system that is held at `centre`; without one the mean stays there.
        k: points at stake in a game.
        centre: where all begin.

    Raises:
        ValueError: a score other than 0, 0.5 and 1, or an anchor that is not among the systems.
    """
    if not np.isin(matches.worth_first_N, (0.0, 0.5, 1.0)).all() or not matches.halved:
        raise ValueError("Elo's games are won, lost or tied (1, 0 or 0.5)")
    if anchor and anchor not in matches.systems:
        raise ValueError(f"no system is named '{anchor}'")
    met = sparse.csr_array(matches.met() > 0)
    _, label_K = csgraph.connected_components(met, directed=False)
    sizes = np.bincount(label_K, minlength=1)
    home = label_K[matches.systems.index(anchor)] if anchor else int(sizes.argmax())
    inside = np.flatnonzero(label_K == home)
    why = "not comparable: no comparison links it to the ranked systems"
    left_out = tuple(
        Apart(s, why) for s, label in zip(matches.systems, label_K, strict=True) if label != home
    )
    kept = matches.among([int(i) for i in inside]) if inside.size else matches
    rng = np.random.default_rng(how.seed)
    value_K = np.mean(
        [_evalica(kept, rng.permutation(kept.first_N.size), k) for _ in range(_ORDERS)], 0
    )
    replicates_RK = _replicates(kept, how, k)
    shift = value_K[kept.systems.index(anchor)] if anchor else 1000.0
    spread = replicates_RK - shift
    if anchor:
        spread = replicates_RK - replicates_RK[:, [kept.systems.index(anchor)]]
    over = f"bootstrap over {kept.clusters} clusters and orders, {how.resamples} rounds"
    if not len(replicates_RK):
        over = "no interval (one cluster)" if how.resamples else "no interval"
    ties = "ties half a win each"
    method = f"Elo (evalica, K = {k:g}, mean over {_ORDERS} orders, {ties}), {over}"
    found = ratings_of(kept, value_K - shift + centre, spread + centre, how, method)
    groups = tuple(
        tuple(s for s, label in zip(matches.systems, label_K, strict=True) if label == one)
        for one in np.argsort(-sizes, kind="stable")
    )
    return replace(found, apart=left_out, components=groups, anchor=anchor)


def _evalica(kept: Matches, order_T: NDArray[np.int64], k: float) -> Floats:
    """Ratings after the games in this order, shape (K,), as evalica plays them."""
    import evalica

    winner = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}
    everyone = list(range(len(kept.systems)))
    found = evalica.elo(
        kept.first_N[order_T].tolist(),
        kept.second_N[order_T].tolist(),
        [winner[float(s)] for s in kept.worth_first_N[order_T]],
        k=k,
    )
    ratings: Floats = found.scores.reindex(everyone).to_numpy(np.float64)
    return ratings


def _replicates(kept: Matches, how: Resampling, k: float) -> Floats:
    """Ratings under draws of clusters, each played in a random order, shape (R, K)."""
    n, clusters = kept.first_N.size, kept.clusters
    if not how.resamples or clusters < 2:
        return np.zeros((0, len(kept.systems)))
    rng = np.random.default_rng((how.seed, 1))
    done = []
    for drawn in draws(clusters, how.resamples, how.seed, max(1, _HELD // (2 * n))):
        games = [np.repeat(np.arange(n), row[kept.cluster_N].astype(np.int64)) for row in drawn]
        sequences = np.full((len(drawn), max(one.size for one in games)), -1, np.int32)
        for row, one in zip(sequences, games, strict=True):
            row[: one.size] = rng.permutation(one)
        done.append(play(kept, sequences, k))
    return np.concatenate(done)


def play(kept: Matches, sequences_RT: NDArray[np.int32], k: float) -> Floats:
    """Ratings after each sequence of games (their indices, -1: none), shape (R, K).

    All sequences advance a game at a time, as `evalica.elo` plays one of them.
    """
    rating_RK = np.full((len(sequences_RT), len(kept.systems)), 1000.0)
    rows_R = np.arange(len(sequences_RT))
    for game_R in sequences_RT.T:
        real = game_R >= 0
        rows, game = (rows_R, game_R) if real.all() else (rows_R[real], game_R[real])
        i, j = kept.first_N[game], kept.second_N[game]
        expected = 1.0 / (1.0 + 10.0 ** ((rating_RK[rows, j] - rating_RK[rows, i]) / 400.0))
        gain = k * (kept.worth_first_N[game] - expected)
        rating_RK[rows, i] += gain
        rating_RK[rows, j] -= gain
    return rating_RK
