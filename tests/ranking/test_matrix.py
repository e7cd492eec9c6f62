from __future__ import annotations

import numpy as np
import pytest

from handrail.ranking import Matches, Resampling, WinRule, compare_pairs, matches_of, win_matrix
from handrail.ranking.matches import draws
from handrail.records import JudgeError, Outcome, Verdict
from tests.ranking.data import alpaca_eval, leaderboard

QUICK = Resampling(resamples=200)


def verdict(turn: str, a: str, b: str, outcome: str, order: str = "AB", judge: str = "") -> Verdict:
    return Verdict(
        turn=turn, a=a, b=b, dimension="d", outcome=Outcome(outcome), order=order, judge=judge
    )


def test_table_10_of_the_thesis() -> None:
    # 50 prompts, each cell a win rate in percent; its text: 0625 wins with 58.5, 025 has 54.0.
    names = ("025", "0375", "05", "0625", "075")
    upper = {
        (0, 1): 68, (0, 2): 58, (0, 3): 36, (0, 4): 54, (1, 2): 54,
        (1, 3): 38, (1, 4): 54, (2, 3): 50, (2, 4): 56, (3, 4): 58,
    }  # fmt: skip
    rows = [
        (names[i], names[j], float(p < rate // 2), p)
        for (i, j), rate in upper.items()
        for p in range(50)
    ]
    first, second, score, prompt = zip(*rows, strict=True)
    found = win_matrix(Matches.of(first, second, score, prompt), how=QUICK)
    assert found.systems[:2] == ("0625", "025")
    assert round(found.mean["0625"].value, 3) == 0.585
    assert round(found.mean["025"].value, 3) == 0.540
    assert found.cells["025", "0375"].estimate.value == pytest.approx(0.68)
    assert found.cells["0375", "025"].estimate.value == pytest.approx(0.32)
    assert found.cells["0625", "05"].wilson.n == 50
    assert len(found.cells) == 20
    assert found.as_dict()["systems"][0]["system"] == "0625"


@pytest.mark.parametrize("rule", list(WinRule))
def test_two_systems_are_what_compare_pairs_says(rule: WinRule) -> None:
    rng = np.random.default_rng(0)
    judged = [
        verdict(f"t{i}", "x", "y", str(rng.choice(["A", "B", "BOTH", "NEITHER", "TIE"])), order)
        for i in range(60)
        for order in ("AB", "BA")
    ]
    clusters = {f"t{i}": f"c{i // 3}" for i in range(60)}
    (pair,) = compare_pairs(judged, clusters=clusters, rule=rule, how=QUICK)
    found = win_matrix(matches_of(judged, clusters, rule), rule, QUICK)
    for win in (pair.win_a, pair.win_b):
        cell = found.cells[win.system, win.against]
        assert cell.estimate.value == pytest.approx(win.estimate.value)
        assert (cell.estimate.low, cell.estimate.high) == pytest.approx(
            (win.estimate.low, win.estimate.high)
        )
        assert cell.wilson.low == pytest.approx(win.wilson.low)
        assert cell.estimate.n == win.estimate.n == 60


def test_pairs_that_never_met_are_missing_and_even_ones_get_wilsons_interval() -> None:
    judged = [verdict(f"t{i}", "x", "y", "A") for i in range(5)]
    judged += [verdict(f"t{i}", "y", "z", "AB"[i % 2]) for i in range(6)]
    found = win_matrix(matches_of(judged), how=QUICK)
    assert ("x", "z") not in found.cells
    assert found.cells["x", "y"].estimate.method.startswith("Wilson over clusters")
    assert found.cells["x", "y"].estimate.low < 0.7
    assert found.mean["x"].method.startswith("mean over 1 opponents")


def test_ballots_of_two_judges_count_apart_and_two_orders_are_one() -> None:
    judged = [
        verdict("t", "x", "y", "A", "AB", "one"),
        verdict("t", "y", "x", "A", "AB", "one"),  # the other way round: y won
        verdict("t", "x", "y", "A", "AB", "two"),
        JudgeError(turn="t", a="x", b="y", dimension="d", problem="none"),
    ]
    matches = matches_of(judged)
    assert matches.n == 2
    assert matches.weight_N.tolist() == [0.5, 0.5, 1.0]
    assert matches.win_matrix().tolist() == [[0, 1.5], [0.5, 0]]
    assert matches.met().tolist() == [[0, 2], [2, 0]]


def test_bad_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="itself"):
        Matches.of(["a"], ["a"], [1])
    with pytest.raises(ValueError, match="differ in length"):
        Matches.of(["a"], ["b"], [1, 0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        Matches.of(["a"], ["b"], [2])
    with pytest.raises(ValueError, match="not negative"):
        Matches.of(["a"], ["b"], [1], weights=[-1])
    assert Matches.of(["a", "a"], ["b", "b"], [1, float("nan")]).n == 1


def test_empty_judgements_give_an_empty_matrix() -> None:
    found = win_matrix(matches_of([]), how=QUICK)
    assert (found.systems, found.n, dict(found.cells)) == ((), 0, {})


def test_alpaca_evals_win_rates_are_the_leaderboards() -> None:
    board = leaderboard("leaderboard_v1_gpt4.csv")
    for (annotator, model), (won, _) in alpaca_eval().items():
        if annotator != "alpaca_eval_gpt4":
            continue
        n = len(won)
        found = win_matrix(
            Matches.of([model] * n, ["davinci"] * n, won, range(n)), how=Resampling(50)
        )
        cell = found.cells[model, "davinci"].estimate
        assert 100 * cell.value == pytest.approx(float(board[model]["win_rate"]), abs=1e-9)
        assert cell.n == int(board[model]["n_total"])


def test_draws_do_not_depend_on_how_they_are_cut() -> None:
    whole = list(draws(7, 50, 3))
    cut = list(draws(7, 50, 3, 8))
    assert len(whole) == 1
    assert [len(part) for part in cut] == [8] * 6 + [2]
    assert (np.concatenate(cut) == whole[0]).all()
    assert (whole[0].sum(1) == 7).all()
    assert list(draws(0, 50, 3)) == []


@pytest.mark.parametrize("shown", [1, 3, 6, 7, 10, 49])
def test_ballots_shown_many_times_count_once_each(shown: int) -> None:
    # Sums of 1/6 fall short of 1: three ballots are three all the same.
    judged = [
        verdict(f"t{i}", "x", "y", outcome) for i, outcome in enumerate("ABA") for _ in range(shown)
    ]
    found = win_matrix(matches_of(judged), how=QUICK)
    assert found.cells["x", "y"].estimate.value == pytest.approx(2 / 3)
    assert found.cells["y", "x"].estimate.value == pytest.approx(1 / 3)
    assert found.cells["x", "y"].estimate.n == found.cells["x", "y"].wilson.n == 3
    assert found.cells["x", "y"].wilson.value == pytest.approx(2 / 3)


def test_weights_that_are_no_counts_keep_rates_between_0_and_1() -> None:
    matches = Matches.of(["a"] * 4, ["b"] * 4, [1, 1, 0, 1], weights=[0.3, 0.3, 0.3, 0.3])
    found = win_matrix(matches, how=QUICK)
    assert found.cells["a", "b"].estimate.value == pytest.approx(0.75)
    assert found.mean["b"].value == pytest.approx(0.25)


def test_a_mean_without_spread_is_not_called_certain() -> None:
    judged = [verdict(f"t{i}", "x", other, "A") for i in range(10) for other in "yz"]
    found = win_matrix(matches_of(judged), how=QUICK)
    pair = found.cells["x", "y"].estimate
    assert pair.low < 0.75
    assert found.mean["x"].value == 1.0
    assert (found.mean["x"].low, found.mean["x"].high) == pytest.approx((pair.low, 1.0))
    assert (found.mean["y"].low, found.mean["y"].high) == pytest.approx((0.0, 1 - pair.low))
