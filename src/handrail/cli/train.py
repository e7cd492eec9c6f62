"""`handrail train`: one objective, one model, one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console, count
from handrail.cli.verb import assignments, training_options, verb


@verb(
    "handrail train turns.jsonl --objective sft --out runs/sft",
    "handrail train turns.jsonl --objective ipo --model runs/sft/final --out runs/ipo",
    "handrail train turns.jsonl --objective kto --model ./my-model --out runs/kto "
    "--set mode=lora --set dtype=bfloat16 --set learning_rate=2e-5",
    "handrail train turns.jsonl --eval held-out.jsonl --set epochs=5 --set patience=2",
    "handrail train --list-settings",
)
@click.argument("file", required=False)
@click.option(
    "--objective",
    type=click.Choice(["sft", "dpo", "ipo", "kto", "kto_pair"]),
    default="ipo",
    show_default=True,
    help="What is learnt from the replies' feedback.",
)
@click.option("--model", default="world", show_default=True, help="Hub name or folder, or 'world'.")
@training_options
@click.option("--list-settings", is_flag=True, help="List the settings of the objective and stop.")
def command(
    console: Console,
    file: str | None,
    out: Path | None,
    eval_file: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    on_error: Any,
    list_settings: bool,
    **how: Any,
) -> None:
    """Train a model on the turns of FILE, in token trees.

    SFT learns the best reply of each turn; IPO, DPO and KTO-pair learn from its better and worse
    replies, KTO from desirable and undesirable ones. A training that was stopped goes on with the
    same command. The model goes to OUT/final, where transformers can load it.
    """
    from handrail.cli import api
    from handrail.cli.files import read_turns
    from handrail.cli.fit_settings import checked
    from handrail.cli.names import stem

    if list_settings:
        from handrail.cli.options import listing

        rows = api.training_settings(how["objective"])
        text = f"Settings of `handrail train --objective {how['objective']}`:\n\n{listing(rows)}"
        console.result({"objective": how["objective"], "settings": rows}, text)
        return
    if file is None:
        raise click.UsageError("Name a FILE of turns (or --list-settings).")
    given = (api.read_config(config) if config else {}) | assignments(settings)
    folder = out or Path("runs") / f"{stem(file)}-{how['objective']}"
    console.folder = folder
    console.kept = f"Checkpoints are kept in {folder}; the same command goes on from the newest."
    checked(how["objective"], given, eval_file is not None)  # before a large file is read
    turns = read_turns(console, file, on_error)
    how["eval_turns"] = eval_file and read_turns(console, eval_file, on_error)
    fitted = api.train(turns, out=folder, settings=given, progress=console.progress, **how)
    console.result(fitted.summary(), "\n".join(told(fitted.summary())))


def told(summary: dict[str, Any]) -> list[str]:
    """What a training came to, in lines."""
    lines = [
        f"{count(summary['steps'], 'step')} on {count(summary['turns'], 'turn')} "
        f"({count(summary['replies'], 'reply', 'replies')}, {count(summary['pairs'], 'pair')})",
        f"Model: {summary['model']}",
        f"Metrics: {summary['metrics']}",
    ]
    lines += _left_out(summary)
    if summary["evaluation"]:
        lines += _evaluation(summary["evaluation"])
    return lines


def _left_out(summary: dict[str, Any], what: str = "Left out") -> list[str]:
    reasons = list(summary["skipped_reasons"].items())
    lines = [f"{what}, {count(n, 'time')}: {why}" for why, n in reasons[:5]]
    if len(reasons) > 5:
        lines.append(f"{what} for other reasons: {sum(n for _, n in reasons[5:]):,}")
    return lines


def _evaluation(found: dict[str, Any]) -> list[str]:
    said = "no evaluation was due, or no loss was finite"
    if found["best_step"] is not None:
        said = f"best loss {found['best_loss']:.4g} at step {found['best_step']}"
    stopped = "; stopped early" if found["stopped_early"] else ""
    line = f"Evaluated on {count(found['turns'], 'turn')}: {said}{stopped}"
    return [line, *_left_out(found, "Left out of the evaluation")]
