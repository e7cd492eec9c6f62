"""Public comparisons, votes and preferences as the tests of rankings read them."""

from __future__ import annotations

import csv
import gzip
import json
from functools import cache

import numpy as np

from handrail.ranking import Matches
from tests.data import need


@cache
def llmfao_rows() -> list[tuple[str, str, float, str]]:
    """Every comparison of llmfao: left, right, worth to the left, prompt."""
    worth = {"left": 1.0, "right": 0.0, "tie": 0.5}
    rows = []
    for name in ("crowd", "gpt3-crowd", "gpt4-crowd"):
        with gzip.open(need("llmfao", f"{name}-comparisons.csv.gz"), "rt", encoding="utf-8") as f:
            rows += [
                (r["left"], r["right"], worth[r["winner"]], r["prompt"]) for r in csv.DictReader(f)
            ]
    return rows


def llmfao() -> Matches:
    """All comparisons of llmfao, clustered by prompt."""
    left, right, score, prompt = zip(*llmfao_rows(), strict=True)
    return Matches.of(left, right, score, prompt)


@cache
def alpaca_eval() -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """(annotator, model) to preferences for the model and how much longer its outputs are."""
    found: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    with gzip.open(need("alpaca_eval", "annotations.jsonl.gz"), "rt", encoding="utf-8") as f:
        for line in f:
            r = json.loads(line)
            p = r["preference"]
            worth = float("nan") if p is None else 0.5 if p in (0, 1.5) else p - 1
            row = (r["idx"], worth, r["output_2_len"] - r["output_1_len"])
            found.setdefault((r["annotator"], r["generator_2"]), []).append(row)
    return {
        key: (np.array([r[1] for r in sorted(rows)]), np.array([r[2] for r in sorted(rows)], float))
        for key, rows in found.items()
    }


def leaderboard(name: str) -> dict[str, dict[str, str]]:
    """A leaderboard of AlpacaEval by model."""
    with need("alpaca_eval", name).open(encoding="utf-8") as f:
        return {row[""]: row for row in csv.DictReader(f)}
