"""`handrail judge` and `judge-eval` where something is lost: a full disk, missing references."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.records import HandrailWarning, RunError, Turn
from handrail.world import training_turns
from handrail.world.serve import serving
from tests.sources.labelled import small

TURNS = training_turns(4, seed=9)[:6]


def full(*args: Any) -> None:
    raise RunError("could not be written (No space left on device)", "Free some space", "v.jsonl")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    made = []
    for place, name in ((0, "x"), (1, "y")):
        turns = [t.model_copy(update={"replies": (t.replies[place],)}) for t in TURNS]
        handrail.write(tmp_path / f"{name}.jsonl", turns)
        made.append(str(tmp_path / f"{name}.jsonl"))
    return made


def test_figures_outlive_a_full_disk(
    files: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small.put_all(tmp_path / "data")
    monkeypatch.setattr("handrail.cli.judged.write_jsonl", full)
    evaluate = ["judge-eval", "--data", str(tmp_path / "data"), "--sets", "llmbar"]
    compare = ["judge", *files, "--judge", "rule:length"]
    for line, key in ((compare, "win_rates"), (evaluate, "sets")):
        assert invoke([*line, "--out", str(tmp_path / "v.jsonl"), "--json", "-q"]) == 2
        told = capsys.readouterr()
        found = json.loads(told.out)
        assert found[key]
        assert "verdicts_file" not in found
        assert "No space left" in told.err


def test_references_that_are_missing_or_of_other_turns_are_told(tmp_path: Path) -> None:
    def judged(references: list[Turn]) -> list[str]:
        with serving() as base, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            handrail.judge(
                {"x": TURNS},
                judge="model:world",
                protocol="mt-single",
                reference=references,
                llm={"base_url": base, "no_cache": True},
            )
        return [str(w.message) for w in caught if issubclass(w.category, HandrailWarning)]

    single = [t.model_copy(update={"context": t.context[:1]}) for t in TURNS]
    whole = [t.model_copy(update={"replies": t.replies[:1]}) for t in TURNS]
    other = single[0].model_copy(update={"id": "elsewhere"})
    (told,) = judged([*whole[:2], other])
    assert told == (
        "references for 2 turns (4 turns without one, judged as they are; "
        "1 of other turns, not shown)"
    )
    assert judged(whole) == []
