"""The user's own labels: Handrail's records, turns with replies and verdicts on them."""

from __future__ import annotations

from handrail.records import Turn, Verdict, read_jsonl
from handrail.sources.labelled.maker import Maker


def fill(made: Maker) -> None:
    """`turns.jsonl` with replies authored by system, `verdicts.jsonl` by "human" and others."""
    made.own(
        read_jsonl(made.path("turns.jsonl"), Turn, made.on_error),
        read_jsonl(made.path("verdicts.jsonl"), Verdict, made.on_error),
    )
