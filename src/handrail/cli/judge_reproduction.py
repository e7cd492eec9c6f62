"""`handrail.judge_reproduce`: published figures of labelled data sets, from their labels alone.

Published figures that do not lie in the data set's folder stand here with their source.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from handrail.cli.console import table
from handrail.ranking import (
    Partition,
    Ratings,
    bradley_terry,
    cohen,
    fleiss,
    krippendorff,
    matches_of,
)
from handrail.ranking.estimates import DEFAULT, Estimate, Resampling
from handrail.records import Outcome, SettingError, Verdict, nearest
from handrail.records.store import OnError
from handrail.sources.labelled import LABELLED, Labelled
from handrail.sources.labelled.alpaca_eval import leaderboard
from handrail.sources.labelled.nouns import is_by

Progress = Callable[[str, float, float], None]
Row = dict[str, Any]

# README of github.com/WeOpenML/PandaLM: Cohen's kappas, the majority labels, PandaLM's F1 as a
# share of GPT-3.5's.
PANDALM_KAPPAS = {(1, 2): 0.85, (1, 3): 0.88, (2, 3): 0.86}
PANDALM_LABELS = {"tie": 105, "1": 422, "2": 472}
PANDALM_F1_SHARE = 0.9375

# leaderboard.ipynb of github.com/dustalov/llmfao at 9e224e9: the first ten strengths by the crowd,
# and the correlations of the three rankings.
LLMFAO_FIRST = {
    "GPT 4": 0.041215,
    "Platypus-2 Instruct (70B)": 0.029233,
    "command": 0.028852,
    "ReMM SLERP L2 13B": 0.027150,
    "LLaMA-2-Chat (70B)": 0.026384,
    "Claude v1": 0.026259,
    "GPT 3.5 Turbo": 0.025871,
    "Jurassic 2 Mid": 0.025849,
    "Jurassic 2 Ultra": 0.025310,
    "command-nightly": 0.025225,
}
LLMFAO_RANKS = {
    ("crowd", "gpt4"): 0.730918,
    ("crowd", "gpt3.5"): 0.716610,
    ("gpt4", "gpt3.5"): 0.717136,
}


def judge_reproduce(
    data: str | Path,
    name: str,
    *,
    on_error: OnError = "stop",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compute published figures of a labelled data set again, side by side.

    Args:
        data: the folder that holds the set's folder.
        name: "alpaca_eval" (win rates, standard errors, length preference), "pandalm" (annotators'
            agreement, two judges' accuracy) or "llmfao" (a ranking of its models).
        on_error: "stop" at the first bad row, or "skip" and count them.
        progress: called as (stage, done, total).

    Returns:
        `figures`: rows of what, ours, published (None where it is not), difference, interval;
        for llmfao `ranking` too: rank, system, rating with interval, range of ranks.

    Raises:
        HandrailError: an unknown name, or a file that is not as it should be.
    """
    known: Mapping[str, Callable[[Labelled, Path], dict[str, Any]]] = {
        "alpaca_eval": _alpaca_eval,
        "pandalm": _pandalm,
        "llmfao": _llmfao,
    }
    if name not in known:
        raise SettingError(f"'{name}' cannot be reproduced", nearest(name, known))
    told = progress or (lambda stage, done, total: None)
    told(name, 0, 2)
    folder = Path(data) / name
    labelled = LABELLED[name](folder, on_error)
    told(name, 1, 2)
    made = known[name](labelled, folder)
    told(name, 2, 2)
    skipped = [skip.model_dump() for skip in labelled.skipped]
    return {"set": name, **made, "skipped": skipped}


def lines_of(made: Mapping[str, Any]) -> list[str]:
    """The figures for a reader."""
    rows = [
        (
            row["what"],
            _number(row["ours"]),
            "" if row["low"] is None else f"{_number(row['low'])} to {_number(row['high'])}",
            _number(row["published"]),
            "" if row["difference"] is None else f"{row['difference']:+.2g}",
        )
        for row in made["figures"]
    ]
    lines = [table(rows, (made["set"], "from the data", "95 %", "published", "difference"))]
    if "ranking" in made:
        ranking = [
            (
                str(row["rank"]),
                row["system"],
                f"{row['estimate']:.0f}",
                " to ".join("-" if x is None else f"{x:.0f}" for x in (row["low"], row["high"])),
                f"{row['rank_low']} to {row['rank_high']}",
            )
            for row in made["ranking"]
        ]
        lines += ["", table(ranking, ("rank", "system", "rating", "95 %", "ranks"))]
    return lines


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.4g}"


