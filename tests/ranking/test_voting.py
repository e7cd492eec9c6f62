from __future__ import annotations

from fractions import Fraction
from itertools import combinations, groupby, permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handrail.ranking import (
    Resampling,
    borda,
    merge,
    ranked_pairs,
    ranked_pairs_winners,
    support,
    winning_points,
)
from handrail.ranking.majority import majority_ranking
from handrail.ranking.matches import matches_of
from handrail.ranking.points import spread
from handrail.ranking.voting import TooManyTies, ballot_points
from handrail.records import Outcome, Verdict
from tests.data import DATA, need
from tests.ranking import preflib

QUICK = Resampling(resamples=100)
FILES = (
    "agh_00009-00000001.soc",
    "burlington_00005-00000001.toi",
    "dots_00024-00000001.soc",
    "dots_00024-00000004.soc",
    "netflix_00004-00000001.soc",
    "netflix_00004-00000040.soc",
    "shirt_00012-00000001.soc",
    "skate_00006-00000001.toc",
    "skate_00006-00000003.soc",
    "skate_00006-00000048.soc",
    "ski_00010-00000002.soi",
    "sushi_00014-00000001.soc",
)


def test_the_thesis_worked_example() -> None:
    # Table 9: three annotators rank three responses; merged: 3, then 1, then 2. Ranked pairs agree:
    # each of 3 > 1, 3 > 2 and 1 > 2 has two voices against one.
    ballots = [
        {"response-1": 2, "response-2": 1, "response-3": 3},
        {"response-1": 2, "response-2": 3, "response-3": 1},
        {"response-1": 2, "response-2": 3, "response-3": 1},
    ]
    assert merge(ballots) == {"response-1": 2, "response-2": 3, "response-3": 1}
    names = ("response-1", "response-2", "response-3")
    found = ranked_pairs(support(ballots, names), names)
    assert found.order == (("response-3",), ("response-1",), ("response-2",))
    assert {margin for _, _, margin in found.locked} == {1.0}
    assert found.dropped == ()
    assert ranked_pairs_winners(support(ballots, names), names) == ("response-3",)


def test_tennessee() -> None:
    # The usual textbook election: Nashville beats all, then Chattanooga, Knoxville, Memphis.
    names = ("Memphis", "Nashville", "Chattanooga", "Knoxville")
    orders = {(0, 1, 2, 3): 42, (1, 2, 3, 0): 26, (2, 3, 1, 0): 15, (3, 2, 1, 0): 17}
    ballots = [{names[c]: r for r, c in enumerate(order, 1)} for order in orders]
    table = support(ballots, names, list(orders.values()))
    assert [c for (c,) in ranked_pairs(table, names).order] == [
        "Nashville",
        "Chattanooga",
        "Knoxville",
        "Memphis",
    ]
    assert table[1, 0] == 58
    points = borda(ballots, list(orders.values()))
    assert points == {"Memphis": 126, "Nashville": 194, "Chattanooga": 173, "Knoxville": 107}


def test_a_cycle_gives_way_at_its_weakest_link() -> None:
    names = ("a", "b", "c")
    table = np.array([[0, 7, 0], [0, 0, 5], [3, 0, 0]], float)
    found = ranked_pairs(table, names)
    assert found.order == (("a",), ("b",), ("c",))
    assert found.dropped == (("c", "a", 3.0),)
    assert not found.tied


def test_equal_margins_follow_the_candidates_order_and_all_winners_are_told() -> None:
    table = np.array([[0, 2, 0], [0, 0, 2], [2, 0, 0]], float)
    one, two = ("a", "b", "c"), ("b", "c", "a")
    assert ranked_pairs(table, one).order == (("a",), ("b",), ("c",))
    turned = table[np.ix_([1, 2, 0], [1, 2, 0])]
    assert ranked_pairs(turned, two).order[0] == ("b",)
    assert ranked_pairs(table, one).tied
    assert ranked_pairs_winners(table, one) == one


