"""Test and feedback prompts over the model's positions are met before anything is trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from handrail.recipes import RECIPES, report_again
from handrail.recipes.corpus import Corpora
from handrail.recipes.settings import FlowSettings, QuickstartSettings
from handrail.records import RenderError, Reply, RunError, Turn, read_jsonl
from handrail.trees import Renderer

SMALL: dict[str, Any] = {
    "train_points": 20,
    "feedback_points": 20,
    "test_turns": 10,
    "seeds": 1,
    "reply_tokens": 12,
    "threads": 1,
    "learning_rates": {"sft": 1e-3, "ipo": 1e-4, "kto_pair": 1e-4},
}


def sizes_of(model: Path, turns: Any) -> list[int]:
    renderer = Renderer(AutoTokenizer.from_pretrained(model))
    return [len(renderer.prompt_ids(turn)) for turn in turns]


@pytest.fixture(scope="module")
def short_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with positions for a good half of the test prompts, and for all playbooks."""
    folder = tmp_path_factory.mktemp("short") / "model"
    shutil.copytree(tiny_model, folder)
    corpus = Corpora(FlowSettings(**SMALL)).of(0)
    middle = sorted(sizes_of(folder, corpus.test))[len(corpus.test) // 2]
    bare = [turn.model_copy(update={"context": ()}) for turn in corpus.test]
    config = json.loads((folder / "config.json").read_text())
    positions = max(middle, *sizes_of(folder, bare)) + SMALL["reply_tokens"]
    assert config["max_position_embeddings"] > positions
    config["max_position_embeddings"] = positions
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def run(recipe: str, model: Path, out: Path, on_long: str) -> tuple[dict[str, Any], str, list[str]]:
    """The summary, the page and the stages that progress was told of."""
    kind = QuickstartSettings if recipe == "quickstart" else FlowSettings
    stages: list[str] = []
    RECIPES[recipe].run(
        kind(model=str(model), on_long=on_long, **SMALL),
        out,
        lambda stage, *a, **k: stages.append(stage),
    )
    page = (out / "report.html").read_text()
    return json.loads((out / "summary.json").read_text()), page, stages


def replies(out: Path) -> int:
    path = out / "stages" / "seed0-m1-sft-test" / "replies.jsonl"
    return len(read_jsonl(path, Reply).records)


@pytest.mark.parametrize("recipe", ["quickstart", "flow2"])
def test_long_prompts_are_refused_before_anything_is_trained(
    recipe: str, short_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(RenderError, match=r"test turns leave no room.*on_long to skip"):
        run(recipe, short_model, tmp_path, "refuse")
    assert not list((tmp_path / "stages").glob("seed*"))


def test_long_prompts_are_left_out_and_counted(short_model: Path, tmp_path: Path) -> None:
    _, page, _ = run("quickstart", short_model, tmp_path, "skip")
    found = json.loads((tmp_path / "stages" / "prompts" / "prompts.json").read_text())
    assert found["left_out"]
    assert not found["dropped"]
    total = len(Corpora(FlowSettings(**SMALL)).of(0).test)
    assert replies(tmp_path) == total - len(found["left_out"])
    assert "its prompt and the longest reply take more than the model" in page


def test_long_prompts_are_cut_and_counted_and_the_judge_sees_all(
    short_model: Path, tmp_path: Path
) -> None:
    _, page, _ = run("quickstart", short_model, tmp_path, "cut_context")
    found = json.loads((tmp_path / "stages" / "prompts" / "prompts.json").read_text())
    assert found["dropped"]
    turns = Corpora(FlowSettings(**SMALL)).of(0).test
    assert replies(tmp_path) == len(turns) - len(found["left_out"])
    assert "its oldest messages left out to fit the model" in page
    judged = tmp_path / "judged" / "seed0" / "replies.jsonl.gz"
    longest = max(len(t.context) for t in turns if t.id in found["dropped"])
    shown = [t for t in read_jsonl(judged, Turn).records if t.tags["system"] == "base"]
    assert max(len(t.context) for t in shown) >= longest
    (tmp_path / "report.html").unlink()
    assert report_again(tmp_path).read_text() == page


def test_feedback_prompts_too(short_model: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none of the bot's .* cut off at reply_tokens"):
        run("flow2", short_model, tmp_path, "skip")  # it has learnt too little to end a reply
    stage = tmp_path / "stages" / "seed0-prompts-feedback" / "prompts.json"
    prompts = json.loads(stage.read_text())
    assert prompts["left_out"]
    assert {skip["what"] for skip in prompts["skipped"]} == {"feedback turn"}
