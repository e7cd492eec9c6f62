"""What reports call models."""

from __future__ import annotations

import pytest

from handrail.records import called


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("runs/pref/final", "pref"),
        ("runs/pref/final/", "pref"),
        ("final", "final"),
        ("/final", "final"),
        ("org/reward-model", "reward-model"),
        ("mix.yaml", "mix.yaml"),
        (".", "."),
    ],
)
def test_a_model_is_called_by_its_path_or_its_run(model: str, name: str) -> None:
    assert called(model) == name
