"""PrefLib's text files: `count: order` lines, ties in braces."""

from __future__ import annotations

import re
from pathlib import Path


def read(path: Path) -> tuple[list[dict[str, int]], list[int], list[str]]:
    """Ballots (candidate number as text to rank), how often each was cast, and all candidates."""
    ballots, counts, names = [], [], []
    for line in path.read_text("utf-8").splitlines():
        named = re.match(r"# ALTERNATIVE NAME (\d+):", line)
        if named:
            names.append(named[1])
        if line.startswith("#") or not line.strip():
            continue
        count, order = line.split(":")
        tiers = re.findall(r"\{([^}]*)\}|(\d+)", order)
        ballot = {
            c.strip(): rank
            for rank, (braced, single) in enumerate(tiers, start=1)
            for c in (braced.split(",") if braced else [single])
            if c.strip()
        }
        ballots.append(ballot)
        counts.append(int(count))
    return ballots, counts, names
