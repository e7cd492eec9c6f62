"""`handrail power`: how many test items a wanted difference needs."""

from __future__ import annotations

from typing import Any

import click

from handrail.cli.console import Console, count, table
from handrail.cli.verb import verb


@verb(
    "handrail power --difference 0.05 --baseline 0.74",
    "handrail power --difference 0.1 --ties 0.4 --per-cluster 6 --icc 0.1",
    "handrail power --n 150 --ties 0",
)
@click.option("--difference", type=float, help="Share of the one less that of the other: 0.05.")
@click.option("--n", "items", type=int, help="Items that there are: what can they show?")
@click.option("--baseline", type=float, help="Share of the one system (acceptable replies).")
@click.option(
    "--correlation",
    type=float,
    default=0.0,
    show_default=True,
    help="Of the two systems' 0/1 scores at the same turns, with --baseline.",
)
@click.option("--ties", type=float, help="Share of comparisons that neither system wins.")
@click.option("--discordance", type=float, help="Share of items on which the two differ.")
@click.option(
    "--power",
    "powers",
    type=float,
    multiple=True,
    default=(0.8, 0.9),
    show_default=True,
    help="Wanted chance to find the difference; may be given often.",
)
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Level of the test.")
@click.option(
    "--per-cluster", type=float, default=1.0, show_default=True, help="Turns in a conversation."
)
@click.option(
    "--icc",
    type=float,
    default=0.0,
    show_default=True,
    help="How alike differences within a conversation are, 0 to 1.",
)
def command(console: Console, **options: Any) -> None:
    """How many items a paired comparison of two systems needs, or what so many can show.

    How often the two differ at all follows from one of --baseline, --ties and --discordance.
    Differences are of shares: 0.05 is five points, and a win rate of 55 to 45 % is 0.1.
    """
    from handrail.cli import api

    plan = api.power(**options)
    summary = plan.summary()
    rows = []
    for row in plan.rows:
        shown = row["difference"]
        gap = "none that is possible" if shown is None else f"{100 * shown:+.1f} points"
        cells = (f"{row['power']:.0%}", gap, f"{row['items']:,}")
        rows.append((*cells, f"{row['clusters']:,}") if plan.design.per_cluster > 1 else cells)
    head = ("power", "difference", "items", "conversations")[: len(rows[0])]
    lines = [table(rows, head), ""]
    if plan.chance is not None:
        what = f"{count(options['items'], 'item')} find the difference in"
        lines += [f"{what} {plan.chance:.0%} of cases"]
    lines.append(
        f"The two differ on {plan.design.discordance:.1%} of items; two-sided test at "
        f"{plan.design.alpha:.0%}; design effect {plan.design.effect:.2f}"
    )
    console.result(summary, "\n".join([*lines, plan.method]))
