"""Judges by labels: slow counting beside the arrays, worked examples, peers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from handrail.ranking import krippendorff
from handrail.ranking.estimates import Estimate, Resampling
from handrail.ranking.graded import grader_score
from handrail.ranking.labellers import people
from handrail.ranking.meta import Labels, Verdicts
from handrail.records import JudgeError, Outcome, Verdict

QUICK = Resampling(resamples=50)
LETTERS = {"A": Outcome.A, "B": Outcome.B, "T": Outcome.TIE}


def verdict(
    item: int, letter: str, judge: str, order: str = "AB", straight: bool = True
) -> Verdict:
    """A verdict on item's replies x and y, `letter` in terms of x (A) and y (B)."""
    made = Verdict(
        turn=f"t{item}",
        a="x",
        b="y",
        dimension="helpfulness",
        outcome=LETTERS[letter],
        order=order,
        judge=judge,
    )
    return made if straight else made.swap()


def labels_of(votes: Sequence[str], lengths: Sequence[tuple[int, int]] = ()) -> Labels:
    """One string of votes per item; two items a prompt."""
    said = [
        verdict(i, letter, f"human:{w}", straight=w % 2 == 0)
        for i, item in enumerate(votes)
        for w, letter in enumerate(item)
    ]
    turns = [f"t{i}" for i in range(len(votes))]
    known = {
        (turn, name): n
        for turn, pair in zip(turns, lengths, strict=bool(lengths))
        for name, n in zip("xy", pair, strict=True)
    }
    clusters = {turn: f"p{i // 2}" for i, turn in enumerate(turns)}
    return Labels.of(said, clusters, {turn: f"s{i % 2}" for i, turn in enumerate(turns)}, known)


def judge_of(labels: Labels, said: Sequence[tuple[str, str]]) -> Verdicts:
    """What a judge said of each item in the orders AB and BA; "" where it said nothing."""
    judged: list[Verdict | JudgeError] = []
    for i, pair in enumerate(said):
        for order, letter in zip(("AB", "BA"), pair, strict=True):
            if letter:
                judged.append(verdict(i, letter, "judge", order, straight=bool(i % 3)))
    return Verdicts.of("judge", labels, judged)


def modes(votes: Sequence[str]) -> list[str]:
    counts = Counter(votes)
    return [k for k, n in counts.items() if n == max(counts.values())]


def credit(answer: str, votes: Sequence[str]) -> Fraction:
    """What one answer is worth by what most of `votes` say, one of equals drawn."""
    best = modes(votes)
    return Fraction(int(answer in best), len(best))


def mean(values: Sequence[Fraction | float]) -> float:
    return float(sum(values)) / len(values) if values else float("nan")


def close(estimate: Estimate, wanted: float) -> bool:
    return (
        bool(np.isnan(estimate.value))
        if np.isnan(wanted)
        else estimate.value == pytest.approx(wanted)
    )