def test_a_cycle_of_equal_margins_can_be_dropped_instead() -> None:
    ring = [{"a": 1, "b": 2, "c": 3}, {"b": 1, "c": 2, "a": 3}, {"c": 1, "a": 2, "b": 3}]
    assert merge(ring) == {"a": 1, "b": 1, "c": 1}
    # d loses to all of the ring, which is no part of a cycle and stays.
    last = [ballot | {"d": 4} for ballot in ring]
    assert merge(last) == {"a": 1, "b": 1, "c": 1, "d": 4}
    table = support(last, "abcd")
    assert len(ranked_pairs(table, "abcd", "drop").dropped) == 3
    assert len(ranked_pairs(table, "abcd").dropped) == 1


@given(st.permutations("abcd"), st.lists(st.permutations([1, 2, 3, 4]), min_size=1, max_size=4))
def test_merging_favours_no_name(names: list[str], orders: list[list[int]]) -> None:
    ballots = [dict(zip("abcd", order, strict=True)) for order in orders]
    renamed = dict(zip("abcd", names, strict=True))
    turned = [{renamed[c]: r for c, r in sorted(b.items(), key=str)} for b in ballots]
    assert merge(turned) == {renamed[c]: r for c, r in merge(ballots).items()}


def test_candidates_that_nothing_tells_apart_tie() -> None:
    found = ranked_pairs(np.zeros((3, 3)), ("a", "b", "c"))
    assert found.order == (("a", "b", "c"),)
    assert ranked_pairs([[0, 1, 1], [0, 0, 0], [0, 0, 0]] * np.ones(1), ("a", "b", "c")).ranks == {
        "a": 1,
        "b": 2,
        "c": 2,
    }


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    k = draw(st.integers(2, 4))
    cells = draw(st.lists(st.integers(0, 2), min_size=k * k, max_size=k * k))
    table = np.array(cells, float).reshape(k, k)
    np.fill_diagonal(table, 0)
    return table


def slow_order(table: np.ndarray, edges: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """Lock edges in this order, looking for a path each time; the locked relation."""
    locked: set[tuple[int, int]] = set()

    def path(a: int, b: int) -> bool:
        return a == b or any(path(y, b) for x, y in locked if x == a)

    for a, b in edges:
        if not path(b, a):
            locked.add((a, b))
    return locked


@settings(max_examples=120)
@given(tables())
def test_winners_are_those_of_all_orders_of_equal_margins(table: np.ndarray) -> None:
    k = len(table)
    margins = table - table.T
    edges = sorted(zip(*np.nonzero(margins > 0), strict=True), key=lambda e: -margins[e])
    classes = [list(g) for _, g in groupby(edges, key=lambda e: margins[e])]
    assume(all(len(c) <= 5 for c in classes))
    winners = set()
    for orders in product(*(permutations(c) for c in classes)):
        locked = slow_order(table, [e for order in orders for e in order])
        winners |= {i for i in range(k) if not any(b == i for _, b in locked)}
    names = tuple("abcd"[:k])
    assert set(ranked_pairs_winners(table, names)) == {names[i] for i in winners}
    first = ranked_pairs(table, names)
    plain = slow_order(table, sorted(edges, key=lambda e: (-margins[e], e)))
    assert {(names[a], names[b]) for a, b in plain} == {(a, b) for a, b, _ in first.locked}
    assert set(first.order[0]) <= set(ranked_pairs_winners(table, names))


def test_too_many_ties_are_said_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    from handrail.ranking import voting

    monkeypatch.setattr(voting, "_STATES", 3)
    table = np.array([[(j - i) % 5 in (1, 2) for j in range(5)] for i in range(5)], float)
    with pytest.raises(TooManyTies):
        ranked_pairs_winners(table, tuple("abcde"))


def test_borda_normalised_as_the_thesis_has_it() -> None:
    assert {c: round(p, 2) for c, p in ballot_points({"x": 1, "y": 2, "z": 3}).items()} == {
        "x": 1.0,
        "y": 0.67,
        "z": 0.33,
    }
    assert ballot_points({"x": 1, "y": 1, "z": 3}) == pytest.approx(
        {"x": 5 / 6, "y": 5 / 6, "z": 1 / 3}
    )
    # A gap between ranks means nothing, and three that tie share 2/3.
    assert ballot_points({"x": 1, "y": 5}) == {"x": 1.0, "y": 0.5}
    assert set(ballot_points({"x": 1, "y": 1, "z": 1}).values()) == {2 / 3}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 4), min_size=1))
