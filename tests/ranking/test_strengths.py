from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.ranking import Matches, Resampling, bradley_terry
from handrail.ranking.connected import main_component, standing, unbounded
from handrail.ranking.newton import NotConverged, fit
from handrail.ranking.strengths import ELO
from tests.ranking.data import llmfao, llmfao_rows

NONE = Resampling(resamples=0)


def games(*rows: tuple[str, str, float, int], clusters: list[str] | None = None) -> Matches:
    """Rows of (first, second, score, how often)."""
    flat = [(a, b, s) for a, b, s, n in rows for _ in range(n)]
    first, second, score = zip(*flat, strict=True)
    return Matches.of(first, second, score, clusters)


def test_two_systems_by_hand() -> None:
    # 3 wins to 1: odds of three to one, which is 400 log10(3) = 190.8 points of Elo's scale.
    found = bradley_terry(games(("a", "b", 1, 3), ("a", "b", 0, 1)), NONE)
    assert [one.system for one in found.rated] == ["a", "b"]
    gap = found.rated[0].rating.value - found.rated[1].rating.value
    assert gap == pytest.approx(400 * math.log10(3))
    assert found.rated[0].rating.value + found.rated[1].rating.value == pytest.approx(2000)
    assert found.rated[0].rating.n == 4
    assert math.isnan(found.rated[0].rating.low)
    assert found.above == ()


def test_agresti_baseball() -> None:
    # Agresti, Categorical Data Analysis, table 10.10: the American League's East in 1987, home and
    # away together; Milwaukee 1.58 above Baltimore, Detroit 1.44, Toronto 1.29, New York 1.25,
    # Boston 1.11, Cleveland 0.68.
    teams = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
    wins = (
        (0, 7, 9, 7, 7, 9, 11),
        (6, 0, 7, 5, 11, 9, 9),
        (4, 6, 0, 7, 7, 8, 12),
        (6, 8, 6, 0, 6, 7, 10),
        (6, 2, 6, 7, 0, 7, 12),
        (4, 4, 5, 6, 6, 0, 6),
        (2, 4, 1, 3, 1, 7, 0),
    )
    rows = [
        (teams[i], teams[j], 1.0, n) for i, row in enumerate(wins) for j, n in enumerate(row) if n
    ]
    found = bradley_terry(games(*rows), NONE, anchor="Baltimore", centre=0.0)
    told = {one.system: round(one.rating.value / ELO, 2) for one in found.rated}
    assert told == {
        "Milwaukee": 1.58,
        "Detroit": 1.44,
        "Toronto": 1.29,
        "New York": 1.25,
        "Boston": 1.11,
        "Cleveland": 0.68,
        "Baltimore": 0.0,
    }
    assert [one.rank for one in found.rated] == [1, 2, 3, 4, 5, 6, 7]


def test_a_tie_is_half_a_win_for_each_as_in_evalica() -> None:
    evalica = pytest.importorskip("evalica")
    rows = [("a", "b", 1.0), ("a", "b", 0.5), ("b", "c", 0.5), ("c", "a", 1.0), ("b", "c", 1.0)]
    winners = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}
    first, second, score = zip(*rows, strict=True)
    peer = evalica.bradley_terry(
        first, second, [winners[s] for s in score], tolerance=1e-13, limit=10_000
    )
    mine = bradley_terry(Matches.of(first, second, score), NONE)
    halves = [(a, b, w) for a, b, s in rows for w in ((s,) if s != 0.5 else (1.0, 0.0))]
    weights = [n for _, _, s in rows for n in ((1.0,) if s != 0.5 else (0.5, 0.5))]
    a, b, w = zip(*halves, strict=True)
    split = bradley_terry(Matches.of(a, b, w, weights=weights), NONE)
    logs = np.log(peer.scores)
    for one, other in zip(mine.rated, split.rated, strict=True):
        assert (one.rating.value - 1000) / ELO == pytest.approx(
            logs[one.system] - logs.mean(), abs=1e-6
        )
        assert other.rating.value == pytest.approx(one.rating.value, abs=1e-6)


