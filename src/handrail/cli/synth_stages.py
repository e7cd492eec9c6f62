"""`handrail synthesize guardrails`, `replies`, `both`: the paper's two stages of annotation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handrail.cli.console import Console, count, table
from handrail.cli.synth_work import (
    asking_options,
    nothing_made,
    open_asking,
    opener,
    tell,
    tell_plan,
)
from handrail.cli.verb import verb

if TYPE_CHECKING:
    from handrail.synthesis import Broken, Found

LISTED = 12  # guardrails that are shown to a reader

out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Write the turns here."
)
talks_option = click.option(
    "--talks",
    type=click.Path(path_type=Path),
    help="Write the conversations here, with playbooks and who follows them.",
)
playbook_option = click.option(
    "--playbook",
    type=click.Path(path_type=Path),
    help="Write the one playbook of all guardrails here.",
)
at_most_option = click.option(
    "--at-most",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Guardrails per conversation.",
)
playbooks_option = click.option(
    "--playbooks",
    type=click.Choice(["own", "shared", "given"]),
    default="own",
    show_default=True,
    help="own: each conversation gets its own guardrails; shared: those of all; given: none are "
    "found, and the playbooks that the conversations have are tagged by.",
)
judge_option = click.option(
    "--judge",
    metavar="NAME",
    help="Confirms the replies: model:NAME, rules (the playbook's checks) or oracle (the care "
    "world's).  [default: the model itself]",
)
kind_option = click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["omission", "forbidden act", "invented fact", "wrong tone"]),
    help="A kind of break; may be given often.  [default: all four, balanced]",
)
tries_option = click.option(
    "--tries",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Replies that are asked for at a turn, at most.",
)
seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="Of which guardrail is broken how."
)


@verb(
    "handrail synthesize guardrails talks.jsonl --out turns.jsonl --model gpt-4o-mini --dry-run",
    "handrail synthesize guardrails talks.jsonl --out turns.jsonl --playbook rules.jsonl "
    "--model world",
)
@click.argument("talks_file", metavar="TALKS")
@out_option
@talks_option
@playbook_option
@at_most_option
@playbooks_option
@asking_options
def guardrails(
    console: Console,
    talks_file: str,
    out: Path,
    talks: Path | None,
    playbook: Path | None,
    **o: Any,
) -> None:
    """Find the guardrails of the conversations in TALKS, and which agent messages follow them.

    Stage 1 of the guardrail-alignment paper. Every tag is checked by a second question; near-equal
    guardrails of different conversations become one. A turn is written for each agent message that
    follows a guardrail.
    """
    from handrail.cli import synthesizing as work

    _outputs(talks_file, out, talks, playbook)
    read = work.as_talks(talks_file, o["on_error"])
    some = read.records[: o["limit"]]
    asking = open_asking(console, o["model"], o["prompts"], o["llm"])
    how = work.Finding(o["at_most"], o["playbooks"])
    planned = work.plan_of(some, asking, how)
    if tell_plan(console, planned, asking.model, o["dry_run"]):
        return
    found = work.guardrails(
        some, asking.model, finding=how, prompts=asking.prompts, progress=console.progress
    )
    skipped = [*read.skipped, *found.skipped]
    if not found.turns:
        nothing_made("turn", skipped, asking.model)
    summary, lines = _found(found, out, talks, playbook)
    tell(console, summary, lines, skipped, asking.model)


@verb(
    "handrail synthesize replies turns.jsonl --out pairs.jsonl --model gpt-4o-mini --limit 20",
    "handrail synthesize replies turns.jsonl --out pairs.jsonl --model world --judge rules",
)
@click.argument("turns")
@out_option
@judge_option
@kind_option
@tries_option
@seed_option
@asking_options
def replies(console: Console, turns: str, out: Path, **o: Any) -> None:
    """Write a reply that breaks a named guardrail, at each of the TURNS whose reply keeps one.

    Stage 2 of the guardrail-alignment paper. Kinds of break and guardrails are balanced; a judge
    confirms that the rejected reply breaks the guardrail and the chosen one keeps it; what failed
    is written beside OUT, with every try and its reason.
    """
    from handrail.cli import synthesizing as work
    from handrail.cli.files import as_turns
    from handrail.records import Skip
    from handrail.synthesis import plan_replies

    _outputs(turns, out, failed_beside(out))
    read = as_turns(turns, o["on_error"])
    how = work.Breaking(o["kinds"], o["tries"], o["seed"])
    points = work.points_of(read.records, how, o["limit"])
    asking = open_asking(console, o["model"], o["prompts"], o["llm"])
    judge = work.judge_of(o["judge"], asking, [p.turn for p in points], opener(o["llm"]))
    planned = plan_replies(points, asking, judge)
    if tell_plan(console, planned, asking.model, o["dry_run"], judge):
        return
    broken = work.break_(points, asking, judge, how, console.progress)
    skipped = [*read.skipped, *broken.skipped]
    without = len(read.records) - len(work.points_of(read.records, how, None))
    if without:
        reason = "its best reply is not marked with a guardrail of the playbook that it keeps"
        skipped.append(Skip(what="turn", reason=reason, count=without))
    summary, lines = _broken(broken, out)
    if not broken.turns:
        nothing_made("turn", skipped, asking.model, f". Every try: {failed_beside(out)}")
    tell(console, summary | {"judge": judge.name}, lines, skipped, asking.model, judge)


@verb(
    "handrail synthesize both talks.jsonl --out pairs.jsonl --model gpt-4o-mini --limit 5",
    "handrail synthesize both talks.jsonl --out pairs.jsonl --talks tagged.jsonl --model world",
)
@click.argument("talks_file", metavar="TALKS")
@out_option
@talks_option
@playbook_option
@at_most_option
@playbooks_option
@judge_option
@kind_option
@tries_option
@seed_option
@asking_options
def both(
    console: Console,
    talks_file: str,
    out: Path,
    talks: Path | None,
    playbook: Path | None,
    **o: Any,
) -> None:
    """From the conversations in TALKS to turns with a chosen and a rejected reply, in one go.

    `guardrails`, then `replies` on what it found. --limit is of conversations.
    """
    from handrail.cli import synthesizing as work

    _outputs(talks_file, out, talks, playbook, failed_beside(out))
    read = work.as_talks(talks_file, o["on_error"])
    some = read.records[: o["limit"]]
    asking = open_asking(console, o["model"], o["prompts"], o["llm"])
    judge = work.judge_of(o["judge"], asking, open_model=opener(o["llm"]))
    finding = work.Finding(o["at_most"], o["playbooks"])
    planned = work.plan_of_both(some, asking, judge, finding)
    if tell_plan(console, planned, asking.model, o["dry_run"], judge):
        return
    found = work.guardrails(
        some,
        asking.model,
        finding=finding,
        prompts=asking.prompts,
        progress=console.progress,
    )
    skipped = [*read.skipped, *found.skipped]
    if not found.turns:
        nothing_made("turn", skipped, asking.model)
    first, lines = _found(found, None, talks, playbook)
    how = work.Breaking(o["kinds"], o["tries"], o["seed"])
    points = work.points_of(found.turns, how, None)
    broken = work.break_(points, asking, judge, how, console.progress)
    skipped += broken.skipped
    summary, more = _broken(broken, out)
    if not broken.turns:
        nothing_made("turn", skipped, asking.model, f". Every try: {failed_beside(out)}")
    summary = first | summary | {"judge": judge.name}
    tell(console, summary, [*lines, "", *more], skipped, asking.model, judge)


def failed_beside(out: str | Path) -> Path:
    """Where the points that failed are written, beside the turns in `out`."""
    from handrail.cli.names import stem

    return Path(out).with_name(f"{stem(out)}.failed.jsonl")


def _outputs(read: str, *outs: Path | None) -> None:
    """Refuse outputs that would destroy what is read or each other, before anything is spent."""
    from handrail.cli.files import apart, records_out
    from handrail.records import SettingError

    named = [out for out in outs if out is not None]
    for i, out in enumerate(named):
        apart(records_out(out), read)
        if out.resolve() in [other.resolve() for other in named[:i]]:
            raise SettingError("two outputs have this name", "Give each its own", str(out))


def _found(
    found: Found, out: Path | None, talks: Path | None, playbook: Path | None
) -> tuple[dict[str, Any], list[str]]:
    """Write what stage 1 made; the summary and the lines that tell it."""
    from handrail.records import write_jsonl

    summary: dict[str, Any] = {"guardrails": {**found.counts}}
    assert found.playbook is not None
    rules = [
        {"id": g.id, "text": g.text, "conversations": found.support[g.id]}
        for g in found.playbook.guardrails
    ]
    summary["playbook"] = rules
    lines = [table([(name, f"{n:,}") for name, n in found.counts.items()]), ""]
    lines += [table([(f"{r['conversations']:,}", str(r["text"])) for r in rules[:LISTED]],
                    ("in", "guardrail"))]  # fmt: skip
    if len(rules) > LISTED:
        lines.append(f"... and {count(len(rules) - LISTED, 'more guardrail')}")
    for path, records, what in (
        (out, found.turns, "turn"),
        (talks, found.conversations, "conversation"),
        (playbook, [found.playbook], "playbook"),
    ):
        if path is not None:
            written = write_jsonl(path, records)
            lines.append(f"{count(written, what)}: {path}")
            summary[f"{what}s_file"] = str(path)
    return summary, lines


def _broken(broken: Broken, out: Path) -> tuple[dict[str, Any], list[str]]:
    """Write what stage 2 made, and what failed; the summary and the lines that tell it."""
    from handrail.records import write_jsonl

    beside = failed_beside(out)
    summary: dict[str, Any] = {"replies": {**broken.counts}, "kinds": {**broken.kinds}}
    lines = [
        table([(name, f"{n:,}") for name, n in [*broken.counts.items(), *broken.kinds.items()]]),
        "",
    ]
    if broken.turns:
        write_jsonl(out, broken.turns)
        summary["turns_file"] = str(out)
        lines.append(f"{count(len(broken.turns), 'turn')} with a pair: {out}")
    if broken.failed:
        write_jsonl(beside, broken.failed)
        summary["failed_file"] = str(beside)
        lines.append(f"{count(len(broken.failed), 'point')} that failed: {beside}")
    else:
        beside.unlink(missing_ok=True)  # of an earlier run
    return summary, lines
