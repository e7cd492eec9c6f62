"""Bradley-Terry with bootstrap intervals, timed beside evalica's own, as JSON lines.

    python benchmarks/ranking.py --data ../shared/data --rounds 1000 --peer-rounds 40

The data are llmfao's 13,209 comparisons of 59 models. The peer draws rows, fits each draw with
`evalica.bradley_terry` and takes percentiles: its `bootstrap` does that over scipy's, here with
its cheapest interval. It is timed over fewer rounds, and the time of one is multiplied.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from math import log
from pathlib import Path

from handrail.ranking import Matches, Resampling, bradley_terry

FILES = ("crowd", "gpt3-crowd", "gpt4-crowd")
WORTH = {"left": 1.0, "right": 0.0, "tie": 0.5}


def rows(data: Path) -> list[dict[str, str]]:
    """Every comparison of the three files."""
    found: list[dict[str, str]] = []
    for name in FILES:
        path = data / "llmfao" / f"{name}-comparisons.csv.gz"
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found += csv.DictReader(file)
    return found


def ours(found: list[dict[str, str]], rounds: int) -> dict[str, object]:
    """One call, from columns to ratings, and how far its ratings are from evalica's."""
    import evalica

    begun = time.perf_counter()
    matches = Matches.of(
        [r["left"] for r in found],
        [r["right"] for r in found],
        [WORTH[r["winner"]] for r in found],
        [r["prompt"] for r in found],
    )
    ratings = bradley_terry(matches, Resampling(rounds), anchor="GPT 4", centre=0.0)
    seconds = time.perf_counter() - begun
    winner = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    peer = evalica.bradley_terry(
        [r["left"] for r in found],
        [r["right"] for r in found],
        [winner[r["winner"]] for r in found],
        tolerance=1e-12,
        limit=100_000,
    ).scores

    scale = 400 / log(10)
    gap = max(
        abs(one.rating.value / scale - log(peer[one.system] / peer["GPT 4"]))
        for one in ratings.rated
    )
    return {
        "what": "handrail",
        "comparisons": matches.n,
        "systems": len(ratings.rated),
        "clusters": matches.clusters,
        "rounds": rounds,
        "seconds": round(seconds, 2),
        "largest_difference": float(f"{gap:.1e}"),
    }


def peer(found: list[dict[str, str]], rounds: int, of: int) -> dict[str, object]:
    """The bootstrap of evalica over rows, per round, and what `of` rounds would take."""
    import evalica

    winner = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    begun = time.perf_counter()
    evalica.bootstrap(
        evalica.bradley_terry,
        [r["left"] for r in found],
        [r["right"] for r in found],
        [winner[r["winner"]] for r in found],
        n_resamples=rounds,
        bootstrap_method="percentile",
        random_state=0,
    )
    seconds = time.perf_counter() - begun
    return {
        "what": "evalica",
        "rounds": rounds,
        "seconds": round(seconds, 2),
        "seconds_of_all_rounds": round(seconds / rounds * of, 1),
        "clustered": False,
    }


def main() -> None:
    """Print one JSON line per side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--peer-rounds", type=int, default=40)
    given = parser.parse_args()
    found = rows(given.data)
    import evalica  # both sides need it, so its loading is in neither's time

    assert evalica.__version__
    print(json.dumps(ours(found, given.rounds)), flush=True)
    print(json.dumps(peer(found, given.peer_rounds, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
