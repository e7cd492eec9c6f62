"""The registry: every source by name, and the contract at its door."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handrail.records import (
    Conversation,
    Loaded,
    Message,
    Provenance,
    RecordError,
    RunError,
    Turn,
    write_jsonl,
)
from handrail.sources.registry import SOURCES, conversations, source
from handrail.sources.transcripts import Mapping
from tests.data import need


def _talk(identity: str = "a", origin: str = "here") -> Conversation:
    return Conversation(
        id=identity,
        messages=(Message(role="assistant", content="Hi"),),
        provenance=Provenance(source=origin),
    )


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("star", ("star", "dev.jsonl.gz")),
        ("abcd", ("abcd", "conversations_sample.jsonl")),
        ("tau_bench", ("tau_bench", "few_shot_airline.jsonl.gz")),
    ],
)
def test_every_source_keeps_its_contract_and_its_records_come_back(
    tmp_path: Path, name: str, parts: tuple[str, ...]
) -> None:
    path = need(*parts)
    loaded = source(name)(path)
    assert loaded.records
    assert all(c.provenance.licence == SOURCES[name].licence for c in loaded.records)
    written = tmp_path / "conversations.jsonl"
    write_jsonl(written, loaded.records)
    assert conversations(written).records == loaded.records
    few = loaded.records[:5]
    turns = source(name).turns(few, path)
    assert len(turns) == sum(m.role == "assistant" for c in few for m in c.messages)
    assert all(isinstance(t, Turn) and t.replies for t in turns)


def test_of_a_cut_off_file_the_whole_dialogues_are_kept(tmp_path: Path) -> None:
    given = need("star", "dev.jsonl.gz")
    shutil.copy(given.with_name("guidelines.json"), tmp_path)
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(given.read_bytes()[: given.stat().st_size // 8])
    with pytest.raises(RecordError, match="cut off or damaged"):
        source("star")(cut)
    loaded = source("star")(cut, on_error="skip")
    assert 10 < len(loaded.records) < 100
    (rest,) = loaded.skipped
    assert rest.where == f"{cut}, after line {len(loaded.records)}"


def test_an_unknown_source() -> None:
    with pytest.raises(RecordError, match="Did you mean 'star'"):
        source("starr")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([_talk()], "gave list, not Loaded"),
        (Loaded(records=[Turn(id="t")]), "gave a Turn"),
        (Loaded(records=[_talk(), _talk()]), "the id 'a' twice"),
        (Loaded(records=[_talk(origin="")]), "no provenance"),
        (Loaded(records=[_talk()], skipped=["x"]), "counted a str"),
    ],
)
def test_a_source_that_breaks_its_contract_stops(given: Any, says: str) -> None:
    broken = replace(SOURCES["star"], name="mine", load=lambda path, on_error: given)
    with pytest.raises(RunError, match=says):
        broken("any")


def test_conversations_reads_transcripts_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [
        {"chat": "a", "who": "client", "said": "Hi"},
        {"chat": "a", "who": "desk", "said": "Hello"},
    ]
    path.write_text("\n".join(json.dumps(r) for r in rows))
    mapping = Mapping(conversation="chat", role="who", text="said", agent="desk")
    (talk,) = conversations(path, mapping).records
    assert [m.role for m in talk.messages] == ["user", "assistant"]
    assert talk.provenance.source == "mine.jsonl"
