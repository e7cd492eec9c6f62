"""Replies to turns of which some are too long for the model: refused, left out or cut."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.records import RecordError, RenderError, SettingError, Turn, read_jsonl, write_jsonl
from tests.cli.test_style import folder_of
from tests.trees import toys

ROOM = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and positions for all turns of a file but the longest."""
    return folder_of(tmp_path_factory.mktemp("draw") / "model", toys.CHATML)


@pytest.fixture
def short(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of its folder, beside turns.jsonl; the last turn of the file is too long for it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "short")
    turns = world.training_turns(2, 1)
    renderer = handrail.load(model).renderer
    turns.sort(key=lambda turn: len(renderer.prompt_ids(turn)))
    turns = [turns[0], turns[-2], turns[-1]]
    write_jsonl("turns.jsonl", turns)
    config = json.loads(Path("short/config.json").read_text())
    config["max_position_embeddings"] = len(renderer.prompt_ids(turns[1])) + ROOM
    Path("short/config.json").write_text(json.dumps(config))
    return "short"


def command(model: str, *more: str) -> list[str]:
    line = ["generate", "--model", model, "--turns", "turns.jsonl", "--out", "made.jsonl", "-q"]
    return [*line, "--max-tokens", str(ROOM), *more]


def summary(capsys: pytest.CaptureFixture[str], line: list[str]) -> dict[str, Any]:
    assert invoke([*line, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_a_prompt_that_is_too_long_is_refused_with_the_option_named(
    short: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ((), ("--on-error", "skip")):
        assert invoke(command(short, *more)) == 2
        err = capsys.readouterr().err
        assert "1 of 3 turns leave no room for a reply" in err
        assert "Set on_long to skip or cut_context, lower max_tokens" in err
    assert not Path("made.jsonl").exists()
    with pytest.raises(RenderError, match="on_long"):
        handrail.generate("turns.jsonl", short, max_tokens=ROOM)


def test_it_is_left_out_and_counted(short: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = summary(capsys, command(short, "--on-long", "skip"))
    reason = "its prompt and the longest reply take more than the model's positions"
    assert found["turns"] == 2
    assert found["skipped_reasons"][reason] == 1
    asked = read_jsonl("turns.jsonl", Turn).records
    assert [t.id for t in read_jsonl("made.jsonl", Turn).records] == [t.id for t in asked[:2]]
    assert invoke(command(short, "--on-long", "skip")) == 0
    assert f"Left out or cut, 1 time: turn: {reason}, first {asked[2].id} (" in (
        capsys.readouterr().out
    )


def test_it_is_cut_and_counted_and_written_with_its_whole_context(
    short: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = summary(capsys, command(short, "--on-long", "cut_context"))
    assert found["turns"] == 3
    assert (
        found["skipped_reasons"]["its oldest messages left out to fit the model's positions"] == 1
    )
    asked = read_jsonl("turns.jsonl", Turn).records
    made = read_jsonl("made.jsonl", Turn).records
    assert [t.context for t in made] == [t.context for t in asked]
    # It is the reply to what is left of the context.
    again = handrail.generate("turns.jsonl", short, max_tokens=ROOM, on_long="cut_context")
    assert again.turns == tuple(made)
    (skip,) = (s for s in again.skipped if s.what == "context of a turn")
    lost = int(skip.where.split("(")[1].split(" of ")[0])
    cut = asked[2].model_copy(update={"context": asked[2].context[lost:]})
    (alone,) = handrail.generate([cut], short, max_tokens=ROOM).turns
    assert alone.replies == made[2].replies


def test_what_cannot_be_asked_is_refused(short: str) -> None:
    with pytest.raises(SettingError, match="on_long is 'cut'"):
        handrail.generate("turns.jsonl", short, on_long="cut")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="Did you mean 'max_tokens'"):
        handrail.generate("turns.jsonl", short, max_token=3)  # type: ignore[call-arg]
    with pytest.raises(RecordError, match="no turns to reply to"):
        handrail.generate([], short)
    with pytest.raises(RecordError, match="no turns to learn from"):
        handrail.train([], model=short)
