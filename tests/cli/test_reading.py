"""Files as they come: every verb that reads one stops with one clear error, or skips and counts."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.records import Check, Guardrail, Message, Playbook, Reply, Turn, write_jsonl

Run = Callable[..., Any]
PAIR = {"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}
TURN = Turn(
    context=(Message(role="user", content="Hi"),),
    replies=(Reply(text="Hello", rank=1), Reply(text="Go", rank=2)),
)
BOOK = {"guardrails": [{"id": "x", "text": "Own."}]}
TALK = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "%s"}]}'
CHATS = 'chat,who,said\na,customer,Grüße\na,agent,"Ça va, ja"\n'
MAP = ("--map", "conversation=chat", "--map", "role=who", "--map", "text=said")
# The world's own records hold agents' talk by the agent; here it is the customer's.
SWAPPED = "".join(
    json.dumps(
        {
            "id": f"c{k}",
            "messages": [
                {"role": "assistant", "content": f"I lost card {k}."},
                {"role": "user", "content": "May I have your name, please?"},
            ],
            "tags": {"k": str(k)},
        }
    )
    + "\n"
    for k in range(4)
)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules.yaml").write_text("- Be kind.\n")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line: its JSON summary, or with `code=2` its error."""

    def one(*args: str, code: int = 0, text: bool = False) -> Any:
        assert invoke([*args] if text or code else [*args, "--json"]) == code
        out, err = capsys.readouterr()
        if code:
            assert out == ""
            assert err.startswith("Error: ")
            assert err.count("\n") == 1
            return err
        return out if text else json.loads(out)

    return one


def lines(path: str, *rows: object) -> None:
    """A JSON Lines file; a row that is bytes stands there as it is."""
    made = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    Path(path).write_bytes(b"\n".join(made) + b"\n")


def parquet(path: str, rows: list[dict[str, Any]]) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), path)


# 1. encodings and playbooks, for every shape of file


def test_an_encoding_is_used_without_a_mapping(run: Run) -> None:
    head = "conversation_id,speaker,text\n"
    Path("a.csv").write_bytes((head + CHATS.split("\n", 1)[1]).encode("cp1252"))
    error = run("data", "import", "a.csv", "out.jsonl", code=2)
    assert "a.csv, line 2" in error
    assert "--encoding cp1252" in error
    run("data", "import", "a.csv", "out.jsonl", "--encoding", "cp1252")
    (talk,) = handrail.read("out.jsonl").records
    assert talk.messages[0].content == "Grüße"
    error = run("data", "import", "a.csv", "out.jsonl", "--encoding", "ascii", code=2)
    assert "is not ASCII" in error
    assert "cp1252" not in error


def test_trl_files_take_encoding_and_playbook(run: Run) -> None:
    Path("a.csv").write_bytes("prompt,chosen,rejected\nHi,Grüße,Nö\n".encode("latin-1"))
    line = ["data", "import", "a.csv", "out.jsonl", "--playbook", "rules.yaml"]
    assert "--encoding" in run(*line, code=2)
    run(*line, "--encoding", "latin-1")
    (turn,) = handrail.read("out.jsonl").records
    assert [reply.text for reply in turn.replies] == ["Grüße", "Nö"]
    assert [g.text for g in turn.playbook.guardrails] == ["Be kind."]
    lines("b.jsonl", PAIR | {"playbook": json.dumps(BOOK)}, PAIR)
    run("data", "import", "b.jsonl", "out.jsonl", "--playbook", "rules.yaml")
    books = [turn.playbook.guardrails[0].text for turn in handrail.read("out.jsonl").records]
    assert books == ["Own.", "Be kind."]


def test_a_playbook_fills_records_and_is_refused_where_it_cannot(run: Run) -> None:
    lines("talks.jsonl", json.loads(TALK % "Hello") | {"tags": {"a": "b"}})
    run("data", "import", "talks.jsonl", "out.jsonl", "--playbook", "rules.yaml")
    (talk,) = handrail.read("out.jsonl").records
    assert talk.tags == {"a": "b"}
    assert talk.playbook.guardrails[0].text == "Be kind."
    handrail.export([TURN], "turns.parquet", "parquet")
    run("data", "import", "turns.parquet", "out.jsonl", "--playbook", "rules.yaml")
    assert handrail.read("out.jsonl").records[0].playbook is not None
    handrail.export([Playbook.model_validate(BOOK)], "books.parquet", "parquet")
    line = ["data", "import", "books.parquet", "out.jsonl", "--playbook", "rules.yaml"]
    assert "Playbook records have no playbook to fill. Leave --playbook out" in run(*line, code=2)


