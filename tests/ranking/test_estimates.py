from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from handrail.ranking import (
    Estimate,
    Partition,
    Resampling,
    rate,
    rate_over_seeds,
    ratio_over_seeds,
    wilson,
)


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_equals_statsmodels(n: int, share: float, level: float) -> None:
    k = round(share * n)
    ours = wilson(k, n, level)
    low, high = proportion_confint(k, n, alpha=1 - level, method="wilson")
    assert ours.low == pytest.approx(low, abs=1e-12)
    assert ours.high == pytest.approx(high, abs=1e-12)
    assert ours.low <= ours.value <= ours.high


def test_wilson_worked_example_and_edges() -> None:
    # Newcombe 1998, table I: 81 of 263 -> 0.2553 to 0.3662; 0 of 20 -> 0 to 0.1611.
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert round(wilson(0, 20).high, 4) == 0.1611
    nothing = wilson(0, 0)
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high, nothing.n) == (0.0, 1.0, 0)
    with pytest.raises(ValueError, match="successes"):
        wilson(3, 2)


def slow_replicates(
    scores: list[np.ndarray], clusters: list[list[str]], how: Resampling
) -> list[float]:
    """The pigeonhole bootstrap, item by item, with the same draws."""
    names = list(dict.fromkeys(c for cs in clusters for c in cs))
    names = [
        name
        for name in names
        if any(
            c == name and not math.isnan(v)
            for cs, vs in zip(clusters, scores, strict=True)
            for c, v in zip(cs, vs, strict=True)
        )
    ]
    rng = np.random.default_rng(how.seed)
    draws = rng.multinomial(len(names), [1 / len(names)] * len(names), how.resamples)
    seeds = rng.multinomial(len(scores), [1 / len(scores)] * len(scores), how.resamples)
    out = []
    for r in range(how.resamples):
        bag: list[float] = []
        for s, (values, labels) in enumerate(zip(scores, clusters, strict=True)):
            for value, label in zip(values, labels, strict=True):
                if not math.isnan(value):
                    bag += [value] * int(seeds[r, s] * draws[r, names.index(label)])
        if bag:
            out.append(sum(bag) / len(bag))
    return out


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_bootstrap_equals_the_slow_loop(data: st.DataObject) -> None:
    how = Resampling(resamples=30, seed=data.draw(st.integers(0, 5)))
    n_seeds = data.draw(st.integers(1, 3))
    scores, clusters = [], []
    for _ in range(n_seeds):
        n = data.draw(st.integers(1, 8))
        value = st.sampled_from([0.0, 1.0, 0.5, float("nan")])
        scores.append(np.array(data.draw(st.lists(value, min_size=n, max_size=n))))
        clusters.append(data.draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n)))
    partition = Partition.of(scores, clusters)
    flat = np.concatenate(scores)
    assert partition.n == int((~np.isnan(flat)).sum())
    if partition.n:
        assert partition.mean == pytest.approx(np.nanmean(flat))
        slow = slow_replicates(scores, clusters, how)
        np.testing.assert_allclose(partition.replicates(how), slow)
    else:
        assert partition.estimate(how).n == 0


