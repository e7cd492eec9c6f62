"""`handrail judge`: which system keeps its guardrails better, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console
from handrail.cli.llm import llm_options
from handrail.cli.verb import on_error_option, verb

_PROTOCOLS = (
    *("bins", "assess", "helpful", "leaderboard", "mt-pair"),
    *("mt-single", "rubric", "refusal", "safety"),
)


@verb(
    "handrail judge sft.jsonl ipo.jsonl --out verdicts.jsonl",
    "handrail judge mine.jsonl other.jsonl --turns test.jsonl --judge rules",
    "handrail judge sft.jsonl ipo.jsonl --judge model:gpt-4o-mini --dry-run",
    "handrail judge ipo.jsonl --judge model:world --protocol safety",
)
@click.argument("replies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--turns", help="The turns that count.  [default: those of the first file]")
@click.option(
    "--judge",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="oracle: the care world's, all three dimensions; rules: the checks of each playbook, "
    "adherence only; auto: the oracle where every turn was made by the care world, else rules; "
    "model:NAME: a language model; reward:PATH: a reward model, or a YAML file that combines "
    "several; rule:length, rule:shorter, rule:first, rule:random: what a judge has to beat.",
)
@click.option(
    "--protocol",
    type=click.Choice(_PROTOCOLS),
    help="How a language model judges (docs/judging.md): the first five compare two replies, the "
    "others grade one.  [default: bins]",
)
@click.option(
    "--order",
    type=click.Choice(["both", "random"]),
    default="both",
    show_default=True,
    help="Show each pair in both orders, or in one that is drawn per turn (half the cost, and "
    "no flip rate).",
)
@click.option("--dimensions", metavar="A,B", help="Judge on these only.  [default: all it knows]")
@click.option("--reference", help="Turns whose replies are reference answers.")
@click.option("--rubric", help="YAML or JSON: criterion, and what each of 1 to 5 means.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of drawn orders.")
@click.option("--margin", type=float, default=0.0, help="Rewards that differ by less are a tie.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the verdicts (of two or more files) or ratings here, what failed beside it.",
)
@click.option("--dry-run", is_flag=True, help="Say what asking would take, and ask nothing.")
@on_error_option
@llm_options
def command(
    console: Console,
    replies: tuple[Path, ...],
    judge: str,
    out: Path | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Judge the REPLIES of one or more systems at the same turns.

    Each file is what `handrail generate` wrote and is named after itself. A judge of pairs sees
    each pair of systems in both orders; every figure has its 95 % interval, resampled by
    conversation. The result says which judge it was, how it bends to order and length, what
    failed and what it cost. A language model's answers are kept, so that a second run is free.
    """
    from handrail.cli import api
    from handrail.records import RunError

    files = _by_system(replies)
    _check_out(files, out, judge, options)
    asks = judge.startswith("model:")
    console.kept = (
        "Answers that came are in the cache (unless --no-cache): the same command goes on."
        if asks
        else "Nothing was written."
    )
    judged = api.judge(**_arguments(console, files, judge, dry_run, options))
    summary = judged.summary()
    if dry_run:
        told = judged.cost.text if judged.cost else f"{judged.judge} asks no language model"
        console.result(summary, told)
        return
    from handrail.cli.judge_text import judged_text

    errors: Path | None = None
    if out is not None:
        try:
            errors = judged.write(out)
        except RunError:  # such as a full disk: the figures are there all the same
            console.result(summary, judged_text(judged))
            raise
        summary |= {"verdicts_file": str(out), "errors_file": errors and str(errors)}
    console.result(summary, judged_text(judged, str(out or ""), str(errors or "")))


def _arguments(
    console: Console, files: dict[str, Path], judge: str, dry_run: bool, options: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of `handrail.judge`; files are read here, so that warnings become notes."""
    from handrail.cli.files import read_turns

    on_error = options["on_error"]
    names = options["dimensions"]

    def read(path: str | None) -> Any:
        return read_turns(console, path, on_error) if path else None

    given = {name: options[name] for name in ("rubric", "prompts") if options[name] is not None}
    if options["reference"]:
        given["reference"] = read(options["reference"])
    return {
        "replies": {name: read_turns(console, file, on_error) for name, file in files.items()},
        "turns": read(options["turns"]),
        "judge": judge,
        "protocol": options["protocol"],
        "orders": options["order"],
        "dimensions": [d.strip() for d in names.split(",") if d.strip()] if names else None,
        "progress": console.progress,
        "seed": options["seed"],
        "margin": options["margin"],
        "llm": options["llm"],
        "tell": console.say,
        "dry_run": dry_run,
        **given,
    }


def _check_out(
    files: dict[str, Path], out: Path | None, judge: str, options: dict[str, Any]
) -> None:
    """Refuse an output that cannot be written, before any work."""
    from handrail.cli.files import apart, records_out
    from handrail.cli.judged import errors_beside, no_verdicts
    from handrail.cli.judges import GRADERS

    if out is None:
        return
    inputs = (*files.values(), options["turns"], options["reference"], options["rubric"])
    apart(records_out(out), *inputs)
    apart(errors_beside(out), *inputs)
    grades = judge.startswith("model:") and options["protocol"] in GRADERS
    if len(files) < 2 and not grades:
        raise no_verdicts(out)


def _by_system(replies: tuple[Path, ...]) -> dict[str, Path]:
    """Each file of replies by the name of its system, which is its own.

    Raises:
        SettingError: two files have one name.
    """
    from handrail.cli.names import stem
    from handrail.records import SettingError

    files: dict[str, Path] = {}
    for path in replies:
        name = stem(path)
        if name in files:
            raise SettingError(
                f"{files[name]} and {path} both name the system '{name}'",
                "Rename one: a file's name without its ending names the system",
            )
        files[name] = path
    return files
