"""`handrail reward select`: tables, page, recommendation, and scores that are made once."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.cli.rewarding import scorers, selecting
from handrail.records import (
    AskProgress,
    HandrailError,
    Reply,
    Scorer,
    SettingError,
    Turn,
    write_jsonl,
)
from handrail.rewards.combining.combine import CombinedReward, Part
from handrail.rewards.evaluating.costs import Cost
from handrail.rewards.evaluating.scores import scored_reply
from tests.rewards.fakes import Batched, turn


def question(n: int, category: str) -> Turn:
    replies = (Reply(text=f"good {n}", rank=1), Reply(text=f"a bad one {n}", rank=2))
    return turn(f"q{n}", id=f"t{n}", tags={"category": category}, replies=replies)


TURNS = [question(n, "ab"[n % 2]) for n in range(40)]


def model(name: str, right: int) -> Batched:
    """Prefers the better reply of the first `right` questions."""
    scores = {f"good {n}": 1.0 if n < right else -1.0 for n in range(40)}
    return Batched(scores | {f"a bad one {n}": 0.0 for n in range(40)}, name)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_jsonl("turns.jsonl", TURNS)
    for name in ("pref", "abs"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were opened."""
    opened: list[str] = []

    def open_it(name: str, llm: Any = None) -> Scorer:
        opened.append(name)
        return model(Path(name).name, 36 if name.endswith("pref") else 30)

    monkeypatch.setattr(scorers, "_open", open_it)
    return opened


def test_matches_are_counted_and_the_best_is_recommended() -> None:
    made = handrail.select_reward([model("m", 39), model("n", 12), "length"], TURNS)
    assert made.recommended == "m"
    assert made.selection.table.totals_M.tolist() == [39, 12, 0]
    assert made.selection.table.per_category == 20
    lines = made.text().splitlines()
    assert lines[0].split() == ["Category", "(of", "20)", "m", "n", "rule:length"]
    assert [line.split()[-3:] for line in lines if line.startswith("No.")] == [["39", "12", "0"]]
    assert [line.split()[-3:] for line in lines if line.startswith("Avg.")] == [
        ["19.50", "6.00", "0.00"]
    ]
    assert "Recommended: m. It matches 97.5% of 40 questions" in made.text()
    assert "Every other model is worse; the next is n, by +67.5 points" in made.text()
    assert "Fewer than 50 questions: a (20), b (20)." in made.text()
    told = made.summary()
    assert (told["recommended"], told["questions"], told["short_categories"]) == (
        "m",
        40,
        {"a": 20, "b": 20},
    )
    assert [one["matches"] for one in told["models"]] == [39, 12, 0]
    assert told["models"][0]["categories"]["a"]["n"] == 20


def test_models_that_tie_are_told_and_one_that_is_far_cheaper_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {"m": 3.0, "n": 2.0}
    monkeypatch.setattr(selecting, "_cost", lambda scorer, _measured: Cost(seconds[scorer.name]))

    def made() -> selecting.Choice:
        return handrail.select_reward([model("m", 38), model("n", 37)], TURNS, per_category=20)

    near = made()
    assert {one.name for one in near.selection.tied} == {"m", "n"}
    assert "m has the most matches (95.0%), and these cannot be told apart from it" in near.text()
    assert near.recommended == "m"
    assert "None of these 2 models is far cheaper: 3 s per 1,000 scores." in near.text()
    assert near.drawn.short == {}
    seconds["n"] = 1.0
    far = made()
    assert far.recommended == "n"
    assert (
        "n is the cheapest of these 2 models: 1 s per 1,000 scores, where m takes 3 s."
        in far.text()
    )


def test_a_floor_that_ties_is_told_and_not_taken() -> None:
    made = handrail.select_reward([model("m", 3), "rule:random"], TURNS)
    assert "None of them is shown" in made.text() or "rule:random knows nothing" in made.text()
    tied = handrail.select_reward([model("m", 24), "rule:random"], TURNS)
    assert tied.recommended == "m"
    assert "rule:random knows nothing of quality" in tied.text()


def test_no_score_is_told_by_model_and_left_out_for_all(tmp_path: Path) -> None:
    gaps = model("gaps", 40)
    for n in range(6):
        del gaps.scores[f"good {n}"]  # type: ignore[attr-defined]
    made = handrail.select_reward([gaps, model("m", 10)], TURNS)
    assert made.selection.left_out == 6
    assert "6 questions left out for all, for want of a score: gaps 6." in made.text()
    made.write(tmp_path / "out")
    rows = [
        json.loads(line) for line in (tmp_path / "out/questions.jsonl").read_text().splitlines()
    ]
    assert sum(row["scores"]["gaps"][0] is None for row in rows) == 6
    assert all(row["scores"]["m"][1] == 0.0 for row in rows)
    with pytest.raises(SettingError, match="'none' scored no question"):
        handrail.select_reward([Batched({}, "none"), model("m", 1)], TURNS)


