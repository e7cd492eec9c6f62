"""Sentence embeddings: the mean of hidden states, whatever else is in the batch."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from handrail.models.embedding import SentenceEmbedder, load_embedder
from handrail.records import Embedder, ModelError
from handrail.rewards.data.augment import Adjustment, similarities
from tests.models import encoders
from tests.rewards.data.test_augment import TABLE_4

TEXTS = ["Hi.", "May I have your phone number?", "", "A fee of $72 was charged " * 8, "Hi."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder with random weights, saved without a head."""
    at = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    AutoModel.from_config(encoders.config("bert")).save_pretrained(at)
    encoders.tokenizer().save_pretrained(at)
    return at


@pytest.fixture(scope="module")
def small(folder: Path) -> SentenceEmbedder:
    return load_embedder(folder)


def test_rows_are_the_plain_mean_at_length_one(small: SentenceEmbedder) -> None:
    assert isinstance(small, Embedder)
    for text, row in zip(TEXTS, small.embed(TEXTS), strict=True):
        ids = torch.tensor([small.tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            mean = small.model(input_ids=ids).last_hidden_state[0].mean(0)
        assert row == pytest.approx((mean / mean.norm()).tolist(), abs=1e-5)
        assert math.hypot(*row) == pytest.approx(1.0)


def test_the_batch_does_not_matter(small: SentenceEmbedder) -> None:
    alone = SentenceEmbedder(small.model, small.tokenizer, "alone", tokens_at_once=1)
    together, apart = small.embed(TEXTS), alone.embed(TEXTS)
    for a, b in zip(together, apart, strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    assert together[0] == pytest.approx(together[4])
    assert small.embed([]) == []


def test_what_is_beyond_the_positions_is_not_read(small: SentenceEmbedder) -> None:
    long = "word " * 400
    assert small.embed([long])[0] == pytest.approx(small.embed([long + "more"])[0])


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_embedder(tmp_path / "none")


def test_a_real_encoder_lowers_both_ratings_of_the_thesis() -> None:
    embedder = load_embedder(encoders.minilm())
    found = similarities([r[0] for r in TABLE_4], [r[1] for r in TABLE_4], embedder)
    for alike, (_, _, rating, _) in zip(found, TABLE_4, strict=True):
        assert 0.5 < alike.cosine < 1
        assert 0 < Adjustment().rating(rating, alike) < rating
