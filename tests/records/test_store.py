"""JSON Lines in and out: bad lines, duplicates, damaged files, a full disk, whole or not at all."""

from __future__ import annotations

import errno
import gc
import gzip
import json
import os
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.records import (
    Check,
    Conversation,
    Guardrail,
    Message,
    Playbook,
    RecordError,
    Reply,
    RunError,
    Turn,
    Verdict,
    atomic_write,
    read_jsonl,
    write_jsonl,
)

GOOD = '{"id": "%s", "replies": [{"text": "Hello"}]}'

BOOK = '{"playbook": {"guardrails": [%s]}}'
CHECK = BOOK % '{"id": "a", "text": "b", "check": %s}'
FEEDBACK = (
    '{"playbook": {"guardrails": [{"id": "no-pin", "text": "No PIN."}]},'
    ' "replies": [{"text": "a", %s}]}'
)


def _file(tmp_path: Path, *lines: str, name: str = "turns.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "this is not JSON"),
        ("[]", "expected a JSON object, found list"),
        ("null", "found NoneType"),
        ('{"replies": [{"txt": "a"}]}', "field 'replies.0.t"),
        ('{"reply": []}', "Did you mean 'replies'"),
        ('{"replies": [{"text": " "}]}', "the text is empty"),
        ('{"replies": [{"text": 7}]}', "field 'replies.0.text'"),
        ('{"replies": [{"text": "a", "rank": 0}]}', "field 'replies.0.rank'"),
        ('{"replies": [{"text": "a", "labels": {"x": 2}}]}', "labels"),
        ('{"context": [{"role": "boss", "content": "a"}]}', "field 'context.0.role'"),
        (
            '{"playbook": {"guardrails": []}}',
            "field 'playbook.guardrails': the list is empty. Give it something",
        ),
        (
            BOOK % '{"id": "a", "txt": "b"}',
            "field 'playbook.guardrails.0.txt' is not known here. Did you mean 'text'?",
        ),
        (
            BOOK % '{"id": "a", "text": "b", "familly": "c"}, {"id": "", "text": "b"}',
            "guardrails.0.familly' is not known here (and 1 more). Did you mean 'family'?",
        ),
        (BOOK % '{"id": "", "text": "b"}', "guardrails.0.id': the text is empty. Give"),
        ('{"replies": [{"text": "a", "labls": {}}]}', "Did you mean 'labels'?"),
        ('{"provenance": {"license": "MIT"}}', "Did you mean 'licence'?"),
        ('{"replies": [7]}', "field 'replies.0': expected an object; found 7"),
        ('{"tags": []}', "field 'tags': expected an object; found []"),
        (
            '{"playbook": {"guardrails": [{"id": "a", "text": "b", "check": {"forbid": ["("]}}]}}',
            "does not compile",
        ),
        (BOOK % '{"id": "a", "text": "  "}', "the text is empty; write one"),
        (BOOK % '{"id": " ", "text": "b"}', "the id is empty; write one"),
        (CHECK % "{}", "the check has no condition"),
        (CHECK % '{"when": {"user": ["a"]}, "forbid": []}', "the check has no condition"),
        (CHECK % '{"forbd": ["PIN"]}', "there is no field 'forbd'; the nearest is 'forbid'"),
        (
            CHECK % '{"when": {"usr": ["a"]}, "forbid": ["b"]}',
            "there is no field 'usr'; the nearest is 'user'",
        ),
        (CHECK % '{"forbid": "PIN"}', 'check.forbid\': expected a list of patterns; write ["PIN"]'),
        (CHECK % '{"forbid": 7}', "expected a list of patterns, found int"),
        (
            CHECK % '{"when": {"user": "refund"}, "forbid": ["b"]}',
            'check.when.user\': expected a list of patterns; write ["refund"]',
        ),
        (CHECK % '{"forbid": [""]}', "an empty pattern is found in every text"),
        (
            FEEDBACK % '"breaks": ["no-pim"]',
            "replies.0.breaks names 'no-pim', which is no guardrail of the turn's playbook; the "
            "nearest is 'no-pin'",
        ),
        (FEEDBACK % '"keeps": ["x"]', "replies.0.keeps names 'x'"),
        (FEEDBACK % '"keeps": ["x"]', "known are no-pin"),
        ('{"replies": [{"text": "a", "breaks": "g"}]}', "breaks': expected a list; found 'g'"),
        ('{"tags": {"a": "\\ud800"}}', "surrogate"),
        ('{"rank": ' + "1" * 5000 + "}", "not usable JSON"),
        ("[" * 100_000, "not JSON"),
        (GOOD % "first", "was used in line 1 already"),
    ],
)
def test_a_bad_line_names_file_line_and_mend_and_loses_no_good_one(
    tmp_path: Path, line: str, says: str
) -> None:
    path = _file(tmp_path, GOOD % "first", line, "", GOOD % "last")
    with pytest.raises(RecordError, match="line 2") as caught:
        read_jsonl(path, Turn)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.mend
    loaded = read_jsonl(path, Turn, on_error="skip")
    assert [t.id for t in loaded.records] == ["first", "last"]
    (skip,) = loaded.skipped
    assert says in skip.reason
    assert skip.where.endswith("line 2")


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes((GOOD % "a").encode() + b"\n" + b'{"id": "caf\xe9"}\n')
    with pytest.raises(RecordError, match=r"line 2: byte 11 \(0xe9\) is not UTF-8"):
        read_jsonl(path, Turn)
    path.write_bytes(b"\xef\xbb\xbf" + (GOOD % "a").encode())
    assert read_jsonl(path, Turn).records[0].id == "a"


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    text = "one\u2028two\u0085three"
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [Turn(replies=(Reply(text=text),))])
    assert read_jsonl(path, Turn).records[0].replies[0].text == text


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        read_jsonl(tmp_path / "absent.jsonl", Turn)
    with pytest.raises(RecordError, match="this is a folder"):
        read_jsonl(tmp_path, Turn)
    with pytest.raises(RecordError, match="no records"):
        read_jsonl(_file(tmp_path, ""), Turn)
    assert read_jsonl(_file(tmp_path, ""), Turn, on_error="skip").records == []


