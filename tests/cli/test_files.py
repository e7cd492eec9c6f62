"""What users hand in: kinds are found, playbooks and settings read, conversations split."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from handrail.cli import files, options
from handrail.cli.group import invoke
from handrail.cli.verb import assignments
from handrail.records import (
    Check,
    Conversation,
    Guardrail,
    HandrailWarning,
    Message,
    Outcome,
    Playbook,
    RecordError,
    Reply,
    SettingError,
    Turn,
    Verdict,
    write_jsonl,
)

BOOK = Playbook(
    guardrails=(
        Guardrail(id="no-pin", text="Never ask for the PIN.", check=Check(forbid=("your PIN",))),
    )
)
TALK = Conversation(
    messages=(
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Tell me your PIN."),
        Message(role="tool", content="Balance 5"),
        Message(role="assistant", content="It is 5."),
    ),
    playbook=BOOK,
)
TURN = Turn(
    context=(Message(role="user", content="Hi"),),
    replies=(Reply(text="Hello", rank=1), Reply(text="Go", rank=2)),
)
VERDICT = Verdict(turn="t", a="x", b="y", dimension="adherence", outcome=Outcome.A)


@pytest.mark.parametrize("record", [TALK, TURN, BOOK, VERDICT], ids=lambda r: type(r).__name__)
def test_the_kind_is_found_by_its_fields(tmp_path: Path, record: object) -> None:
    path = tmp_path / "x.jsonl.gz"
    write_jsonl(path, [record])  # type: ignore[list-item]
    loaded = files.read_records(path)
    assert loaded.records == [record]
    assert files.kind_of(path, type(record).__name__) is type(record)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "A.JSONL.GZ", "a", "b.c/a"])
def test_records_are_written_to_json_lines(name: str) -> None:
    assert files.records_out(name) == Path(name)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "A.CSV.GZ", "a.txt", "a.jsonl.bak"])
def test_a_name_that_says_another_form_is_refused_for_records(name: str) -> None:
    with pytest.raises(
        SettingError, match=r"\.jsonl or \.jsonl\.gz; `handrail data export`"
    ) as told:
        files.records_out(name)
    assert told.value.where == name


def test_gzip_is_known_by_its_ending_in_any_case(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "X.JSONL.GZ", [TURN])
    assert (tmp_path / "X.JSONL.GZ").read_bytes().startswith(b"\x1f\x8b")
    assert files.read_records(tmp_path / "X.JSONL.GZ").records == [TURN]


def test_what_is_no_record_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"prompt": "a", "chosen": "b"}\n')
    with pytest.raises(RecordError, match="data import"):
        files.kind_of(path)
    with pytest.raises(SettingError, match="Did you mean 'turn'"):
        files.kind_of(path, "turm")


def test_a_bad_first_line_is_reported_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_jsonl(path, [TURN])
    path.write_text("{broken\n" + path.read_text())
    with pytest.raises(RecordError, match="line 1"):
        files.read_records(path)
    loaded = files.read_records(path, on_error="skip")
    assert (len(loaded.records), len(loaded.skipped)) == (1, 1)


def test_conversations_become_turns_with_what_their_replies_broke() -> None:
    first, second = files.as_turns([TALK]).records
    assert first.context == TALK.messages[:1]
    assert second.context == TALK.messages[:3]
    assert first.replies[0].breaks == ("no-pin",)
    assert second.replies[0].keeps == ("no-pin",)
    assert first.best() is None
    assert second.best() == 0
    assert first.conversation_id == second.conversation_id == TALK.id
    assert files.as_turns([TURN]).records == [TURN]


def test_playbooks_come_from_yaml_json_and_records(tmp_path: Path) -> None:
    yaml, plain, records = (tmp_path / name for name in ("a.yaml", "b.json", "c.jsonl"))
    yaml.write_text("- Be kind.\n- text: Never ask for the PIN.\n  check: {forbid: [your PIN]}\n")
    plain.write_text(BOOK.model_dump_json())
    write_jsonl(records, [TALK])
    book = files.read_playbook(yaml)
    assert [g.text for g in book.guardrails] == ["Be kind.", "Never ask for the PIN."]
    assert book.guardrails[1].check == Check(forbid=("your PIN",))
    assert files.read_playbook(plain).guardrails == BOOK.guardrails
    assert files.read_playbook(records) == BOOK
    write_jsonl(records, [TALK, TALK.model_copy(update={"id": "again"})])
    assert files.read_playbook(records) == BOOK
    write_jsonl(records, [TURN])
    with pytest.raises(RecordError, match="no record has a playbook"):
        files.read_playbook(records)


def test_the_first_of_several_playbooks_is_named_and_the_others_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.jsonl"
    books = [Playbook(guardrails=(Guardrail(id=str(k), text=f"Rule {k}."),)) for k in range(3)]
    write_jsonl(
        path,
        [
            TURN,
            *(TURN.model_copy(update={"id": f"t{b.id}", "playbook": b}) for b in (BOOK, *books)),
        ],
    )
    says = f"c.jsonl: the playbook of the turn 't{BOOK.id}' is used, and 3 others in the file are"
    with pytest.warns(HandrailWarning, match=says):
        assert files.read_playbook(path) == BOOK
    write_jsonl(path, books[:2])
    says = f"the playbook '{books[0].id}' is used, and 1 other in the file is not. To take another"
    with pytest.warns(HandrailWarning, match=says):
        assert files.read_playbook(path) == books[0]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.setattr("handrail.cli.api.load", lambda *_, **__: None)
    assert invoke(["chat", "--playbook", str(path), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "Rule 0." in out
    assert "Rule 1." not in out
    assert f"Warning: {path}: {says}" in err


def test_settings_come_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("batch_size: 4\nlearning_rate: 1e-4\n")
    assert files.read_config(path) == {"batch_size": 4, "learning_rate": "1e-4"}
    for text, what in (
        ("- a\n", "mapping"),
        ("b: 1\na: [1\n", r"s.yaml, line 3, column 1: this is neither YAML nor JSON \(expected"),
        ("a: b: c", "line 1, column 5: this is neither YAML nor JSON"),
        ("a: \0", "neither YAML nor JSON"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("a: " + "1" * 5000, "a value cannot be read"),
        ("a: 2026-13-45", "a value cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(SettingError, match=what) as caught:
            files.read_config(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(RecordError, match="cannot be read"):
        files.read_config(tmp_path / "none.yaml")


def test_assignments_are_json_where_they_can_be() -> None:
    given = assignments(["a=1", "b=1e-4", "c=true", "d=[1, 2]", "e=plain text", "f=x=y", "g="])
    assert given == {
        "a": 1,
        "b": 1e-4,
        "c": True,
        "d": [1, 2],
        "e": "plain text",
        "f": "x=y",
        "g": "",
    }
    with pytest.raises(SettingError, match="--set name=value"):
        assignments(["learning_rate"])


def test_settings_are_listed_with_their_meaning_and_shared_out_by_name() -> None:
    from handrail.models import ModelSettings
    from handrail.training import TrainSettings

    rows = options.fields(ModelSettings)
    assert rows["mode"]["type"] == "full|lora"
    assert rows["dtype"]["description"].startswith("of the computation.")
    assert options.fields(TrainSettings)["learning_rate"]["type"] == "float or none"
    kinds = {"model": ModelSettings, "training": TrainSettings}
    shares = options.share({"seed": 3, "mode": "lora"}, kinds)
    assert shares == {"model": {"seed": 3, "mode": "lora"}, "training": {"seed": 3}}
    with pytest.raises(SettingError, match="Did you mean 'learning_rate'"):
        options.share({"lerning_rate": 1}, kinds)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl("talks.jsonl", [TALK])
    write_jsonl("turns.jsonl", [TURN])
    return tmp_path


def summary(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> dict:
    assert invoke([*args, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("work")
def test_data_check_counts_what_a_file_holds(capsys: pytest.CaptureFixture[str]) -> None:
    found = summary(capsys, "data", "check", "talks.jsonl")
    assert found["kind"] == "Conversation"
    assert found["counts"]["assistant messages"] == 2
    assert found["counts"]["agent messages that break a guardrail"] == 1
    assert summary(capsys, "data", "check", "turns.jsonl")["counts"]["pairs (better, worse)"] == 1


def test_data_check_finds_faults_and_keeps_counting(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = work / "turns.jsonl"
    path.write_text(path.read_text() + '{"contxt": []}\n')
    assert invoke(["data", "check", "turns.jsonl"]) == 2
    err = capsys.readouterr().err
    assert "turns.jsonl, line 2" in err
    assert "Did you mean 'context'?" in err
    found = summary(capsys, "data", "check", "turns.jsonl", "--on-error", "skip", code=2)
    assert found["records"] == 1
    assert len(found["skipped"]) == 1


@pytest.mark.usefixtures("work")
def test_data_turns_splits_and_peek_shows(capsys: pytest.CaptureFixture[str]) -> None:
    made = summary(capsys, "data", "turns", "talks.jsonl", "out.jsonl")
    assert (made["turns"], made["replies_that_break"], made["out"]) == (2, 1, "out.jsonl")
    assert invoke(["data", "peek", "out.jsonl"]) == 0
    assert "breaks no-pin" in capsys.readouterr().out
    assert invoke(["data", "peek", "talks.jsonl"]) == 0
    assert "broken: [no-pin]" in capsys.readouterr().out
    assert invoke(["data", "peek", "talks.jsonl", "--number", "9"]) == 2
    assert "holds 1 good record" in capsys.readouterr().err


RULES = {
    "list.json": '["Be kind.", "Never ask for the PIN."]',
    "one.json": '{"guardrails": ["Be kind.", "Never ask for the PIN."]}',
    "deep.json": '{\n"guardrails": [\n{"text": "Be kind."},\n"Never ask for the PIN."\n]\n}\n',
    "list.yaml": "- Be kind.\n- text: Never ask for the PIN.\n",
    "R.YML": "guardrails:\n- Be kind.\n- Never ask for the PIN.\n",
}


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.usefixtures("work")
def test_check_and_peek_read_every_form_of_a_playbook(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(RULES[name])
    for more in ([], ["--kind", "playbook"]):
        found = summary(capsys, "data", "check", name, *more)
        assert (found["kind"], found["counts"]["guardrails"]) == ("Playbook", 2)
        assert invoke(["data", "peek", name, *more]) == 0
        assert "2. [rule-2] Never ask for the PIN." in capsys.readouterr().out
    assert files.read_playbook(name).guardrails == files.read_records(name).records[0].guardrails


@pytest.mark.usefixtures("work")
def test_a_playbook_as_a_record_keeps_its_id_whatever_the_ending() -> None:
    for name in ("book.json", "book.jsonl", "book"):
        write_jsonl(name, [BOOK])
        assert files.read_records(name).records == [BOOK]


@pytest.mark.usefixtures("work")
def test_a_playbooks_fault_is_told_with_the_form_that_is_wanted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("rules.txt").write_text("Be kind.\nNever ask for the PIN.\n")
    assert invoke(["data", "check", "rules.txt", "--kind", "playbook"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("Error: rules.txt: a playbook is a JSON or YAML file")
    assert "let the name end in .yaml" in told
    assert invoke(["data", "import", "talks.jsonl", "o.jsonl", "--playbook", "rules.txt"]) == 2
    assert capsys.readouterr().err == told
    Path("bad.yaml").write_text("- text: x\n  chek: {}\n")
    assert invoke(["data", "check", "bad.yaml"]) == 2
    assert "Did you mean 'check'?" in capsys.readouterr().err
    found = summary(capsys, "data", "check", "bad.yaml", "--on-error", "skip", code=2)
    assert [skip["where"] for skip in found["skipped"]] == ["bad.yaml, rule 1"]
    Path("rows.json").write_text('[{"role": "user", "content": "Hi"}]')
    assert invoke(["data", "check", "rows.json"]) == 2
    assert "`handrail data import rows.json OUT`" in capsys.readouterr().err
