"""One reward of several: the weighted mean, what it is made of, running normalisation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import BatchScorer, HandrailError, RecordError, SettingError, sigmoid
from handrail.rewards.combining.combine import CombinedReward, Part
from handrail.rewards.combining.moments import Moments
from handrail.rewards.combining.penalties import LengthPenalty, RepetitionPenalty
from handrail.rewards.combining.rules import RuleScorer
from tests.rewards.fakes import Batched, Table, Trained, turn

# The four replies of the thesis's table 27 and its section 5.4.
LOGITS = {"best": 0.8067, "bad": -0.2990, "irrelevant": -0.6208, "meaningless": -0.6642}
PROBABILITIES = {"best": 0.6914, "bad": 0.4258, "irrelevant": 0.3496, "meaningless": 0.3398}
T = turn()
numbers = st.floats(-50, 50)
weights = st.floats(0.01, 10)


def test_the_thesis_turns_logits_into_probabilities() -> None:
    absolute = CombinedReward((Part(Trained(LOGITS), reads="probability"),))
    assert absolute.score(T, list(LOGITS)) == pytest.approx(list(PROBABILITIES.values()), abs=6e-5)
    raw = CombinedReward((Part(Trained(LOGITS), reads="logit"),))
    assert raw.score(T, list(LOGITS)) == pytest.approx(list(LOGITS.values()))


@pytest.mark.parametrize("w", [0.25, 0.375, 0.5, 0.625, 0.75])
def test_the_thesis_weights_preference_and_absolute(w: float) -> None:
    preference = Table({"best": 2.26, "bad": 0.54}, "preference")
    made = CombinedReward.of_two(preference, Trained(LOGITS, "absolute"), w)
    assert made.weights == pytest.approx({"preference": w, "absolute": 1 - w})
    assert made.score(T, ["best", "bad"]) == pytest.approx(
        [w * 2.26 + (1 - w) * 0.8067, w * 0.54 - (1 - w) * 0.2990]
    )


@given(st.lists(st.tuples(weights, numbers, numbers), min_size=1, max_size=5), weights)
def test_a_weighted_mean(parts: list[tuple[float, float, float]], factor: float) -> None:
    def made(scale: float) -> CombinedReward:
        return CombinedReward(
            [Part(Table({"a": a, "b": b}, str(i)), w * scale) for i, (w, a, b) in enumerate(parts)]
        )

    got = made(1).score(T, ["a", "b"])
    assert math.fsum(made(1).weights.values()) == pytest.approx(1)
    for at, column in ((0, 1), (1, 2)):
        values = [part[column] for part in parts]
        assert got[at] == pytest.approx(np.average(values, weights=[p[0] for p in parts]), abs=1e-9)
        assert min(values) - 1e-9 <= got[at] <= max(values) + 1e-9
    assert made(factor).score(T, ["a", "b"]) == pytest.approx(got, abs=1e-9)  # weights are relative


@given(st.dictionaries(st.text("abc ", min_size=1), numbers, min_size=1), st.floats(0.1, 5))
def test_a_score_is_the_clipped_sum_of_its_parts(scores: dict[str, float], clip: float) -> None:
    made = CombinedReward(
        (Part(Table(scores, "one"), 3), Part(RuleScorer("length"))),
        (LengthPenalty(0.5, over=2), RepetitionPenalty(n=1)),
        clip=clip,
    )
    replies = [(T, reply) for reply in scores]
    whole = made.parts_all(replies)
    for i, score in enumerate(whole.scores):
        total = sum(whole.weights[name] * whole.parts[name][i] for name in whole.parts)
        total -= sum(of_it[i] for of_it in whole.penalties.values())
        assert score == pytest.approx(max(-clip, min(clip, total)), abs=1e-9)
    assert made.score_all(replies) == whole.scores


def test_parts_of_a_decomposition_by_hand() -> None:
    made = CombinedReward(
        (
            Part(Batched({"a b c": 2.0}, "p"), 0.5),
            Part(Trained({"a b c": 0.0}, "q"), 1.5, "probability"),
        ),
        (LengthPenalty(0.1, over=1),),
        clip=4,
    )
    whole = made.parts_all([(T, "a b c")])
    assert whole.parts == {"p": [2.0], "q": [0.5]}
    assert whole.weights == {"p": 0.25, "q": 0.75}
    assert whole.penalties == {"length": [0.2]}
    assert whole.scores == [pytest.approx(0.25 * 2 + 0.75 * 0.5 - 0.2)]
    assert isinstance(made, BatchScorer)


def test_no_score_of_one_part_is_no_score_and_counted() -> None:
    made = CombinedReward(
        (Part(Table({"a": 1.0, "b": math.inf}, "one")), Part(Table({"a": 1.0, "c": 1.0}, "two"))),
        normalise=True,
    )
    scores = made.score(T, ["a", "b", "c"])
    assert scores[0] == 0.0
    assert all(map(math.isnan, scores[1:]))
    assert made.missing == {"one": 2, "two": 1}
    assert [(skip.count, "'one'" in skip.reason) for skip in made.skipped()] == [
        (2, True),
        (1, False),
    ]


@given(st.lists(st.lists(numbers | st.just(float("nan")), max_size=6), max_size=6))
def test_running_moments_are_those_of_all_numbers(batches: list[list[float]]) -> None:
    moments, seen = Moments(), []
    for batch in batches:
        moments.add(batch)
        seen += [number for number in batch if not math.isnan(number)]
        assert moments.count == len(seen)
        if seen:
            assert moments.mean == pytest.approx(np.mean(seen), abs=1e-9)
        if len(seen) > 1 and np.std(seen) > 1e-6:
            assert moments.deviation == pytest.approx(np.std(seen, ddof=1), rel=1e-6)
    assert Moments.of(json.loads(json.dumps(moments.as_dict()))) == moments


def test_moments_far_from_zero_and_without_spread() -> None:
    far = Moments()
    far.add([1e9 + 1, 1e9 + 2])
    far.add([1e9 + 3])
    assert (far.mean, far.deviation) == (1e9 + 2, 1.0)
    even = Moments()
    even.add([0.1] * 7)
    assert even.deviation == 1.0
    assert even.scaled(0.1) == pytest.approx(0)


def test_normalisation_goes_on_batch_by_batch_and_can_be_frozen_and_kept(tmp_path: Path) -> None:
    scores = {str(n): float(n * n) for n in range(8)}

    def made() -> CombinedReward:
        return CombinedReward((Part(Table(scores, "squares")),), normalise=True)

    running = made()
    seen: list[float] = []
    for batch in (["1", "2", "3"], ["7"], ["4", "0"]):
        raw = [scores[reply] for reply in batch]
        seen += raw  # the batch's own scores count before they are scaled
        expected = (np.array(raw) - np.mean(seen)) / np.std(seen, ddof=1)
        assert running.score(T, batch) == pytest.approx(expected)
    running.save(tmp_path / "m.json")
    resumed, frozen = made(), made()
    resumed.restore(tmp_path / "m.json")
    frozen.restore(tmp_path / "m.json")
    frozen.frozen = True
    before = frozen.score(T, ["5"])
    assert resumed.score(T, ["5", "6"]) == running.score(T, ["5", "6"])
    assert frozen.score(T, ["6", "5"])[1:] == before  # nothing was taken in
    other = CombinedReward((Part(Table(scores, "other")),), normalise=True)
    with pytest.raises(RecordError, match="of 'squares', and the parts are 'other'"):
        other.restore(tmp_path / "m.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"moments": 3}',
        '{"moments": {"squares": {}}}',
        '{"moments": {"squares": {"count": -1, "mean": 0, "m2": 0}}}',
    ],
)
def test_a_file_without_moments_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    made = CombinedReward((Part(Table({}, "squares")),), normalise=True)
    with pytest.raises(RecordError, match=r"m\.json"):
        made.restore(tmp_path / "m.json")


def test_what_cannot_be_combined_is_told() -> None:
    table = Table({}, "t")
    with pytest.raises(SettingError, match="no part"):
        CombinedReward(())
    with pytest.raises(SettingError, match="two parts have the name 't'"):
        CombinedReward((Part(table), Part(table)))
    with pytest.raises(SettingError, match="clip"):
        CombinedReward((Part(table),), clip=0)
    for weight in (0, -1, math.nan, math.inf):
        with pytest.raises(SettingError, match="weight"):
            Part(table, weight)
    with pytest.raises(SettingError, match="between 0 and 1"):
        CombinedReward.of_two(table, table, 1.0)
    with pytest.raises(HandrailError, match="no ratings"):
        Part(Trained({}, "t", trained_with="bradley_terry"), reads="probability")
    with pytest.raises(SettingError, match="no logit"):
        Part(Trained({}, "t", trained_with="rating/mse"), reads="logit")
    with pytest.raises(SettingError, match="Did you mean 'logit'"):
        Part(table, reads="logits")  # type: ignore[arg-type]


def test_a_rating_is_a_probability_as_it_is_and_others_say_so() -> None:
    rating = CombinedReward(
        (Part(Trained({"a": 0.9}, trained_with="rating/mse"), reads="probability"),)
    )
    assert rating.score(T, ["a"]) == [0.9]
    unknown = CombinedReward((Part(Table({"a": 0.9}), reads="probability"),))
    assert unknown.score(T, ["a"]) == [sigmoid(0.9)]


def test_progress_is_that_of_all_parts() -> None:
    told: list[tuple[int, int]] = []
    made = CombinedReward((Part(Batched({}, "a")), Part(Table({}, "b"))))
    made.score_all([(T, "x"), (T, "y")], lambda done, total: told.append((done, total)))
    assert told == [(2, 4), (3, 4), (4, 4)]
