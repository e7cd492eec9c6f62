"""Guardrails found again from their texts, exactly, and texts that are not the world's."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.world import families, generate, guardrail
from handrail.world.families import Family, draw_values, other_values
from handrail.world.playing.rules import known, values_of


def values_for(family: Family, rng: Random) -> list[dict[str, str]]:
    """Several values of each family's parameters, over its businesses."""
    drawn = [draw_values(family, {}, domain, rng) for domain in family.domains for _ in range(4)]
    if family.params:
        drawn += [other_values(family, one, family.domains[0], rng) for one in drawn[:4]]
    return drawn


@pytest.mark.parametrize("family", families().values(), ids=families())
def test_every_wording_with_several_values_leads_back_exactly(family: Family) -> None:
    rng = Random(family.id)
    for wording in range(len(family.texts)):
        for values in values_for(family, rng):
            rule = guardrail(family.id, wording, **values)
            found = known(rule.text)
            assert found is not None, rule.text
            assert found.family.id == family.id
            assert found.slots == values
            assert found.guardrail == rule  # the check with it


def test_values_that_the_world_does_not_draw_are_found_too() -> None:
    for rule in (
        guardrail("refund_days", n=8),
        guardrail("greet_brand", brand="Acme"),
        guardrail("no_competitor", rival="Big Store"),
        guardrail("ask_id", id="passport number"),
        guardrail("voucher_upset", code="WINTER-7"),
        guardrail("hours_person", **{"from": "10 am", "to": "4 pm"}),
    ):
        found = known(rule.text)
        assert found is not None
        assert found.guardrail == rule


def test_a_wording_of_its_own_wins_over_a_parameter() -> None:
    found = known("Do not mention our internal systems.")
    assert found is not None
    assert found.family.id == "no_internal"  # not a rival "our internal systems"
    found = known("Do not mention our rival Fonix.")
    assert found is not None
    assert found.slots == {"rival": "Fonix"}


@pytest.mark.parametrize(
    "text",
    [
        "Never talk about the weather.",
        "Do not mention prices.",
        "Be kind.",
        "Ask for the order number",
        "Keep every reply under many words.",
        "",
        "x" * 5000,
    ],
)
def test_other_texts_are_not_the_worlds(text: str) -> None:
    assert known(text) is None


def test_space_quotes_and_the_full_stop_do_not_matter() -> None:
    rule = guardrail("greet_brand", 1, brand="Acme")
    for text in (rule.text.replace('"', "\u201c", 1), f"  {rule.text}\n", rule.text[:-1]):
        found = known(text)
        assert found is not None
        assert found.guardrail == rule


def test_every_guardrail_of_generated_playbooks_leads_back() -> None:
    rules = [g for c in generate(120, seed=8) for g in c.playbook.guardrails]  # type: ignore[union-attr]
    assert len(rules) > 500
    for rule in rules:
        found = known(rule.text)
        assert found is not None
        assert found.guardrail == rule


def test_a_pool_holds_the_values_of_all_businesses() -> None:
    assert {"Northbank", "Teleon", "Shopwell"} <= set(values_of("brand"))
    assert values_of("days") == ("10", "14", "3", "5", "7")


@given(st.text(max_size=80))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    found = known(text)
    assert found is None or found.guardrail.text