def _row(what: str, ours: float | Estimate, published: float | None = None) -> Row:
    value = ours.value if isinstance(ours, Estimate) else float(ours)
    known = math.isfinite(value)
    return {
        "what": what,
        "ours": value if known else None,
        "low": ours.low if isinstance(ours, Estimate) and known else None,
        "high": ours.high if isinstance(ours, Estimate) and known else None,
        "published": published,
        "difference": value - published if known and published is not None else None,
    }


def _alpaca_eval(labelled: Labelled, folder: Path) -> dict[str, Any]:
    """Win rates as AlpacaEval counts them (ties half), in per cent, and the length preference."""
    boards = {
        "gpt4": ("v1", leaderboard(folder, "leaderboard_v1_gpt4.csv")),
        "gpt4_turbo": ("v2", leaderboard(folder, "leaderboard_v2_weighted.csv")),
    }
    weights = {(r.turn, r.a, r.judge): r.value for r in labelled.ratings}
    groups: dict[tuple[str, str], list[tuple[Outcome, float]]] = {}
    for v in labelled.verdicts:
        worth = {Outcome.A: 0.0, Outcome.B: 1.0}.get(v.outcome, 0.5)
        groups.setdefault((v.judge, v.b), []).append(
            (v.outcome, weights.get((v.turn, v.b, v.judge), worth))
        )
    figures = []
    for (judge, system), said in groups.items():
        version, board = boards[judge]
        there, outcomes = board.get(system, {}), Counter(outcome for outcome, _ in said)
        worths = np.array([worth for _, worth in said])
        error = worths.std(ddof=1) / math.sqrt(worths.size)
        for column, ours in (
            ("win_rate", 100 * worths.mean()),
            ("standard_error", 100 * error),
            ("n_wins", outcomes[Outcome.B]),
            ("n_wins_base", outcomes[Outcome.A]),
            ("n_draws", outcomes[Outcome.TIE]),
            ("n_total", worths.size),
        ):
            figures.append(_row(f"{version} {system} {column}", ours, there.get(column)))
    evaluators = leaderboard(folder, "evaluators_leaderboard.csv")
    longer = evaluators.get("alpaca_eval_gpt4", {}).get("Proba. prefer longer")
    figures.append(_row("v1 all prefers the longer", _prefers_longer(labelled), longer))
    for name in dict.fromkeys(system for judge, system in groups if judge == "gpt4"):
        figures.append(_row(f"v1 {name} prefers the longer", _prefers_longer(labelled, name)))
    return {"figures": figures}


def _prefers_longer(labelled: Labelled, system: str = "", apart: int = 30) -> Estimate:
    """Share of GPT-4's decided preferences for the longer output, by more than `apart` characters.

    So AlpacaEval's leaderboard of evaluators has it (analyze.py, `get_length_biases`), of other
    outputs: 648 pairs of AlpacaFarm's.
    """
    scores, clusters = [], []
    for v in labelled.verdicts:
        gap = labelled.lengths[v.turn, v.a] - labelled.lengths[v.turn, v.b]
        decided = v.outcome in (Outcome.A, Outcome.B) and abs(gap) > apart
        if v.judge == "gpt4" and system in ("", v.b) and decided:
            scores.append(float((v.outcome is Outcome.A) == (gap > 0)))
            clusters.append(v.turn)
    return Partition.of([scores], [clusters]).estimate(DEFAULT)