def test_a_second_run_scores_nothing(data: Path, asked: list[str], capsys: Any) -> None:
    (data / "mix.yaml").write_text("parts: [{model: runs/pref}, {model: runs/abs}]")
    words = ["reward", "select", "runs/pref", "runs/abs", "mix.yaml", "length"]
    words += ["--data", "turns.jsonl", "--json"]
    assert invoke([*words, "--out", "choice"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["recommended"] == "pref"
    assert first["scored_now"] == 3 * 80  # the combined one asks no model again
    assert sorted(asked) == ["runs/abs", "runs/pref"]
    assert invoke([*words, "--out", "choice"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["scored_now"] == 80  # the rule's, which costs nothing
    assert len(asked) == 2
    assert [m["share"] for m in first["models"]] == [m["share"] for m in second["models"]]
    costs = {m["name"]: m["cost_per_1000"]["seconds"] for m in second["models"]}
    assert costs["mix.yaml"] == pytest.approx(costs["pref"] + costs["abs"])
    page = (data / "choice/report.html").read_text()
    for text in ("Choosing a reward model", "No. of matches (/40)", "handrail reward select"):
        assert text in page
    assert json.loads((data / "choice/selection.json").read_text())["recommended"] == "pref"
    assert invoke([*words, "--no-scores"]) == 0
    assert json.loads(capsys.readouterr().out)["scored_now"] == 3 * 80


def test_a_kill_loses_no_model_that_was_done(
    data: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    words = ["reward", "select", "runs/pref", "runs/abs", "--data", "turns.jsonl", "--json"]
    ok = scorers._open

    def open_it(name: str, llm: Any = None) -> Scorer:
        if name.endswith("abs"):
            killed()
        return ok(name, llm)

    monkeypatch.setattr(scorers, "_open", open_it)
    assert invoke(words) == 130
    assert "Scores are kept" in capsys.readouterr().err
    monkeypatch.setattr(scorers, "_open", ok)
    assert invoke(words) == 0
    assert json.loads(capsys.readouterr().out)["scored_now"] == 80
    assert asked == ["runs/pref", "runs/abs"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["./none", "--data", "turns.jsonl"], "./none: there is no such folder"),
        (["rule:lenth", "--data", "turns.jsonl"], "Did you mean 'length'?"),
        (["length", "rule:length", "--data", "turns.jsonl"], "two models have the name"),
        (["length", "--data", "none.jsonl"], "none.jsonl: there is no such file"),
        (["length", "--data", "empty.jsonl"], "empty.jsonl: the file is empty"),
        (["length", "--data", "tied.jsonl"], "no turn has a better and a worse reply"),
        (["length", "--data", "turns.jsonl", "--out", "turns.jsonl"], "this is a file"),
        (["mix.yaml", "--data", "turns.jsonl"], "mix.yaml: cannot be read"),
        (["length", "--data", "turns.jsonl", "--per-category", "0"], "x>=1"),
        (["--data", "turns.jsonl"], "Missing argument 'MODEL...'"),
    ],
)
def test_what_is_wrong_is_told(data: Path, words: list[str], told: str, capsys: Any) -> None:
    (data / "empty.jsonl").write_text("")
    write_jsonl("tied.jsonl", [turn(replies=(Reply(text="a", rank=1), Reply(text="b", rank=1)))])
    assert invoke(["reward", "select", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_combination_that_runs_on_is_scored_at_once() -> None:
    seen: list[int] = []

    class Counted(Batched):
        def score_all(self, replies: Any, progress: AskProgress | None = None) -> list[float]:
            seen.append(len(replies))
            return super().score_all(replies, progress)

    inner = Counted(model("m", 30).scores, "m")
    mixed = CombinedReward((Part(inner),), normalise=True, name="mixed")
    made = handrail.select_reward([mixed, model("m", 30)], TURNS)
    assert seen == [80]
    table = made.selection.table
    assert table.matches_CM[:, 0].tolist() == table.matches_CM[:, 1].tolist()
    assert math.isfinite(made.selection.candidates[0].cost.seconds or math.nan)


def test_models_are_called_by_their_run_and_whole_where_these_are_alike(
    data: Path, asked: list[str]
) -> None:
    for run in ("runs/pref", "runs/abs", "other/pref"):
        (data / run / "final").mkdir(parents=True)

    def called(*models: str) -> list[str]:
        made = handrail.select_reward(models, TURNS)
        return [one.name for one in made.selection.candidates]

    assert called("runs/pref/final", "runs/abs") == ["pref", "abs"]
    alike = ["runs/pref/final", "other/pref/final"]
    assert called(*alike) == alike


def test_a_file_of_scores_stands_for_its_model(data: Path) -> None:
    one = model("pref", 33)
    lines = [
        scored_reply(turn_, place, one.scores[reply.text], "pref", "bradley_terry")
        for turn_ in TURNS
        for place, reply in enumerate(turn_.replies)
    ]
    write_jsonl("scored.jsonl", lines)
    made = handrail.select_reward(["scored.jsonl", "length"], "turns.jsonl")
    assert made.selection.table.totals_M.tolist() == [33, 0]
    assert made.selection.best.cost.seconds is None
    write_jsonl("scored.jsonl", lines[:3])
    with pytest.raises(HandrailError, match="no score of a reply of turn"):
        handrail.select_reward(["scored.jsonl"], "turns.jsonl")


def test_a_language_model_grades(data: Path, capsys: Any) -> None:
    words = ["reward", "select", "model:world", "length", "--data", "turns.jsonl"]
    assert invoke([*words, "--per-category", "3", "--json", "--quiet"]) == 0
    graded = json.loads(capsys.readouterr().out)["models"][0]
    assert graded["name"] == "model:world"
    assert graded["unscored"] == 0
    assert graded["cost_per_1000"]["money"] == 0.0
