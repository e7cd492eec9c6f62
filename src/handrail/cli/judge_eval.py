"""`handrail judge-eval`: how far a judge says what people say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console, count
from handrail.cli.llm import llm_options
from handrail.cli.verb import on_error_option, verb


@verb(
    "handrail judge-eval --data data --judge rule:length --judge recorded:gpt4",
    "handrail judge-eval --data data --sets llmbar,pandalm --judge model:gpt-4o-mini --limit 200",
    "handrail judge-eval --data data --reproduce llmfao",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder with a folder for each data set, named after it; docs/judge-eval.md lists them.",
)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="NAME",
    help="rule:length, rule:shorter, rule:first, rule:random, model:NAME, reward:PATH, or "
    "recorded:NAME (a program's verdicts that a data set holds); may be given often.  "
    "[default: rule:length, rule:random]",
)
@click.option("--sets", metavar="NAME,...", help="Which data sets.  [default: all in the folder]")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Judge N comparisons (or ratings) of each set, drawn with a fixed seed.",
)
@click.option(
    "--protocol",
    default="helpful",
    show_default=True,
    metavar="NAME",
    help="How a language model is asked to compare: helpful, leaderboard, mt-pair; where prompts "
    "have guardrails, bins, assess.",
)
@click.option(
    "--reproduce",
    type=click.Choice(["alpaca_eval", "pandalm", "llmfao"]),
    help="Instead: published figures of a data set, computed again from its labels.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the verdicts of judges that were asked."
)
@click.option("--dry-run", is_flag=True, help="Say what asking would take, and ask nothing.")
@llm_options
@on_error_option
def command(
    console: Console,
    data: Path,
    judges: tuple[str, ...],
    sets: str | None,
    out: Path | None,
    reproduce: str | None,
    **asking: Any,
) -> None:
    """Measure judges by labelled data sets: comparisons that people judged too.

    Each comparison is judged in both orders. Every figure has its 95 % interval, resampled by
    prompt. Below the judges stand what one labeller reaches by the others, and what giving the
    same answer always would.
    """
    if reproduce is not None:
        _reproduce(console, data, reproduce, (*judges, sets, out, asking["limit"]), asking)
        return
    from handrail.cli import api
    from handrail.cli.files import records_out
    from handrail.cli.judge_tables import lines_of
    from handrail.records import RunError

    if out is not None:
        records_out(out)  # before the work
    console.kept = "Nothing was written; answers of a model are kept in the cache."
    made = api.judge_eval(
        data,
        judges or ("rule:length", "rule:random"),
        [name.strip() for name in sets.split(",") if name.strip()] if sets else None,
        progress=console.progress,
        tell=console.say,
        **asking,
    )
    summary, lines = made.summary(), lines_of(made)
    if asking["dry_run"]:
        told = [f"{name}: {cost.text}" for name, cost in made.costs.items()]
        console.result(summary, "\n".join(told) or "no language model is asked")
        return
    if out is not None:
        try:
            errors = made.write(out)
        except RunError:  # such as a full disk: the figures are there all the same
            console.result(summary, "\n".join(lines))
            raise
        summary |= {"verdicts_file": str(out), "errors_file": errors and str(errors)}
        lines += ["", f"{count(len(made.verdicts), 'verdict')}: {out}"]
        lines += [f"Failed judgements: {errors}"] if errors else []
    console.result(summary, "\n".join(lines))


def _reproduce(
    console: Console, data: Path, name: str, other: tuple[Any, ...], asking: dict[str, Any]
) -> None:
    from handrail.cli import api
    from handrail.cli.judge_reproduction import lines_of
    from handrail.records import SettingError

    if any(value is not None for value in other):
        raise SettingError(
            "--reproduce computes from the labels alone",
            "Leave out --judge, --sets, --limit and --out",
        )
    made = api.judge_reproduce(data, name, on_error=asking["on_error"], progress=console.progress)
    console.result(made, "\n".join(lines_of(made)))
