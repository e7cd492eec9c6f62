"""Settings are read with one clear error for each way of getting them wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from handrail.objectives import DPO
from handrail.records import SettingError
from handrail.training import PAPER_LEARNING_RATES, TrainSettings, settings_from
from handrail.training.optim import learning_rate
from handrail.training.settings import CPU_ROW_TOKENS


def test_there_are_at_most_25() -> None:
    assert len(TrainSettings.model_fields) <= 25


def test_values_as_a_file_gives_them() -> None:
    settings = settings_from(TrainSettings, {"learning_rate": "1e-4", "trackers": ["tensorboard"]})
    assert settings.learning_rate == 1e-4
    assert settings.trackers == ("tensorboard",)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"learning_rat": 1e-4},
            "there is no setting 'learning_rat'. Did you mean 'learning_rate'",
        ),
        ({"zzz": 1}, "Known: batch_size"),
        ({"batch_size": "many"}, "'batch_size' cannot be 'many'"),
        ({"batch_size": 0}, "'batch_size' cannot be 0. Input should be greater than or equal to 1"),
        ({"schedule": "cosin"}, "'schedule' cannot be 'cosin'.*'cosine'"),
        ({"learning_rate": float("nan")}, "'learning_rate' cannot be nan"),
        ({"warmup": 2, "epochs": -1}, r"\(and 1 more\)"),
        ({"epochs": True}, "'epochs' cannot be True. Give a number, not true or false"),
        ({"max_steps": True}, "'max_steps' cannot be True"),
        ({"learning_rate": True}, "'learning_rate' cannot be True"),
        ({"epsilon": float("inf")}, "'epsilon' cannot be inf"),
        ({"epsilon": "Infinity"}, "'epsilon' cannot be 'Infinity'"),
        ({"max_grad_norm": float("nan")}, "'max_grad_norm' cannot be nan"),
        ({"epochs": 10**400}, r"'epochs' cannot be 10{99}\.\.\.\. Give a smaller number"),
        ({"learning_rate": 10**5000}, "'learning_rate' cannot be a number of thousands of digits"),
        ({"epochs": "x" * 5000}, r"'epochs' cannot be 'x{99}\.\.\.\. Input"),
    ],
)
def test_wrong_ones_are_named(values: dict, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        settings_from(TrainSettings, values)


@dataclass(frozen=True)
class Other:
    size: int
    kind: str = "a"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SettingError(f"size is {self.size}", "Use at least 1")


def test_any_settings_class_will_do() -> None:
    assert settings_from(Other, {"size": "3"}) == Other(3)
    with pytest.raises(SettingError, match="Did you mean 'size'"):
        settings_from(Other, {"sise": 1})
    with pytest.raises(SettingError, match="'size' is missing"):
        settings_from(Other, {})
    with pytest.raises(SettingError, match="size is 0"):
        settings_from(Other, {"size": 0})
    with pytest.raises(SettingError, match=r"^beta must be above 0, found -1\.0\. Change"):
        settings_from(DPO, {"beta": -1})
    with pytest.raises(SettingError, match="'beta' cannot be True"):
        settings_from(DPO, {"beta": True})
    with pytest.raises(SettingError, match="'beta' cannot be 'inf'"):
        settings_from(DPO, {"beta": "inf"})
    assert settings_from(TrainSettings, {"shuffle": True, "trackers": []}).shuffle
    with pytest.raises(TypeError, match="neither"):
        settings_from(int, {})


def test_the_papers_learning_rates_are_the_defaults() -> None:
    assert PAPER_LEARNING_RATES["sft"] == 5e-4
    assert TrainSettings().rate_for("ipo") == 2e-6
    assert TrainSettings().rate_for("kto_pair") == TrainSettings().rate_for("kto") == 5e-7
    assert TrainSettings(learning_rate=1.0).rate_for("ipo") == 1.0
    with pytest.raises(SettingError, match="no default learning rate for 'mine'"):
        TrainSettings().rate_for("mine")


def test_schedules() -> None:
    def rates(**options) -> list[float]:
        settings = TrainSettings(**options)
        return [round(learning_rate(k, 10, 1.0, settings), 4) for k in range(10)]

    assert rates(schedule="constant", warmup=0.2) == [0.5] + [1.0] * 9
    assert rates(schedule="linear", warmup=0.2)[1:4] == [1.0, 1.0, 0.875]
    assert rates(schedule="cosine", warmup=0.0)[5] == 0.5
    assert rates(schedule="linear", warmup=0.0, final_rate=0.5)[9] == 0.55
    assert rates(schedule="linear", warmup=1.0)[9] == 1.0


def test_the_listing_says_the_row_tokens_of_a_cpu() -> None:
    listing = " ".join((TrainSettings.__doc__ or "").split())  # wherever its lines break
    policy, reward = CPU_ROW_TOKENS["logps"], CPU_ROW_TOKENS["scores"]
    assert f"None is {policy:,} on a CPU (reward models: {reward:,})" in listing
    assert TrainSettings().row_tokens_on("cpu") == policy
    assert TrainSettings().row_tokens_on("cpu", "scores") == reward