def test_gzip_cut_off_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    write_jsonl(path, [Turn(id=f"t{i}", tags={"n": str(i**9)}) for i in range(200)])
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2 : len(whole) // 2 + 40] = b"\x00" * 40
    checksum = whole[:-8] + b"\x00" * 4 + whole[-4:]
    for broken in (whole[: len(whole) // 2], bytes(damaged), checksum, b"plain text, not gzip"):
        path.write_bytes(broken)
        with pytest.raises(RecordError, match="cut off or damaged"):
            read_jsonl(path, Turn)
    for broken in (bytes(damaged), checksum, b"plain text, not gzip"):
        path.write_bytes(broken)
        with pytest.raises(RecordError, match="cut off or damaged"):
            read_jsonl(path, Turn, on_error="skip")


@given(n=st.integers(0, 40), share=st.floats(0.0, 1.0, exclude_max=True))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_a_gzip_file_that_is_cut_off_the_whole_lines_are_kept(
    tmp_path: Path, n: int, share: float
) -> None:
    path = tmp_path / "a.jsonl.gz"
    turns = [Turn(id=f"t{i}", tags={"n": str(i**9)}) for i in range(n)]
    write_jsonl(path, turns)
    whole = path.read_bytes()
    cut = 2 + int(share * (len(whole) - 3))
    path.write_bytes(whole[:cut])
    loaded = read_jsonl(path, Turn, on_error="skip")
    kept = len(loaded.records)
    assert loaded.records == turns[:kept]
    # All lines that can be decompressed, and no other, are there.
    text = zlib.decompressobj(wbits=31).decompress(whole[:cut])
    assert kept == text.count(b"\n")
    (rest,) = loaded.skipped
    assert rest.what == "rest of the file"
    assert rest.count == 1
    assert "cut off or damaged" in rest.reason
    assert rest.where == f"{path}, after line {kept}"


def test_a_plain_file_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text((GOOD % "a") + "\n" + (GOOD % "b")[:20])
    with pytest.raises(RecordError, match="may be cut off here"):
        read_jsonl(path, Turn)
    assert len(read_jsonl(path, Turn, on_error="skip").records) == 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_what_was_written_comes_back_and_equal_records_give_equal_bytes(
    tmp_path: Path, name: str
) -> None:
    records = [
        Turn(context=(Message(role="user", content=f"Grüße {i}"),), replies=(Reply(text="a"),))
        for i in range(9)
    ]
    assert write_jsonl(tmp_path / name, records) == 9
    assert read_jsonl(tmp_path / name, Turn).records == records
    first = (tmp_path / name).read_bytes()
    write_jsonl(tmp_path / name, records)
    assert (tmp_path / name).read_bytes() == first


@given(
    st.lists(st.text(st.characters(codec="utf-8")).filter(str.strip), min_size=1, max_size=4),
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))),
)
def test_any_text_survives(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], tags: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    turn = Turn(replies=tuple(Reply(text=t) for t in texts), tags=tags)
    write_jsonl(path, [turn])
    assert read_jsonl(path, Turn).records == [turn]


