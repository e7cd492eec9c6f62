"""`handrail reward eval`: how good reward models are, by what people said or what is true."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from handrail.cli.console import Console
from handrail.cli.llm import given_llm, llm_options
from handrail.cli.verb import named, on_error_option, verb

if TYPE_CHECKING:
    from handrail.rewards.evaluating.results import EvalSettings, RewardEvaluation


@verb(
    "handrail reward eval length --data test.jsonl --out judged",
    "handrail reward eval runs/pref/final runs/abs/final length --data test.jsonl --out compared",
    "handrail reward eval runs/pref/final --labelled data --sets llmbar,vicuna --out labelled",
    "handrail reward eval runs/pref/final --data replies.jsonl --verdicts said.jsonl --out agree",
    name="eval",
)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Turns whose replies have feedback (ranks, ratings, labels); may be given often.",
)
@click.option(
    "--labelled",
    type=click.Path(path_type=Path),
    help="A folder of labelled data sets, as for `handrail judge-eval`.",
)
@click.option("--sets", metavar="NAME,...", help="Which labelled sets.  [default: all there]")
@click.option(
    "--verdicts",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A judge's verdicts on replies of --data, as `handrail judge` writes them; may be given "
    "often.",
)
@click.option("--dimension", help="Take the verdicts on this one.  [default: all]")
@click.option(
    "--gold",
    metavar="NAME",
    help="What best-of-n picks are valued by: world (the care world's truth), label:NAME, or a "
    "model.  [default: the data's ratings and ranks]",
)
@click.option(
    "--scale",
    "scales",
    multiple=True,
    metavar="MODEL=SCALE",
    help="What a model's scores are (preference, rating, order), where it does not say so itself.",
)
@click.option(
    "--probe/--no-probe", default=True, show_default=True, help="Ask the four-reply probe."
)
@click.option(
    "--label", default="quality", show_default=True, help="A reply's rating, where it has none."
)
@click.option("--low", default=0.4, show_default=True, help="Ratings up to this are low.")
@click.option("--high", default=0.9, show_default=True, help="Ratings from this on are high.")
@click.option("--bins", default=10, show_default=True, help="Of calibration curves.")
@click.option("--margin", default=0.0, show_default=True, help="Scores this close are a tie.")
@click.option("--resamples", default=2000, show_default=True, help="Bootstrap rounds.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="A folder: page, results, scores."
)
@llm_options
@on_error_option
def command(
    console: Console,
    models: tuple[str, ...],
    out: Path,
    scales: tuple[str, ...],
    sets: str | None,
    **options: Any,
) -> None:
    """Measure reward MODELs: pairs, orders, ratings, calibration, best-of-n, agreement, probes.

    A MODEL is a folder or hub name, a YAML file of a combined reward, a file of scores (`handrail
    reward score`; FILE.jsonl:MODEL of several), model:NAME (a language model that grades), or a
    rule that knows nothing of quality and has to be beaten: length, shorter, random, overlap,
    constant. Every figure has its 95 % interval, resampled by prompt. Scores are kept in the folder
    as they come: run again after a kill, only the missing ones are made.
    """
    from handrail.cli import api
    from handrail.cli.rewarding.eval_text import text_of

    folder = folder_out(out, [*options["data"], *options["verdicts"]])
    console.kept = f"Scores are kept in {out / 'scores'}; the same command goes on from there."
    asked = {
        name: options.pop(name)
        for name in ("label", "low", "high", "bins", "margin", "dimension", "resamples", "seed")
    }
    probe, labelled, data = options.pop("probe"), options.pop("labelled"), options.pop("data")
    made = api.evaluate_reward(
        list(models),
        list(data),
        labelled=labelled,
        verdicts=options.pop("verdicts"),
        settings=settings_of(**asked),
        on_error=options.pop("on_error"),
        progress=console.progress,
        sets=[name.strip() for name in sets.split(",") if name.strip()] if sets else None,
        scales=_scales(scales),
        gold=options.pop("gold"),
        probe=probe,
        keep=folder / "scores",
        llm=given_llm(options),
    )
    console.result(*_written(made, folder, given_words(), text_of(made)))


def given_words() -> str:
    """The command line as it was given: arguments and options that are not at their defaults."""
    context = click.get_current_context()
    words = context.command_path.split()
    for param in context.command.params:
        value = context.params.get(param.name or "")
        if context.get_parameter_source(param.name or "") is not ParameterSource.COMMANDLINE:
            continue
        several = value if isinstance(value, tuple) else (value,)
        if isinstance(param, click.Argument):
            words += map(str, several)
        elif isinstance(param, click.Option) and param.is_flag:
            words += (param.opts if value else param.secondary_opts)[:1]
        else:
            words += [word for one in several for word in (param.opts[-1], str(one))]
    return shlex.join(words)


def folder_out(out: Path, inputs: list[Path]) -> Path:
    """The folder for the results, made before the work.

    Raises:
        SettingError: there is a file of that name, or it is one of the inputs.
    """
    from handrail.records import SettingError

    if out.exists() and not out.is_dir():
        raise SettingError("there is a file of this name", "Name a folder for --out", str(out))
    if any(one.exists() and one.resolve() == out.resolve() for one in inputs):
        raise SettingError("this folder is an input too", "Name another one for --out", str(out))
    out.mkdir(parents=True, exist_ok=True)
    return out


def settings_of(
    label: str = "quality",
    low: float = 0.4,
    high: float = 0.9,
    bins: int = 10,
    margin: float = 0.0,
    dimension: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> EvalSettings:
    """The settings of an evaluation from plain values.

    Raises:
        SettingError: edges, bins, margin or resamples that cannot be.
    """
    from handrail.ranking import Resampling
    from handrail.records import SettingError
    from handrail.rewards.data.ranges import Edges
    from handrail.rewards.evaluating.results import EvalSettings

    if resamples < 100:
        raise SettingError(f"{resamples} bootstrap rounds make no interval", "Give 100 or more")
    how = Resampling(resamples, seed=seed)
    return EvalSettings(label, Edges(low, high), bins, margin, dimension, how)


def _scales(given: tuple[str, ...]) -> dict[str, str]:
    """What the models' scores are, from `MODEL=SCALE` texts; of two the last counts."""
    found = named(given, "is not a model with a scale", "MODEL=rating")
    return {name: texts[-1] for name, texts in found.items()}


def _written(
    made: RewardEvaluation, folder: Path, told: str, text: str
) -> tuple[dict[str, Any], str]:
    """Write results and page; the summary and the text for the console."""
    import json

    from handrail.cli.rewarding.eval_page import page_of
    from handrail.records import atomic_write
    from handrail.reports import write_report

    summary = made.summary()
    with atomic_write(folder / "results.json") as file:
        file.write(json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
    page = write_report(folder / "report.html", page_of(made, told))
    summary |= {"page": str(page), "results_file": str(folder / "results.json")}
    return summary, f"{text}\n\nPage: {page}\nResults: {folder / 'results.json'}"
