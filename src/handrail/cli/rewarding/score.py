"""`handrail reward score`: every reply of a file with a model's score."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handrail.cli.console import Console, count, table
from handrail.cli.verb import on_error_option, verb

if TYPE_CHECKING:
    from handrail.cli.rewarding.scoring import Scores
    from handrail.records.store import OnError


@verb(
    "handrail reward score turns.jsonl --model runs/rm/final --out scored.jsonl",
    "handrail reward score turns.jsonl --model runs/pref/final --model runs/abs/final --model "
    "length --out scored.jsonl",
    name="score",
)
@click.argument("file")
@click.option(
    "models",
    "--model",
    multiple=True,
    required=True,
    help="A reward model's folder or hub name, a YAML file of a combined reward, or a rule such as "
    "length; may be given often.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="JSON Lines file of scores."
)
@on_error_option
def command(
    console: Console, file: str, models: tuple[str, ...], out: Path, on_error: OnError
) -> None:
    """Score every reply of the turns in FILE, and show how the scores are distributed.

    OUT has a line per reply and model: turn, place of the reply, text, raw score, model. A reply
    that does not fit a model has no score there, and is counted. `handrail reward eval` takes OUT
    for the model.
    """
    from handrail.cli import api
    from handrail.cli.files import apart, read_turns, records_out

    apart(out, file)
    records_out(out)
    keep = out.with_name(f"{out.name}.kept")
    console.kept = f"Scores are kept in {keep}; the same command goes on from there."
    turns = read_turns(console, file, on_error)
    made = api.score_replies(turns, list(models), keep=keep, progress=console.progress)
    made.write(out)
    shutil.rmtree(keep, ignore_errors=True)  # all of it is in OUT now
    console.result(made.summary() | {"scores_file": str(out)}, scores_text(made, str(out)))


def scores_text(made: Scores, path: str) -> str:
    """How the scores are distributed, in a table."""
    rows: list[tuple[str, ...]] = []
    for model in made.models:
        for spread in made.spreads(model):
            numbers = (spread.least, spread.q1, spread.median, spread.q3, spread.most, spread.mean)
            told = tuple(f"{number:.3f}" for number in numbers)
            rows.append((model, spread.group, f"{spread.n:,}", *told))
    summary = made.summary()
    lines = [
        f"{count(summary['replies'], 'reply', 'replies')} of {count(made.turns, 'turn')}: {path}"
    ]
    if rows:
        head = ("model", "replies of", "scored", "least", "q1", "median", "q3", "most", "mean")
        lines.append(table(rows, head))
    for model in made.models:
        unscored = made.unscored(model)
        if unscored:
            text = "has no score: it does" if unscored == 1 else "have no score: they do"
            lines.append(f"{model}: {count(unscored, 'reply', 'replies')} {text} not fit the model")
    for reason, times in summary["skipped_reasons"].items():
        lines.append(f"Left out, {count(times, 'time')}: {reason}")
    return "\n".join(lines)