class _FullDisk:
    """A file that has room for a few bytes only."""

    def __init__(self, file: Any) -> None:
        self.file, self.room = file, 50

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> _FullDisk:
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [Turn(id="old")])
    before = path.read_bytes()
    opened = os.fdopen
    monkeypatch.setattr(os, "fdopen", lambda *a, **k: _FullDisk(opened(*a, **k)))
    with pytest.raises(RunError, match="No space left on device") as caught:
        write_jsonl(path, [Turn(id=f"new {i}") for i in range(20)])
    assert "untouched" in str(caught.value)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_fault_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [Turn(id="old")])

    def records() -> Any:
        yield Turn(id="new")
        raise KeyError("source")

    with pytest.raises(KeyError):
        write_jsonl(path, records())
    assert read_jsonl(path, Turn).records[0].id == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    with atomic_write(path) as file:
        file.write("one")
        assert not path.exists()
    with atomic_write(path) as file:
        file.write("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunError, match="Permission denied"):
        write_jsonl(tmp_path / "a.jsonl", [Turn(id="x")])
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RunError, match="could not be written"):
        write_jsonl(tmp_path / "file" / "a.jsonl", [Turn(id="x")])


def test_ids_come_from_content() -> None:
    one = Turn(replies=(Reply(text="a"),))
    assert one.id == Turn(replies=(Reply(text="a"),)).id
    assert one.id != Turn(replies=(Reply(text="b"),)).id
    assert Conversation(messages=(Message(role="assistant", content="a"),)).id.startswith(
        "conversation-"
    )


def test_feedback_may_name_what_the_playbook_has_or_what_no_playbook_tells() -> None:
    book = Playbook(guardrails=(Guardrail(id="g", text="No PIN."),))
    reply = Reply(text="a", keeps=("g",), breaks=("g",))
    assert Turn(playbook=book, replies=(reply,)).replies == (reply,)
    assert Turn(replies=(reply,)).replies == (reply,)


def test_checks_refuse_patterns_that_cannot_work() -> None:
    for bad in ({"forbid": ("(",)}, {"recall": ("no group",)}, {"require": ("a{99999999999}",)}):
        with pytest.raises(ValueError, match="pattern"):
            Check.model_validate(bad)


def test_playbooks_and_verdicts(tmp_path: Path) -> None:
    twice = {"guardrails": [{"id": "a", "text": "b"}, {"id": "a", "text": "c"}]}
    path = _file(tmp_path, json.dumps(twice))
    with pytest.raises(RecordError, match="same id"):
        read_jsonl(path, Playbook)
    verdict = Verdict(turn="t", a="x", b="y", dimension="d", outcome="A", order="AB")
    assert verdict.swap().swap() == verdict
    assert (verdict.swap().outcome, verdict.swap().order) == ("B", "BA")


def test_gzip_holds_no_time_and_no_name(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl.gz", [Turn(id="x")])
    write_jsonl(tmp_path / "b.jsonl.gz", [Turn(id="x")])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == b'{"id":"x"}\n'


def test_a_pipe_is_written_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    came: list[bytes] = []
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert write_jsonl(pipe, [Turn(id="x")]) == 1
    reader.join(timeout=20)
    assert came == [b'{"id":"x"}\n']
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.jsonl").write_text("old")
    link = tmp_path / "a.jsonl"
    link.symlink_to(tmp_path / "far" / "a.jsonl")
    write_jsonl(link, [Turn(id="x")])
    assert link.is_symlink()
    assert (tmp_path / "far" / "a.jsonl").read_bytes() == b'{"id":"x"}\n'


def test_reading_puts_the_collector_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": 3}\n')
    assert gc.isenabled()
    with pytest.raises(RecordError):
        read_jsonl(path, Reply)
    assert gc.isenabled()
    gc.disable()
    try:
        read_jsonl(path, Reply, on_error="skip")
        assert not gc.isenabled()
    finally:
        gc.enable()
