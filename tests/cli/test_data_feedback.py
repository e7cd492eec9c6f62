"""`handrail data feedback`: turns, their counts, what was left out, and each way to ask wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.records import SettingError
from tests.data import need
from tests.sources.feedback.small import FLAT, GOOD, TREE, write


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_turns_are_written_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    path = need("oasst", "oasst2_subset_trees.jsonl.gz").resolve()
    line = ["data", "feedback", "oasst", str(path), "turns.jsonl", "--set", "langs=en,es"]
    assert invoke(line) == 0
    out = capsys.readouterr().out
    turns = handrail.read("turns.jsonl").records
    assert out.startswith(
        f"{len(turns)} turns: turns.jsonl\nset    turns  replies  pairs  labelled\n"
    )
    assert "  31 trees: came before (first line 39)\n" in out
    assert {t.tags["lang"] for t in turns} == {"en", "es"}
    assert invoke([*line, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    counts = summary["feedback"]["oasst"]
    assert counts["turns"] == summary["turns"] == len(turns)
    assert counts["pairs"] == sum(1 for turn in turns for _ in turn.pairs())
    assert counts["labelled"] == sum(bool(r.labels) for t in turns for r in t.replies)
    twin = handrail.load_feedback("oasst", path, langs=("en", "es"))
    assert twin.records == turns
    assert [s.model_dump() for s in twin.skipped] == summary["skipped"]


def test_every_kind_of_feedback_has_its_column(capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("kto.jsonl"), GOOD["llama_factory"][1])
    write(Path("tie.jsonl"), [GOOD["webgpt"][0][0] | {"scores": [1, 1]}])
    write(Path("rated.jsonl"), GOOD["prometheus"][0])
    heads = []
    for source, file in (("llama_factory", "kto"), ("webgpt", "tie"), ("prometheus", "rated")):
        assert invoke(["data", "feedback", source, f"{file}.jsonl", "out.jsonl"]) == 0
        heads.append(capsys.readouterr().out.splitlines()[1].split()[3:])
    assert heads == [["desirable"], ["ties"], ["rated"]]


def test_bad_rows_stop_or_are_counted_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    good = GOOD["hh_rlhf"][0][0]
    write(Path("a.jsonl"), [good, good | {"rejected": good["chosen"]}, {"chosen": "x"}])
    line = ["data", "feedback", "hh_rlhf", "a.jsonl", "out.jsonl"]
    assert invoke(line) == 2
    assert "a.jsonl, line 2: 'chosen' and 'rejected' are the same" in capsys.readouterr().err
    assert not Path("out.jsonl").exists()
    assert invoke([*line, "--on-error", "skip"]) == 0
    out = capsys.readouterr().out
    assert "Left out: 2\n" in out
    assert "  1 row: 'chosen' and 'rejected' are the same (line 2)" in out


def test_several_files_are_one_set_of_turns(capsys: pytest.CaptureFixture[str]) -> None:
    good = GOOD["hh_rlhf"][0][0]
    other = {k: v.replace("Hi", "Hey") for k, v in good.items()}
    for name, row in (("helpful", good), ("harmless", other)):
        write(Path(f"{name}.jsonl"), [row, row, {"chosen": "x"}])
    paths = ["helpful.jsonl", "harmless.jsonl"]
    line = ["data", "feedback", "hh_rlhf", *paths, "out.jsonl", "--on-error", "skip"]
    assert invoke(line) == 0
    out = capsys.readouterr().out
    assert "2 turns: repeats an earlier one (first helpful.jsonl, line 2)" in out
    turns = handrail.load_feedback("hh_rlhf", paths, on_error="skip").records
    assert [t.tags["set"] for t in turns] == ["hh_helpful", "hh_harmless"]
    with pytest.raises(SettingError, match="there is no file to read"):
        handrail.load_feedback("hh_rlhf")


def test_from_a_folder_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(FLAT).save_to_disk("saved")
    capsys.readouterr()
    line = ["data", "feedback", "oasst", "out.jsonl", "--from-hub", "saved"]
    assert invoke(line) == 0
    told = capsys.readouterr()
    assert told.out.startswith("1 turn: out.jsonl\n")
    assert "Asking the hub for saved" in told.err
    assert handrail.load_feedback("oasst", from_hub="saved").records == (
        handrail.read("out.jsonl").records
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("oasst", "Name SOURCE, FILE and OUT (or --list)."),
        ("oasst a.jsonl", "Name SOURCE, FILE and OUT (or --list)."),
        ("oasst a.jsonl out.jsonl --from-hub x", "Name SOURCE and OUT beside --from-hub"),
        ("oasst a.jsonl out.jsonl --split train", "--split is of a data set of the hub"),
        ("oast a.jsonl out.jsonl", "no source of feedback 'oast'. Did you mean 'oasst'?"),
        ("oasst none.jsonl out.jsonl", "none.jsonl: there is no such file"),
        ("oasst a.jsonl a.jsonl", "this is the file that is read"),
        ("oasst a.jsonl out.csv", "records are written as JSON Lines"),
        ("oasst a.jsonl out.jsonl --set lang=en", "no setting 'lang' for the source 'oasst'"),
        ("oasst a.jsonl out.jsonl --set langs=de", "its language is en"),
        ("oasst a.jsonl out.jsonl --set langs=de --on-error skip", "nothing is left to use"),
        ("--list-settings", "Name the SOURCE whose settings to list."),
        ("oasst a.jsonl no/such/place/out.jsonl", ""),
    ],
)
def test_each_wrong_way_to_ask_is_answered(
    capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    write(Path("a.jsonl"), [TREE])
    code = invoke(["data", "feedback", *line.split()])
    err = capsys.readouterr().err
    assert (code, told in err, "Traceback" in err) == ((2 if told else 0), True, False)


def test_the_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "feedback", "--list"]) == 0
    out = capsys.readouterr().out
    assert [row["name"] for row in handrail.list_feedback()] == [
        line.split()[0] for line in out.splitlines()[1:]
    ]
    assert invoke(["data", "feedback", "oasst", "--list-settings"]) == 0
    out = capsys.readouterr().out
    assert "threads  (all|best; default 'all')" in out
    for row in handrail.list_feedback():
        assert all(setting["description"] for setting in handrail.feedback_settings(row["name"]))
    assert invoke(["data", "feedback", "llmbar", "--list-settings"]) == 0
    assert "llmbar has no settings" in capsys.readouterr().out
    with pytest.raises(SettingError, match="the source 'oasst'"):
        handrail.load_feedback("oasst", "none.jsonl", lang="en")


def test_a_source_of_feedback_is_told_from_one_of_conversations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["data", "convert", "oasst", "a", "b"]) == 2
    assert "`handrail data feedback`" in capsys.readouterr().err