items = st.lists(
    st.tuples(
        st.text("ABT", min_size=1, max_size=5),
        st.tuples(st.sampled_from(["A", "B", "T", ""]), st.sampled_from(["A", "B", "T", ""])),
        st.tuples(st.integers(0, 3), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=12,
)


@given(items)
def test_every_figure_is_what_slow_counting_gives(
    given_items: list[tuple[str, tuple[str, str], tuple[int, int]]],
) -> None:
    votes, said, lengths = map(list, zip(*given_items, strict=True))
    labels = labels_of(votes, lengths)
    score = judge_of(labels, said).score(QUICK)

    agree, decided, one_more, flips, first, longer, ties = [], [], [], [], [], [], []
    wrongly: dict[str, list[float]] = {"longer": [], "shorter": []}
    for vote, pair, (x, y) in zip(votes, said, lengths, strict=True):
        given_ = [letter for letter in pair if letter]
        if not given_:
            continue
        agree.append(mean([credit(letter, vote) for letter in given_]))
        ties.append(mean([float(letter == "T") for letter in given_]))
        sure = [letter for letter in given_ if letter != "T"]
        label = modes(vote)
        if len(label) == 1 and label != ["T"] and sure:
            decided.append(mean([float(letter == label[0]) for letter in sure]))
        if len(vote) > 1:
            left = [[*vote[:i], *vote[i + 1 :]] for i in range(len(vote))]
            one_more.append(mean([credit(letter, rest) for rest in left for letter in given_]))
        if len(given_) == 2:
            flips.append(float(pair[0] != pair[1]))
        lean = float(credit("A", vote) - credit("B", vote))
        shown = {"A": 1.0, "B": -1.0, "T": 0.0}
        leads = [shown[pair[0]] - lean] if pair[0] else []
        leads += [lean - shown[pair[1]]] if pair[1] else []
        first.append(mean(leads))
        if x != y:
            long = "A" if x > y else "B"
            if sure:
                longer.append(mean([float(letter == long) for letter in sure]))
            if label in (["A"], ["B"]):
                kind = "shorter" if label == [long] else "longer"
                wrong = [float(letter not in (*label, "T")) for letter in given_]
                wrongly[kind].append(mean(wrong))
    assert close(score.agreement, mean(agree))
    assert close(score.without_ties, mean(decided))
    assert close(score.as_one_more, mean(one_more))
    assert close(score.flips, mean(flips))
    assert close(score.first, mean(first))
    assert close(score.longer, mean(longer))
    assert close(score.wrongly_longer, mean(wrongly["longer"]))
    assert close(score.wrongly_shorter, mean(wrongly["shorter"]))
    assert close(score.ties, mean(ties))
    assert score.unjudged == sum(pair == ("", "") for pair in said)


@given(st.lists(st.text("ABT", min_size=1, max_size=5), min_size=1, max_size=12))
def test_labellers_among_themselves_are_what_slow_counting_gives(votes: list[str]) -> None:
    found = people(labels_of(votes), QUICK)
    several = [vote for vote in votes if len(vote) > 1]
    left = [
        mean([credit(v, [*vote[:i], *vote[i + 1 :]]) for i, v in enumerate(vote)])
        for vote in several
    ]
    pairs = [
        mean([float(v == w) for i, v in enumerate(vote) for w in vote[i + 1 :]]) for vote in several
    ]
    assert close(found.left_out, mean(left))
    assert close(found.pairwise, mean(pairs))
    assert close(found.alpha, krippendorff([list(v) for v in votes], how=QUICK).alpha.value)
    assert close(found.ties, mean([credit("T", vote) for vote in votes]))
    most = max(mean([credit(k, vote) for vote in votes]) for k in "ABT")
    assert close(found.always, most)
    assert found.labels == sum(map(len, votes))
    assert (found.fleiss is None) == (len({len(v) for v in votes}) > 1 or len(votes[0]) == 1)


def test_the_kappa_is_that_of_cohens_worked_example() -> None:
    """Landis and Koch's form: 45 + 15 + 25 + 15, observed 0.60, chance 0.54, kappa 0.1304."""
    votes = ["A"] * 60 + ["B"] * 40
    said = ["A"] * 45 + ["B"] * 15 + ["A"] * 25 + ["B"] * 15
    found = judge_of(labels_of(votes), [(letter, letter) for letter in said]).score(QUICK)
    assert found.kappa.value == pytest.approx(0.06 / 0.46)
    assert found.agreement.value == pytest.approx(0.60)
    assert found.kappa.low < found.kappa.value < found.kappa.high


def test_one_half_verdict_of_each_order_is_one_whole_one() -> None:
    rng = random.Random(1)
    votes = [rng.choice("ABT") for _ in range(40)]
    said = [(rng.choice("ABT"), rng.choice("ABT")) for _ in votes]
    both = judge_of(labels_of(votes), said).score(QUICK)
    doubled = [vote for vote in votes for _ in range(2)]
    single = [pair for one, other in said for pair in ((one, ""), (other, ""))]
    apart = judge_of(labels_of(doubled), single).score(QUICK)
    assert both.kappa.value == pytest.approx(apart.kappa.value)
    assert both.agreement.value == pytest.approx(apart.agreement.value)


def test_a_judge_of_position_and_one_of_length() -> None:
    votes = ["A", "B", "A", "B", "A", "B"]
    lengths = [(9, 1), (9, 1), (1, 9), (1, 9), (9, 1), (9, 1)]
    labels = labels_of(votes, lengths)
    first = judge_of(labels, [("A", "B")] * 6).score(QUICK)
    assert first.first.value == 1.0
    assert first.flips.value == 1.0
    assert first.agreement.value == 0.5
    long = judge_of(labels, [("A", "A") if x > y else ("B", "B") for x, y in lengths]).score(QUICK)
    assert (long.longer.value, long.wrongly_longer.value, long.wrongly_shorter.value) == (1, 1, 0)
    assert (long.flips.value, long.first.value) == (0, 0)


def test_failures_are_counted_and_in_no_figure() -> None:
    labels = labels_of(["A", "B"])
    error = JudgeError(
        turn="t0", a="y", b="x", dimension="helpfulness", problem="?", kind="refusal"
    )
    elsewhere = error.model_copy(update={"turn": "t9"})
    judged = [error, error.model_copy(update={"kind": ""}), elsewhere, verdict(1, "B", "judge")]
    score = Verdicts.of("judge", labels, judged).score(QUICK)
    assert score.failures == {"refusal": 1, "other": 1}
    assert (score.unjudged, score.agreement.n, score.agreement.value) == (1, 1, 1.0)


def test_both_and_neither_are_ties_and_the_way_round_does_not_matter() -> None:
    labels = labels_of(["T", "T"])
    both = verdict(0, "T", "j").model_copy(update={"outcome": Outcome.BOTH})
    neither = verdict(1, "T", "j").model_copy(update={"outcome": Outcome.NEITHER}).swap()
    assert Verdicts.of("j", labels, [both, neither]).agreement(QUICK).value == 1.0


def test_parts_are_of_their_subset() -> None:
    labels = labels_of(["A", "B", "A", "B"])
    made = judge_of(labels, [("A", "A"), ("A", "A"), ("A", "B"), ("A", "A")])
    assert made.part("s0").agreement(QUICK).value == 0.75
    assert made.part("s1").agreement(QUICK).value == 0.0
    assert not judge_of(labels, [("", "")] * 4).any


def test_no_labels_give_no_figures() -> None:
    labels = labels_of(["A"]).take([False])
    assert np.isnan(judge_of(labels, []).score(QUICK).kappa.value)
    assert people(labels, QUICK).items == 0


def test_intervals_draw_whole_prompts() -> None:
    """Two items of one prompt that always agree are one piece of evidence."""
    votes = ["A"] * 40
    said = [(letter, letter) for letter in "AABB" * 10]
    score = judge_of(labels_of(votes), said).score(Resampling(resamples=4000))
    assert score.agreement.clusters == 20
    width = score.agreement.high - score.agreement.low
    assert width == pytest.approx(2 * stats.t.ppf(0.975, 19) * 0.5 / np.sqrt(19), abs=0.05)


def test_correlations_are_scipys() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(1, 6, 60).astype(float)
    given_ = np.clip(labels + rng.integers(-2, 3, 60), 1, 5)
    given_[7] = np.nan
    clusters = [f"p{i // 3}" for i in range(60)]
    found = grader_score(given_, labels, clusters, True, QUICK)
    known = ~np.isnan(given_)
    x, y = given_[known], labels[known]
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found.error is not None
    assert found.error.value == pytest.approx(np.abs(x - y).mean())
    assert (found.items, found.unrated, found.pearson.clusters) == (60, 1, 20)
    assert found.pearson.low < found.pearson.value < found.pearson.high
    assert grader_score(given_, labels, clusters, False, QUICK).error is None


def test_ratings_that_are_all_equal_have_no_correlation() -> None:
    found = grader_score([3.0] * 6, [1.0, 2, 3, 4, 5, 1], list("abcdef"), True, QUICK)
    assert np.isnan(found.pearson.value)
    assert np.isnan(found.kendall.value)
    assert found.error is not None
    assert found.error.n == 6
    assert grader_score([], [], [], True, QUICK).pearson.n == 0