def test_clusters_widen_the_interval_and_seeds_make_it_repeatable() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(60) < 0.5
    values = np.repeat(base, 10).astype(float)  # ten equal turns in each conversation
    labels = [str(i // 10) for i in range(600)]
    clustered = rate(values, labels)
    by_item = rate(values, [str(i) for i in range(600)])
    assert clustered.high - clustered.low > 2.5 * (by_item.high - by_item.low)
    assert clustered == rate(values, labels)
    assert clustered != rate(values, labels, Resampling(seed=1))
    assert clustered.clusters == 60
    assert clustered.n == 600


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [[0.0, 1.0, 1.0, 0.0, 1.0]]
    whole = Partition.of(values, [list("abcde")])
    monkeypatch.setattr("handrail.ranking.estimates._CHUNK", 50)
    pieces = whole.replicates(Resampling(resamples=25))
    assert pieces.shape == (25,)
    assert pieces.min() >= 0
    assert pieces.max() <= 1


@pytest.mark.parametrize(
    ("value", "signed", "low", "high"),
    [(1.0, False, 0.7225, 1.0), (0.0, False, 0.0, 0.2775), (0.0, True, -0.2775, 0.2775)],
)
def test_equal_scores_do_not_give_an_interval_of_no_width(
    value: float, signed: bool, low: float, high: float
) -> None:
    found = Partition.of([[value] * 20], [[str(i // 2) for i in range(20)]]).estimate(signed=signed)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert "every item" in found.method


def test_clusters_that_score_alike_do_not_give_an_interval_of_no_width() -> None:
    labels = [name for name in "abcd" for _ in range(3)]
    found = Partition.of([[1, 1, 0] * 4], [labels]).estimate()
    expected = wilson(4 * 2 / 3, 4)
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert "every cluster" in found.method
    gaps = Partition.of([[0.1, 0.2, -0.3] * 4], [labels]).estimate(signed=True)
    assert gaps.value == 0
    assert gaps.low == -gaps.high < 0
    wide = Partition.of([[3.0, 1.0, 2.0] * 4], [labels]).estimate()  # no share: nothing is known
    assert math.isnan(wide.low)
    assert math.isnan(wide.high)


def test_coverage_of_the_cluster_bootstrap() -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for trial in range(200):
        p = rng.beta(2, 2, 80)  # a conversation's own rate; mean 0.5
        values = (rng.random((80, 5)) < p[:, None]).astype(float).ravel()
        labels = np.repeat(np.arange(80), 5).tolist()
        found = rate(values, labels, Resampling(resamples=400, seed=trial))
        hits += found.low <= 0.5 <= found.high
    assert hits >= 180  # 95 % nominal; 200 trials have a standard error of 1.5 points


@pytest.mark.parametrize("conversations", [5, 8])
def test_few_conversations_get_intervals_that_hold_the_truth(conversations: int) -> None:
    """The plain percentile interval held it in 86 and 91 of 100 trials like these."""
    rng = np.random.default_rng(1)
    trials, hits, plain = 400, 0, 0
    for trial in range(trials):
        gap = rng.normal(0, 0.25, (conversations, 1))  # a conversation's own mean difference
        differ = rng.random((conversations, 4)) < 0.4
        values = np.sign(rng.normal(np.broadcast_to(gap, differ.shape), 1.0)) * differ
        labels = np.repeat(np.arange(conversations), 4).tolist()
        partition = Partition.of([values.ravel()], [labels])
        how = Resampling(resamples=1000, seed=trial)
        found = partition.estimate(how, signed=True)
        hits += found.low <= 0 <= found.high
        low, high = np.quantile(partition.replicates(how), (0.025, 0.975))
        plain += low <= 0 <= high
    assert 0.93 * trials <= hits <= 0.985 * trials  # 95 % nominal, standard error 1.1 points
    assert plain < hits


def test_the_interval_is_hesterbergs_expanded_percentile_one() -> None:
    values = np.random.default_rng(3).random(40)
    partition = Partition.of([values], [np.repeat(np.arange(10), 4).tolist()])
    found = partition.estimate()
    # Phi(-sqrt(10/9) t) with Student's t of 9 degrees of freedom, 2.2622: Phi(-2.3845) = 0.00855
    low, high = np.quantile(partition.replicates(), (0.008551, 1 - 0.008551))
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize("value", [1.0, 0.25, -1.0, 0.0])
def test_few_conversations_of_one_difference_do_not_exclude_zero(value: float) -> None:
    for clusters in (1, 2, 3):
        labels = [str(c) for c in range(clusters)]
        found = Partition.of([[value] * clusters], [labels]).estimate(signed=True)
        assert found.low <= 0 <= found.high
        assert not found.excludes_zero
        mirrored = Partition.of([[-value] * clusters], [labels]).estimate(signed=True)
        assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    many = [str(c) for c in range(60)]
    found = Partition.of([[value] * 60], [many]).estimate(signed=True)
    assert found.excludes_zero == (value != 0)
    # All won of C: as wide as Wilson's share of wins on the scale from -1 to 1.
    if value == 1:
        assert found.low == pytest.approx(2 * wilson(60, 60).low - 1)


def test_equal_systems_are_told_apart_by_chance_in_one_of_twenty() -> None:
    rng = np.random.default_rng(4)
    for clusters in (1, 2, 3, 5):
        labels = [[str(c) for c in range(clusters)]]
        draws = rng.choice([-1.0, 0.0, 1.0], (300, clusters), p=[0.3, 0.4, 0.3])
        told = [Partition.of([d], labels).estimate(signed=True).excludes_zero for d in draws]
        assert np.mean(told) <= 0.08


@pytest.mark.parametrize(("signed", "lowest"), [(False, 0.0), (True, -1.0)])
def test_one_conversation_says_nothing_of_others(signed: bool, lowest: float) -> None:
    found = Partition.of([[0.0, 1.0, 1.0]], [["a", "a", "a"]]).estimate(signed=signed)
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == (lowest, 1.0)
    assert found.method == "none (one cluster)"


def test_seed_variance_is_in_the_interval() -> None:
    labels = [[str(i) for i in range(200)]] * 3
    rng = np.random.default_rng(1)
    apart = [(rng.random(200) < p).astype(float) for p in (0.3, 0.5, 0.7)]
    over = rate_over_seeds(apart, labels)
    pooled = rate(np.concatenate(apart), labels[0] * 3)
    assert over.high - over.low > 2 * (pooled.high - pooled.low)
    assert over.value == pytest.approx(pooled.value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3))
def test_ratio_over_seeds_equals_the_slow_loop(seed: int, n_seeds: int) -> None:
    rng = np.random.default_rng(seed)
    nats = [rng.random(12) * 9 for _ in range(n_seeds)]
    tokens = [rng.integers(1, 30, 12) for _ in range(n_seeds)]
    labels = [rng.choice(list("abcdef"), 12).tolist() for _ in range(n_seeds)]
    labels[0][:6] = "abcdef"
    how = Resampling(resamples=40, seed=seed)
    found = ratio_over_seeds(nats, tokens, labels, how)
    assert found.value == pytest.approx(np.concatenate(nats).sum() / np.concatenate(tokens).sum())
    assert (found.n, found.clusters) == (12 * n_seeds, 6)
    draws = np.random.default_rng(seed)
    of_clusters = draws.multinomial(6, [1 / 6] * 6, 40)
    of_seeds = draws.multinomial(n_seeds, [1 / n_seeds] * n_seeds, 40)
    order = list(dict.fromkeys(c for cs in labels for c in cs))
    slow = []
    for drawn_C, drawn_S in zip(of_clusters, of_seeds, strict=True):
        weights = [
            [drawn_S[s] * drawn_C[order.index(c)] for c in labels[s]] for s in range(n_seeds)
        ]
        above = sum((np.array(w) * x).sum() for w, x in zip(weights, nats, strict=True))
        below = sum((np.array(w) * x).sum() for w, x in zip(weights, tokens, strict=True))
        slow.append(above / below)
    tail = norm.cdf(-np.sqrt(6 / 5) * student.ppf(0.975, 5))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, (tail, 1 - tail))))


def test_a_ratio_of_nothing_is_unknown() -> None:
    assert ratio_over_seeds([[]], [[]], [[]]).n == 0


def test_as_dict_is_json_without_nan() -> None:
    plain = Estimate(float("nan"), 0.0, 1.0, 0, "no items").as_dict()
    assert plain["estimate"] is None
    assert set(plain) == {"estimate", "low", "high", "n", "method", "clusters", "level"}


def test_mismatched_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="2 scores for 1"):
        rate([0.0, 1.0], ["a"])
    with pytest.raises(ValueError, match="sequence of clusters"):
        Partition.of([], [])
