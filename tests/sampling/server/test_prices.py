"""What tokens cost: the table, a user's own, and the estimate before the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sampling.server.scripted import question

from handrail.records import HandrailError, SettingError, Usage
from handrail.sampling.server import Price, Prices, estimate
from handrail.sampling.server.ledger import Ledger, most_tokens


def test_a_price_is_for_a_million_tokens() -> None:
    assert Price(prompt=2.0, completion=8.0).cost(Usage(500_000, 250_000)) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("GPT-4o", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("world:wrong=0.1", "world"),
        ("gpt-4o-audio-preview", None),
        ("llama", None),
    ],
)
def test_names_count_with_and_without_their_date(name: str, like: str | None) -> None:
    prices = Prices.read()
    assert prices.of(name) == (prices.of(like) if like else None)
    assert like is None or prices.of(name) is not None


def test_own_prices_come_first_and_another_currency_alone(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("as_of: 2026-01-02\nmodels:\n  gpt-4o: {prompt: 1, completion: 2}\n")
    prices = Prices.read(file)
    assert prices.as_of == "2026-01-02"
    assert prices.of("gpt-4o") == Price(prompt=1, completion=2)
    assert prices.of("gpt-4.1") == Prices.read().of("gpt-4.1")
    file.write_text("currency: EUR\nmodels:\n  'mistral-*': {prompt: 1, completion: 2}\n")
    prices = Prices.read(file)
    assert prices.of("mistral-small") == Price(prompt=1, completion=2)
    assert prices.of("gpt-4o") is None
    assert prices.currency == "EUR"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "this is no table of prices"),
        ("models: {x: {promt: 1, completion: 1}}", r"models\.x\.promt: it is not known here"),
        ("models: {x: {prompt: 1}}", r"models\.x\.completion"),
        ("models: {x: {prompt: -1, completion: 1}}", r"models\.x\.prompt"),
        ("model: {}", "model"),
        ("models:\n  a: [", "line 2.*not YAML|not YAML"),
    ],
)
def test_a_file_of_another_form_is_told(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(SettingError, match=problem):
        Prices.read(tmp_path / "p.yaml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HandrailError, match=r"none\.yaml.*cannot be read"):
        Prices.read(tmp_path / "none.yaml")


def test_the_estimate_is_about_four_characters_a_token() -> None:
    prices = Prices((("m", Price(prompt=10.0, completion=100.0)),))
    told = estimate([question(n, max_tokens=50) for n in range(8)], prices, "m", cached=2)
    # "question 0" has 10 characters: 3 tokens.
    assert (told.questions, told.cached) == (10, 2)
    assert (told.prompt_tokens, told.max_completion_tokens) == (24, 400)
    assert told.low == pytest.approx(24 * 10 / 1e6)
    assert told.high == pytest.approx((24 * 10 + 400 * 100) / 1e6)
    assert "8 requests (2 more answers are in the cache)" in told.text
    assert "no price" in estimate([question()], prices, "n").text


def test_the_ledger_sets_aside_the_most_and_takes_back_what_it_was() -> None:
    ledger = Ledger(Price(prompt=1.0, completion=1.0), None, max_cost=250e-6)
    tokens = most_tokens(1, 34)
    assert tokens == 66
    first = ledger.reserve(question(max_tokens=34), tokens)  # 100 tokens at most
    second = ledger.reserve(question(max_tokens=34), tokens)
    assert first is not None
    assert second is not None
    assert ledger.reserve(question(max_tokens=34), tokens) is None
    assert not ledger.hopeless
    assert ledger.settle(first, Usage(10, 10)) == pytest.approx(20e-6)
    third = ledger.reserve(question(max_tokens=34), tokens)
    assert third is not None
    ledger.lost(second, billed=True)
    ledger.lost(third, billed=False)
    assert ledger.hopeless, "nothing is on its way"
    assert ledger.spent.cost == pytest.approx(20e-6)
    assert ledger.reserve(question(max_tokens=34), tokens) is not None  # 20 + 100 + 100
    assert ledger.reserve(question(max_tokens=34), tokens) is None
