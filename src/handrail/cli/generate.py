"""`handrail generate`: a model's replies to turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console, count
from handrail.cli.llm import llm_options
from handrail.cli.verb import on_error_option, style_option, verb


@verb(
    "handrail generate --model world --turns test.jsonl --out base.jsonl",
    "handrail generate --model runs/ipo/final --turns test.jsonl --out ipo.jsonl --n 4",
    "handrail generate --model ./my-model --style chat --turns test.jsonl --out mine.jsonl",
    "handrail generate --model openai:gpt-4o-mini --max-cost 2 --turns test.jsonl --out gpt.jsonl",
)
@click.option(
    "--model",
    default="world",
    show_default=True,
    help="Hub name or folder, or 'world'; openai:NAME is a model behind an OpenAI-compatible "
    "endpoint, for which the options from --base-url on are.",
)
@click.option("--turns", required=True, help="Turns (or conversations) to reply to.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Turns with replies.")
@click.option("--n", type=int, default=1, show_default=True, help="Replies per turn.")
@click.option("--temperature", type=float, default=0.7, show_default=True, help="0 is greedy.")
@click.option("--max-tokens", type=int, default=128, show_default=True, help="Longest reply.")
@click.option("--seed", type=int, default=0, show_default=True, help="Repeats a draw.")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the computation; auto is bfloat16 where it is native.",
)
@style_option
@on_error_option
@click.option(
    "--on-long",
    type=click.Choice(["refuse", "skip", "cut_context"]),
    default="refuse",
    show_default=True,
    help="A prompt without room for --max-tokens: an error, left out, or without its oldest "
    "messages.",
)
@llm_options
def command(
    console: Console,
    model: str,
    turns: str,
    out: Path,
    on_error: Any,
    on_long: Any,
    dtype: Any,
    style: Any,
    **given: Any,
) -> None:
    """Write a model's replies to the turns of a file.

    The file written holds the same turns (context and playbook) with the model's replies instead
    of those that they had, so it can be judged, trained on or read by itself.
    """
    from handrail.cli import api
    from handrail.cli.files import apart, read_turns, records_out
    from handrail.cli.llm import given_llm, kept_answers, no_llm, spent_lines

    apart(out, turns)
    records_out(out)
    console.kept = "Nothing was written."
    asking = given_llm(given)
    params = api.sampling(**given)  # refuses what cannot be before the model is loaded
    read = read_turns(console, turns, on_error)
    if model.startswith("openai:"):
        server = api.open_sampler(model, **asking)
        estimate = server.estimate(read.records, params)
        console.say(estimate.text if estimate else "")
        console.kept = f"{console.kept} {kept_answers(server.model)}".strip()
        sampler: Any = server
    else:
        no_llm(asking, f"the model '{model}' runs in this process")
        sampler = api.load(model, dtype=dtype, style=style)
    made = api.generate(read, sampler, on_long=on_long, progress=console.progress, **given)
    api.write(out, made.turns)
    summary = made.summary() | {"out": str(out)}
    said = count(summary["replies"], "reply", "replies")
    lines = [f"{said} to {count(summary['turns'], 'turn')}: {out}"]
    if made.cut_off:
        lines.append(f"{made.cut_off} were cut off at --max-tokens")
    reasons = list(summary["skipped_reasons"].items())
    firsts = {skip.reason: skip for skip in reversed(made.skipped)}
    for why, times in reasons[:5]:
        first = firsts[why]
        lines.append(
            f"Left out or cut, {count(times, 'time')}: {first.what}: {why}, first {first.where}"
        )
    if len(reasons) > 5:
        lines.append(f"... and {sum(n for _, n in reasons[5:]):,} more, for other reasons")
    lines += spent_lines(made.spent) if made.spent else []
    console.result(summary, "\n".join(lines))
