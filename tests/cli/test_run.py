"""`handrail run`: settings from everywhere reach the recipe, and its summary comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.recipes import RECIPES, FlowSettings, Recipe
from handrail.recipes.run import Progress, write_json
from handrail.records import RunError, SettingError

GAIN = {"estimate": 0.12, "low": 0.05, "high": 0.19}


def small(
    settings: FlowSettings, out: Path, progress: Progress, frozen: bool = False
) -> dict[str, Any]:
    """Writes what a recipe writes, without its work."""
    progress("work", 1, 1, "done")
    write_json(out / "config.json", {"recipe": "small1", "settings": settings.model_dump()})
    page = out / "report.html"
    page.write_text(page.read_text() + f"again {frozen}" if page.exists() else "first")
    return {"adherence_gain": GAIN, "seeds": settings.seeds, "settings": settings.model_dump()}


@pytest.fixture(autouse=True)
def recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(RECIPES, "small1", Recipe("small1", "does nothing", FlowSettings, small))
    monkeypatch.chdir(tmp_path)
    Path("runs/small1").mkdir(parents=True)


def test_options_config_and_set_reach_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.yaml").write_text("seeds: 5\nbatch_size: 4\nlearning_rates: {sft: 1e-3}\n")
    line = ["run", "small1", "--config", "s.yaml", "--seeds", "2", "--model", "other", "--json"]
    more = ["--conversations", "talks.csv", "--playbook", "rules.yaml", "--set", "temperature=0.5"]
    assert invoke([*line, *more]) == 0
    out, err = capsys.readouterr()
    settings = json.loads(out)["settings"]
    assert settings["seeds"] == 2  # an option wins over the file
    assert (settings["batch_size"], settings["temperature"]) == (4, 0.5)
    assert settings["learning_rates"] == {"sft": 1e-3}
    assert settings["model"] == "other"
    assert (settings["conversations"], settings["playbook"]) == ("talks.csv", "rules.yaml")
    assert "work: 100%" in err


def test_a_reader_gets_the_headline_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "small1"]) == 0
    out = capsys.readouterr().out
    assert "+12.0 points (95 % interval +5.0 to +19.0)" in out
    assert f"Report: {Path('runs/small1/report.html')}" in out


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (["smal1"], "Did you mean 'small1'?"),
        (["small1", "--set", "sedes=1"], "Did you mean 'seeds'?"),
        (["small1", "--set", "seeds=many"], "'seeds' cannot be 'many'"),
        (["small1", "--seeds", "0"], "'seeds' cannot be 0"),
        (["small1", "--set", "seeds"], "--set name=value"),
        (["small1", "--config", "none.yaml"], "cannot be read"),
    ],
)
def test_what_cannot_be_run_is_answered_with_the_mend(
    line: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["run", *line]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert problem in err


def test_recipes_and_their_settings_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("quickstart", "flow1", "flow2"))
    assert invoke(["run", "flow1", "--list-settings", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["settings"]
    assert {r["name"] for r in rows} == set(FlowSettings.model_fields)


def test_a_report_is_written_again_with_the_runs_own_settings() -> None:
    handrail.run("small1", seeds=4)
    page = handrail.report("runs/small1")
    assert page.read_text() == "firstagain True"
    config = json.loads(Path("runs/small1/config.json").read_text())
    assert config["settings"]["seeds"] == 4
    Path("empty").mkdir()
    with pytest.raises(RunError, match="not the folder of a run"):
        handrail.report("empty")


def test_an_unknown_setting_names_the_recipe_and_the_nearest_name(tmp_path: Path) -> None:
    told = "there is no setting 'train_point' for the recipe flow1. Did you mean 'train_points'?"
    with pytest.raises(SettingError) as caught:
        handrail.run("flow1", tmp_path, {"train_point": 8})
    assert str(caught.value) == told
    with pytest.raises(SettingError, match=r"^first_seed and seeds go past"):
        handrail.run("flow1", tmp_path, {"first_seed": 498_999, "seeds": 2})
