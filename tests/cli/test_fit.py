"""Training by the API: what data it refuses and why, what it counts, when it checks settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail import world
from handrail.records import RecordError, Turn
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
