"""Labels to one rating: the thesis's weights, ranges, and what is missing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import RecordError, Reply, SettingError, Turn
from handrail.rewards.data.labels import PRESETS, LabelWeights, label_weights, rate_by_labels

LABELS = ("violence", "creativity", "helpfulness", "humor", "toxicity", "quality")
FULL = {
    "violence": 0.0,
    "creativity": 0.5,
    "helpfulness": 0.75,
    "humor": 0.25,
    "toxicity": 0.25,
    "quality": 1.0,
}


def one(*labels: dict[str, float]) -> list[Turn]:
    return [
        Turn(id="t0", replies=tuple(Reply(text=f"r{i}", labels=x) for i, x in enumerate(labels)))
    ]


def test_worked_example_of_w2_and_w3() -> None:
    # 0.15 * 0.5 + 0.25 * 0.75 + 0.05 * 0.25 - 0.1 * 0.25 + 0.4 * 1 = 0.65, of -0.15 to 0.85
    raw = LabelWeights(PRESETS["w2"], scaling="raw")
    assert raw.rating(FULL) == pytest.approx(0.65)
    assert raw.bounds == pytest.approx((-0.15, 0.85))
    assert label_weights("w2").rating(FULL) == pytest.approx(0.8)
    # 0.15 * 0.5 + 0.35 * 0.75 - 0.1 * 0.25 + 0.4 * 1 = 0.7125, of -0.1 to 0.9
    assert LabelWeights(PRESETS["w3"], scaling="raw").rating(FULL) == pytest.approx(0.7125)
    assert label_weights("w3").rating(FULL) == pytest.approx(0.8125)


def test_quality_alone_is_itself_and_the_default() -> None:
    made = rate_by_labels(one(FULL, FULL | {"quality": 0.25}))
    assert [r.rating for r in made.turns[0].replies] == [1.0, 0.25]
    assert made.rated == 2
    assert made.turns[0].tags["scale"] == "0..1"
    assert made.how == "from labels by quality"


@given(
    st.dictionaries(st.sampled_from(LABELS), st.floats(-3, 3), min_size=1).filter(
        lambda w: any(abs(x) > 1e-6 for x in w.values())
    ),
    st.fixed_dictionaries({name: st.floats(0, 1) for name in LABELS}),
)
def test_affine_ratings_are_valid_and_the_plain_formula(
    weights: dict[str, float], labels: dict[str, float]
) -> None:
    rating = LabelWeights(weights).rating(labels)
    low = sum(min(w, 0) for w in weights.values())
    high = sum(max(w, 0) for w in weights.values())
    plain = (sum(w * labels[name] for name, w in weights.items()) - low) / (high - low)
    assert 0 <= rating <= 1
    assert math.isclose(rating, plain, abs_tol=1e-9)


def test_a_reply_that_lacks_a_label_is_an_error_or_counted_and_never_a_zero() -> None:
    turns = one(FULL, {"quality": 0.5}, {})
    with pytest.raises(RecordError, match="no label 'creativity', 'helpfulness', 'toxicity'") as e:
        rate_by_labels(turns, "w3")
    assert "turn 't0', replies.1" in str(e.value)
    assert "1 more reply" in str(e.value)
    assert "--on-error skip" in str(e.value)
    made = rate_by_labels(turns, "w3", on_error="skip")
    assert [r.rating is None for r in made.turns[0].replies] == [False, True, True]
    assert (made.rated, len(made.skipped)) == (1, 2)


def test_labels_without_weight_need_not_be_there() -> None:
    lean = {k: v for k, v in FULL.items() if k not in ("violence", "humor")}
    assert rate_by_labels(one(lean), "w3").turns[0].replies[0].rating == pytest.approx(0.8125)


def test_an_unknown_label_names_the_known_ones() -> None:
    with pytest.raises(SettingError, match=r"label 'qualty'.*In the data are .*quality"):
        rate_by_labels(one(FULL), {"qualty": 1})
    with pytest.raises(SettingError, match="The data has no labels"):
        rate_by_labels(one({}), "quality")


def test_a_raw_sum_outside_the_unit_range_is_a_fault() -> None:
    bad = dict.fromkeys(LABELS, 0.0) | {"toxicity": 1.0}
    with pytest.raises(RecordError, match=r"the weighted sum -0.1 is not within 0 to 1"):
        rate_by_labels(one(bad), "w3", scaling="raw")
    made = rate_by_labels(one(bad, FULL), "w3", scaling="raw", on_error="skip")
    assert made.turns[0].replies[0].rating is None
    assert made.turns[0].replies[1].rating == pytest.approx(0.7125)
    assert made.how == "from labels by w3, the sum as it is"


def test_ratings_that_were_there_are_replaced() -> None:
    turn = Turn(id="t", replies=(Reply(text="a", rating=4.0, labels={"quality": 0.5}),))
    assert rate_by_labels([turn]).turns[0].replies[0].rating == 0.5
    assert turn.replies[0].rating == 4.0


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("w4", "there are no label weights 'w4'. Known are quality, w2, w3"),
        ({}, "no label has a weight"),
        ({"quality": 0}, "no label has a weight"),
        ({"quality": math.nan}, "no finite number"),
        ({"quality": "much"}, "no finite number"),
        ({"quality": True}, "no finite number"),
    ],
)
def test_weights_that_cannot_be(weights: object, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        label_weights(weights)  # type: ignore[arg-type]


def test_an_unknown_scaling() -> None:
    with pytest.raises(SettingError, match="unknown scaling 'linear'"):
        label_weights("w2", "linear")  # type: ignore[arg-type]
