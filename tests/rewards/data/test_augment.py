"""Algorithm 1: ratings of paraphrases fall with the likeness of the two texts and languages."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import Embedder, Reply, SettingError, Skip, Turn
from handrail.rewards.data.augment import (
    Adjustment,
    NgramEmbedder,
    Similarity,
    augment,
    augmenter,
    similarities,
)
from handrail.rewards.data.balancing import balance
from handrail.rewards.data.paraphrases import RuleParaphraser
from handrail.synthesis.languages import detect
from tests.rewards.data.rated_turns import rated_turns

# The thesis's table 4: paraphrase, original, rating, adjusted rating.
TABLE_4 = [
    (
        "The Italian American said nothing to the IRS tax collectors.",
        "What did the Italian New Jerseyan say to the IRS tax collectors? Spaghett about it!",
        0.333,
        0.20,
    ),
    (
        "The dataset I was trained on primarily consisted of English material, which has resulted "
        "in my responses in Deutsch being less accurate. It is recommended to pose questions in "
        "English, as I comprehend it better.",
        "The dataset I was trained on was mainly in English. So my answers in Deutsch are not as "
        "good. You'd be better off asking me questions in English which I understand better.",
        0.25,
        0.17,
    ),
]


class Fixed:
    """An embedder and paraphraser with given vectors and words."""

    name = "fixed"

    def __init__(self, vectors: dict[str, list[float]], words: Sequence[str | Skip] = ()) -> None:
        self.vectors, self.words = vectors, list(words)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    def paraphrase(self, texts: Sequence[str]) -> list[str | Skip]:
        return self.words[: len(texts)]


def test_both_examples_of_the_thesis_fall_and_about_as_far() -> None:
    new, old = [row[0] for row in TABLE_4], [row[1] for row in TABLE_4]
    found = similarities(new, old, NgramEmbedder(), lambda texts: detect(texts, among=("en", "de")))
    for alike, (_, _, rating, printed) in zip(found, TABLE_4, strict=True):
        assert alike.languages == ("en", "en")
        adjusted = Adjustment().rating(rating, alike)
        assert 0 < adjusted < rating
        assert adjusted == pytest.approx(printed, abs=0.03)


def test_the_formula() -> None:
    alike = Similarity(0.6, ("en", "en"))
    assert Adjustment().rating(0.333, alike) == pytest.approx(0.1998)
    assert Adjustment(factor=0.5).rating(0.4, alike) == pytest.approx(0.4 * 0.8)
    assert Adjustment(factor=0).rating(0.4, alike) == 0.4
    other = Similarity(0.6, ("en", "de"))
    assert Adjustment().rating(0.4, other) == pytest.approx(0.4 * 0.3)
    assert Adjustment(other_language=0).rating(0.4, other) == 0
    assert Adjustment().rating(0.4, Similarity(-0.7)) == 0
    assert Adjustment().rating(0.4, Similarity(1.0)) == 0.4


@given(st.floats(0, 1), st.floats(-1.01, 1.01), st.floats(0, 1), st.booleans())
def test_ratings_stay_valid_and_never_rise(
    rating: float, cosine: float, factor: float, same: bool
) -> None:
    alike = Similarity(cosine, ("en", "en" if same else "fr"))
    adjusted = Adjustment(factor).rating(rating, alike)
    assert 0 <= adjusted <= rating
    assert Adjustment(factor).rating(rating, Similarity(cosine, ("en", "fr"))) <= adjusted
    nearer = Similarity(min(1.0, cosine + 0.1), alike.languages)
    assert Adjustment(factor).rating(rating, nearer) >= adjusted


def test_undecided_languages_count_as_the_same() -> None:
    vectors = {"a": [1.0, 0.0], "b": [1.0, 1.0]}

    def unsure(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        return [("en", 0.9), ("fr", 0.3)][: len(texts)]

    (alike,) = similarities(["a"], ["b"], Fixed(vectors), unsure)
    assert alike == Similarity(pytest.approx(math.sqrt(0.5)), ("en", None))
    assert alike.same_language
    assert not Similarity(1.0, ("en", "fr")).same_language


def test_cosines_are_the_plain_ones_and_empty_vectors_are_like_nothing() -> None:
    vectors = {"a": [3.0, 4.0], "b": [4.0, 3.0], "o": [0.0, 0.0]}
    found = similarities(["a", "a", "o"], ["b", "a", "a"], Fixed(vectors))
    assert [x.cosine for x in found] == pytest.approx([0.96, 1.0, 0.0])
    assert similarities([], [], Fixed({})) == []


def test_an_embedder_that_does_not_work_is_told() -> None:
    (alike,) = similarities(["a"], ["b"], Fixed({"a": [math.nan, 1.0], "b": [1.0, 1.0]}))
    with pytest.raises(SettingError, match="no finite vectors"):
        Adjustment().rating(0.2, alike)


def test_paraphrases_carry_the_adjusted_rating_and_nothing_else_of_the_reply() -> None:
    reply = Reply(text="old", rating=0.4, rank=2, labels={"quality": 0.4}, weight=2.0)
    turn = Turn(id="t", replies=(reply, Reply(text="other", rating=0.2), Reply(text="bare")))
    vectors = {"old": [1.0, 0.0], "new": [3.0, 4.0], "same": [1.0, 0.0]}
    words = ["new", Skip(what="paraphrase", reason="refused"), "same"]
    made = augment([turn], Fixed(vectors, words), Fixed(vectors))
    (further,) = made.turns
    assert further.id == "t~augment1"
    assert further.provenance.parents == ("t",)
    (new,) = further.replies
    assert new.rating == pytest.approx(0.24)
    bare = new.model_copy(update={"rating": None})
    assert bare == Reply(text="new", author="paraphrase by fixed", weight=2.0)
    assert [(s.reason, s.where) for s in made.skipped] == [
        ("refused", "turn 't', replies.1"),
        ("the reply has no rating to adjust", "turn 't', replies.2"),
    ]


def test_a_paraphrase_that_is_the_reply_is_none() -> None:
    turns = rated_turns([[0.1]])
    made = augment(turns, Fixed({}, ["Reply t0.0 "]), Fixed({}))
    assert made.turns == []
    assert made.skipped[0].reason == "the paraphrase is the reply itself"


def test_balance_augments_low_replies_only() -> None:
    turn = Turn(
        id="t",
        replies=(
            Reply(text="I am really sorry. That is all that we can do.", rating=0.25),
            Reply(text="I am really happy to help.", rating=0.75),
        ),
    )
    made = balance([turn], "augment", augmenter=augmenter(RuleParaphraser(), NgramEmbedder()))
    assert [t.id for t in made.turns] == ["t", "t~augment1"]
    (new,) = made.turns[1].replies
    assert new.text == "Sorry. That's all that we can do."
    assert new.rating is not None
    assert 0 < new.rating < 0.25


def test_the_embedder_without_a_model() -> None:
    embedder = NgramEmbedder(64)
    assert isinstance(embedder, Embedder)
    first, again, forms, other, empty = embedder.embed(
        ["refund the fee", "refund the fee", "refunds of fees", "zoo", "!"]
    )
    assert first == again
    assert [len(row) for row in (first, empty)] == [64, 64]
    assert not any(empty)

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    assert 1 > cosine(first, forms) > cosine(first, other) >= 0


@pytest.mark.parametrize("fields", [{"factor": 1.5}, {"other_language": -0.1}])
def test_adjustments_that_cannot_be(fields: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="Give a number from 0 to 1"):
        Adjustment(**fields)
