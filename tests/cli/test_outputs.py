"""Files that commands write: their names say what they hold, and nobody's file is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.cli.names import stem
from handrail.records import Message, Reply, SettingError, Turn, write_jsonl

TURN = Turn(
    context=(Message(role="user", content="Hi"),), replies=(Reply(text="Hello"), Reply(text="Go"))
)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl("t.jsonl", world.training_turns(2, 1))
    Path("chats.csv").write_text("id,role,text\n1,agent,Hi\n")


@pytest.mark.parametrize(
    "line",
    [
        ["data", "convert", "star", "none", "OUT"],
        ["data", "convert", "star", "none", "out.jsonl", "--turns", "OUT"],
        ["data", "import", "chats.csv", "OUT"],
        ["data", "turns", "t.jsonl", "OUT"],
        ["generate", "--turns", "t.jsonl", "--model", "none", "--out", "OUT"],
        ["judge", "t.jsonl", "none.jsonl", "--out", "OUT"],
        ["world", "generate", "--out", "OUT"],
        ["world", "train-turns", "--out", "OUT"],
    ],
    ids=lambda line: " ".join(line[:2]),
)
@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz"])
def test_records_are_not_written_under_another_ending(
    line: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([name if word == "OUT" else word for word in line]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Error: {name}: records are written as JSON Lines, and this name ends")
    assert not Path(name).exists()


def test_records_are_not_written_under_another_ending_by_the_api() -> None:
    with pytest.raises(SettingError, match="JSON Lines"):
        handrail.write("x.parquet", [TURN])
    turns = handrail.read("t.jsonl").records
    with pytest.raises(SettingError, match="JSON Lines"):
        handrail.judge({"a": turns, "b": turns}).write("v.csv")
    assert not list(Path().glob("[vx].*"))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a/turns.jsonl", "turns"),
        ("turns.jsonl.gz", "turns"),
        ("v.2026-11-01.JSONL.GZ", "v.2026-11-01"),
        ("g.base.parquet", "g.base"),
        ("g.l", "g.l"),
        ("x.jsonl.json", "x.jsonl"),
        (".jsonl", ".jsonl"),
        ("chats.csv", "chats"),
    ],
)
def test_a_stem_loses_the_ending_alone(name: str, wanted: str) -> None:
    assert stem(name) == wanted


def test_failed_judgements_of_another_date_stay() -> None:
    turns = handrail.read("t.jsonl").records
    write_jsonl("none.jsonl", [turn.model_copy(update={"replies": ()}) for turn in turns])
    write_jsonl("also.jsonl", turns)
    for day, other in (("01", "none.jsonl"), ("02", "also.jsonl")):
        line = ["judge", "t.jsonl", other, "--out", f"verdicts.2026-11-{day}.jsonl", "--quiet"]
        assert invoke(line) == 0
    assert Path("verdicts.2026-11-01.errors.jsonl").exists()
    assert not Path("verdicts.2026-11-02.errors.jsonl").exists()
    assert not Path("verdicts.errors.jsonl").exists()


def test_a_file_that_is_read_is_not_where_failed_judgements_go(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = handrail.read("t.jsonl").records
    write_jsonl("v.errors.jsonl", turns)
    assert invoke(["judge", "t.jsonl", "v.errors.jsonl", "--out", "v.jsonl"]) == 2
    assert "v.errors.jsonl: this is the file that is read" in capsys.readouterr().err
    assert handrail.read("v.errors.jsonl").records == turns


def test_systems_are_named_after_the_whole_name(capsys: pytest.CaptureFixture[str]) -> None:
    turns = handrail.read("t.jsonl").records
    Path("sub").mkdir()
    for name in ("g.l.jsonl", "g.base.jsonl", "sub/g.l.jsonl"):
        write_jsonl(name, turns)
    assert invoke(["judge", "g.l.jsonl", "g.base.jsonl", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {rate["system"] for rate in found["rates"]} == {"g.l", "g.base"}
    assert invoke(["judge", "g.l.jsonl", "sub/g.l.jsonl"]) == 2
    assert capsys.readouterr().err == (
        "Error: g.l.jsonl and sub/g.l.jsonl both name the system 'g.l'. Rename one: a file's name "
        "without its ending names the system\n"
    )
