"""A flow's settings: what cannot be meant is refused with the nearest right name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from handrail.recipes.settings import SMALL, FlowSettings, QuickstartSettings, reward_rate
from handrail.records import SettingError
from handrail.training import settings_from

DOCS = Path(__file__).resolve().parents[2] / "docs" / "rewards.md"
NUMBERS = {
    name: field.annotation
    for name, field in FlowSettings.model_fields.items()
    if field.annotation in (int, float)
}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"learning_rates": {"ippo": 1e-4}}, "no objective 'ippo'. Did you mean 'ipo'"),
        ({"learning_rates": {"sft": -3.0}}, "learning rate of 'sft' must be a number above 0"),
        ({"learning_rates": {"sft": 0}}, "above 0"),
        ({"learning_rates": {"sft": math.inf}}, "above 0"),
        ({"learning_rates": {"sft": math.nan}}, "above 0"),
        ({"learning_rates": {"sft": 10**400}}, "above 0"),
        ({"learning_rates": {"sft": "fast"}}, "above 0"),
        ({"learning_rates": {"sft": True}}, "above 0"),
        ({"learning_rates": {"sft": None}}, "above 0"),
        ({"learning_rates": 0.1}, "'learning_rates' cannot be 0.1"),
        ({"betas": {"ipo": 0.0}}, "beta of 'ipo' must be a number above 0"),
        ({"betas": {"ippo": 0.1}}, "no objective 'ippo'. Did you mean 'ipo'"),
        ({"betas": {"sft": 0.1}}, "'sft' has no beta; leave it out"),
        ({"betas": 0.1}, "'betas' cannot be 0.1"),
        ({"seeds": 0}, "'seeds' cannot be 0"),
        ({"threads": 10**6}, "'threads' cannot be"),
        ({"first_seed": 498_998, "seeds": 3}, "lower first_seed"),
        ({"on_error": "ignore"}, "'on_error' cannot be 'ignore'"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingError) as caught:
        settings_from(FlowSettings, given)
    assert problem in str(caught.value)


@pytest.mark.parametrize("kind", [FlowSettings, QuickstartSettings])
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -1, True, "many"])
def test_every_number_refuses_nonsense(kind: type, name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"'{name}' cannot be"):
        settings_from(kind, {name: value})


def test_what_can_be_meant_is_taken() -> None:
    rates = {"sft": 1e-3, "ipo": "1e-4", "kto_pair": 1, "kto": 1e-5, "dpo": 1e-5}
    settings = settings_from(FlowSettings, {"learning_rates": rates, "temperature": 0})
    assert settings.learning_rates["ipo"] == 1e-4
    assert settings.learning_rates["kto_pair"] == 1.0
    assert settings_from(FlowSettings, {"first_seed": 498_997}).seeds == 3


@pytest.mark.parametrize(
    ("parameters", "mode", "rate", "told"),
    [
        (SMALL - 1, "full", 2e-4, "it is 2e-4 for models below 100 million"),
        (SMALL - 1, "lora", 1e-3, "(`mode=lora`: 1e-3)"),
        (SMALL, "full", 9e-6, "9e-6 (Ouyang"),
        (7_000_000_000, "lora", 5e-5, "5e-5 with `mode=lora`"),
    ],
)
def test_a_reward_model_gets_the_rate_of_its_size(
    parameters: int, mode: str, rate: float, told: str
) -> None:
    assert reward_rate(parameters, mode) == rate
    assert told in DOCS.read_text("utf-8")
