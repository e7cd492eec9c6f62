"""The command line, one command per verb, and the Python API that it calls (`api`)."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """The console script `handrail`."""
    from handrail.cli.group import invoke

    seldom_collect()
    sys.exit(invoke(sys.argv[1:]))


def seldom_collect() -> None:
    """Let Python look for garbage in cycles after 50,000 new objects instead of 700.

    A command holds hundreds of thousands of records that are none, and every look walks through
    them: with 10,000 judgements, half of the time.
    """
    gc.set_threshold(50_000, 20, 100)
