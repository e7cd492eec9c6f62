"""Training by the API: what data it refuses and why, what it counts, when it checks settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.records import HandrailWarning, RecordError, SettingError, Turn, write_jsonl
from handrail.training import read_metrics
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
        ("ipo", {"patience": 2}, "'patience' needs turns to evaluate on. Name a file of them with"),
        ("sft", {"eval_every": 5}, "'eval_every' needs turns to evaluate on"),
        ("ipo", {"device": "tpu"}, "device 'tpu' cannot be used here"),
        ("sft", {"replies": "all"}, "'replies' follows from the objective"),
        ("kto", {"mismatched": False}, "'mismatched' follows from the objective"),
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
    words = [word.replace("=True", "=true").replace("=False", "=false") for word in words]
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


@pytest.mark.parametrize("objective", ["sft", "ipo", "kto"])
def test_what_is_listed_is_what_is_taken(objective: str, tmp_path: Path) -> None:
    listed = {row["name"]: row for row in handrail.training_settings(objective)}
    with pytest.raises(SettingError) as caught:
        handrail.train(tmp_path / "none.jsonl", objective, settings={"xyzzy": 1})
    assert caught.value.mend == "Known: " + ", ".join(sorted(listed))
    for name in ("replies", "mismatched"):
        assert name not in listed
    for name in ("patience", "eval_every"):
        assert listed[name]["description"].endswith("Needs turns to evaluate on (--eval).")
    # All of them with the value that they have by default.
    given = {name: row["default"] for name, row in listed.items()}
    with pytest.raises(RecordError, match=r"none\.jsonl"):
        handrail.train(tmp_path / "none.jsonl", objective, settings=given)


@pytest.mark.parametrize("objective", ["sft", "ipo", "kto"])
def test_a_training_evaluates_on_turns_that_it_does_not_learn_from(
    objective: str, turns: list[Turn], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = world.training_turns(2, 9)
    write_jsonl("turns.jsonl", turns)
    write_jsonl("held.jsonl", held)
    line = ["train", "turns.jsonl", "--objective", objective, "--model", str(model), "--out", "x"]
    line += ["--eval", "held.jsonl", "--set", "max_steps=3", "--set", "epochs=3", "--quiet"]
    assert invoke([*line, "--set", "eval_every=1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    plain = handrail.train(turns, objective, model=model, settings={"max_steps": 3})
    assert plain.summary()["evaluation"] is None
    assert found["evaluation"]["turns"] == len(held)
    assert found["evaluation"]["pairs"] == sum(1 for turn in held for _ in turn.pairs()) * (
        objective != "sft"
    )
    losses = [step["eval/loss"] for step in read_metrics(found["metrics"])]
    assert len(losses) == found["steps"] == 3
    assert found["evaluation"]["best_loss"] == min(losses)
    assert found["evaluation"]["best_step"] == 1 + losses.index(min(losses))
    assert not found["evaluation"]["stopped_early"]
    assert invoke([*line, "--set", "eval_every=1"]) == 0
    best = f"best loss {min(losses):.4g} at step {1 + losses.index(min(losses))}\n"
    assert f"\nEvaluated on {len(held)} turns: {best}" in capsys.readouterr().out


def test_a_training_stops_when_the_evaluations_get_no_better(
    turns: list[Turn], model: Path
) -> None:
    settings = {"eval_every": 1, "patience": 1, "epochs": 20, "learning_rate": 0.5, "warmup": 0}
    held = world.training_turns(2, 9)
    fitted = handrail.train(turns, "sft", model=model, settings=settings, eval_turns=held)
    found = fitted.summary()
    assert found["evaluation"]["stopped_early"]
    assert found["evaluation"]["best_step"] < found["steps"] < 20


def test_turns_to_evaluate_on_must_serve_and_are_best_not_learnt_from(
    turns: list[Turn], model: Path
) -> None:
    settings = {"max_steps": 1}
    with pytest.warns(HandrailWarning, match=f"1 of {len(turns)} turns to evaluate on is learnt"):
        handrail.train(turns[:1], "sft", model=model, settings=settings, eval_turns=turns)
    bare = [turn.model_copy(update={"replies": turn.replies[:1]}) for turn in turns]
    held = world.training_turns(2, 9)
    with pytest.raises(RecordError, match=r"^evaluation: no turn has a better and a worse reply"):
        handrail.train(held, model=model, settings=settings, eval_turns=bare)