def test_points_of_a_ballot_add_up_whatever_ties(ballot: dict[str, int]) -> None:
    k = len(ballot)
    assert sum(ballot_points(ballot).values()) == pytest.approx((k + 1) / 2)
    assert sum(ballot_points(ballot, normalised=False).values()) == pytest.approx(k * (k - 1) / 2)


def test_table_17_means_and_deviations_are_over_groups_with_n() -> None:
    # The thesis prints 0.54, 0.79, 0.66 with deviations 0.06, 0.058, 0.029. They follow from its
    # rows with a divisor of 3; with 2, the sample's, they would be 0.078, 0.071, 0.036.
    rows = {
        "preference_rlhf": (0.63, 0.48, 0.52),
        "abs_rlhf": (0.73, 0.87, 0.78),
        "crs_rlhf": (0.63, 0.65, 0.7),
    }
    found = {name: spread(row) for name, row in rows.items()}
    assert [round(found[name][0], 2) for name in rows] == [0.54, 0.79, 0.66]
    assert [round(found[name][1], 3) for name in rows] == [0.063, 0.058, 0.029]
    assert [round(found[name][2], 3) for name in rows] == [0.078, 0.071, 0.036]


def test_winning_points_by_hand() -> None:
    # Two prompts, two groups; in group 2 prompt p, x and y tie after merging.
    ballots = [
        {"x": 1, "y": 2, "z": 3},
        {"x": 1, "y": 2, "z": 3},
        {"y": 1, "x": 2, "z": 3},
        {"z": 1, "x": 2, "y": 3},
        {"x": 1, "y": 2, "z": 3},
        {"y": 1, "x": 2, "z": 3},
        {"z": 1, "x": 2, "y": 3},
    ]
    prompts = ["p", "p", "p", "q", "p", "p", "q"]
    groups = ["1", "1", "1", "1", "2", "2", "2"]
    table = winning_points(ballots, prompts, groups, QUICK)
    points = {one.system: one for one in table.points}
    assert points["x"].per_group == pytest.approx(((1 + 2 / 3) / 2, (5 / 6 + 2 / 3) / 2))
    assert points["z"].mean == pytest.approx((1 / 3 + 1) / 2)
    assert points["x"].estimate.value == pytest.approx(points["x"].mean)
    assert table.points[0].system == "x"
    assert (table.prompts, table.rankings, table.groups) == (2, 7, ("1", "2"))
    assert table.as_dict()["systems"][0]["system"] == "x"


def exact(ballots: list[dict[str, int]], counts: list[int], a: str, b: str, last: bool) -> int:
    """Voices for a over b less those for b over a, counted one ballot at a time."""
    far = 10**9 if last else None
    total = 0
    for ballot, n in zip(ballots, counts, strict=True):
        x, y = ballot.get(a, far), ballot.get(b, far)
        if x is not None and y is not None:
            total += n * ((x < y) - (y < x))
    return total


def sub_election(table: np.ndarray, kept: np.ndarray) -> Any:
    """The peer's margin graph of some candidates, numbered by their place in `kept`."""
    from pref_voting.weighted_majority_graphs import MarginGraph

    margins = (table - table.T)[np.ix_(kept, kept)]
    edges = [
        (int(i), int(j), int(margins[i, j])) for i, j in zip(*np.nonzero(margins > 0), strict=True)
    ]
    return MarginGraph(list(range(len(kept))), edges)


@pytest.mark.parametrize("seed", range(20))
def test_elections_with_cycles_against_pref_voting(seed: int) -> None:
    pytest.importorskip("pref_voting.weighted_majority_graphs")
    from pref_voting.margin_based_methods import ranked_pairs as peer_pairs
    from pref_voting.margin_based_methods import ranked_pairs_tb as peer_first

    rng = np.random.default_rng(seed)
    table = np.zeros((4, 4))
    for i, j in combinations(range(4), 2):  # margins of 1 to 3, so that some are equal
        table[(i, j) if rng.random() < 0.5 else (j, i)] = rng.integers(1, 4)
    if any(table[i].astype(bool).sum() == 3 for i in range(4)):
        table[:, 0], table[0] = 0, 0  # four in a ring: nobody beats all
        table[0, 1] = table[1, 2] = table[2, 3] = table[3, 0] = 2
    names = tuple("0123")
    peer = sub_election(table, np.arange(4))
    assert [int(c) for c in ranked_pairs_winners(table, names)] == peer_pairs(peer)
    assert str(peer_first(peer)[0]) in ranked_pairs(table, names).order[0]


