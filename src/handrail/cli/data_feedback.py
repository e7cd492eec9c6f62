"""`handrail data feedback`: public data sets of replies with feedback, as turns."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handrail.cli.console import Console, count, table
from handrail.cli.verb import assignments, on_error_option, set_option, verb

if TYPE_CHECKING:
    from handrail.records import Loaded, Skip, Turn

SHOWN = 12  # reasons for what was left out
_COLUMNS = ("turns", "replies", "pairs", "ties", "rated", "labelled", "desirable", "undesirable")


@verb(
    "handrail data feedback oasst oasst2_ready.trees.jsonl.gz turns.jsonl --set langs=en,es,fr,de",
    "handrail data feedback hh_rlhf helpful-base/train.jsonl.gz harmless-base/train.jsonl.gz "
    "turns.jsonl --on-error skip",
    "handrail data feedback shp turns.jsonl --from-hub stanfordnlp/SHP --split train "
    "--set min_score_ratio=2",
    "handrail data feedback --list",
    "handrail data feedback oasst --list-settings",
)
@click.argument("source", required=False)
@click.argument("files", nargs=-1, metavar="[FILE]... OUT")
@click.option(
    "--from-hub",
    metavar="NAME[:CONFIG]",
    help="Instead of FILE: a data set of the hub (or NAME@REVISION), or a folder that the library "
    "datasets wrote.",
)
@click.option("--split", help="Of the hub's data set.  [default: all]")
@set_option
@on_error_option
@click.option("--list", "list_sources", is_flag=True, help="List the data sets and stop.")
@click.option("--list-settings", is_flag=True, help="List the settings of SOURCE and stop.")
def feedback(
    console: Console,
    source: str | None,
    files: tuple[str, ...],
    from_hub: str | None,
    split: str | None,
    settings: tuple[str, ...],
    on_error: Any,
    **listed: bool,
) -> None:
    """Convert FILEs of the public data set SOURCE into turns with its ranks, ratings or labels.

    What rewards are trained and judged on. Deleted messages, repeated rows, ties and the like are
    told apart and counted.
    """
    from handrail.cli.feedback import load_feedback
    from handrail.cli.files import apart, records_out
    from handrail.records import write_jsonl
    from handrail.sources.feedback.registry import feedback_source

    if listed["list_sources"] or listed["list_settings"]:
        _list(console, source, listed["list_settings"])
        return
    raw, out = _paths(source, files, from_hub, split)
    feedback_source(str(source))
    apart(out, *raw)
    records_out(out)
    if from_hub:
        console.say(f"Asking the hub for {from_hub}")
    loaded = load_feedback(
        str(source), raw, from_hub=from_hub, split=split, on_error=on_error,
        **assignments(settings),
    )  # fmt: skip
    write_jsonl(out, loaded.records)
    _tell(console, loaded, out, raw)


def _paths(
    source: str | None, files: tuple[str, ...], from_hub: str | None, split: str | None
) -> tuple[list[str], Path]:
    """The FILEs, none where the hub stands for them, and OUT.

    Raises:
        UsageError: one is missing, or there is one too many.
    """
    if source is None or (len(files) != 1 if from_hub else len(files) < 2):
        named = "SOURCE and OUT beside --from-hub" if from_hub else "SOURCE, FILE and OUT"
        raise click.UsageError(f"Name {named} (or --list).")
    if split and not from_hub:
        raise click.UsageError("--split is of a data set of the hub; name one with --from-hub.")
    return list(files[:-1]), Path(files[-1])


def _list(console: Console, source: str | None, settings: bool) -> None:
    """The data sets, or the settings of one.

    Raises:
        UsageError: settings of no source.
    """
    from handrail.cli.feedback import feedback_settings, list_feedback
    from handrail.cli.options import listing

    if not settings:
        known = list_feedback()
        rows = [(s["name"], s["about"], s["licence"], s["hub"]) for s in known]
        console.result(
            {"sources": known}, table(rows, ("source", "about", "licence", "on the hub"))
        )
        return
    if source is None:
        raise click.UsageError("Name the SOURCE whose settings to list.")
    found = feedback_settings(source)
    text = f"Settings of `handrail data feedback {source}`:\n\n{listing(found)}"
    console.result(
        {"source": source, "settings": found}, text if found else f"{source} has no settings"
    )


def _tell(console: Console, loaded: Loaded[Turn], out: Path, raw: list[str]) -> None:
    """Print how much feedback of each kind there is, and what was left out, by reason."""
    from handrail.sources.feedback.counts import count_feedback

    counts = {name: asdict(n) for name, n in count_feedback(loaded.records).items()}
    kinds = [k for k in _COLUMNS if any(n[k] for n in counts.values())]
    rows = [(name, *(f"{n[kind]:,}" for kind in kinds)) for name, n in counts.items()]
    lines = [f"{count(len(loaded.records), 'turn')}: {out}", table(rows, ("set", *kinds))]
    lines += _reasons("Warnings", loaded.warnings, raw)
    lines += _reasons("Left out", loaded.skipped, raw)
    summary = {
        "turns": len(loaded.records),
        "feedback": counts,
        "out": str(out),
        "warnings": [warning.model_dump() for warning in loaded.warnings],
        "skipped": [skip.model_dump() for skip in loaded.skipped],
    }
    console.result(summary, "\n".join(lines))


def _reasons(head: str, skips: list[Skip], raw: list[str]) -> list[str]:
    """A line per reason, the most frequent first, with the first place where it holds."""
    counted: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for skip in skips:
        counted[skip.what, skip.reason] += skip.count
        first.setdefault((skip.what, skip.reason), _place(skip.where, raw))
    lines = [f"{head}: {counted.total():,}"] if counted else []
    for what, reason in [key for key, _ in counted.most_common(SHOWN)]:
        n = counted[what, reason]
        place = f" ({'first ' if n > 1 else ''}{first[what, reason]})"
        lines.append(f"  {count(n, what, _MANY.get(what, ''))}: {reason}{place}")
    if len(counted) > SHOWN:
        lines.append(f"  ... and {count(len(counted) - SHOWN, 'more reason')} (--json has all)")
    return lines


def _place(where: str, raw: list[str]) -> str:
    """A place without the file's name where there is only one file."""
    return where.removeprefix(f"{raw[0]}, ") if len(raw) == 1 else where


_MANY = {"reply": "replies", "rest of the file": "rests of files"}
