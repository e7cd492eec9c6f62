"""`handrail report`: a run's report again, from what the run left."""

from __future__ import annotations

from pathlib import Path

import click

from handrail.cli.console import Console
from handrail.cli.verb import verb


@verb("handrail report runs/first", "handrail report runs/first --json")
@click.argument("run_dir", type=click.Path(path_type=Path))
def command(console: Console, run_dir: Path) -> None:
    """Write a run's report again, from the stages that the run left.

    RUN_DIR is the folder that `handrail run` wrote (its --out). Nothing is trained or generated:
    only judging, ranking and the page are done anew. Conversations of your own are read again from
    where they lay.
    """
    from handrail.cli.api import report

    console.folder = run_dir
    console.kept = "The report that was there is still there."
    page = report(run_dir, progress=console.progress)
    console.result({"report": str(page)}, f"Report: {page}")
