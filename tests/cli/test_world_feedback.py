"""`handrail world feedback`: the file, the counts, and numbers that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_turns_with_feedback_and_their_counts(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--turns", "8", "--replies", "3", "--seed", "4", "--out", "f.jsonl"]
    assert invoke(["world", "feedback", *words, "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    made = world.feedback_turns(8, 3, seed=4)
    assert handrail.read("f.jsonl").records == made.turns
    ratings = [r.rating for t in made.turns for r in t.replies if r.rating is not None]
    assert found["low"] == sum(x <= 0.4 for x in ratings) / 24
    assert found["low"] + found["middle"] + found["high"] == pytest.approx(1)
    assert found["pairs"] == sum(1 for t in made.turns for _ in t.pairs())
    assert 0.5 < found["right"] <= 1


def test_the_truth_is_written_on_demand_only(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["world", "feedback", "--turns", "2", "--seed", "4", "-q"]
    assert invoke([*words, "--out", "plain.jsonl"]) == 0
    assert invoke([*words, "--truth", "--noise", "0", "--out", "truth.jsonl"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 turns with 4 replies each: plain.jsonl\nRatings: ")
    assert "pairs, 100.0% are in the order of the truth" in out
    assert '"truth"' not in Path("plain.jsonl").read_text()
    for turn in handrail.read("truth.jsonl").records:
        for reply in turn.replies:
            assert reply.labels["truth"] == pytest.approx(world.quality(turn, reply.text))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--replies", "1"], "Give 2 to 16"),
        (["--noise", "-1"], "noise is -1.0"),
        (["--noise", "nan"], "noise is nan"),
        (["--annotators", "0"], "Give at least one"),
        (["--turns", "0"], "0 is not in the range"),
        (["--out", "x.csv"], "JSON Lines"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_cannot_be(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["world", "feedback", "--turns", "2", "--out", "f.jsonl", "-q", *words]
    assert invoke(line) == 2
    assert told in capsys.readouterr().err
    assert not list(Path().glob("*"))