@pytest.mark.parametrize("name", FILES)
def test_preflib_against_pref_voting(name: str) -> None:
    pref_voting = pytest.importorskip("pref_voting.profiles_with_ties")
    from pref_voting.margin_based_methods import ranked_pairs as peer_pairs
    from pref_voting.margin_based_methods import ranked_pairs_tb as peer_first
    from pref_voting.scoring_methods import symmetric_borda_scores

    ballots, counts, names = preflib.read(need("preflib", name))
    assert sum(counts) == int(
        (DATA / "preflib" / name).read_text().split("NUMBER VOTERS: ")[1].split("\n")[0]
    )
    peer = pref_voting.ProfileWithTies(
        [{int(c): r for c, r in b.items()} for b in ballots],
        rcounts=counts,
        candidates=[int(c) for c in names],
    )
    peer.use_extended_strict_preference()
    mine = support(ballots, names, counts, unranked="last")
    margins = mine - mine.T
    assert (margins == np.array(peer.margin_matrix)).all()
    rng = np.random.default_rng(0)
    for i, j in rng.integers(0, len(names), (20, 2)):
        for last, unranked in ((True, "last"), (False, "apart")):
            table = support(ballots, names, counts, unranked=unranked)
            assert table[i, j] - table[j, i] == exact(ballots, counts, names[i], names[j], last)
    if (margins > 0).sum(1).max() == len(names) - 1:  # some candidate beats every other
        assert [int(c) for c in ranked_pairs_winners(mine, names)] == peer_pairs(peer)
    few = rng.permutation(len(names))[:14]  # the peer looks for cycles edge by edge
    part = sub_election(mine, few)
    first = ranked_pairs(mine[np.ix_(few, few)], [names[i] for i in few]).order[0]
    (winner,) = peer_first(part)
    assert names[few[winner]] in first
    if name.endswith("soc"):
        scores = symmetric_borda_scores(peer)  # twice the points, less the voices that were cast
        points = borda(ballots, counts)
        shift = sum(counts) * (len(names) - 1)
        assert {int(c): 2 * p - shift for c, p in points.items()} == scores


@pytest.mark.parametrize("name", ["burlington_00005-00000001.toi", "skate_00006-00000001.toc"])
def test_borda_with_ties_counted_exactly(name: str) -> None:
    ballots, counts, names = preflib.read(need("preflib", name))
    total = dict.fromkeys(names, Fraction())
    for ballot, n in zip(ballots, counts, strict=True):
        for one, rank in ballot.items():  # a point for each beaten, half for each tied
            worse = sum(r > rank for r in ballot.values())
            alike = sum(r == rank for r in ballot.values()) - 1
            total[one] += n * (Fraction(worse) + Fraction(alike, 2))
    found = borda(ballots, counts, candidates=names)
    assert found == pytest.approx({c: float(p) for c, p in total.items()})


@pytest.mark.parametrize("seed", range(20))
def test_a_tie_in_sums_of_fractions_is_no_majority(seed: int) -> None:
    # What is said at one turn is said the other way round at another: a tie, whatever the weights.
    rng = np.random.default_rng(seed)
    judged = []
    for turn in range(7):
        for outcome in rng.choice(["A", "B", "TIE"], int(rng.choice([3, 6, 7]))):
            v = Verdict(turn=f"t{turn}", a="x", b="y", dimension="d", outcome=Outcome(outcome))
            back = {"turn": f"u{turn}", "outcome": v.outcome.swap()}
            judged += [v, v.model_copy(update=back)]
    found = majority_ranking(matches_of(judged), Resampling(resamples=0))
    assert found.pairs.ranks == {"x": 1, "y": 1}
    assert found.winners == ("x", "y")
