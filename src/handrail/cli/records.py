"""What a file of records holds, counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from handrail.cli.console import table
from handrail.cli.files import kind_of, read_records
from handrail.cli.skips import SHOWN
from handrail.records import CheckResult, Conversation, Playbook, Turn
from handrail.records.store import OnError


def census(path: str, kind: str | None, on_error: OnError) -> dict[str, Any]:
    """Counts over a file's records, and each record that has a fault."""
    loaded = read_records(path, kind, on_error)
    name = kind_of(path, kind).__name__ if loaded.records else (kind or "record")
    counts: Counter[str] = Counter()
    for record in loaded.records:
        if isinstance(record, Conversation):
            _conversation(record, counts)
        elif isinstance(record, Turn):
            _turn(record, counts)
        elif isinstance(record, Playbook):
            _playbook(record, counts)
    return {
        "file": path,
        "kind": name,
        "records": len(loaded.records),
        "counts": dict(counts),
        "warnings": [warning.model_dump() for warning in loaded.warnings],
        "skipped": [skip.model_dump() for skip in loaded.skipped],
    }


def census_text(found: dict[str, Any]) -> str:
    """The census for a reader."""
    rows = [(f"{found['kind']} records", str(found["records"]))]
    rows += [(name, str(count)) for name, count in found["counts"].items()]
    lines = [table(rows)]
    lines += [f"Warning: {w['where']}: {w['reason']}" for w in found["warnings"][:SHOWN]]
    lines += [f"{skip['where']}: {skip['reason']}" for skip in found["skipped"][:SHOWN]]
    if len(found["skipped"]) > SHOWN:
        lines.append(f"... and {len(found['skipped']) - SHOWN} more with a fault")
    return "\n".join(lines)


def _conversation(record: Conversation, counts: Counter[str]) -> None:
    counts.update(f"{message.role} messages" for message in record.messages)
    counts["with a playbook"] += record.playbook is not None
    if record.playbook is None:
        return
    for i, message in enumerate(record.messages):
        if message.role == "assistant":
            results = record.playbook.results(record.messages[:i], message.content)
            counts["agent messages that break a guardrail"] += CheckResult.BROKEN in (
                results.values()
            )


def _turn(record: Turn, counts: Counter[str]) -> None:
    counts["replies"] += len(record.replies)
    counts["pairs (better, worse)"] += sum(1 for _ in record.pairs())
    counts["with a reply that SFT can learn"] += record.best() is not None
    counts["with a playbook"] += record.playbook is not None


def _playbook(record: Playbook, counts: Counter[str]) -> None:
    counts["guardrails"] += len(record.guardrails)
    counts["guardrails with a check"] += sum(g.check is not None for g in record.guardrails)
