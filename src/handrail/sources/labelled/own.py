"""The user's own labels: Handrail's records, turns with replies and verdicts on them."""

from __future__ import annotations

from handrail.records import JudgeError, Loaded, Turn, Verdict, read_jsonl
from handrail.sources.labelled.maker import Maker

FAILED = "verdicts.errors.jsonl"  # as `handrail judge --out verdicts.jsonl` writes it


def fill(made: Maker) -> None:
    """`turns.jsonl` with replies authored by system, `verdicts.jsonl` by "human" and others.

    Judgements that failed may lie beside the verdicts.
    """
    failed: Loaded[JudgeError] = Loaded()
    if any((made.folder / name).exists() for name in (FAILED, f"{FAILED}.gz")):
        failed = read_jsonl(made.path(FAILED), JudgeError, made.on_error)
    made.own(
        read_jsonl(made.path("turns.jsonl"), Turn, made.on_error),
        read_jsonl(made.path("verdicts.jsonl"), Verdict, made.on_error),
        failed,
    )
