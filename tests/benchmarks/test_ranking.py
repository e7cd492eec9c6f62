"""The benchmark of rankings on few rounds, and AlpacaEval's labels as it reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.data import DATA, need


def test_both_sides_rank_llmfao_alike(module: Any) -> None:
    need("llmfao", "crowd-comparisons.csv.gz")
    ranking = module("ranking")
    rows = ranking.rows(DATA)
    ours = ranking.ours(rows, 20)
    assert (ours["comparisons"], ours["systems"], ours["clusters"]) == (13209, 59, 13)
    assert ours["largest_difference"] < 1e-6
    peer = ranking.peer(rows[:500], 2, 1000)
    assert peer["rounds"] == 2
    assert peer["seconds_of_all_rounds"] > 0


def test_labels_of_alpaca_eval(module: Any) -> None:
    need("alpaca_eval", "annotations.jsonl.gz")
    found = module("alpaca_eval").labels(DATA)
    assert len(found) == 7
    liked, longer = found["alpaca_eval_gpt4", "text_davinci_001"]
    assert (liked.size, longer.size) == (805, 805)
    assert int(np.isnan(liked).sum()) == 1
    assert (longer < 0).mean() > 0.7
