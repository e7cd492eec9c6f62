from __future__ import annotations

import numpy as np
import pytest

from handrail.ranking import Matches, Resampling, elo
from handrail.ranking.elo import play

QUICK = Resampling(resamples=60)


def some(n: int = 300, seed: int = 0) -> Matches:
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(4, 2, replace=False) for _ in range(n)]
    scores = [
        0.5 if rng.random() < 0.2 else float(rng.random() < 0.5 + (j - i) * 0.15) for i, j in pairs
    ]
    return Matches.of(
        [f"s{i}" for i, _ in pairs], [f"s{j}" for _, j in pairs], scores, [k // 5 for k in range(n)]
    )


def test_one_game_by_hand() -> None:
    # Equals meet: the winner gains half of K.
    found = elo(Matches.of(["a"], ["b"], [1.0]), QUICK, k=32)
    assert [(r.system, r.rating.value) for r in found.rated] == [("a", 1016), ("b", 984)]
    # 200 points ahead, expected score 0.76: the surprise costs 24.3 of 32.
    matches = Matches.of(["a"] * 40, ["b"] * 40, [1.0] * 39 + [0.0])
    before, after = (play(matches, np.arange(t)[None].astype(np.int32), 32)[0] for t in (39, 40))
    expected = 1 / (1 + 10 ** ((before[1] - before[0]) / 400))
    assert before[0] - after[0] == pytest.approx(32 * expected)


def test_sequences_are_played_as_evalica_plays_them() -> None:
    evalica = pytest.importorskip("evalica")
    matches = some()
    winner = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}
    rng = np.random.default_rng(1)
    orders = [rng.permutation(300)[:n].astype(np.int32) for n in (300, 250, 300)]
    padded = np.full((3, 300), -1, np.int32)
    for row, order in zip(padded, orders, strict=True):
        row[: order.size] = order
    found = play(matches, padded, 16.0)
    for ratings, order in zip(found, orders, strict=True):
        peer = evalica.elo(
            matches.first_N[order].tolist(),
            matches.second_N[order].tolist(),
            [winner[float(s)] for s in matches.worth_first_N[order]],
            k=16.0,
        ).scores
        for i, rating in enumerate(ratings):
            assert rating == pytest.approx(peer[i], abs=1e-8)


def test_ratings_have_intervals_and_an_anchor() -> None:
    found = elo(some(), QUICK)
    assert [one.system for one in found.rated] == ["s0", "s1", "s2", "s3"]
    assert sum(one.rating.value for one in found.rated) == pytest.approx(4000)
    for one in found.rated:
        assert one.rating.low < one.rating.value < one.rating.high
        assert one.rank_low <= one.rank <= one.rank_high
    assert ("s0", "s3") in found.above
    held = elo(some(), QUICK, anchor="s2", centre=0.0)
    two = next(one.rating for one in held.rated if one.system == "s2")
    assert (two.low, two.value, two.high) == pytest.approx((0, 0, 0))
    assert elo(some(), QUICK) == found


def test_systems_that_no_game_links_are_not_compared() -> None:
    matches = Matches.of(["a", "a", "x"], ["b", "c", "y"], [1.0, 0.0, 1.0])
    found = elo(matches, QUICK)
    assert {one.system for one in found.rated} == {"a", "b", "c"}
    assert {one.system for one in found.apart} == {"x", "y"}
    assert found.components == (("a", "b", "c"), ("x", "y"))
    with pytest.raises(ValueError, match="won, lost or tied"):
        elo(Matches.of(["a"], ["b"], [0.75]))
    with pytest.raises(ValueError, match="no system"):
        elo(matches, QUICK, anchor="q")