def _pandalm(labelled: Labelled, _folder: Path) -> dict[str, Any]:
    """Three annotators' agreement, and two programs' verdicts by the annotators' majority."""
    prompts = {turn.id: turn.conversation_id for turn in labelled.turns}
    by: dict[str, dict[str, Outcome]] = {}
    for v in labelled.verdicts:
        by.setdefault(v.judge, {})[v.turn] = v.outcome
    columns = [[by[f"human:{i}"].get(turn) for turn in prompts] for i in (1, 2, 3)]
    clusters = list(prompts.values())
    whole = [(labels, c) for *labels, c in zip(*columns, clusters, strict=True) if all(labels)]
    units, names = [labels for labels, _ in whole], [c for _, c in whole]
    figures = [_row("all three annotators say the same", sum(len({*u}) == 1 for u in units))]
    for i, j in combinations((1, 2, 3), 2):
        found = cohen(columns[i - 1], columns[j - 1], clusters)
        what = f"Cohen's kappa, annotators {i} and {j}"
        figures.append(_row(what, found.kappa, PANDALM_KAPPAS[i, j]))
    figures += [
        _row("Fleiss's kappa", fleiss(units, names)),
        _row("Krippendorff's alpha, nominal", krippendorff(units, clusters=names).alpha),
    ]
    majority = {turn: _majority(labels) for turn, *labels in zip(prompts, *columns, strict=True)}
    counted = Counter(majority.values())
    for word, outcome in (("tie", Outcome.TIE), ("1", Outcome.A), ("2", Outcome.B)):
        figures.append(_row(f"majority label {word}", counted[outcome], PANDALM_LABELS[word]))
    f1 = {"gpt3.5": math.nan, "pandalm": math.nan}
    for program in [name for name in f1 if name in by]:
        pairs = [(majority[t], said) for t, said in by[program].items() if majority[t]]
        right = [float(label is said) for label, said in pairs]
        f1[program] = _macro_f1(pairs)
        where = [prompts[t] for t in by[program] if majority[t]]
        figures += [
            _row(f"{program} verdicts", len(pairs)),
            _row(f"{program} accuracy", Partition.of([right], [where]).estimate(DEFAULT)),
            _row(f"{program} macro F1", f1[program]),
        ]
    share = f1["pandalm"] / f1["gpt3.5"]
    return {"figures": [*figures, _row("F1 of pandalm over gpt3.5's", share, PANDALM_F1_SHARE)]}


def _majority(labels: Sequence[Outcome | None]) -> Outcome | None:
    (most, times), *_ = Counter(labels).most_common(1)
    return most if times > 1 else None


def _macro_f1(pairs: Sequence[tuple[Outcome | None, Outcome]]) -> float:
    """The mean over tie, 1 and 2 of 2 x hits / (labels + verdicts)."""
    scores = []
    for outcome in (Outcome.TIE, Outcome.A, Outcome.B):
        hits = sum(label is said is outcome for label, said in pairs)
        told = sum(label is outcome for label, _ in pairs) + sum(s is outcome for _, s in pairs)
        scores.append(2 * hits / told if told else 0.0)
    return float(np.mean(scores))


def _llmfao(labelled: Labelled, _folder: Path) -> dict[str, Any]:
    """Bradley-Terry strengths by the crowd, and the same by two programs; ties half a win each."""
    said: dict[str, list[Verdict]] = {"crowd": [], "gpt4": [], "gpt3.5": []}
    for v in labelled.verdicts:
        said["crowd" if is_by(v.judge, "human") else v.judge].append(v)
    crowd = bradley_terry(matches_of(said["crowd"]))
    ranks = {"crowd": _ranks(crowd)}
    for program in ("gpt4", "gpt3.5"):
        made = bradley_terry(matches_of(said[program]), Resampling(resamples=0))
        ranks[program] = _ranks(made)
    worth = {one.system: 10 ** (one.rating.value / 400) for one in crowd.rated}
    total = sum(worth.values())
    figures = [_row("models compared", len(crowd.rated)), _row("comparisons", crowd.n)]
    for system, strength in LLMFAO_FIRST.items():
        ours = worth.get(system, math.nan) / total
        figures.append(_row(f"strength of {system}", ours, strength))
    for (one, other), published in LLMFAO_RANKS.items():
        both = [s for s in ranks[one] if s in ranks[other]]
        x, y = ([ranks[who][s] for s in both] for who in (one, other))
        told = len({*x}) > 1 and len({*y}) > 1
        found = float(stats.pearsonr(x, y).statistic) if told else math.nan
        figures.append(_row(f"rank correlation {one}, {other}", found, published))
    return {
        "figures": figures,
        "ranking": [one.as_dict() for one in crowd.rated],
        "apart": [one.system for one in crowd.apart],
        "method": crowd.method,
    }


def _ranks(ratings: Ratings) -> dict[str, float]:
    """Each system's rank; equal ones share the best of theirs, rounding errors apart."""
    best = [-round(one.rating.value, 6) for one in ratings.rated]
    ranked = stats.rankdata(best, "min")
    return {one.system: float(r) for one, r in zip(ratings.rated, ranked, strict=True)}
