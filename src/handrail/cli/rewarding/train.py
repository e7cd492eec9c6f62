"""`handrail reward train`: one loss, one model, one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console
from handrail.cli.verb import assignments, training_options, verb


@verb(
    "handrail reward train ranked.jsonl --out runs/rm",
    "handrail reward train rated.jsonl --loss logistic --model ./encoder --out runs/rm",
    "handrail reward train votes.jsonl --model ./base --out runs/pre",
    "handrail reward train ranked.jsonl --model runs/pre/final --out runs/rm",
    "handrail reward train ranked.jsonl --eval held-out.jsonl --set mode=lora --set epochs=2",
    "handrail reward train --list-settings",
    name="train",
)
@click.argument("file", required=False)
@click.option(
    "--loss",
    type=click.Choice(["bradley_terry", "logistic", "sigmoid_mse", "mse"]),
    default="bradley_terry",
    show_default=True,
    help="bradley_terry learns which replies are better, the others learn ratings in 0..1.",
)
@click.option(
    "--model",
    default="world",
    show_default=True,
    help="A language model or an encoder (hub name, folder, or 'world'), or a reward model's "
    "folder to go on with.",
)
@training_options
@click.option("--list-settings", is_flag=True, help="List the settings of the loss and stop.")
def command(
    console: Console,
    file: str | None,
    out: Path | None,
    eval_file: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    list_settings: bool,
    **how: Any,
) -> None:
    """Train a reward model on the turns of FILE.

    Preferences are learnt from all pairs of a prompt's ranked replies, ratings from those in 0..1
    (`handrail reward prepare` makes them). A training that was stopped goes on with the same
    command. The model goes to OUT/final, where transformers can load it as a classifier with one
    label.
    """
    from handrail.cli import api
    from handrail.cli.files import read_turns
    from handrail.cli.fit_settings import checked
    from handrail.cli.names import stem
    from handrail.cli.train import told

    loss, on_error = how["loss"], how["on_error"]
    if list_settings:
        from handrail.cli.options import listing

        rows = api.reward_settings(loss)
        text = f"Settings of `handrail reward train --loss {loss}`:\n\n{listing(rows)}"
        console.result({"loss": loss, "settings": rows}, text)
        return
    if file is None:
        raise click.UsageError("Name a FILE of turns (or --list-settings).")
    given = (api.read_config(config) if config else {}) | assignments(settings)
    folder = out or Path("runs") / f"{stem(file)}-{loss}"
    console.folder = folder
    console.kept = f"Checkpoints are kept in {folder}; the same command goes on from the newest."
    checked(loss, given, eval_file is not None)  # before a large file is read
    turns = read_turns(console, file, on_error)
    how["eval_turns"] = eval_file and read_turns(console, eval_file, on_error)
    fitted = api.train_reward(turns, out=folder, settings=given, progress=console.progress, **how)
    console.result(fitted.summary(), "\n".join(told(fitted.summary())))
