"""The drawings of an evaluation of reward models: calibration, best-of-n, length, scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from handrail.ranking import Estimate
from handrail.reports import (
    BandCurves,
    BandLine,
    BandPanel,
    Box,
    BoxPanel,
    BoxPlots,
    DataTable,
    Histograms,
    Scatter,
    ScatterPanel,
    Section,
)
from handrail.reports.numbers import DASH
from handrail.reports.plain import Cell
from handrail.rewards.evaluating.results import RewardEvaluation
from handrail.rewards.measures import BestOfN, Calibration, Spread, Step


def calibration(made: RewardEvaluation) -> list[Section]:
    sections: list[Section] = []
    kinds = (
        ("pairs", "probability that the reply is better", "share that is better", (0.5, 1.0)),
        ("ratings", "predicted rating", "mean rating", (0.0, 1.0)),
    )
    for kind, x_label, y_label, domain in kinds:
        found = [
            one.calibration
            for one in made.models
            if isinstance(one.calibration, Calibration) and one.calibration.of == kind
        ]
        panels = [
            BandPanel(
                c.model,
                [BandLine(c.model, [b.claimed for b in c.bins], [b.true for b in c.bins])],
                diagonal=True,
                x=domain,
                y=(0.0, 1.0),
                note=f"Calibration error {_number(c.error)}, bias {_number(c.bias)}, "
                f"n = {c.error.n:,}.",
            )
            for c in found
        ]
        note = (
            f"Of {kind}. Bins of equal width; dashed: what is claimed comes true. The error is "
            "above 0 also by chance, where bins hold few items."
        )
        title = f"Calibration of {'preferences' if kind == 'pairs' else 'ratings'}"
        sections.append(BandCurves(panels, x_label, y_label, title, note, whiskers=True))
    return sections


def best_of_n(made: RewardEvaluation) -> list[Section]:
    sections: list[Section] = []
    kinds = list(dict.fromkeys(b.gold for one in made.models for b in one.best_of_n))
    for kind in kinds:
        found = [b for one in made.models for b in one.best_of_n if b.gold == kind and b.steps]
        if not found or len(found[0].steps) < 2:
            continue
        lines = [_line(b.model, b.steps, "gain") for b in found]
        oracle = [s.oracle.value - s.random.value for s in found[0].steps]
        steps = found[0].steps
        lines.append(
            BandLine("oracle", [float(s.n) for s in steps], [_exactly(v) for v in oracle], True)
        )
        rows: list[list[Cell]] = [
            [b.model, s.n, s.picked, s.random, s.oracle, s.gain, s.of_oracle]
            for b in found
            for s in b.steps
            if s.n > 1
        ]
        named = "rank (share of the other replies beaten)" if kind == "rank" else kind
        note = f"Gold: {named}. Gain: of the model's pick over a random reply to the same prompts."
        sections += [
            BandCurves(
                [BandPanel(f"Gain in {kind}", lines)],
                "replies to pick from",
                f"gain in {kind}",
                f"Best of n, by {kind}",
                f"{note} Dashed: the gain of always picking the truly best.",
            ),
            DataTable(
                f"Best of n in figures, by {kind}",
                ["Model", "n", "Picked", "Random", "Oracle", "Gain", "Of the oracle's gain"],
                rows,
                unit=("", "", *("decimal",) * 4, "share"),
            ),
            _overoptimisation(kind, found),
        ]
    return sections


def _overoptimisation(kind: str, found: Sequence[BestOfN]) -> Section:
    panels = [
        BandPanel(
            b.model,
            [
                _line("score", b.steps, "proxy", by_kl=True),
                _line(f"gold ({kind})", b.steps, "scaled", by_kl=True),
            ],
        )
        for b in found
    ]
    note = (
        "What the pick out of n gains over a random reply, in standard deviations of all scores "
        "and of all gold values. The score always rises with n; where the gold value turns down, "
        "the model is being overoptimised. KL of best-of-n from the policy: log n - (n - 1) / n."
    )
    return BandCurves(
        panels, "KL, nats", "standard deviations", f"Score and gold along the KL, by {kind}", note
    )


def _line(name: str, steps: Sequence[Step], what: str, by_kl: bool = False) -> BandLine:
    xs = [s.kl if by_kl else float(s.n) for s in steps]
    return BandLine(name, xs, [getattr(s, what) for s in steps])


def _exactly(value: float) -> Estimate:
    return Estimate(value, value, value, 1, "exact")


def lengths(made: RewardEvaluation) -> list[Section]:
    rows: list[list[Cell]] = [
        [b.model, b.pearson, b.spearman, b.within_pearson, b.within_spearman]
        for b in (one.length for one in made.models)
    ]
    gold = made.models[0].length.gold_pearson
    if gold.n:
        rows.append(["the true rating", gold, DASH, DASH, DASH])
    columns = ["Model", "Pearson", "Spearman", "Pearson within prompts", "Spearman within prompts"]
    note = (
        "Correlation of a reply's score and its characters. Within prompts: less the prompt's "
        "mean, so that prompts which call for long replies cannot make it."
    )
    panels = [
        ScatterPanel(one.model, one.points, f"r = {_number(one.length.pearson, 2)}")
        for one in made.models
    ]
    title = "Score and length"
    drawn = Scatter(panels, "characters", "score", "Score against length", "Up to 1,500 replies.")
    return [DataTable(title, columns, rows, note=note, unit="decimal"), drawn]


def spreads(made: RewardEvaluation) -> list[Section]:
    panels = [BoxPanel(one.model, _boxes(one.distribution.spreads)) for one in made.models]
    bins = [(d.model, d.edges, d.counts) for d in (one.distribution for one in made.models)]
    return [
        BoxPlots(panels, "How scores are distributed", "Groups by author, rating and rank."),
        Histograms(bins, "score", "Histograms of the scores"),
    ]


def _boxes(spreads: Sequence[Spread]) -> list[Box]:
    return [
        Box(
            s.group, s.n, s.low, s.q1, s.median, s.q3, s.high, s.mean, s.outside,
            gap=i > 0 and spreads[i - 1].by != s.by,
        )
        for i, s in enumerate(spreads)
    ]  # fmt: skip


def _number(one: Estimate, digits: int = 3) -> str:
    if one.n == 0:
        return DASH
    if math.isnan(one.low):
        return f"{one.value:.{digits}f} (no interval)"
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"