def test_an_exported_conversation_comes_back_with_its_playbook(run: Run) -> None:
    talks = handrail.world.generate(2, 3)
    write_jsonl("talks.jsonl", talks)
    run("data", "export", "talks.jsonl", "m.jsonl", "--format", "messages")
    run("data", "import", "m.jsonl", "back.jsonl")
    back = handrail.read("back.jsonl").records
    assert [c.messages for c in back] == [c.messages for c in talks]
    assert [c.playbook for c in back] == [c.playbook for c in talks]


# 2. skipping loses no good record


def test_a_broken_line_of_a_trl_file_is_skipped(run: Run) -> None:
    lines("a.jsonl", PAIR, b"{broken", PAIR | {"prompt": "Other"})
    assert "a.jsonl, line 2" in run("data", "import", "a.jsonl", "out.jsonl", code=2)
    lines("a.jsonl", PAIR, b"{broken", PAIR | {"prompt": "Other"}, b'{"prompt": "\xe9"}')
    found = run("data", "import", "a.jsonl", "out.jsonl", "--on-error", "skip")
    assert found["records"] == {"turn": 2}
    assert [skip["where"] for skip in found["skipped"]] == ["a.jsonl, line 2", "a.jsonl, line 4"]
    assert found["skipped"][1]["reason"].startswith("byte 0xe9 is not UTF-8. Save it as UTF-8")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_one_undecodable_byte_costs_one_conversation(run: Run, name: str) -> None:
    rows = [("a", "agent", "Hello"), ("b", "agent", "caf\udce9"), ("c", "agent", "Grüße")]
    if name == "a.csv":
        text = "chat,who,said\n" + "".join(",".join(row) + "\n" for row in rows)
    else:
        keys = ("chat", "who", "said")
        made = [json.dumps(dict(zip(keys, row)), ensure_ascii=False) for row in rows]  # noqa: B905
        text = "\n".join(made)
    Path(name).write_bytes(text.encode("utf-8", "surrogateescape"))
    number = 3 if name == "a.csv" else 2
    error = run("data", "import", name, "out.jsonl", *MAP, code=2)
    assert f"{name}, line {number}: byte" in error
    found = run("data", "import", name, "out.jsonl", *MAP, "--on-error", "skip")
    assert [c.id for c in handrail.read("out.jsonl").records] == ["a", "c"]
    assert [skip["where"] for skip in found["skipped"]] == [f"{name}, line {number}"]


