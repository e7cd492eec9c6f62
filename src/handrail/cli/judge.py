"""`handrail judge`: which system keeps its guardrails better, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console, count, table
from handrail.cli.verb import on_error_option, verb


@verb(
    "handrail judge sft.jsonl ipo.jsonl --out verdicts.jsonl",
    "handrail judge mine.jsonl other.jsonl --turns test.jsonl --judge rules",
)
@click.argument("replies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--turns", help="The turns that count.  [default: those of the first file]")
@click.option(
    "--judge",
    type=click.Choice(["auto", "oracle", "rules"]),
    default="auto",
    show_default=True,
    help="oracle: the care world's, all three dimensions; rules: the checks of each playbook, "
    "adherence only; auto: the oracle where every turn was made by the care world, else rules.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the verdicts here (of two or more files)."
)
@on_error_option
def command(
    console: Console,
    replies: tuple[Path, ...],
    turns: str | None,
    judge: str,
    out: Path | None,
    on_error: Any,
) -> None:
    """Judge the REPLIES of one or more systems at the same turns.

    Each file is what `handrail generate` wrote and is named after itself. Each reply is judged by
    itself, and each pair of systems in both orders; every figure has its 95 % interval, resampled
    by conversation. The result says which judge it was.
    """
    from handrail.cli import api
    from handrail.cli.files import apart, read_turns, records_out
    from handrail.cli.judging import errors_beside, no_verdicts

    files = _by_system(replies)
    if out is not None:
        apart(out, *replies, turns)
        apart(errors_beside(records_out(out)), *replies, turns)
        if len(replies) < 2:
            raise no_verdicts(out)
    console.kept = "Nothing was written."
    by_name = {name: read_turns(console, file, on_error) for name, file in files.items()}
    asked = read_turns(console, turns, on_error) if turns else None
    judged = api.judge(by_name, asked, judge=judge, progress=console.progress)
    summary = judged.summary()
    if out is not None:
        errors = judged.write(out)
        summary |= {"verdicts_file": str(out), "errors_file": errors and str(errors)}
    because = f" ({judged.why})" if judged.why else ""
    lines = [f"{count(judged.turns, 'turn')}, judge: {judged.judge}{because}", ""]
    rows = [(r["system"], r["dimension"], _percent(r), str(r["n"])) for r in summary["rates"]]
    lines += [table(rows, ("system", "acceptable in", "share (95 %)", "n"))] if rows else []
    wins = [
        (f"{w['system']} against {w['against']}", w["dimension"], _percent(w), str(w["n"]))
        for w in summary["win_rates"]
    ]
    if wins:
        lines += ["", table(wins, ("win rate", "dimension", "(wins + both)/n (95 %)", "n"))]
    if judged.errors:
        lines += ["", f"{len(judged.errors)} judgements failed and are in no figure"]
    lines += [
        f"{skip.where}: {skip.count:,} x {skip.what}, {skip.reason}" for skip in judged.skipped
    ]
    if out is not None:
        lines.append(f"{count(len(judged.verdicts), 'verdict')}: {out}")
        lines += [f"Failed judgements: {summary['errors_file']}"] if judged.errors else []
    console.result(summary, "\n".join(lines))


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


def _percent(figure: dict[str, float]) -> str:
    return f"{figure['estimate']:.1%} ({figure['low']:.1%} to {figure['high']:.1%})"
