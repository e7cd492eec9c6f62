"""The user's own file: what is read although it looks wrong is told."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import handrail
from handrail.recipes.own import read_turns
from handrail.records import (
    Conversation,
    HandrailWarning,
    Message,
    Playbook,
    RecordError,
    Reply,
    Turn,
    write_jsonl,
)
from handrail.world import guardrail

BOOK = Playbook(guardrails=(guardrail("please_every"),))
OTHER = Playbook(id="other", guardrails=BOOK.guardrails)
AGENT = "Thank you for contacting us. How can I help you today?"
CUSTOMER = "My order has not come."


def talk(n: int, first: str, second: str) -> Conversation:
    said = (Message(role="user", content=first), Message(role="assistant", content=second))
    return Conversation(id=f"c{n}", messages=said, playbook=BOOK)


def test_swapped_roles_stop_or_are_told(tmp_path: Path) -> None:
    path = str(tmp_path / "talks.jsonl")
    write_jsonl(path, [talk(n, AGENT, CUSTOMER) for n in range(4)])
    with pytest.raises(RecordError, match="the roles look swapped"):
        read_turns(path)
    with pytest.warns(HandrailWarning, match="the roles look swapped"):
        own = read_turns(path, on_error="skip")
    assert len(own.turns) == 4
    assert own.skipped == []


@pytest.mark.parametrize("kind", ["turns", "pairs"])
def test_swapped_roles_of_turns_stop_or_are_told(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "given.jsonl")
    replies = (Reply(text="And now?", rank=1), Reply(text="What?", rank=2))
    turns = [
        Turn(
            id=f"t{n}",
            context=(Message(role="user", content=AGENT),),
            replies=replies,
            playbook=BOOK,
            conversation_id=f"c{n}",
        )
        for n in range(4)
    ]
    if kind == "turns":
        write_jsonl(path, turns)
    else:
        handrail.export(turns, path, "trl-preference")
    with pytest.raises(RecordError, match="the roles look swapped"):
        read_turns(path)
    with pytest.warns(HandrailWarning, match="the roles look swapped"):
        own = read_turns(path, on_error="skip")
    assert len(own.turns) == 4


def test_what_looks_right_is_read_in_silence(tmp_path: Path) -> None:
    path = str(tmp_path / "talks.jsonl")
    write_jsonl(path, [talk(n, CUSTOMER, AGENT) for n in range(4)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_turns(path).turns) == 4


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.parquet", "pairs.csv"])
def test_trls_columns_are_read_as_turns(tmp_path: Path, name: str) -> None:
    said = (Message(role="user", content=CUSTOMER),)
    replies = (Reply(text=AGENT, rank=1), Reply(text="What?", rank=2))
    turns = [Turn(context=said, replies=replies, playbook=BOOK)]
    handrail.export(turns, tmp_path / name, "trl-preference")
    own = read_turns(str(tmp_path / name))
    assert not own.recorded
    (turn,) = own.turns
    assert [reply.text for reply in turn.replies] == [AGENT, "What?"]
    assert list(turn.pairs()) == [(0, 1)]
    assert turn.playbook == BOOK


def test_trls_messages_are_read_as_conversations(tmp_path: Path) -> None:
    handrail.export([talk(1, CUSTOMER, AGENT)], tmp_path / "talks.jsonl", "messages")
    own = read_turns(str(tmp_path / "talks.jsonl"))
    assert own.recorded
    assert [reply.text for turn in own.turns for reply in turn.replies] == [AGENT]


def test_columns_that_must_be_named_are_the_imports(tmp_path: Path) -> None:
    (tmp_path / "chats.csv").write_text("chat,who,words\n1,customer,Hi\n1,bot,Hello\n", "utf-8")
    with pytest.raises(RecordError, match=r"--map conversation=FIELD.*`handrail data import"):
        read_turns(str(tmp_path / "chats.csv"))


def test_what_was_mended_in_transcripts_is_counted(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(BOOK.model_dump_json(exclude_defaults=True), "utf-8")
    rows = "conversation,role,text\n1,customer,Hi\n1,customer,\n1,agent,Hello\n1,agent,Who is it?\n"
    (tmp_path / "chats.csv").write_text(rows, "utf-8")
    own = read_turns(str(tmp_path / "chats.csv"), str(rules))
    assert len(own.turns) == 1
    assert {(s.what, s.reason): s.count for s in own.skipped} == {
        ("message", "empty messages dropped"): 1,
        ("message", "messages of one side joined"): 1,
    }


def test_a_playbook_file_serves_turns_that_have_none(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(BOOK.model_dump_json(exclude_defaults=True), "utf-8")
    said = (Message(role="user", content=CUSTOMER),)
    replies = (Reply(text=AGENT, rank=1), Reply(text="What?", rank=2))
    turns = [Turn(id=f"t{n}", context=said, replies=replies) for n in range(3)]
    path = str(tmp_path / "turns.jsonl")
    write_jsonl(path, [*turns[:2], turns[2].model_copy(update={"playbook": OTHER})])
    own = read_turns(path, str(rules))
    books = [t.playbook.id for t in own.turns if t.playbook]
    assert books[0] == books[1] != books[2] == OTHER.id
    assert own.filled == 2
    write_jsonl(path, [turns[2].model_copy(update={"playbook": OTHER})])
    with pytest.warns(HandrailWarning, match=r"of its own; .*rules.json is not used"):
        assert read_turns(path, str(rules)).filled == 0


def test_turns_at_which_the_agent_speaks_first_are_turns(tmp_path: Path) -> None:
    path = str(tmp_path / "turns.jsonl")
    replies = (Reply(text=AGENT, rank=1), Reply(text="What?", rank=2))
    turns = [Turn(id=f"t{n}", playbook=BOOK, replies=replies) for n in range(2)]
    write_jsonl(path, turns)
    assert "context" not in Path(path).read_text("utf-8")
    own = read_turns(path)
    assert (own.turns, own.recorded) == (turns, False)
