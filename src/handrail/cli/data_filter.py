"""`handrail data filter`: which records to keep, and why the others are dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handrail.cli.console import Console, count
from handrail.cli.skips import tell
from handrail.cli.verb import on_error_option, verb

if TYPE_CHECKING:
    from handrail.synthesis import Filter

_FILTERS = (
    click.option(
        "--language",
        "languages",
        multiple=True,
        metavar="CODE",
        help="Keep texts in this language (ISO 639-1, as in en); may be given often.",
    ),
    click.option(
        "--among",
        multiple=True,
        metavar="CODE",
        help="A language that may occur, besides those to keep; may be given often. Fewer are told "
        "apart faster and better.  [default: all 75]",
    ),
    click.option(
        "--confidence",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="Below it a text's language is undecided.",
    ),
    click.option(
        "--undecided",
        type=click.Choice(["keep", "drop"]),
        default="keep",
        show_default=True,
        help="What to do with texts, short ones mostly, whose language is undecided.",
    ),
    click.option(
        "--near-duplicates",
        type=float,
        metavar="SIMILARITY",
        help="Drop texts that are as similar to an earlier one (Jaccard, above 0 to 1; 0.8, say).",
    ),
    click.option(
        "--min-words", type=int, default=0, metavar="N", help="Keep texts of N words or more."
    ),
    click.option("--max-words", type=int, metavar="N", help="Keep texts of N words or fewer."),
    click.option(
        "--min-characters",
        type=int,
        default=0,
        metavar="N",
        help="Keep texts of N characters or more.",
    ),
    click.option(
        "--max-characters", type=int, metavar="N", help="Keep texts of N characters or fewer."
    ),
    click.option(
        "--not-in",
        multiple=True,
        metavar="FILE",
        help="Drop texts that share words with a prompt of this evaluation set; may be given "
        "often.",
    ),
    click.option(
        "--ngram",
        type=click.IntRange(min=1),
        default=13,
        show_default=True,
        help="So many words in a row are shared; shorter prompts are looked for whole.",
    ),
)


def filter_options(function: Any) -> Any:
    """The options that name filters."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@verb(
    "handrail data filter turns.jsonl --out kept.jsonl --language en --near-duplicates 0.8 "
    "--dropped dropped.jsonl",
    "handrail data filter alpaca.jsonl --out kept.jsonl --min-words 3 --not-in test.jsonl",
    name="filter",
)
@click.argument("file")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Write what is kept here."
)
@click.option(
    "--dropped",
    type=click.Path(path_type=Path),
    help="Write what is dropped here, each with its reason.",
)
@filter_options
@click.option(
    "--part",
    type=click.Choice(["new", "prompt", "reply", "all"]),
    default="new",
    show_default=True,
    help="What to look at. new: of a turn what was said since the agent's last message, and the "
    "replies; of a conversation all.",
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    metavar="FIELD",
    help="Of rows that are no records: the field to look at; may be given often.  [default: "
    "prompt, instruction, question, query, text, messages or conversations, and input]",
)
@on_error_option
def filter_(
    console: Console,
    file: str,
    out: Path,
    dropped: Path | None,
    part: str,
    texts: tuple[str, ...],
    on_error: Any,
    **named: Any,
) -> None:
    """Keep the records of FILE that pass the filters named, and say why the others do not.

    FILE holds turns, conversations, or rows with a prompt (JSON Lines, JSON, CSV, Parquet; a .txt
    file a prompt a line). Filters follow each other: length, language, near-duplicates, evaluation
    sets.
    """
    from handrail.cli import filtering
    from handrail.cli.files import apart, records_out
    from handrail.records import SettingError

    for path in filter(None, (out, dropped)):
        apart(records_out(path), file, *named["not_in"])
    if dropped is not None and out.resolve() == dropped.resolve():
        raise SettingError("--out and --dropped name the same file", "Give each its own", str(out))
    filters = _filters(named, texts)
    read = filtering.read_any(file, on_error)
    made = filtering.filter_read(read, filters, part, texts, console.progress)
    summary: dict[str, Any] = {
        "read": len(read.records),
        "kept": len(made.kept),
        "dropped": made.reasons,
        "out": str(out),
    }
    filtering.write_any(out, made.kept)
    lines = [f"{count(len(made.kept), 'record')} of {len(read.records):,} kept: {out}"]
    lines += [f"  {n:,} dropped: {why}" for why, n in made.reasons.items()]
    if dropped is not None:
        filtering.write_dropped(dropped, made)
        summary["dropped_file"] = str(dropped)
        lines.append(f"{count(len(made.dropped), 'record')} dropped: {dropped}")
    elif made.dropped:
        lines.append("--dropped FILE keeps them with their reasons")
    tell(console, summary, lines, read)


def _filters(named: dict[str, Any], texts: tuple[str, ...]) -> list[Filter]:
    """The filters that options name, the cheap ones first.

    Raises:
        SettingError: none is named, or a setting that cannot be.
    """
    from handrail.cli.filtering import evaluation_texts
    from handrail.records import SettingError
    from handrail.synthesis import Contamination, Language, Length, NearDuplicates

    bounds = [named[f"{end}_{what}"] for what in ("words", "characters") for end in ("min", "max")]
    filters: list[Filter] = []
    if any(bounds):
        filters.append(Length(*bounds))
    if named["languages"]:
        how = (named["confidence"], named["undecided"])
        filters.append(Language(named["languages"], *how, among=named["among"]))
    if named["near_duplicates"] is not None:
        filters.append(NearDuplicates(named["near_duplicates"]))
    if named["not_in"]:
        filters.append(Contamination(evaluation_texts(named["not_in"], texts), named["ngram"]))
    if not filters:
        raise SettingError(
            "there is no filter",
            "Name at least one: --language, --near-duplicates, --min-words, --max-words, "
            "--min-characters, --max-characters, --not-in",
        )
    return filters