@pytest.mark.parametrize("verb", ["import", "turns", "export", "peek"])
def test_nothing_good_is_one_error_and_no_file(run: Run, verb: str) -> None:
    turn = TURN.model_dump(mode="json")
    if verb == "import":
        lines("a.jsonl", {"chat": "a"}, {"chat": "b"})
    else:
        lines("a.jsonl", turn | {"replies": [{"text": ""}]}, turn | {"context": 7})
    out = [] if verb == "peek" else ["out.jsonl"]
    error = run("data", verb, "a.jsonl", *out, "--on-error", "skip", code=2)
    assert "nothing is left to use (2 left out)" in error
    assert "a.jsonl, line 1: " in error
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_gzip_file_that_is_cut_off_gives_its_whole_lines(run: Run, ending: str) -> None:
    rows = [{"chat": k, "who": "agent", "said": f"{k}: {k**9}"} for k in range(300)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if ending == "csv":
        text = "chat,who,said\n" + "".join(",".join(map(str, r.values())) + "\n" for r in rows)
    raw = gzip.compress(text.encode())
    name = f"a.{ending}.gz"
    Path(name).write_bytes(raw[: len(raw) // 2])
    line = ["data", "import", name, "out.jsonl", *MAP]
    assert "cut off or damaged" in run(*line, code=2)
    assert not Path("out.jsonl").exists()
    found = run(*line, "--on-error", "skip")
    kept = found["records"]["conversation"]
    assert 100 < kept < 300
    assert [t.id for t in handrail.read("out.jsonl").records] == [str(k) for k in range(kept)]
    (rest,) = found["skipped"]
    assert (rest["count"], "cut off or damaged" in rest["reason"]) == (1, True)
    assert rest["where"].startswith(f"{name}, after line ")


def test_records_of_a_gzip_file_that_is_cut_off_are_checked(run: Run) -> None:
    write_jsonl("whole.jsonl.gz", [TURN.model_copy(update={"id": f"t{k**9}"}) for k in range(99)])
    raw = Path("whole.jsonl.gz").read_bytes()
    Path("cut.jsonl.gz").write_bytes(raw[: len(raw) // 2])
    assert "cut off or damaged" in run("data", "check", "cut.jsonl.gz", code=2)
    found = handrail.check("cut.jsonl.gz", on_error="skip")
    assert 0 < found["records"] < 99
    assert len(found["skipped"]) == 1


@pytest.mark.parametrize(
    ("faults", "says"), [(1, "1 of 2 records has"), (2, "2 of 3 records have")]
)
def test_a_check_counts_the_faults(
    run: Run, capsys: pytest.CaptureFixture[str], faults: int, says: str
) -> None:
    lines("a.jsonl", TURN.model_dump(mode="json"), *[b"{"] * faults)
    assert invoke(["data", "check", "a.jsonl", "--on-error", "skip"]) == 2
    assert f"Error: a.jsonl: {says} a fault. " in capsys.readouterr().err


def test_peek_counts_and_shows_what_it_cannot_read(run: Run) -> None:
    lines("a.jsonl", TURN.model_dump(mode="json"), {"contxt": []})
    text = run("data", "peek", "a.jsonl", text=True)
    assert "Reply 1" in text
    assert "Left out: 1\n  a.jsonl, line 2: field 'contxt' is not known here" in text
    assert len(run("data", "peek", "a.jsonl")["skipped"]) == 1
    assert "line 2" in run("data", "peek", "a.jsonl", "--on-error", "stop", code=2)


def test_peek_shows_at_least_one_record(capsys: pytest.CaptureFixture[str]) -> None:
    lines("a.jsonl", TURN.model_dump(mode="json"))
    for count in ("0", "-3"):
        assert invoke(["data", "peek", "a.jsonl", "--count", count]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert f"{count} is not in the range x>=1" in err


@pytest.mark.parametrize("verb", ["peek", "turns", "import"])
def test_what_is_left_out_and_not_named_is_counted(run: Run, verb: str) -> None:
    lines("a.jsonl", TURN.model_dump(mode="json"), *[{"contxt": []}] * 8)
    out = ["b.jsonl"] if verb != "peek" else []
    text = run("data", verb, "a.jsonl", *out, "--on-error", "skip", text=True)
    assert "Left out: 8\n" in text
    assert text.count("field 'contxt'") == 5
    assert text.endswith("\n  ... and 3 more\n")


# 3. --on-error wherever records are read


@pytest.mark.parametrize("verb", ["turns", "export"])
def test_verbs_that_write_skip_when_asked(run: Run, verb: str) -> None:
    lines("a.jsonl", TURN.model_dump(mode="json"), b"{", {"contxt": []})
    assert "a.jsonl, line 2" in run("data", verb, "a.jsonl", "out.jsonl", code=2)
    assert not Path("out.jsonl").exists()
    found = run("data", verb, "a.jsonl", "out.jsonl", "--on-error", "skip")
    assert len(found["skipped"]) == 2
    assert len(Path("out.jsonl").read_text().splitlines()) == 1


def test_judge_skips_when_asked(run: Run) -> None:
    rule = Guardrail(id="rude", text="Never say go.", check=Check(forbid=("go",)))
    one = {"replies": TURN.replies[:1], "playbook": Playbook(guardrails=(rule,))}
    said = TURN.model_copy(update=one).model_dump(mode="json")
    lines("a.jsonl", said, b"{")
    lines("b.jsonl", said)
    assert "a.jsonl, line 2" in run("judge", "a.jsonl", "b.jsonl", code=2)
    found = run("judge", "a.jsonl", "b.jsonl", "--on-error", "skip", "--out", "v.jsonl")
    assert [skip["where"] for skip in found["skipped"]] == ["a.jsonl, line 2"]
    assert found["turns"] == 1
    assert "the file that is read" in run("judge", "a.jsonl", "b.jsonl", "--out", "b.jsonl", code=2)


# 4. Parquet


def test_parquet_transcripts_in_both_layouts(run: Run) -> None:
    rows = [
        {"chat": "a", "who": "customer", "said": "Hi", "n": 2},
        {"chat": "a", "who": "agent", "said": "Hello", "n": 3},
        {"chat": "a", "who": "agent", "said": "First", "n": 1},
    ]
    parquet("rows.parquet", rows)
    run("data", "import", "rows.parquet", "out.jsonl", *MAP, "--map", "order=n")
    (talk,) = handrail.read("out.jsonl").records
    assert [(m.role, m.content) for m in talk.messages] == [
        ("assistant", "First"),
        ("user", "Hi"),
        ("assistant", "Hello"),
    ]
    assert "rows.parquet, row 1: there is no field" in run(
        "data", "import", "rows.parquet", "out.jsonl", code=2
    )
    messages = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}]
    whole = [{"id": "x", "conversations": messages}, {"id": "y", "conversations": messages[:1]}]
    parquet("whole.parquet", whole)
    found = run("data", "import", "whole.parquet", "out.jsonl", "--on-error", "skip")
    assert [c.id for c in handrail.read("out.jsonl").records] == ["x"]
    assert [skip["where"] for skip in found["skipped"]] == ["whole.parquet, row 2"]


# 5. mends that a command line has


def test_mends_name_options_that_exist(run: Run) -> None:
    Path("a.csv").write_text("conversation_id,speaker,text\n1,customer,Hi\n")
    assert "--map agent=NAME" in run("data", "import", "a.csv", "o.jsonl", code=2)
    Path("a.csv").write_text("conversation_id,speaker,text\n1,Zorro,Hi\n")
    assert "--map agent=NAME or --map customer=NAME" in run(
        "data", "import", "a.csv", "o.jsonl", code=2
    )
    Path("a.csv").write_text("chat,speaker,text\n1,agent,Hi\n")
    assert "--map conversation=FIELD" in run("data", "import", "a.csv", "o.jsonl", code=2)
    lines("star.jsonl", {})
    assert "into the same folder" in run("data", "convert", "star", "star.jsonl", "o.jsonl", code=2)


def test_export_to_csv_writes_plain_texts(run: Run) -> None:
    write_jsonl("turns.jsonl", [TURN])
    for format in ("trl-preference", "trl-completion"):
        run("data", "export", "turns.jsonl", "pairs.csv", "--format", format)
        run("data", "import", "pairs.csv", "back.jsonl")
        (turn,) = handrail.read("back.jsonl").records
        assert turn.replies[0].text == "Hello"
        assert turn.context == TURN.context
    labelled = TURN.model_copy(update={"replies": (Reply(text="Hello", desirable=False),)})
    write_jsonl("labels.jsonl", [labelled])
    run("data", "export", "labels.jsonl", "kto.csv", "--format", "trl-kto")
    run("data", "import", "kto.csv", "back.jsonl")
    assert handrail.read("back.jsonl").records[0].replies[0].desirable is False
    lines("talks.jsonl", json.loads(TALK % "Hello"))
    error = run("data", "export", "talks.jsonl", "m.csv", "--format", "messages", code=2)
    assert "Write them to .jsonl or .parquet" in error


# 6. swapped roles


def test_swapped_roles_are_a_warning_when_skipping(run: Run) -> None:
    rows = [json.loads(line) for line in SWAPPED.splitlines()]
    for row in rows:
        del row["tags"]
    lines("a.jsonl", *rows)
    assert "the roles look swapped" in run("data", "import", "a.jsonl", "o.jsonl", code=2)
    found = run("data", "import", "a.jsonl", "o.jsonl", "--on-error", "skip")
    assert found["records"] == {"conversation": 4}
    assert found["skipped"] == []
    assert "the roles look swapped" in found["warnings"][0]["reason"]
    text = run("data", "import", "a.jsonl", "o.jsonl", "--on-error", "skip", text=True)
    assert "Warning: a.jsonl: the roles look swapped" in text
    assert "Left out" not in text


def test_swapped_roles_of_records_are_noticed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("talks.jsonl").write_text(SWAPPED)
    for line in (
        ["data", "check", "talks.jsonl"],
        ["data", "turns", "talks.jsonl", "o.jsonl"],
        ["data", "import", "talks.jsonl", "o.jsonl"],
    ):
        assert "the roles look swapped" in run(*line, code=2)
        found = run(*line, "--on-error", "skip")
        assert "the roles look swapped" in found["warnings"][0]["reason"]
        assert found["skipped"] == []
    made = handrail.turns("talks.jsonl", on_error="skip")
    assert (len(made.records), len(made.warnings)) == (4, 1)
    write_jsonl("said.jsonl", made.records)
    line = ["judge", "said.jsonl", "--turns", "talks.jsonl", "--on-error", "skip"]
    assert invoke([*line, "--judge", "rules"]) == 2  # without a playbook nothing can be judged
    assert "Warning: talks.jsonl: the roles look swapped" in capsys.readouterr().err


@pytest.mark.parametrize("shape", ["messages", "pairs"])
def test_swapped_roles_of_trls_columns_and_of_turns(run: Run, shape: str) -> None:
    swapped = [json.loads(line)["messages"] for line in SWAPPED.splitlines()]
    rows: list[dict[str, Any]] = [
        {"messages": m, "playbook": "", "source": ""}
        if shape == "messages"
        else {"prompt": m, "chosen": f"Good {k}", "rejected": "Bad"}
        for k, m in enumerate(swapped)
    ]
    lines("swt.jsonl", *rows)
    assert "the roles look swapped" in run("data", "import", "swt.jsonl", "o.jsonl", code=2)
    found = run("data", "import", "swt.jsonl", "o.jsonl", "--on-error", "skip")
    assert found["records"] == {"conversation" if shape == "messages" else "turn": 4}
    assert "the roles look swapped" in found["warnings"][0]["reason"]
    assert "the roles look swapped" in run("data", "check", "o.jsonl", code=2)
    found = run("data", "check", "o.jsonl", "--on-error", "skip")
    assert "the roles look swapped" in found["warnings"][0]["reason"]


def test_what_turns_of_a_conversation_share_counts_once(run: Run) -> None:
    start = [{"role": "user", "content": "Your agent asked how can I help you?"}]
    contexts = [[*start, *([{"role": "user", "content": "Well?"}] * k)] for k in range(5)]
    turns = [{"conversation_id": "a", "context": c, "replies": [{"text": "Yes"}]} for c in contexts]
    lines("turns.jsonl", *turns)
    assert run("data", "check", "turns.jsonl")["records"] == 5


# 7. what is wrong with a file that holds no record


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            (TALK % "Hello").encode("utf-16"),
            "line 1: byte 0 (0xff) is not UTF-8. The file looks like UTF-16",
        ),
        ((TALK % "Hello").encode("utf-16-le"), "The file looks like UTF-16"),
        ((TALK % "Grüße").encode("latin-1"), "(0xfc) is not UTF-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "line 1: byte 0 (0x89) is not UTF-8"),
        (b"\x1f\x8b\x08\x00", "The file is gzip: let its name end in .gz"),
        (b"PAR1\x15\x00", "The file is Parquet: let its name end in .parquet"),
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\nnot json\n", "line 2: this is not JSON"),
        (b"[1]\n", "line 1: expected a JSON object, found list"),
        (
            b'{"mesages": []}\n{"mesages": []}\n',
            "line 1: no record has a field 'mesages'. Did you mean 'messages'?",
        ),
        (b'{"rows": [], "x": 1}\n', "it has rows, x. `handrail data import`"),
    ],
)
def test_the_first_line_says_why_there_are_no_records(run: Run, content: bytes, says: str) -> None:
    Path("a.jsonl").write_bytes(content)
    for verb in (["data", "check", "a.jsonl"], ["data", "turns", "a.jsonl", "o.jsonl"]):
        assert says in run(*verb, code=2)


def test_equal_records_without_ids_are_called_equal(run: Run) -> None:
    turn = TURN.model_dump(mode="json", exclude={"id"})
    lines("a.jsonl", turn, turn)
    error = run("data", "check", "a.jsonl", code=2)
    assert "a.jsonl, line 2 (equal to line 1): the record equals an earlier one" in error
    assert "leave the id out" not in error
    lines("a.jsonl", turn | {"id": "x"}, turn | {"id": "x"})
    assert "was used in line 1 already" in run("data", "check", "a.jsonl", code=2)


def test_a_wrong_role_is_answered_with_the_nearest(run: Run) -> None:
    lines("a.jsonl", {"messages": [{"role": "usr", "content": "Hi"}], "tags": {}})
    assert "Did you mean 'user'?" in run("data", "check", "a.jsonl", code=2)
    lines("a.jsonl", {"prompt": [{"role": "usr", "content": "Hi"}], "chosen": "a", "rejected": "b"})
    assert "Did you mean 'user'?" in run("data", "import", "a.jsonl", "o.jsonl", code=2)


# 8. a place once, and every count


@pytest.mark.parametrize("kind", ["transcripts", "columns", "parquet", "playbook"])
def test_a_skip_names_its_place_once(run: Run, kind: str) -> None:
    more: list[str] = []
    if kind == "transcripts":
        Path("a.csv").write_text("conversation_id,speaker,text\n1,agent,Hi\n2,Zorro,Hi\n")
    elif kind == "columns":
        Path("a.csv").write_text("prompt,chosen,rejected\na,b,c\na,b,b\n")
    elif kind == "playbook":
        Path("a.csv").write_text("id,role,text,book\n1,agent,Hi,rules.yaml\n2,agent,Hi,no.yaml\n")
        more = ["--map", "playbook=book"]
    else:
        parquet("a.parquet", [PAIR | {"playbook": ""}, PAIR | {"playbook": "{"}])
    name = "a.parquet" if kind == "parquet" else "a.csv"
    found = run("data", "import", name, "o.jsonl", "--on-error", "skip", *more)
    (skip,) = found["skipped"]
    assert name not in skip["reason"]
    assert skip["where"] == ("a.parquet, row 2" if kind == "parquet" else "a.csv, line 3")
    assert ("no.yaml: " in skip["reason"]) == (kind == "playbook")


# 9. what is read is never overwritten


@pytest.mark.parametrize("verb", ["import", "export", "turns", "convert"])
@pytest.mark.parametrize("how", ["same", "dotted", "symbolic", "hard"])
def test_the_file_that_is_read_is_not_overwritten(run: Run, verb: str, how: str) -> None:
    write_jsonl("x.jsonl", [TURN])
    before = Path("x.jsonl").read_bytes()
    out = {"same": "x.jsonl", "dotted": "./sub/../x.jsonl"}.get(how, "link.jsonl")
    Path("sub").mkdir()
    if how == "symbolic":
        os.symlink("x.jsonl", "link.jsonl")
    elif how == "hard":
        os.link("x.jsonl", "link.jsonl")
    source = ["star"] if verb == "convert" else []
    error = run("data", verb, *source, "x.jsonl", out, code=2)
    assert "this is the file that is read" in error
    assert Path("x.jsonl").read_bytes() == before


def test_other_files_that_are_read_are_not_overwritten(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.csv").write_text("conversation_id,speaker,text\n1,agent,Hi\n")
    line = ["data", "import", "a.csv", "rules.yaml", "--playbook", "rules.yaml"]
    assert "the file that is read" in run(*line, code=2)
    assert Path("rules.yaml").read_text() == "- Be kind.\n"
    line = ["data", "convert", "star", "a.csv", "o.jsonl", "--turns", "a.csv"]
    assert "the file that is read" in run(*line, code=2)
    assert invoke(["data", "convert", "star", "a.csv", "o.jsonl", "--turns", "o.jsonl"]) == 2
    assert "name the same file" in capsys.readouterr().err
    write_jsonl("x.jsonl", [TURN])
    assert "the file that is read" in run(
        "generate", "--turns", "x.jsonl", "--out", "x.jsonl", code=2
    )


# 10. the same by the API


def test_the_api_imports_exports_and_splits() -> None:
    Path("chats.csv").write_text(CHATS, "utf-8")
    names = {"conversation": "chat", "role": "who", "text": "said"}
    talks = handrail.import_("chats.csv", names, playbook="rules.yaml").records
    made = handrail.turns(talks)
    assert [reply.text for turn in made.records for reply in turn.replies] == ["Ça va, ja"]
    assert handrail.export(made, "out.jsonl", "trl-completion") == 1
    for name in ("convert", "export", "import_", "turns"):
        assert "Args:" in getattr(handrail, name).__doc__
        assert name in dir(handrail)


@pytest.mark.parametrize("name", ["chats.csv", "chats.tsv", "chats.json"])
def test_a_table_is_pointed_to_the_import(run: Run, name: str) -> None:
    rows = [{"chat": "a", "who": "customer", "said": "Hi"}]
    Path(name).write_text(json.dumps(rows) if name.endswith("json") else CHATS)
    for line in (
        ["data", "check", name],
        ["data", "peek", name],
        ["data", "turns", name, "o.jsonl"],
        ["data", "check", name, "--kind", "turn"],
        ["judge", name, "--judge", "rules"],
    ):
        error = run(*line, code=2)
        assert f"{name}, line 1" in error
        assert f"`handrail data import {name} OUT`" in error
