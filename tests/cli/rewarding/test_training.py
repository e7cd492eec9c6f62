"""`handrail reward train`: every loss on both kinds of model, in sequence; what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.models import ModelSettings, load_reward
from handrail.records import RecordError, SettingError, Turn, write_jsonl
from handrail.training import read_metrics
from tests.cli.test_style import folder_of
from tests.models import encoders
from tests.trees import toys

CPU = ModelSettings(device="cpu")
FAST = {"max_steps": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small model of each kind with random weights."""
    at = tmp_path_factory.mktemp("bases")
    causal = folder_of(at / "causal", toys.CHATML)
    return {"causal": causal, "encoder": encoders.folder(at / "encoder", "bert", 2000)}


@pytest.fixture
def turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Turn]:
    monkeypatch.chdir(tmp_path)
    return world.feedback_turns(6, seed=1).turns


@pytest.mark.parametrize("kind", ["causal", "encoder"])
@pytest.mark.parametrize("loss", ["bradley_terry", "logistic", "sigmoid_mse", "mse"])
def test_every_loss_trains_every_kind(
    kind: str, loss: str, bases: dict[str, Path], turns: list[Turn]
) -> None:
    turns = handrail.prepare_rewards(turns, on_error="skip").turns
    fitted = handrail.train_reward(
        turns, loss, model=bases[kind], out="run", settings=FAST, on_error="skip"
    )
    reward = load_reward(fitted.model, CPU)
    assert reward.kind == kind
    assert reward.trained_with == ("bradley_terry" if loss == "bradley_terry" else f"rating/{loss}")
    (score,) = reward.score(turns[0], [turns[0].replies[0].text])
    assert math.isfinite(score)
    assert math.isfinite(fitted.result.loss)
    assert json.loads(Path("run/config.json").read_text())["objective"] == loss


@pytest.mark.parametrize("kind", ["causal", "encoder"])
def test_pre_training_goes_on_in_fine_tuning(
    kind: str, bases: dict[str, Path], turns: list[Turn]
) -> None:
    first = handrail.train_reward(
        turns, model=bases[kind], out="pre", settings=FAST, on_error="skip"
    )
    second = handrail.train_reward(
        turns,
        "logistic",
        model=first.model,
        out="fine",
        settings=FAST | {"learning_rate": 1e-30},
        on_error="skip",
    )
    replies = [r.text for r in turns[0].replies]
    before, after = (
        load_reward(one.model, CPU).score(turns[0], replies) for one in (first, second)
    )
    assert after == pytest.approx(before, abs=1e-6)  # the head went with the rest
    assert load_reward(second.model, CPU).trained_with == "rating/logistic"


def test_the_command_trains_evaluates_and_tells(
    bases: dict[str, Path], turns: list[Turn], capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl("turns.jsonl", turns)
    write_jsonl("held.jsonl", world.feedback_turns(4, seed=2).turns)
    line = ["reward", "train", "turns.jsonl", "--model", str(bases["encoder"]), "--eval"]
    line += ["held.jsonl", "--set", "device=cpu", "--set", "batch_size=2", "--on-error", "skip"]
    assert invoke([*line, "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "runs/turns-bradley_terry/final"
    assert found["evaluation"]["best_step"] is not None
    assert found["pairs"] > 0
    last = read_metrics("runs/turns-bradley_terry/metrics.jsonl")[-1]
    assert 0 <= last["eval/rewards/accuracy"] <= 1
    assert invoke([*line, "--quiet"]) == 0  # it was finished: the same model again
    assert "Model: runs/turns-bradley_terry/final" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("loss", "settings", "problem"),
    [
        ("bradley_terry", {"penalty": 1}, "'penalty' is a setting of mse"),
        ("logistic", {"margin": 1}, "'margin' is a setting of bradley_terry"),
        ("logistic", {"beta": 1}, "there is no setting 'beta' for training with logistic"),
        ("mse", {"penalty": -1}, "penalty must be at least 0"),
        ("bradley_terry", {"patience": 2}, "'patience' needs turns to evaluate on"),
        ("mse", {"bach_size": 2}, "Did you mean 'batch_size'?"),
        ("mse", {"on_long": "cut"}, "'on_long'"),
    ],
)
def test_settings_are_checked_before_anything_is_read(
    loss: str, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SettingError) as caught:
        handrail.train_reward("none.jsonl", loss, model="./none", settings=settings)
    assert problem in str(caught.value)


def test_an_objective_is_told_where_it_belongs() -> None:
    with pytest.raises(SettingError, match="trains a reward model"):
        handrail.train("none.jsonl", "bradley_terry")
    with pytest.raises(SettingError, match="unknown loss 'dpo'"):
        handrail.train_reward("none.jsonl", "dpo")
    with pytest.raises(SettingError, match="unknown loss"):
        handrail.reward_settings("ipo")


def test_the_list_holds_what_the_loss_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["reward", "train", "--list-settings", "--loss", "mse"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Settings of `handrail reward train --loss mse`:")
    names = {row["name"] for row in handrail.reward_settings("mse")}
    assert {"penalty", "learning_rate", "on_long"} <= names
    assert names.isdisjoint({"loss", "replies", "mismatched", "margin"})
    assert "margin" in {row["name"] for row in handrail.reward_settings()}


def test_replies_over_the_budget(bases: dict[str, Path], turns: list[Turn]) -> None:
    long = turns[0].model_copy(
        update={
            "replies": tuple(
                r.model_copy(update={"text": "word " * 3000}) for r in turns[0].replies
            )
        }
    )
    data, how = [long, *turns[1:]], {"model": bases["encoder"], "settings": FAST}
    with pytest.raises(handrail.HandrailError, match="2000 are allowed"):
        handrail.train_reward(data, out="stop", **how)
    fitted = handrail.train_reward(data, out="skip", on_error="skip", **how)
    reasons = fitted.summary()["skipped_reasons"]
    assert reasons["prompt and reply take more than the 2000 tokens that are allowed"] == 4
    short = FAST | {"max_tokens": 260, "on_long": "cut_context"}
    cut = handrail.train_reward(
        turns, model=bases["encoder"], out="cut", settings=short, on_error="skip"
    )
    assert cut.summary()["skipped_reasons"]["the front of its prompt left out to fit the budget"]
    assert load_reward(cut.model, CPU).on_long == "cut_context"  # type: ignore[attr-defined]


def test_ratings_that_are_not_in_the_unit_are_told(
    bases: dict[str, Path], turns: list[Turn]
) -> None:
    five = [
        t.model_copy(
            update={"replies": tuple(r.model_copy(update={"rating": 4.0}) for r in t.replies)}
        )
        for t in turns
    ]
    with pytest.raises(RecordError, match=r"outside 0\.\.1") as caught:
        handrail.train_reward(five, "logistic", model=bases["causal"])
    assert "reward prepare" in caught.value.mend
