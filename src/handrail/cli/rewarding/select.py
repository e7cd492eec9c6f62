"""`handrail reward select`: several reward models on one's own data, and which one to take."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console
from handrail.cli.llm import given_llm, llm_options
from handrail.cli.verb import on_error_option, verb


@verb(
    "handrail reward select runs/pref/final runs/abs/final mix.yaml length --data shp.jsonl",
    "handrail reward select runs/pref/final model:gpt-4o-mini --data turns.jsonl --out choice",
    name="select",
)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Turns whose replies are ranked, rated or desirable.",
)
@click.option(
    "--per-category",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Questions drawn from each category: one pair of replies of a prompt.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write report.html, selection.json and questions.jsonl (every score) into this folder.",
)
@click.option(
    "--scores",
    type=click.Path(path_type=Path),
    help="Folder of scores, so that none is made twice.  [default: scores in the user's cache "
    "folder]",
)
@click.option("--no-scores", is_flag=True, help="Score everything, and keep no scores.")
@on_error_option
@llm_options
def command(
    console: Console,
    models: tuple[str, ...],
    data: Path,
    out: Path | None,
    scores: Path | None,
    no_scores: bool,
    **options: Any,
) -> None:
    """Compare reward MODELs by how often they prefer what people preferred.

    A MODEL is a folder or hub name of a reward model, a YAML file that combines several, a rule
    such as length (what a model has to beat), model:NAME, a language model that grades, or a file
    that `handrail reward score` wrote. Of each category the same questions are asked of all. The
    recommendation is the model with the most matches, or one that cannot be told apart from it and
    is far cheaper. Scores are kept, so that a second run makes none.
    """
    from handrail.cli import api
    from handrail.cli.files import read_turns
    from handrail.cli.rewarding.selecting import default_scores

    llm = given_llm(options)
    folder = None if no_scores else scores or default_scores()
    if out is not None:
        _check_folder(out)
    console.kept = (
        "" if folder is None else f"Scores are kept ({folder}): the same command goes on."
    )
    choice = api.select_reward(
        models,
        read_turns(console, data, options.pop("on_error")),
        scores=folder,
        progress=console.progress,
        llm=llm,
        **options,
    )
    summary = choice.summary()
    if out is None:
        console.result(summary, choice.text())
        return
    from handrail.records import RunError

    drawn = ["--per-category", str(choice.per_category), "--seed", str(choice.seed)]
    words = ["handrail", "reward", "select", *models, "--data", str(data), *drawn]
    words += ["--out", str(out)]
    try:
        page = choice.write(out, shlex.join(words))
    except RunError:  # such as a full disk: the figures are there all the same
        console.result(summary, choice.text())
        raise
    console.result(summary | {"report": str(page)}, f"{choice.text()}\n\nReport: {page}")


def _check_folder(out: Path) -> None:
    """Refuse a folder that is a file, before any work."""
    from handrail.records import SettingError

    if out.exists() and not out.is_dir():
        raise SettingError("this is a file", "Name a folder for the report", str(out))
