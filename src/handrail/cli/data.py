"""`handrail data`: records in, out, checked, looked at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from handrail.cli.console import Console, count, table
from handrail.cli.data_feedback import feedback
from handrail.cli.data_filter import filter_
from handrail.cli.skips import refused, tell
from handrail.cli.verb import Verbs, on_error_option, verb

command = Verbs(
    "data",
    help="Convert public data sets, import your own conversations, export, check, look at and "
    "filter records.",
)
out_argument = click.argument("out", type=click.Path(path_type=Path))


@command.add
@verb(
    "handrail data convert star train.jsonl.gz talks.jsonl --turns turns.jsonl",
    "handrail data convert --list",
)
@click.argument("source", required=False)
@click.argument("file", required=False)
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--turns", type=click.Path(path_type=Path), help="Write turns with feedback here.")
@on_error_option
@click.option("--list", "list_sources", is_flag=True, help="List the data sets and stop.")
def convert(
    console: Console,
    source: str | None,
    file: str | None,
    out: Path | None,
    turns: Path | None,
    on_error: Any,
    list_sources: bool,
) -> None:
    """Convert FILE, a raw file of the public data set SOURCE, into conversations with playbooks.

    With --turns, also write turns with the feedback that the data set gives: chosen replies, and
    rejected ones that its own guidelines do not allow there.
    """
    from handrail.cli import exchange
    from handrail.cli.files import apart, records_out
    from handrail.records import write_jsonl

    if list_sources:
        known = exchange.list_sources()
        text = table([tuple(s.values()) for s in known], ("source", "about", "files", "licence"))
        console.result({"sources": known}, text)
        return
    if source is None or file is None or out is None:
        raise click.UsageError("Name SOURCE, FILE and OUT (or --list).")
    apart(out, file)
    records_out(out)
    if turns is not None:
        apart(turns, file)
        records_out(turns)
        if turns.resolve() == out.resolve():
            raise click.UsageError("OUT and --turns name the same file.")
    loaded = exchange.convert(source, file, on_error)
    write_jsonl(out, loaded.records)
    summary = {"conversations": len(loaded.records), "out": str(out)}
    lines = [f"{count(len(loaded.records), 'conversation')}: {out}"]
    if turns is not None:
        made = exchange.feedback_turns(source, loaded.records, file)
        pairs = sum(1 for turn in made.records for _ in turn.pairs())
        write_jsonl(turns, made.records)
        summary |= {"turns": len(made.records), "pairs": pairs, "turns_file": str(turns)}
        summary["refused"] = [skip.model_dump() for skip in made.skipped]
        lines.append(f"{count(len(made.records), 'turn')} with {count(pairs, 'pair')}: {turns}")
        lines += refused(made.skipped)
    tell(console, summary, lines, loaded)


@command.add
@verb(
    "handrail data import chats.csv talks.jsonl --map text=body --map agent=Bot --map agent=Desk",
    "handrail data import chats.jsonl talks.jsonl --playbook rules.yaml --on-error skip",
    "handrail data import preferences.parquet turns.jsonl",
    name="import",
)
@click.argument("file")
@out_argument
@click.option(
    "mapping",
    "--map",
    multiple=True,
    metavar="NAME=COLUMN",
    help="Where something is: conversation, role, text, order, messages or playbook; or what a "
    "role is called: agent, customer, tool or system. May be given often, also for several names "
    "of one role.",
)
@click.option("--playbook", help="Playbook (JSON or YAML) of conversations that name none.")
@click.option(
    "--encoding",
    help="Of the file; 'detect' tries the usual ones.  [default: a byte-order mark's, else UTF-8]",
)
@on_error_option
def import_(
    console: Console,
    file: str,
    out: Path,
    mapping: tuple[str, ...],
    playbook: str | None,
    encoding: str | None,
    on_error: Any,
) -> None:
    """Import FILE, your own transcripts or TRL's columns, into records.

    JSON Lines, JSON, CSV, TSV or Parquet. The usual column names are found by themselves; --map
    names others. What was mended on the way (empty, repeated or joined messages) or left out
    (tool calls) is counted.
    """
    from handrail.cli import exchange
    from handrail.cli.files import apart, records_out
    from handrail.records import write_jsonl

    apart(out, file, playbook)
    records_out(out)
    names = _mapping(mapping)
    loaded = exchange.import_(file, names, playbook=playbook, encoding=encoding, on_error=on_error)
    write_jsonl(out, loaded.records)
    kinds = Counter(type(record).__name__.lower() for record in loaded.records)
    mended = dict(getattr(loaded, "counts", {}))
    summary = {"records": dict(kinds), "mended": mended, "out": str(out)}
    lines = [", ".join(count(n, kind) for kind, n in kinds.items()) + f": {out}"]
    lines += [f"{n} x {what}" for what, n in mended.items()]
    tell(console, summary, lines, loaded)


def _mapping(pairs: tuple[str, ...]) -> dict[str, str | tuple[str, ...]]:
    """What --map says: a column for each thing, and one name or several for a role.

    Raises:
        SettingError: a pair of another form, or two columns for what is in one.
    """
    from handrail.cli.verb import named
    from handrail.records import SettingError
    from handrail.sources.transcripts import Mapping

    given = named(pairs, "does not say where something is", "--map NAME=COLUMN")
    several = {name for name, field in Mapping.model_fields.items() if field.default == ()}
    for name, columns in given.items():
        if len(columns) > 1 and name in Mapping.model_fields and name not in several:
            raise SettingError(
                f"--map {name} is given {len(columns)} times ({', '.join(columns)}), and one "
                "column holds it",
                f"Name one; only {', '.join(sorted(several))} may have several names",
            )
    return {name: texts[0] if len(texts) == 1 else tuple(texts) for name, texts in given.items()}


@command.add
@verb(
    "handrail data export turns.jsonl pairs.jsonl --format trl-preference",
    "handrail data export turns.jsonl turns.parquet --format parquet",
)
@click.argument("file")
@out_argument
@click.option(
    "--format",
    type=click.Choice(["trl-preference", "trl-kto", "trl-completion", "messages", "parquet"]),
    default="trl-preference",
    show_default=True,
    help="trl-preference: prompt, chosen, rejected; trl-kto: prompt, completion, label; "
    "trl-completion: prompt, completion; messages: whole conversations; parquet: the records "
    "themselves.",
)
@on_error_option
def export(console: Console, file: str, out: Path, format: str, on_error: Any) -> None:
    """Export records in the columns of TRL, as JSON Lines, CSV or Parquet by OUT's ending.

    CSV holds plain texts: there a prompt is one text instead of a list of messages.
    """
    from handrail.cli import exchange
    from handrail.cli.files import apart, read_records, some

    apart(out, file)
    loaded = some(read_records(file, on_error=on_error), file)
    rows = exchange.export(loaded, out, format)
    summary = {"rows": rows, "format": format, "out": str(out)}
    tell(console, summary, [f"{count(rows, 'row')}: {out}"], loaded)


@command.add
@verb("handrail data check turns.jsonl", "handrail data check turns.jsonl --on-error skip --json")
@click.argument("file")
@click.option("--kind", help="turn, conversation, playbook or verdict.  [default: by its fields]")
@on_error_option
def check(console: Console, file: str, kind: str | None, on_error: Any) -> None:
    """Check every record of a file, and say what the file holds."""
    from handrail.cli.records import census, census_text
    from handrail.records import RecordError

    found = census(file, kind, on_error)
    console.result(found, census_text(found))
    faults = len(found["skipped"])
    if faults:
        raise RecordError(
            f"{faults} of {count(found['records'] + faults, 'record')} "
            f"{'has' if faults == 1 else 'have'} a fault",
            "Mend them, or leave them out with --on-error skip in the command that uses the file",
            file,
        )


@command.add
@verb("handrail data peek turns.jsonl", "handrail data peek talks.jsonl --number 3 --count 2")
@click.argument("file")
@click.option("--number", type=int, default=1, show_default=True, help="First record, from 1.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many.")
@click.option("--kind", help="turn, conversation, playbook or verdict.  [default: by its fields]")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="skip",
    show_default=True,
    help="Show the good records and name the faults, or stop at the first fault.",
)
def peek(
    console: Console, file: str, number: int, count: int, kind: str | None, on_error: Any
) -> None:
    """Show records of a file as a person would read them, and what of it cannot be read."""
    from handrail.cli.files import read_records, some
    from handrail.cli.peek import record_text
    from handrail.records import RecordError

    loaded = some(read_records(file, kind, on_error), file)
    held = len(loaded.records)
    if not 1 <= number <= held:
        raise RecordError(
            f"there is no record {number}", f"The file holds {held} good records", file
        )
    shown = loaded.records[number - 1 : number - 1 + count]
    rows = [record.model_dump(mode="json", exclude_defaults=True) for record in shown]
    text = "\n\n".join(record_text(record) for record in shown)
    faulty = bool(loaded.skipped or loaded.warnings)
    tell(console, {"records": rows}, [text, *([""] if faulty else [])], loaded)


@command.add
@verb("handrail data turns talks.jsonl turns.jsonl")
@click.argument("file")
@out_argument
@on_error_option
def turns(console: Console, file: str, out: Path, on_error: Any) -> None:
    """Split conversations into turns: one for each agent message, with that message as reply.

    The reply carries what the playbook's checks say of it, so SFT does not learn one that breaks
    a guardrail.
    """
    from handrail.cli.files import apart, as_turns, records_out
    from handrail.records import write_jsonl

    apart(out, file)
    records_out(out)
    loaded = as_turns(file, on_error)
    made = loaded.records
    write_jsonl(out, made)
    broken = sum(bool(reply.breaks) for turn in made for reply in turn.replies)
    summary = {"turns": len(made), "replies_that_break": broken, "out": str(out)}
    said = f"{count(len(made), 'turn')}, {count(broken, 'reply breaks', 'replies break')}"
    tell(console, summary, [f"{said} a guardrail: {out}"], loaded)


command.add(filter_)
command.add(feedback)
