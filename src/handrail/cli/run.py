"""`handrail run`: a recipe from data to report, in one folder that can be run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console, table
from handrail.cli.verb import assignments, set_option, verb


@verb(
    "handrail run quickstart --out runs/first",
    "handrail run flow1 --out runs/flow1 --seeds 3",
    "handrail run flow1 --model ./my-model --conversations talks.jsonl --out runs/mine",
    "handrail run flow1 --conversations talks.jsonl --on-error skip --set on_long=cut_context",
    "handrail run quickstart --llm world --out runs/annotated",
    "handrail run flow1 --list-settings",
    "handrail run --list",
)
@click.argument("recipe", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/RECIPE]")
@click.option("--model", help="Hub name or folder of a causal language model; 'world' is built in.")
@click.option(
    "--conversations", help="Your conversations or turns: records, transcripts, TRL's columns."
)
@click.option("--playbook", help="A playbook (JSON or YAML) for those that have none.")
@click.option(
    "--llm",
    help="A language model that finds guardrails, writes replies that break them, and judges; "
    "'world' is played by the care world, over HTTP.  [default: none]",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    help="Bad records: stop at the first, or skip and count.  [default: stop]",
)
@click.option("--seeds", type=int, help="How many seeds to train and judge.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings as a YAML file.")
@set_option
@click.option("--list", "list_recipes", is_flag=True, help="List the recipes and stop.")
@click.option("--list-settings", is_flag=True, help="List the recipe's settings and stop.")
def command(
    console: Console,
    recipe: str | None,
    out: Path | None,
    config: Path | None,
    settings: tuple[str, ...],
    list_recipes: bool,
    list_settings: bool,
    **direct: Any,
) -> None:
    """Run RECIPE from data to report.

    The folder gets the resolved settings, one folder per stage, summary.json and report.html.
    Stages that are whole and whose inputs did not change are not run again, so the same command
    goes on after a stop, and after an edit only what changed runs.
    """
    from handrail.cli import api

    if list_recipes or recipe is None:
        known = api.list_recipes()
        text = table([(name, summary) for name, summary in known.items()])
        console.result({"recipes": known}, text)
        return
    if list_settings:
        from handrail.cli.options import listing

        rows = api.recipe_settings(recipe)
        console.result({"recipe": recipe, "settings": rows}, listing(rows))
        return
    given = api.read_config(config) if config else {}
    given |= {name: value for name, value in direct.items() if value is not None}
    given |= assignments(settings)
    folder = out or Path("runs") / recipe
    console.folder = folder
    console.kept = f"What was finished is kept in {folder}; the same command goes on from there."
    summary = api.run(recipe, folder, given, progress=console.progress)
    console.result(summary, _text(summary, folder))


def _text(summary: dict[str, Any], folder: Path) -> str:
    """The result table of a run and its headline, for a reader."""
    from handrail.reports.numbers import points

    lines = [_rates(summary)] if summary.get("rates") else []
    gain = summary.get("adherence_gain") or {}
    if gain.get("estimate") is not None:
        found, low, high = (points(gain[key]) for key in ("estimate", "low", "high"))
        lines.append(
            f"Adherence, aligned minus SFT: {found} points (95 % interval {low} to {high})"
        )
    lost = sum(one["count"] for one in summary.get("left_out", ()))
    if lost:
        lines.append(f"Skipped or cut: {lost:,}, by reason in the report and in summary.json")
    lines += [f"Report: {folder / 'report.html'}", f"Summary: {folder / 'summary.json'}"]
    return "\n".join(lines)


def _rates(summary: dict[str, Any]) -> str:
    """Acceptable replies per system and dimension, each with its interval."""
    dimensions = list(dict.fromkeys(rate["dimension"] for rate in summary["rates"]))
    cells: dict[str, dict[str, str]] = {}
    for rate in summary["rates"]:
        shown = "not judged"
        if rate["estimate"] is not None:
            shown = f"{rate['estimate']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"
        cells.setdefault(rate["system"], {})[rate["dimension"]] = shown
    n = max(rate["n"] for rate in summary["rates"])
    rows = [(name, *(found.get(d, "") for d in dimensions)) for name, found in cells.items()]
    title = f"Acceptable replies, with 95 % intervals (n = {n} each):"
    return f"\n{title}\n{table(rows, ('system', *dimensions))}\n"
