"""A chat over a pipe: lines that cannot be said, and what is kept of the session."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handrail.cli import api
from handrail.cli.group import invoke
from handrail.cli.talk import Chat
from handrail.records import (
    Check,
    Guardrail,
    ModelError,
    Playbook,
    SamplingParams,
    Turn,
    read_jsonl,
)
from handrail.records import Conversation as Talk

BOOK = Playbook(guardrails=(Guardrail(id="no", text="No.", check=Check(forbid=("no",))),))
Say = Callable[..., tuple[str, str]]


class Echo:
    """Says what was said; has no room for a long message, and begins before it finds out."""

    def stream(self, turn: Turn, params: SamplingParams) -> Iterator[str]:
        text = turn.context[-1].content
        yield text[:4]
        if len(text) > 40:
            raise ModelError(f"the prompt of turn '{turn.id}' has 90 tokens", "Shorten it")
        yield text[4:]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Pipe bytes into a chat: what it printed on stdout and on stderr."""
    monkeypatch.chdir(tmp_path)

    def load(_model: object, playbook: object, *, params: SamplingParams, style: object) -> Chat:
        return Chat(Echo(), BOOK, params)

    monkeypatch.setattr(api, "chat", load)

    def one(piped: bytes, *more: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(piped), "utf-8"))
        assert invoke(["chat", "--quiet", *more]) == code
        out, err = capsys.readouterr()
        return out, err

    return one


@pytest.mark.parametrize("order", [b"", b"/facts "])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_bytes_that_are_no_text_are_told_with_their_line(
    order: bytes, more: tuple[str, ...], say: Say
) -> None:
    out, err = say(b"Hi\n\n" + order + b"caf\xe9\nmore\n", *more, code=2)
    byte = len(order) + 3
    assert err == (
        f"Error: input, line 3: byte {byte} (0xe9) is not UTF-8. Give the input as UTF-8. "
        "The talk ends before this line\n"
    )
    if more:
        assert json.loads(out)["replies"] == 1
    else:
        assert out.endswith("\nAgent: Hi\n1 reply, 0 guardrails broken\n")


def test_a_byte_order_mark_is_not_said(say: Say) -> None:
    out, _ = say("\ufeffGrüße\r\n".encode(), "--json")
    assert [m["content"] for m in json.loads(out)["messages"]] == ["Grüße", "Grüße"]


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_line_without_a_reply_keeps_what_was_said_before(more: tuple[str, ...], say: Say) -> None:
    out, err = say(b"no\nHello\n" + b"long " * 20 + b"\nnot said\n", *more, code=2)
    assert err == (
        "Error: input, line 3: the prompt of the talk with this message has 90 tokens. "
        "Shorten it. The talk ends before this line\n"
    )
    if more:
        found = json.loads(out)
        assert (found["replies"], found["broken"]) == (2, {"no": 1})
        assert [m["content"] for m in found["messages"]] == ["no", "no", "Hello", "Hello"]
    else:
        assert out.endswith("\nAgent: long\n2 replies, 1 guardrail broken\n")


def test_the_summary_counts_the_talks_before_a_new_one(say: Say) -> None:
    out, _ = say(b"no\n/new\nno\nHi\n/new\n", "--json")
    found = json.loads(out)
    assert (found["replies"], found["broken"], found["messages"]) == (3, {"no": 2}, [])
    said = [[m["content"] for m in talk] for talk in found["earlier_talks"]]
    assert said == [["no", "no"], ["no", "no", "Hi", "Hi"]]
    out, _ = say(b"no\n/new\n")
    assert out.endswith("A new talk.\n1 reply, 1 guardrail broken\n")


def test_a_talk_is_saved_as_json_lines_alone(say: Say) -> None:
    _, err = say(b"Hi\n/save talk.csv\n/save talk.jsonl\n")
    assert err.startswith(
        "Not saved; the talk goes on. talk.csv: records are written as JSON Lines"
    )
    assert not Path("talk.csv").exists()
    assert len(read_jsonl("talk.jsonl", Talk).records) == 1