def test_strengths_of_llmfao_are_evalicas() -> None:
    evalica = pytest.importorskip("evalica")
    winners = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}
    left, right, score, _ = zip(*llmfao_rows(), strict=True)
    peer = evalica.bradley_terry(
        left, right, [winners[s] for s in score], tolerance=1e-12, limit=100_000
    )
    found = bradley_terry(llmfao(), NONE)
    logs = np.log(peer.scores)
    assert len(found.rated) == 59  # of 70 models: eleven code models were never compared
    for one in found.rated:
        assert (one.rating.value - 1000) / ELO == pytest.approx(
            logs[one.system] - logs.mean(), abs=1e-6
        )


def test_each_replicate_is_what_evalica_finds_in_the_drawn_rows() -> None:
    evalica = pytest.importorskip("evalica")
    from handrail.ranking.matches import draws
    from handrail.ranking.strengths import _replicates, _solve

    rng = np.random.default_rng(3)
    names = [f"s{i}" for i in range(6)]
    rows = []
    for cluster in range(30):
        for _ in range(8):
            i, j = rng.choice(6, 2, replace=False)
            p = 1 / (1 + np.exp((int(i) - int(j)) * 0.4))
            score = 0.5 if rng.random() < 0.3 else float(rng.random() < p)
            rows.append((names[i], names[j], score, cluster))
    first, second, score, cluster = zip(*rows, strict=True)
    matches = Matches.of(first, second, score, cluster)
    how = Resampling(resamples=40, seed=5)
    found, lost = _replicates(matches, _solve(matches), how)
    assert lost == 0
    winners = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}
    for replicate, drawn in zip(found, next(draws(30, 40, 5)), strict=True):
        again = [row for row in rows for _ in range(int(drawn[row[3]]))]
        a, b, s, _ = zip(*again, strict=True)
        peer = evalica.bradley_terry(
            a, b, [winners[x] for x in s], tolerance=1e-13, limit=100_000
        ).scores
        logs = np.log([peer[name] for name in matches.systems])
        assert replicate - replicate.mean() == pytest.approx(logs - logs.mean(), abs=1e-6)


def test_chunks_of_replicates_do_not_change_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from handrail.ranking import strengths

    rows = [("a", "b", 1, 6), ("a", "b", 0, 3), ("b", "c", 1, 5), ("b", "c", 0, 4)]
    whole = bradley_terry(games(*rows), Resampling(resamples=60))
    monkeypatch.setattr(strengths, "_HELD", 70)
    assert bradley_terry(games(*rows), Resampling(resamples=60)) == whole


def test_a_system_that_never_lost_has_no_number() -> None:
    rows = [("a", "b", 1, 4), ("a", "b", 0, 3), ("top", "a", 1, 5), ("low", "b", 0, 5)]
    found = bradley_terry(games(*rows, ("x", "y", 1, 2), ("x", "y", 0, 2)), NONE)
    assert {one.system for one in found.rated} == {"a", "b"}
    why = {one.system: one.why for one in found.apart}
    assert why["top"].startswith("above the ranked systems: it never lost")
    assert why["low"].startswith("below the ranked systems: it never won")
    assert why["x"].startswith("not comparable: no comparison links it")
    assert found.components[0] == ("a", "b")
    assert {frozenset(g) for g in found.components} == {
        frozenset(g) for g in (("a", "b"), ("x", "y"), ("top",), ("low",))
    }


def test_nothing_is_rated_where_each_win_goes_one_way() -> None:
    found = bradley_terry(games(("a", "b", 1, 4), ("b", "c", 1, 4)), NONE)
    assert found.rated == ()
    why = {one.system: one.why for one in found.apart}
    assert why["a"].startswith("it never lost")
    assert why["b"].startswith("no chain of wins leads from it back")
    assert why["c"].startswith("it never won")
    assert found.as_dict()["systems"] == []


