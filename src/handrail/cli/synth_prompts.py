"""`handrail synthesize paraphrase`, `classify`, `questions`, `prompts`, `preferences`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handrail.cli.console import Console, count, table
from handrail.cli.synth_work import asking_options, nothing_made, open_asking, tell, tell_plan
from handrail.cli.verb import verb

if TYPE_CHECKING:
    from handrail.records import Skip
    from handrail.synthesis import Asking, Made

turns_argument = click.argument("turns")
out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Write the turns here."
)


def count_option(default: int, what: str) -> Any:
    """--count of what is made at a time."""
    return click.option(
        "--count", "n", type=click.IntRange(min=1), default=default, show_default=True, help=what
    )


@verb("handrail synthesize paraphrase turns.jsonl --out more.jsonl --model gpt-4o-mini --count 3")
@turns_argument
@out_option
@count_option(2, "Paraphrases of each turn.")
@asking_options
def paraphrase(console: Console, turns: str, out: Path, n: int, **o: Any) -> None:
    """Write the TURNS again with what the user says in other words; replies and feedback stay.

    A paraphrase that changes a number or says nothing new is dropped.
    """
    from handrail.synthesis import paraphrase as make
    from handrail.synthesis import paraphrase_requests

    read, asking = _begin(console, turns, out, o)
    requests = paraphrase_requests(read.records, asking, n)
    if _planned(console, "paraphrase", requests, asking, o):
        return
    made = make(read.records, asking, n, console.progress)
    _done(console, made, out, read.skipped, asking)


@verb("handrail synthesize classify prompts.jsonl --out classed.jsonl --model gpt-4o-mini")
@turns_argument
@out_option
@asking_options
def classify(console: Console, turns: str, out: Path, **o: Any) -> None:
    """Write the TURNS again with the tag `category`: what the prompt asks for.

    problem-solving, fact-based, reasoning, open-ended or creative.
    """
    from handrail.synthesis import asked_text
    from handrail.synthesis import classify as make

    read, asking = _begin(console, turns, out, o)
    requests = [
        asking.request("classify", {"prompt": asked_text(t)}, about=t.id)
        for t in read.records
        if asked_text(t)
    ]
    if _planned(console, "classify", requests, asking, o):
        return
    made = make(read.records, asking, console.progress)
    _done(console, made, out, read.skipped, asking)


@verb("handrail synthesize questions domains.yaml --out prompts.jsonl --model gpt-4o-mini")
@click.argument("domains")
@out_option
@count_option(5, "Questions about each keyword.")
@asking_options
def questions(console: Console, domains: str, out: Path, n: int, **o: Any) -> None:
    """Write prompts: questions about the keywords of DOMAINS, as people ask them.

    DOMAINS is a YAML or JSON list of `domain`, `keywords` and `rules` (of the domain's style).
    --limit is of domains.
    """
    from handrail.cli.files import apart, records_out
    from handrail.cli.synth_domains import read_domains
    from handrail.synthesis import question_requests, write_questions

    apart(records_out(out), domains)
    read = read_domains(domains)[: o["limit"]]
    asking = open_asking(console, o["model"], o["prompts"], o["llm"])
    if _planned(console, "questions", question_requests(read, asking, n), asking, o):
        return
    made = write_questions(read, asking, n, progress=console.progress)
    _done(console, made, out, [], asking)


@verb("handrail synthesize prompts rated.jsonl --out prompts.jsonl --model gpt-4o-mini --rounds 4")
@turns_argument
@out_option
@count_option(50, "Prompts to write each round.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="How often examples are drawn and shown.",
)
@click.option(
    "--per-domain",
    type=click.IntRange(min=1),
    default=15,
    show_default=True,
    help="Examples of each domain, each round.",
)
@click.option(
    "--tag", default="domain", show_default=True, help="The turns' tag that names the domain."
)
@click.option("--seed", type=int, default=0, show_default=True)
@asking_options
def prompts(console: Console, turns: str, out: Path, n: int, **o: Any) -> None:
    """Write prompts for the domains in which the rated replies of the TURNS score low.

    The model sees questions with answers and scores, says which domains are weak and what
    questions with high scores have in common, and writes new ones. --limit is of rounds.
    """
    from handrail.synthesis import score_draws, scored_examples, write_score_prompts

    read, asking = _begin(console, turns, out, o | {"limit": None})
    examples = scored_examples(read.records, o["tag"])
    rounds = min(o["rounds"], o["limit"] or o["rounds"])
    draws = score_draws(examples, rounds, o["per_domain"], o["seed"])
    requests = [
        asking.request("score_prompts", {"examples": list(d), "count": n}, sample=i)
        for i, d in enumerate(draws)
    ]
    if _planned(console, "score prompts", requests, asking, o):
        return
    made = write_score_prompts(draws, asking, n, console.progress)
    weak = [f"{name} ({times:,})" for name, times in made.weak_domains.items()]
    lines = ["", f"Weak domains (rounds that named them): {', '.join(weak) or 'none'}"]
    lines += [f"Pattern: {pattern}" for pattern in made.patterns[:5]]
    summary = {"weak_domains": made.weak_domains, "patterns": list(made.patterns)}
    _done(console, made, out, read.skipped, asking, summary, lines)


@verb(
    "handrail synthesize preferences turns.jsonl --out labelled.jsonl --model gpt-4o-mini",
    "handrail synthesize preferences turns.jsonl --out labelled.jsonl --model world "
    '--principle "The better reply keeps more guardrails."',
)
@turns_argument
@out_option
@click.option(
    "--principle",
    "principles",
    multiple=True,
    metavar="TEXT",
    help="What makes a reply better; may be given often, one is drawn per turn.  [default: of use, "
    "true, harmless]",
)
@click.option("--seed", type=int, default=0, show_default=True)
@asking_options
def preferences(
    console: Console, turns: str, out: Path, principles: tuple[str, ...], seed: int, **o: Any
) -> None:
    """Rank the two replies of each of the TURNS by a model's preference (RLAIF).

    Each pair is shown in both orders; where the two answers disagree there is no label.
    """
    from handrail.cli.synthesizing import preferences as label
    from handrail.synthesis import PRINCIPLES, preference_requests

    read, asking = _begin(console, turns, out, o)
    by = principles or PRINCIPLES
    requests = preference_requests(read.records, by, seed, asking)
    if _planned(console, "prefer", requests, asking, o):
        return
    made = label(
        read.records, asking.model, principles=by, seed=seed, prompts=asking.prompts,
        progress=console.progress,
    )  # fmt: skip
    ranks = Counter(t.replies[0].rank for t in made.turns)
    lines = [f"The first reply is preferred in {ranks[1]:,}, the second in {ranks[2]:,}"]
    summary: dict[str, Any] = {"first_preferred": ranks[1], "second_preferred": ranks[2]}
    if made.compared:
        summary |= {"had_feedback": made.compared, "agree_with_it": made.agreed}
        lines.append(
            f"As the feedback that the turns had: {made.agreed:,} of {made.compared:,} "
            f"({made.agreed / made.compared:.1%})"
        )
    _done(console, made, out, read.skipped, asking, summary, lines)


def _begin(console: Console, turns: str, out: Path, o: dict[str, Any]) -> tuple[Any, Asking]:
    """The turns to work on, and the model; the output is checked before either."""
    from handrail.cli.files import apart, as_turns, records_out

    apart(records_out(out), turns)
    read = as_turns(turns, o["on_error"])
    read.records = read.records[: o["limit"]]
    return read, open_asking(console, o["model"], o["prompts"], o["llm"])


def _planned(
    console: Console, stage: str, requests: list[Any], asking: Asking, o: dict[str, Any]
) -> bool:
    """Tell the plan of the only stage; True for a dry run."""
    from handrail.synthesis import Planned

    return tell_plan(console, [Planned(stage, tuple(requests), True)], asking.model, o["dry_run"])


def _done(
    console: Console,
    made: Made,
    out: Path,
    skipped: list[Skip],
    asking: Asking,
    summary: dict[str, Any] | None = None,
    lines: list[str] | None = None,
) -> None:
    """Write what was made and tell it."""
    from handrail.records import write_jsonl

    left = [*skipped, *made.skipped]
    if not made.turns:
        nothing_made("turn", left, asking.model)
    write_jsonl(out, made.turns)
    told = [table([(name, f"{n:,}") for name, n in made.counts.items()]), *(lines or ())]
    told += ["", f"{count(len(made.turns), 'turn')}: {out}"]
    tell(console, {**made.counts, **(summary or {}), "turns_file": str(out)}, told, left,
         asking.model)  # fmt: skip
