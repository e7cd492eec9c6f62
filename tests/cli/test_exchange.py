"""Records out into other tools' columns and back, and transcripts in."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import pytest

from handrail import world
from handrail.cli import exchange, files
from handrail.cli.group import invoke
from handrail.records import Outcome, RecordError, SettingError, Verdict, write_jsonl
from tests.data import need

TURNS = world.training_turns(3, 5)
TALKS = world.generate(3, 5)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl("turns.jsonl", TURNS)
    write_jsonl("talks.jsonl", TALKS)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_preference_pairs_go_out_and_come_back(ending: str) -> None:
    rows = exchange.export("turns.jsonl", f"pairs.{ending}", "trl-preference")
    assert rows == sum(1 for turn in TURNS for _ in turn.pairs())
    back = exchange.import_(f"pairs.{ending}").records
    assert [[r.text for r in turn.replies] for turn in back] == [
        [r.text for r in turn.replies] for turn in TURNS
    ]
    assert [turn.playbook.guardrails for turn in back] == [t.playbook.guardrails for t in TURNS]
    assert [turn.conversation_id for turn in back] == [t.conversation_id for t in TURNS]
    assert [turn.context for turn in back] == [t.context for t in TURNS]
    exchange.export(back, "again.jsonl", "trl-preference")
    exchange.export(TURNS, "once.jsonl", "trl-preference")
    prompts = [
        [json.loads(line)["prompt"] for line in Path(name).read_text("utf-8").splitlines()]
        for name in ("again.jsonl", "once.jsonl")
    ]
    assert prompts[0] == prompts[1]


def test_labelled_replies_keep_their_labels() -> None:
    exchange.export(TURNS, "kto.jsonl", "trl-kto")
    labels = [json.loads(line)["label"] for line in Path("kto.jsonl").read_text().splitlines()]
    assert labels == [reply.desirable for turn in TURNS for reply in turn.replies]


@pytest.mark.parametrize("records", [TURNS, TALKS], ids=["turns", "conversations"])
def test_records_go_through_parquet_unchanged(records: list) -> None:
    exchange.export(records, "x.parquet", "parquet")
    assert files.read_records("x.parquet").records == records
    assert exchange.import_("x.parquet").records == records


VERDICTS = [Verdict(turn="t", a="x", b="y", dimension="adherence", outcome=Outcome.A)]
BOOKS = [TALKS[0].playbook]


@pytest.mark.parametrize(
    "records", [TURNS, TALKS, VERDICTS, BOOKS], ids=["turns", "talks", "verdicts", "playbooks"]
)
@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "X.JSONL.GZ", "x.parquet", "X.PARQUET"])
def test_own_records_are_imported_as_they_are(records: list, name: str) -> None:
    if "parquet" in name.lower():
        exchange.export(records, name, "parquet")
    else:
        write_jsonl(name, records)
    assert Path(name).exists()
    assert exchange.import_(name).records == records
    assert exchange.import_(name, encoding="utf-8").records == records
    with pytest.raises(SettingError, match="a mapping would read no more"):
        exchange.import_(name, {"agent": "bot"})


def test_a_mapping_over_an_export_of_ones_own_is_refused() -> None:
    exchange.export("talks.jsonl", "m.jsonl", "messages")
    exchange.export("turns.jsonl", "p.csv", "trl-preference")
    for name in ("m.jsonl", "p.csv"):
        with pytest.raises(SettingError, match="rows of an export of Handrail's own"):
            exchange.import_(name, {"agent": "bot"})
    assert exchange.import_("m.jsonl").records[0].playbook == TALKS[0].playbook


@pytest.mark.parametrize("name", ["P.CSV", "P.CSV.GZ", "P.JSONL.GZ", "P.PARQUET", "p.Csv"])
def test_endings_are_known_in_any_case(name: str) -> None:
    exchange.export(TURNS, name, "trl-preference")
    assert exchange.import_(name).records == exchange.import_(_plain(name)).records


def _plain(name: str) -> str:
    exchange.export(TURNS, name.lower(), "trl-preference")
    return name.lower()


def test_a_transcript_with_a_playbooks_name_is_no_record() -> None:
    Path("rules.yaml").write_text("- Be kind.\n")
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    row = {"id": "a", "messages": said, "playbook": "rules.yaml"}
    Path("own.jsonl").write_text(json.dumps(row) + "\n")
    (talk,) = exchange.import_("own.jsonl", {"playbook": "playbook"}).records
    assert talk.playbook.guardrails[0].text == "Be kind."


def test_what_does_not_fit_a_format_is_refused() -> None:
    with pytest.raises(RecordError, match="made of turns"):
        exchange.export("talks.jsonl", "x.jsonl", "trl-preference")
    with pytest.raises(RecordError, match="made of conversations"):
        exchange.export("turns.jsonl", "x.jsonl", "messages")
    with pytest.raises(SettingError, match="Did you mean 'trl-kto'"):
        exchange.export("turns.jsonl", "x.jsonl", "trl-kot")
    with pytest.raises(SettingError, match=r"\.parquet file"):
        exchange.export("turns.jsonl", "x.jsonl", "parquet")


def test_transcripts_are_imported_with_named_columns(capsys: pytest.CaptureFixture[str]) -> None:
    Path("chats.csv").write_text(
        "chat,who,words\n1,customer,Hi\n1,bot,Hello\n1,bot,Hello\n2,customer,Hm\n2,bot,Yes?\n"
    )
    Path("rules.yaml").write_text("- Be kind.\n")
    line = ["data", "import", "chats.csv", "out.jsonl", "--playbook", "rules.yaml", "--json"]
    names = ["--map", "conversation=chat", "--map", "role=who", "--map", "text=words"]
    assert invoke([*line, *names]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["records"] == {"conversation": 2}
    assert sum(summary["mended"].values()) == 1
    talks = files.read_records("out.jsonl").records
    assert [m.content for m in talks[0].messages] == ["Hi", "Hello"]
    assert talks[0].playbook.guardrails[0].text == "Be kind."
    assert invoke([*line, "--map", "rolle=who"]) == 2
    assert "Did you mean 'role'?" in capsys.readouterr().err
    assert invoke([*line, *names, "--map", "agent"]) == 2
    told = "Error: 'agent' does not say where something is. Write --map NAME=COLUMN\n"
    assert capsys.readouterr().err == told


def test_names_of_columns_and_roles_are_texts_and_not_json() -> None:
    rows = [{"id": 1, "true": "1", "content": "Hi"}, {"id": 1, "true": "null", "content": "Hello"}]
    Path("chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = ["--map", "role=true", "--map", "customer=1", "--map", "agent=null"]
    assert invoke(["data", "import", "chats.jsonl", "out.jsonl", *names]) == 0
    (talk,) = files.read_records("out.jsonl").records
    assert [m.role for m in talk.messages] == ["user", "assistant"]


def test_unknown_sources_and_missing_arguments_are_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["data", "convert", "sta", "a", "b"]) == 2
    assert "Did you mean 'star'?" in capsys.readouterr().err
    assert invoke(["data", "convert"]) == 2
    assert "--list" in capsys.readouterr().err
    assert invoke(["data", "convert", "--list", "--json"]) == 0
    assert "star" in {s["name"] for s in json.loads(capsys.readouterr().out)["sources"]}


def test_star_is_converted_with_its_feedback(capsys: pytest.CaptureFixture[str]) -> None:
    star = need("star", "dev.jsonl.gz").resolve()
    with gzip.open(star, "rt", encoding="utf-8") as raw:
        Path("dev.jsonl").write_text("".join(itertools.islice(raw, 12)), "utf-8")
    Path("guidelines.json").symlink_to(star.with_name("guidelines.json"))
    line = ["data", "convert", "star", "dev.jsonl", "star.jsonl", "--turns", "feedback.jsonl"]
    assert invoke([*line, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["conversations"] == 12
    assert summary["pairs"] > 12
    assert len(files.read_records("feedback.jsonl").records) == summary["turns"]
    refused = {skip["reason"] for skip in summary["refused"]}
    assert "the guidelines allow it here" in refused
    total = sum(skip["count"] for skip in summary["refused"])
    assert invoke(line) == 0
    assert f"Refused as rejected replies: {total:,} candidates" in capsys.readouterr().out