def test_an_anchor_outside_leaves_nothing_to_rate_and_an_unknown_one_is_an_error() -> None:
    rows = [("a", "b", 1, 4), ("a", "b", 0, 3), ("top", "a", 1, 5)]
    assert bradley_terry(games(*rows), NONE, anchor="top").rated == ()
    with pytest.raises(ValueError, match="no system is named 'z'"):
        bradley_terry(games(*rows), NONE, anchor="z")


def test_replicates_without_a_loss_open_the_interval() -> None:
    # b's one win over a is in one of ten clusters: (9/10)^10 = 35 % of the draws leave it out.
    rows = [("a", "b", 1, 9), ("a", "b", 0, 1), ("b", "c", 1, 10), ("c", "b", 1, 10)]
    clusters = [str(i) for i in range(10)] * 3
    found = bradley_terry(games(*rows, clusters=clusters), Resampling(resamples=400), anchor="b")
    top = found.rated[0]
    assert top.system == "a"
    assert top.rating.high == math.inf
    assert math.isfinite(top.rating.low)
    assert top.as_dict()["high"] is None
    assert 80 < found.unbounded < 200
    assert ("a", "b") not in found.above or top.rating.low > 1000
    held = next(one for one in found.rated if one.system == "b")
    assert (held.rating.low, held.rating.value, held.rating.high) == (1000, 1000, 1000)


def test_interval_and_rank_range_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0.6, 0.2, -0.2, -0.6])
    inside = 0
    for _ in range(60):
        rows = []
        for cluster in range(40):
            bump = rng.normal(0, 0.3, 4)  # prompts favour systems
            for i in range(4):
                for j in range(i):
                    gap = truth[i] - truth[j] + bump[i] - bump[j]
                    rows.append(
                        (f"s{i}", f"s{j}", float(rng.random() < 1 / (1 + np.exp(-gap))), cluster)
                    )
        first, second, score, cluster = zip(*rows, strict=True)
        found = bradley_terry(Matches.of(first, second, score, cluster), Resampling(200))
        for one in found.rated:
            want = 1000 + ELO * truth[int(one.system[1])] * 0.97  # noise in the logit flattens it
            inside += one.rating.low <= want <= one.rating.high
    assert 0.88 < inside / 240 < 0.99


def test_newton_says_when_there_is_no_maximum() -> None:
    wins = np.array([[[0.0, 3.0], [0.0, 0.0]]])
    with pytest.raises(NotConverged):
        fit(wins, np.zeros((1, 2)), tolerance=1e-300)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=16, max_size=16))
def test_gradient_is_zero_at_the_solution(cells: list[int]) -> None:
    wins = np.array(cells, float).reshape(4, 4)
    np.fill_diagonal(wins, 0)
    inside = main_component(wins)
    if unbounded(wins[None])[0]:
        stands = standing(wins, inside)
        assert (stands == 0).sum() == inside.sum()
        wins *= np.outer(inside, inside)
    s = fit(wins[None], np.zeros((1, 4)))[0]
    games_ = wins + wins.T
    p = 1 / (1 + np.exp(s[None, :] - s[:, None]))
    assert wins.sum(1) == pytest.approx((games_ * p).sum(1), abs=1e-7)
    assert s.sum() == pytest.approx(0, abs=1e-9)


@settings(max_examples=80)
@given(st.lists(st.lists(st.integers(0, 1), min_size=25, max_size=25), min_size=1, max_size=4))
def test_unbounded_data_are_those_of_several_components(cells: list[list[int]]) -> None:
    wins = np.array(cells, float).reshape(-1, 5, 5)
    found = unbounded(wins)
    for one, torn in zip(wins, found, strict=True):
        assert torn == (main_component(one).sum() < 5)


