"""Training by the API: what data it refuses and why, what it counts, when it checks settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.records import RecordError, SettingError, Turn
from tests.cli.test_style import folder_of
from tests.trees import toys


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights."""
    return folder_of(tmp_path_factory.mktemp("fit") / "model", toys.CHATML)


@pytest.fixture
def turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Turn]:
    monkeypatch.chdir(tmp_path)
    return world.training_turns(2, 1)


@pytest.mark.parametrize("objective", ["sft", "ipo", "kto"])
def test_replies_that_are_all_too_long_are_told_with_their_number(
    objective: str, turns: list[Turn], model: Path
) -> None:
    settings: dict[str, Any] = {"max_tokens": 20, "on_long": "skip"}
    n = len(turns) if objective == "sft" else sum(len(t.replies) for t in turns)
    with pytest.raises(RecordError) as caught:
        handrail.train(turns, objective, model=model, settings=settings)
    assert f"; {n} times: prompt and reply take more than the 20 tokens" in caught.value.problem
    assert caught.value.mend.startswith("Raise max_tokens (it is 20)")


def test_replies_without_feedback_are_told_as_such(turns: list[Turn], model: Path) -> None:
    bare = [turn.model_copy(update={"replies": ()}) for turn in turns]
    with pytest.raises(RecordError, match=r"learn from\. Check the replies' feedback"):
        handrail.train(bare, "sft", model=model)


@pytest.mark.parametrize("objective", ["sft", "ipo", "kto"])
def test_the_replies_that_are_learnt_from_are_counted(
    objective: str, turns: list[Turn], model: Path
) -> None:
    unknown = turns[0].replies[0].model_copy(update={"desirable": None, "rank": 0})
    turns = [turns[0].model_copy(update={"replies": (unknown, *turns[0].replies[1:])}), *turns[1:]]
    every = sum(len(turn.replies) for turn in turns)
    wanted = {"sft": len(turns), "ipo": every, "kto": every - 1}[objective]
    fitted = handrail.train(turns, objective, model=model, settings={"max_steps": 1})
    assert fitted.replies == fitted.summary()["replies"] == wanted


@pytest.mark.parametrize(
    ("objective", "settings", "problem"),
    [
        ("ipo", {"max_steps": -1}, "'max_steps' cannot be -1"),
        ("ipo", {"mode": "loraa"}, "'mode' cannot be 'loraa'"),
        ("ipo", {"beta": -1}, "beta must be above 0"),
        ("ipo", {"max_tokens": 9000}, "max_tokens is 9000 and tree_tokens 8192"),
        ("ipo", {"patience": 2}, "patience needs evaluations"),
        ("ipo", {"device": "tpu"}, "device 'tpu' cannot be used here"),
        ("sft", {"replies": "all"}, "'replies' follows from the objective"),
        (
            "ipo",
            {"learning_rat": 1},
            "there is no setting 'learning_rat' for training with ipo. "
            "Did you mean 'learning_rate'?",
        ),
        (
            "dpo",
            {"per_token": True},
            "there is no setting 'per_token' for training with dpo. 'per_token' is a setting of "
            "ipo",
        ),
        ("sft", {"beta": 0.1}, "'beta' is a setting of dpo, ipo, kto, kto_pair"),
    ],
)
def test_settings_are_checked_before_data_and_model_are_read(
    objective: str,
    settings: dict[str, Any],
    problem: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SettingError) as caught:
        handrail.train(tmp_path / "none.jsonl", objective, model="./none", settings=settings)
    assert problem in str(caught.value)
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words = [word.replace("=True", "=true") for word in words]
    line = ["train", str(tmp_path / "none.jsonl"), "--model", "./none", "--objective", objective]
    assert invoke([*line, *words]) == 2
    assert problem in capsys.readouterr().err


def test_settings_that_fit_a_model_of_few_positions_are_not_refused(
    turns: list[Turn], model: Path
) -> None:
    settings = {"tree_tokens": 8192, "token_budget": 16384, "max_steps": 1}
    assert handrail.train(turns, model=model, settings=settings).result.steps == 1


@pytest.mark.parametrize("words", [[], ["--objective", "kto"]])
def test_a_list_of_settings_says_whose_they_are(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["train", "--list-settings", *words]) == 0
    out = capsys.readouterr().out
    objective = words[1] if words else "ipo"
    assert out.startswith(f"Settings of `handrail train --objective {objective}`:\n\nlearning_rate")
    assert ("lambda_d" in out) == (objective == "kto")
