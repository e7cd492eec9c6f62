"""Opening a language model: what is refused first, and when the care world is served for it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from handrail.judges import ModelAssessor
from handrail.recipes.opening import WORLD, check_endpoint, model_name, open_endpoint
from handrail.records import Assessment, JudgeError, RunError, SettingError
from handrail.sampling.server import AnswerCache, Prices
from handrail.world import Oracle, training_turns


def served() -> int:
    """How many servers of the care world this process runs."""
    return sum(thread.name == "care-world" for thread in threading.enumerate())


def test_the_name_of_a_model_is_what_its_endpoint_calls_it() -> None:
    assert model_name("openai:gpt-4o") == model_name("gpt-4o") == "gpt-4o"
    assert model_name("world:wrong=0.1") == "world:wrong=0.1"
    for empty in ("openai:", ""):
        with pytest.raises(SettingError, match=f"'{empty}' names no model"):
            model_name(empty)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"in_flight": 0}, "'in_flight' cannot be '0'"),
        ({"max_cost": 1.0}, "no price for 'm'"),
        ({"retrys": 1}, "Did you mean 'retries'"),
        ({"cache": "x"}, "there is no setting 'cache'"),
        ({"prices": "x"}, "there is no setting 'prices'"),
        ({"faults": {}}, "there is no setting 'faults'"),
    ],
)
def test_nothing_is_opened_where_a_setting_cannot_be(
    tmp_path: Path, given: dict[str, Any], problem: str
) -> None:
    before = served()
    with pytest.raises(SettingError, match=problem):
        check_endpoint("m", **given)
    with pytest.raises(SettingError, match=problem):
        open_endpoint("m", tmp_path / "answers.sqlite", None, {}, **given)
    assert served() == before
    assert not (tmp_path / "answers.sqlite").exists()


def test_no_server_is_left_where_answers_cannot_be_kept(tmp_path: Path) -> None:
    before = served()  # the answers' file is opened first
    with pytest.raises(RunError, match="it is a folder"):
        open_endpoint(WORLD, tmp_path, None, {})
    with pytest.raises(SettingError, match="wrnog"):
        open_endpoint(WORLD, None, None, {"wrnog": 0.1})
    assert served() == before


def test_the_world_is_served_where_it_plays_the_model_only(tmp_path: Path) -> None:
    before = served()
    plain = open_endpoint("m", base_url="http://localhost:1/v1")
    assert plain.settings.base_url == "http://localhost:1/v1"
    assert (plain.cache, served()) == (None, before)
    played = open_endpoint(WORLD, str(tmp_path / "answers.sqlite"), None, {"refuse": 1.0})
    assert served() == before + 1
    (turn, *_) = training_turns(1, seed=1)
    reply = [(turn, turn.replies[0].text)]
    (refused,) = ModelAssessor(played).assess_all(reply)
    assert isinstance(refused, JudgeError)
    assert refused.kind == "refusal"
    assert played.cache is not None
    other = open_endpoint(WORLD, played.cache, Prices.read(), {})
    assert other.cache is played.cache
    (told,) = ModelAssessor(other).assess_all(reply)
    assert isinstance(told, Assessment)
    assert told.keeps == Oracle().assess(turn, turn.replies[0].text).keeps != ()
    assert [n for n, _ in AnswerCache(tmp_path / "answers.sqlite").totals().values()] == [1]
