"""`handrail reward score`: a line per reply and model, quartiles, nothing lost by a kill."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.cli.rewarding.scorers import open_scorer
from handrail.models import ModelSettings, new_reward
from handrail.records import RecordError, SettingError, Turn, write_jsonl
from handrail.rewards.evaluating.scores import read_scores
from tests.models import encoders

CPU = ModelSettings(device="cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small reward model of few positions, which long replies do not fit."""
    at = tmp_path_factory.mktemp("score")
    reward = new_reward(encoders.folder(at / "base", "bert", 1200), CPU)
    reward.trained_with = "rating/logistic"
    return reward.save(at / "rm")


@pytest.fixture
def turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Turn]:
    monkeypatch.chdir(tmp_path)
    made = world.feedback_turns(5, seed=3).turns
    long = made[0].replies[0].model_copy(update={"text": "word " * 2000, "author": "long"})
    made[0] = made[0].model_copy(update={"replies": (long, *made[0].replies[1:])})
    return made


def test_the_command_writes_scores_and_shows_quartiles(
    model: Path, turns: list[Turn], capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl("turns.jsonl", turns)
    line = ["reward", "score", "turns.jsonl", "--model", str(model), "--model", "length"]
    assert invoke([*line, "--out", "s.jsonl", "--quiet", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    scored = read_scores("s.jsonl")
    assert [one.score for one in scored if one.model == str(model)] == pytest.approx(
        [
            None if math.isnan(score) else score
            for turn in turns
            for score in handrail.models.load_reward(model, CPU).score(
                turn, [r.text for r in turn.replies]
            )
        ],
        abs=0.02,  # bfloat16 where it is native
    )
    assert scored[0].score is None
    assert summary["replies"] == 20
    assert [m["unscored"] for m in summary["models"]] == [1, 0]
    whole = summary["models"][0]["spreads"][0]
    assert whole["n"] == 19
    assert whole["least"] <= whole["q1"] <= whole["median"] <= whole["q3"] <= whole["most"]
    assert {m["model"]: m for m in summary["models"]}["length"]["spreads"][0]["most"] > 9000
    assert not Path("s.jsonl.kept").exists()
    assert invoke([*line, "--out", "s.jsonl", "--quiet"]) == 0
    assert "1 reply has no score: it does not fit the model" in capsys.readouterr().out


def test_a_file_of_scores_stands_for_the_model(model: Path, turns: list[Turn]) -> None:
    made = handrail.score_replies(turns, [model, "length"])
    made.write("s.jsonl")
    scorer = open_scorer(f"s.jsonl:{model}")
    assert scorer.trained_with == "rating/logistic"  # type: ignore[attr-defined]
    texts = [r.text for r in turns[1].replies]
    own = [one.score for one in made.scored if one.turn == turns[1].id and one.model == str(model)]
    assert scorer.score(turns[1], texts) == own


def test_what_was_scored_before_a_kill_is_kept(
    model: Path, turns: list[Turn], monkeypatch: pytest.MonkeyPatch
) -> None:
    from handrail.models.rewards.encoder import EncoderReward

    def killed(self: EncoderReward, *given: object) -> list[float]:
        raise KeyboardInterrupt

    first = handrail.score_replies(turns[:3], model, keep="kept")
    monkeypatch.setattr(EncoderReward, "score_all", killed)
    again = handrail.score_replies(turns[:3], model, keep="kept")
    assert again.scored == first.scored
    with pytest.raises(KeyboardInterrupt):
        handrail.score_replies(turns, model, keep="kept")


def test_what_cannot_be_scored_is_told(model: Path, turns: list[Turn]) -> None:
    bare = [turn.model_copy(update={"replies": ()}) for turn in turns]
    with pytest.raises(RecordError, match="no turn has a reply"):
        handrail.score_replies(bare, model)
    with pytest.raises(SettingError, match="named twice"):
        handrail.score_replies(turns, ["length", "length"])
    with pytest.raises(SettingError, match="no model to score with"):
        handrail.score_replies(turns, [])
    write_jsonl("turns.jsonl", turns)
    assert (
        invoke(["reward", "score", "turns.jsonl", "--model", "length", "--out", "turns.jsonl"]) == 2
    )
    assert invoke(["reward", "score", "turns.jsonl", "--model", "./none", "--out", "s.jsonl"]) == 2
    assert not Path("s.jsonl").exists()