def test_who_is_above_is_the_lower_end_of_each_difference() -> None:
    from handrail.ranking.estimates import percentile
    from handrail.ranking.strengths import _above

    rng = np.random.default_rng(0)
    replicates = rng.normal([0.0, 1.0, 2.5], 1.0, (400, 3))
    replicates[:3, 2] = np.inf
    order = [2, 1, 0]
    slow = [
        ("abc"[i], "abc"[j])
        for n, i in enumerate(order)
        for j in order[n + 1 :]
        if percentile(replicates[:, i] - replicates[:, j], 0.0, 1, "", 12, 0.95, "inverted_cdf").low
        > 0
    ]
    assert list(_above(tuple("abc"), order, replicates, 12, 0.95)) == slow
    wide = rng.normal([0.0, 4.0, 9.0], 1.0, (400, 3))
    assert len(_above(tuple("abc"), order, wide, 12, 0.95)) == 3


def test_of_two_systems_a_draw_without_a_loss_opens_both_intervals() -> None:
    # One loss in ten clusters: 35 % of the draws leave it out, and then neither has a bound.
    rows = [("a", "b", 1, 9), ("a", "b", 0, 1)]
    clusters = [str(i) for i in range(10)]
    for anchor in ("", "a", "b"):
        found = bradley_terry(games(*rows, clusters=clusters), Resampling(400), anchor)
        a, b = (one.rating for one in found.rated)
        assert (a.high == math.inf) is (anchor != "a")
        assert (b.low == -math.inf) is (anchor != "b")
        assert math.isfinite(a.low)
        assert math.isfinite(b.high)
        assert found.above == (("a", "b"),)


def test_a_replicate_that_says_nothing_counts_beyond_both_ends() -> None:
    from handrail.ranking.connected import lone
    from handrail.ranking.estimates import Estimate
    from handrail.ranking.strengths import _interval

    blank = Estimate(0.0, 0.0, 0.0, 9, "", 20, 0.95)
    some = np.concatenate([np.linspace(-1, 1, 380), np.full(20, np.nan)])
    assert (_interval(some, blank).low, _interval(some, blank).high) == (-math.inf, math.inf)
    few = np.concatenate([np.linspace(-1, 1, 397), np.full(3, np.nan)])
    assert -1 < _interval(few, blank).low < _interval(few, blank).high < 1
    inf, nan = math.inf, math.nan
    assert lone(np.array([0.0, 0.0, inf])).tolist() == [0, 0, inf]
    assert lone(np.array([0.0, -inf, -inf])).tolist() == [inf, -inf, -inf]
    assert lone(np.array([-inf, 0.0, inf]))[1] != 0
    assert math.isnan(lone(np.array([nan, 0.0, inf]))[1])


def test_ties_only_have_no_interval() -> None:
    found = bradley_terry(games(("a", "b", 0.5, 5), ("b", "c", 0.5, 4)), Resampling(50))
    for one in found.rated:
        assert one.rating.value == pytest.approx(1000)
        assert math.isnan(one.rating.low)
        assert one.rank == 1
    assert "every cluster says the same" in found.method
    assert found.above == ()


def test_few_clusters_rate_without_an_interval_and_nothing_is_clearly_above() -> None:
    rows = [("a", "b", 1.0, 3), ("b", "a", 1.0, 1), ("a", "b", 1.0, 2), ("b", "a", 1.0, 1)]
    found = bradley_terry(games(*rows, clusters=list("xxxxyyz")), Resampling(resamples=200))
    assert all(math.isnan(one.rating.low) for one in found.rated)
    assert found.method.endswith("no interval, fewer than 5 clusters")
    assert found.above == ()
    # The range of ranks is of the draws all the same: z, which b won, may be drawn three times.
    assert [(one.rank_low, one.rank_high) for one in found.rated] == [(1, 2), (1, 2)]


def test_what_is_equal_on_paper_has_one_rank() -> None:
    # Each beats the next twice in three: all alike, though sums of thirds say otherwise.
    third = 1 / 3
    rows = [(a, b, s) for a, b in ("ab", "bc", "ca") for s in (1, 1, 0)]
    first, second, score = zip(*rows, strict=True)
    weights = [third * (1 + 1e-15 * i) for i in range(len(rows))]
    found = bradley_terry(Matches.of(first, second, score, weights=weights), NONE)
    assert [one.rank for one in found.rated] == [1, 1, 1]
    assert [one.system for one in found.rated] == ["a", "b", "c"]
