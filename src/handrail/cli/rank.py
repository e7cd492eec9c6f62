"""`handrail rank`: many systems in order, with intervals, from verdicts on pairs."""

from __future__ import annotations

from pathlib import Path

import click

from handrail.cli.console import Console
from handrail.cli.verb import verb

_METHODS = ("bradley-terry", "elo", "win-rate", "borda", "ranked-pairs", "length-controlled")


@verb(
    "handrail rank verdicts.jsonl --turns test.jsonl",
    "handrail rank a.jsonl b.jsonl --method ranked-pairs --dimension naturalness",
    "handrail rank verdicts.jsonl --anchor sft --page ranking.html",
    "handrail rank verdicts.jsonl --method length-controlled --anchor sft --turns sft.jsonl "
    "--turns ipo.jsonl",
)
@click.argument("verdicts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    default="bradley-terry",
    show_default=True,
    help="How systems are ordered (docs/ranking.md says when which).",
)
@click.option(
    "--turns",
    multiple=True,
    metavar="FILE",
    help="The turns judged, or files of replies: whole conversations are resampled, and lengths "
    "come from the replies. May be given often.",
)
@click.option(
    "--dimension", help="Rank on this one.  [default: adherence, else the first that is there]"
)
@click.option("--anchor", default="", help="System held at 1,000 points, or the baseline.")
@click.option(
    "--rule",
    type=click.Choice(["ties-half", "acceptable", "wins"]),
    default="ties-half",
    show_default=True,
    help="What win rates count as won: ties and equally good as half; all acceptable; wins only.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=0, max=100_000),
    default=1000,
    show_default=True,
    help="Bootstrap rounds.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--page", type=click.Path(path_type=Path), help="Write an HTML page of it here.")
def command(
    console: Console,
    verdicts: tuple[Path, ...],
    turns: tuple[str, ...],
    rounds: int,
    seed: int,
    page: Path | None,
    **options: str,
) -> None:
    """Rank two or more systems by the VERDICTS on their replies.

    Each file is what `handrail judge --out` wrote; failed judgements beside it are counted.
    Several judges or annotators (their name in each verdict) have a ballot each. Every figure has
    its 95 % interval; systems that no chain of wins connects are not put on one scale.
    """
    import shlex

    from handrail.cli import api
    from handrail.cli.files import apart
    from handrail.cli.ranking_text import ranked_text
    from handrail.ranking import Resampling

    if page is not None:
        apart(page, *verdicts, *turns)
    console.kept = "Nothing was written."
    ranked = api.rank(
        list(verdicts), turns=list(turns) or None, how=Resampling(rounds, seed=seed), **options
    )
    summary, text = ranked.summary(), ranked_text(ranked)
    if page is not None:
        named = {**options, "rounds": str(rounds), "seed": str(seed), "page": str(page)}
        words = [word for file in turns for word in ("--turns", file)]
        words += [word for name, text in named.items() if text for word in (f"--{name}", text)]
        words = ["handrail", "rank", *map(str, verdicts), *words]
        ranked.write_page(page, shlex.join(words))
        summary["page"] = str(page)
        text += f"\nPage: {page}"
    console.result(summary, text)
