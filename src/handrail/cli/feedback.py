"""Public data sets of replies with feedback, in Python: what `handrail data feedback` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handrail.cli.files import some
from handrail.records import Loaded, SettingError, Turn
from handrail.records.store import OnError


def load_feedback(
    source: str,
    path: str | Path | Sequence[str | Path] = (),
    *,
    from_hub: str | None = None,
    split: str | None = None,
    on_error: OnError = "stop",
    **options: Any,
) -> Loaded[Turn]:
    """Turns with ranks, ratings, labels or votes, of a public data set.

    turns = handrail.load_feedback("oasst", "2023-04-12_oasst_ready.trees.jsonl.gz").records

    Args:
        source: "oasst", "hh_rlhf", "webgpt", ...; `list_feedback()` lists them.
        path: the raw file, or several: JSON Lines, JSON or CSV, gzip or not, or Parquet.
        from_hub: instead of a file, a data set of the hub, NAME, NAME:CONFIG or NAME@REVISION,
            or a folder of the library `datasets`, which must be installed (the extra `hub`).
        split: of the hub's data set; by default all.
        on_error: "stop" at the first bad row, or "skip" it and list it in `.skipped`. What the data
            itself marks as of no use (deleted messages, say) is counted there in either case.
        options: of the source; `feedback_settings(source)` lists them.

    Raises:
        HandrailError: no such source, file or option, a bad row, a hub out of reach, or nothing
            left to use.
    """
    from handrail.sources.feedback.registry import feedback_source

    chosen = feedback_source(source)
    if from_hub is not None:
        loaded = chosen.from_hub(from_hub, split, on_error, **options)
        return some(loaded, from_hub)
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        raise SettingError("there is no file to read", "Name one, or a data set with from_hub")
    return some(chosen(paths, on_error, **options), ", ".join(map(str, paths)))


def list_feedback() -> list[dict[str, str]]:
    """The data sets that `load_feedback` reads: name, what it is, columns, licence, hub names."""
    from handrail.sources.feedback import FEEDBACK

    return [
        {"name": s.name, "about": s.about, "files": s.files, "licence": s.licence,
         "hub": ", ".join(s.hub)}
        for s in FEEDBACK.values()
    ]  # fmt: skip


def feedback_settings(source: str) -> list[dict[str, Any]]:
    """The options of a source of feedback: name, type, default, what it is."""
    from handrail.cli.options import fields
    from handrail.sources.feedback.registry import feedback_source

    return list(fields(feedback_source(source).options).values())
