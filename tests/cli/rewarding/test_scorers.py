"""Scorers by name: combined ones from a file, also as a judge; a model's identity."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.cli.rewarding import scorers
from handrail.cli.rewarding.scorers import kept, open_scorer
from handrail.records import HandrailError, ModelError, Reply, Scorer, Turn, write_jsonl
from handrail.rewards.combining.combine import CombinedReward
from tests.rewards.fakes import Batched, Trained, turn

MIX = "{parts: [{model: pref, weight: 3}, {model: abs, as: probability}], clip: 4}"


def fake(name: str) -> Scorer:
    if Path(name).name not in ("pref", "abs"):
        raise ModelError("there is no such model", where=name)
    return (
        Trained({"a": 0.0, "b": 1.0}, name)
        if name == "abs"
        else Batched({"a": 1.0, "b": 2.0}, name)
    )


def test_a_file_combines_models(tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text(MIX)
    made = open_scorer(f"reward:{tmp_path / 'mix.yaml'}", fake)
    assert isinstance(made, CombinedReward)
    assert made.score(turn(), ["a"]) == [pytest.approx((3 * 1.0 + 0.5) / 4)]
    assert open_scorer("pref", fake).name == "pref"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "mix.yaml",
            "parts: [{model: gone}]",
            "mix.yaml, parts[0].model (gone): there is no such model",
        ),
        ("mix.yaml", "- 3", "mix.yaml: settings are a mapping"),
        ("mix.yaml", "parts: [", "mix.yaml, line 1, column 9: this is neither YAML nor JSON"),
        ("other.yml", "parts: []", "mix.yaml: cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_told(
    name: str, text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    with pytest.raises(HandrailError) as error:
        open_scorer("mix.yaml", fake)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("lenght", "length"),
        ("Length", "length"),
        ("reward:playbok", "playbook"),
        ("shortr", "shorter"),
        ("constnat", "constant"),
    ],
)
def test_a_rule_spelt_wrongly_is_told_before_a_model_is_asked_for(name: str, near: str) -> None:
    def never(model: str) -> Scorer:
        raise AssertionError(f"{model} is asked for")

    with pytest.raises(ModelError) as error:
        open_scorer(name, never)
    assert error.value.mend == f"Did you mean '{near}'?"


def test_what_is_near_to_no_rule_is_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lenght").mkdir()
    names = ["gpt2", "random-model", "someone/lenght", "./lenght", "lenght", "model:constant"]
    asked: list[str] = []

    def opened(name: str) -> Scorer:
        asked.append(name)
        return fake("pref")

    for name in names:
        open_scorer(name, opened)
    assert asked == names


def test_a_part_of_a_combined_reward_is_checked_as_well(tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text("parts: [{model: lenght}]")
    with pytest.raises(ModelError, match="Did you mean 'length'"):
        open_scorer(str(tmp_path / "mix.yaml"))


def systems(tmp_path: Path) -> list[str]:
    """Two systems that answer four turns: one at length."""
    for name, text in (("brief", "Yes."), ("wordy", "Yes, and let me tell you much more.")):
        turns = [
            Turn(
                id=f"t{n}", context=turn(f"q{n}").context, replies=(Reply(text=text, author=name),)
            )
            for n in range(4)
        ]
        write_jsonl(tmp_path / f"{name}.jsonl", turns)
    return [str(tmp_path / f"{name}.jsonl") for name in ("brief", "wordy")]


def test_a_combined_reward_judges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "short.yaml"
    spec.write_text("parts: [{rule: length, weight: 1}, {length: {over: 1, per_word: 50}}]")
    assert invoke(["judge", *systems(tmp_path), "--judge", f"reward:{spec}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["judge"] == "reward:short"
    rates = {rate["system"]: rate["estimate"] for rate in told["win_rates"]}
    assert rates == {"brief": 1.0, "wordy": 0.0}
    spec.write_text("parts: [{rule: lenght}]")
    assert invoke(["judge", *systems(tmp_path), "--judge", f"reward:{spec}"]) == 2
    assert "parts[0].rule: there is no rule 'lenght'" in capsys.readouterr().err


def test_a_judge_of_one_rule_by_name(tmp_path: Path) -> None:
    brief, wordy = systems(tmp_path)
    judged = handrail.judge({"brief": brief, "wordy": wordy}, judge="reward:rule:length")
    assert {v.outcome for v in judged.verdicts} == {"B"}


def test_a_model_that_changed_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pref"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    opened: list[str] = []

    def open_it(name: str, llm: Any = None) -> Scorer:
        opened.append(name)
        return Batched({"a": float(len(opened))}, "pref")

    monkeypatch.setattr(scorers, "_open", open_it)
    keep = tmp_path / "kept"
    assert kept(str(folder), keep).score(turn(), ["a"]) == [1.0]
    assert kept(str(folder), keep).score(turn(), ["a"]) == [1.0]
    os.utime(folder / "config.json", (1, 1))
    assert kept(str(folder), keep).score(turn(), ["a"]) == [2.0]
    assert len(opened) == 2


def test_no_model_is_told_before_anything_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="no such folder, and no such model in the hub's cache"):
        kept("nobody/none", None)
    with pytest.raises(ModelError, match="there is no such folder"):
        kept("./none", None)


def test_tokens_and_parameters_of_a_reward_model(tmp_path: Path) -> None:
    from tests.models.rewards.test_load import folder

    one = kept(str(folder(tmp_path / "rm")), None)
    given = turn()
    (score,) = one.score(given, ["yes"])
    assert score == pytest.approx(
        open_scorer(str(tmp_path / "rm")).score(given, ["yes"])[0], abs=1e-3
    )
    renderer = one.opened.scorer.renderer  # type: ignore[attr-defined]
    tokens = len(renderer.prompt_ids(given)) + len(renderer.reply_ids("yes"))
    assert one.cost().tokens == 1000 * tokens
    assert (one.cost().parameters or 0) > 1000


def test_tokens_of_a_length_are_the_tokenizers(tmp_path: Path) -> None:
    from tests.models.rewards.test_load import folder

    folder(tmp_path / "rm")
    spec = tmp_path / "mix.yaml"
    spec.write_text("parts: [{rule: length}, {length: {over: 0, per_token: 1, tokenizer: rm}}]")
    made = open_scorer(str(spec))
    assert isinstance(made, CombinedReward)
    (whole,) = made.parts_all([(turn(), "yes or no")]).penalties["length"]
    (word,) = made.parts_all([(turn(), "yes")]).penalties["length"]
    assert whole > word >= 1


def test_tokens_of_an_encoder_are_those_of_the_pair(tmp_path: Path) -> None:
    from handrail.models import ModelSettings, new_reward
    from tests.models.encoders import folder

    base = folder(tmp_path / "base", positions=60)
    reward = new_reward(base, ModelSettings(device="cpu"))
    reward.trained_with = "rating/mse"
    saved = reward.save(tmp_path / "rm")
    one = kept(str(saved), None)
    one.score(turn(), ["yes"])
    few = one.cost().tokens or 0
    assert few >= 1000 * 4  # [CLS] prompt [SEP] reply [SEP]
    other = kept(str(saved), None)
    other.score(turn(), ["yes yes yes"])
    assert few < (other.cost().tokens or 0) <= 1000 * 60
    assert one.trained_with == "rating/mse"
    assert one.probability(0.3) == 0.3
