"""Readers fed 10,000 mangled records: records or a `HandrailError`, never another exception."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from handrail.records import (
    Assessment,
    Check,
    Conversation,
    Guardrail,
    HandrailError,
    JudgeError,
    Message,
    Playbook,
    Reply,
    Skip,
    Turn,
    Verdict,
    read_jsonl,
    write_jsonl,
)
from handrail.sources import columns
from handrail.sources.transcripts import Mapping, load
from tests.mangling import damaged, mangled

_BOOK = Playbook(
    guardrails=(Guardrail(id="g", text="No PIN.", check=Check(forbid=("PIN",), max_words=9)),)
)
_TALK = (Message(role="user", content="Hi"), Message(role="assistant", content="Grüße"))
GOOD: dict[str, BaseModel] = {
    "Conversation": Conversation(messages=_TALK, playbook=_BOOK, tags={"task": "x"}),
    "Turn": Turn(
        playbook=_BOOK,
        context=_TALK[:1],
        replies=(Reply(text="a", rank=1, labels={"x": 0.5}), Reply(text="b", breaks=("g",))),
    ),
    "Playbook": _BOOK,
    "Verdict": Verdict(turn="t", a="x", b="y", dimension="adherence", outcome="TIE"),
    "JudgeError": JudgeError(turn="t", a="x", b="y", dimension="d", problem="p"),
    "Assessment": Assessment(keeps=("g",), natural=True, invented=("7",)),
    "Skip": Skip(what="line", reason="r"),
}
PER_KIND = 1000


def _feed(
    path: Path, lines: list[bytes], read: Callable[[Path, Any], Any], tally: Counter[str]
) -> list[Any]:
    """Read the lines one by one (stop) and all at once (skip), whatever comes."""
    kept = []
    for line in lines:
        path.write_bytes(line)
        try:
            kept += read(path, "stop").records
            tally["kept"] += 1
        except HandrailError:
            tally["refused"] += 1
    path.write_bytes(b"\n".join(lines))
    try:
        read(path, "skip")
    except HandrailError:
        tally["files refused"] += 1
    return kept


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_mangled_records(tmp_path: Path, kind: str) -> None:
    rng = random.Random(f"records {kind}")
    data = json.loads(GOOD[kind].model_dump_json())
    tally: Counter[str] = Counter()
    lines = [mangled(data, rng) for _ in range(PER_KIND)]
    record_type = type(GOOD[kind])
    kept = _feed(
        tmp_path / "a.jsonl", lines, lambda p, mode: read_jsonl(p, record_type, mode), tally
    )
    print(kind, dict(tally))
    assert tally["kept"] + tally["refused"] == PER_KIND
    assert min(tally["kept"], tally["refused"]) > 20
    # What was read can be written, and comes back the same.
    unique = list({getattr(r, "id", str(i)): r for i, r in enumerate(kept)}.values())
    write_jsonl(tmp_path / "b.jsonl", unique)
    assert len(read_jsonl(tmp_path / "b.jsonl", record_type).records) == len(unique)


ROW = {"conversation": "a", "role": "agent", "text": "Grüße, 5 €", "order": 1}
TALK = {"id": "a", "messages": [{"role": "user", "text": "Hi"}, {"role": "agent", "text": "Yes?"}]}
CASES: dict[str, tuple[Any, str, Mapping | None]] = {
    "rows": (ROW, "a.jsonl", Mapping(order="order")),
    "conversations": (TALK, "a.jsonl", None),
    "with playbook": ({**TALK, "rules": ["No PIN."]}, "a.jsonl", Mapping(playbook="rules")),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_mangled_transcripts(tmp_path: Path, case: str) -> None:
    rng = random.Random(f"transcripts {case}")
    data, name, mapping = CASES[case]
    tally: Counter[str] = Counter()
    lines = [mangled(data, rng) for _ in range(PER_KIND)]
    encodings = [None, None, "detect", "utf-16", "latin-1"]

    def read(path: Path, mode: Any) -> Any:
        return load(path, mapping, encoding=rng.choice(encodings), on_error=mode)

    kept = _feed(tmp_path / name, lines, read, tally)
    print(case, dict(tally))
    assert tally["kept"] + tally["refused"] == PER_KIND
    assert min(tally["kept"], tally["refused"]) > 20
    distinct = list({c.id: c for c in kept}.values())
    assert write_jsonl(tmp_path / "b.jsonl", distinct) == len(distinct)


PAIRS: dict[str, dict[str, Any]] = {
    "pairs": {"prompt": "Grüße", "chosen": "Hello", "rejected": "Go"},
    "labels": {
        "prompt": [{"role": "user", "content": "Hi"}],
        "completion": [{"role": "assistant", "content": "Grüße"}],
        "label": True,
        "playbook": json.dumps({"guardrails": [{"id": "g", "text": "No PIN."}]}),
    },
}


@pytest.mark.parametrize("case", sorted(PAIRS))
def test_mangled_columns(tmp_path: Path, case: str) -> None:
    rng = random.Random(f"columns {case}")
    tally: Counter[str] = Counter()
    lines = [mangled(PAIRS[case], rng) for _ in range(PER_KIND)]
    encodings = [None, None, "detect", "utf-16", "latin-1"]

    def read(path: Path, mode: Any) -> Any:
        turns, _ = columns.load(path, encoding=rng.choice(encodings), on_error=mode)
        return turns

    kept = _feed(tmp_path / "a.jsonl", lines, read, tally)
    print(case, dict(tally))
    assert tally["kept"] + tally["refused"] == PER_KIND
    assert min(tally["kept"], tally["refused"]) > 20
    assert write_jsonl(tmp_path / "b.jsonl", kept) == len(kept)


def test_mangled_csv(tmp_path: Path) -> None:
    rng = random.Random("csv")
    table = 'conversation,role,text\na,customer,"Hi, you"\na,agent,"Say ""yes"""\nb,agent,Grüße\n'
    tally: Counter[str] = Counter()
    tables = [damaged(table.encode(), rng) for _ in range(PER_KIND)]
    _feed(tmp_path / "a.csv", tables, lambda p, mode: load(p, on_error=mode), tally)
    print("csv", dict(tally))
    assert tally["kept"] + tally["refused"] == PER_KIND
    assert min(tally["kept"], tally["refused"]) > 20
