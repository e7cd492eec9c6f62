"""AlpacaEval's length-controlled win rates and its sample size, from the labels alone.

    python benchmarks/alpaca_eval.py --data ../shared/data

Prints one JSON line per system (win rate, length-controlled win rate with and without the
instructions' difficulty, the leaderboard's figures beside them), then one per number of prompts:
how many of the pairs of systems a paired t-test at 5 % tells apart on so many random prompts.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats

from handrail.ranking import Estimate, instruction_difficulty, length_controlled

JUDGES = {
    "alpaca_eval_gpt4": "leaderboard_v1_gpt4.csv",
    "weighted_alpaca_eval_gpt4_turbo": "leaderboard_v2_weighted.csv",
}
PROMPTS = (50, 100, 150, 300, 600, 805)
DRAWS = 200


def labels(data: Path) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """(annotator, system) to how far it was preferred, and how much longer it wrote."""
    rows: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    with gzip.open(data / "alpaca_eval" / "annotations.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            r = json.loads(line)
            p = r["preference"]
            liked = float("nan") if p is None else 0.5 if p in (0, 1.5) else p - 1
            longer = float(r["output_2_len"] - r["output_1_len"])
            rows.setdefault((r["annotator"], r["generator_2"]), []).append(
                (r["idx"], liked, longer)
            )
    return {
        key: (np.array([r[1] for r in sorted(some)]), np.array([r[2] for r in sorted(some)]))
        for key, some in rows.items()
    }


def shown(one: Estimate) -> str:
    """In percent with the interval."""
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def controlled(data: Path, found: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> None:
    """One line per system, its instructions' difficulty taken from the others."""
    boards = {}
    for judge, name in JUDGES.items():
        with (data / "alpaca_eval" / name).open(encoding="utf-8") as file:
            boards[judge] = {row[""]: row for row in csv.DictReader(file)}
    for key, (liked, longer) in found.items():
        # Difficulty beside text_davinci_003, which only version 1's labels tell of.
        rest = [found[k] for k in found if k[0] == "alpaca_eval_gpt4" and k[1] != key[1]]
        hard = instruction_difficulty(
            np.array([r[0] for r in rest]), np.array([r[1] for r in rest])
        )
        plain, full = length_controlled(liked, longer), length_controlled(liked, longer, hard)
        board = boards[key[0]][key[1]]
        told = {
            "system": key[1],
            "judge": key[0],
            "win_rate": shown(plain.plain),
            "length_controlled": shown(full.controlled),
            "without_difficulty": shown(plain.controlled),
            "leaderboard": round(float(board["length_controlled_winrate"]), 1),
            "leaderboard_win_rate": round(float(board["win_rate"]), 1),
            "length_effect": round(full.length_effect, 2),
            "mean_difference": round(full.mean_difference),
            "shorter": round(float((longer < 0).mean()), 2),
            "penalty": full.penalty,
        }
        print(json.dumps(told), flush=True)


def told_apart(found: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> None:
    """One line per number of prompts, over all pairs of version 1's systems and their baseline."""
    scores = [liked for (judge, _), (liked, _) in found.items() if judge == "alpaca_eval_gpt4"]
    scores.append(np.full(scores[0].size, 0.5))  # the baseline against itself
    pairs = list(combinations(range(len(scores)), 2))
    rng = np.random.default_rng(0)
    for prompts in PROMPTS:
        hits = []
        for _ in range(1 if prompts == scores[0].size else DRAWS):
            drawn = rng.choice(scores[0].size, prompts, replace=False)
            for i, j in pairs:
                gap = (scores[i] - scores[j])[drawn]
                gap = gap[~np.isnan(gap)]
                error = gap.std(ddof=1) / np.sqrt(gap.size)
                bound = stats.t.ppf(0.975, gap.size - 1) * error
                hits.append(bool(abs(gap.mean()) > bound))
        share = round(float(np.mean(hits)), 3)
        print(
            json.dumps({"prompts": prompts, "pairs": len(pairs), "told_apart": share}), flush=True
        )


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    found = labels(given.data)
    controlled(given.data, found)
    told_apart(found)


if __name__ == "__main__":
    main()
