"""The page of an evaluation of reward models."""

from __future__ import annotations

from collections.abc import Sequence

from handrail.cli.rewarding import eval_drawings as drawings
from handrail.cli.rewarding.eval_text import left_out
from handrail.reports import (
    DataTable,
    LeftOut,
    Prose,
    ReplyScores,
    Report,
    ScoredReplies,
    Section,
    ShareDots,
)
from handrail.reports.numbers import DASH, p_text
from handrail.reports.plain import Cell
from handrail.rewards.evaluating.results import ModelResult, RewardEvaluation, plain
from handrail.rewards.measures import TESTS, RatingErrors


def page_of(made: RewardEvaluation, command: str = "") -> Report:
    """All figures: tables, curves, distributions, what was left out."""
    sections: list[Section] = []
    if made.turns:
        sections += [*_pairs(made), *_ranks(made), *_ratings(made), *drawings.calibration(made)]
        sections += [
            *drawings.best_of_n(made),
            *_agreement(made),
            *drawings.lengths(made),
            *drawings.spreads(made),
        ]
    sections += _probe(made)
    sections.append(LeftOut(made.skipped, left_out(made)))
    if made.warnings:
        sections.append(LeftOut(made.warnings, title="Read all the same"))
    sets = ", ".join(f"{name or 'no set'} ({n:,})" for name, n in made.sets.items())
    return Report(
        title="How good the reward models are",
        subtitle=f"{', '.join(one.model for one in made.models)}; every figure with its "
        f"{made.settings.how.level:.0%} interval, resampled by prompt",
        sections=sections,
        facts={
            "Models": str(len(made.models)),
            "Prompts": f"{made.prompts:,}",
            "Replies": f"{made.replies:,}",
            "Probes": str(len(made.probes)),
            "Data (turns)": sets or DASH,
        },
        settings=plain(made.settings),
        provenance={one.model: f"score read as {one.scale}" for one in made.models},
        command=command,
    )


def _pairs(made: RewardEvaluation) -> list[Section]:
    first = made.models[0].pairs
    if not any(one.pairs.overall.n for one in made.models):
        return [
            Prose("Pairs", ["No two replies of a prompt are in an order, so there are no pairs."])
        ]
    ties = ", ".join(f"{one.model} {one.pairs.score_ties:,}" for one in made.models)
    note = (
        "Share of pairs whose better reply has the higher score; a tie of the scores counts half "
        f"({ties}), pairs that people put level ({first.gold_ties:,}) are left out. Half is chance."
    )
    shares = [(one.model, one.pairs.overall) for one in made.models]
    shares.sort(key=lambda one: -one[1].value)
    dots = ShareDots(shares, note, "Accuracy on pairs")
    rows: list[list[Cell]] = []
    for name in first.by_set:
        rows.append([name or "no set", *(one.pairs.by_set[name] for one in made.models)])
        keys = [key for key in first.by_category if key[0] == name]
        of = f"{name or 'no set'}: " if len(first.by_set) > 1 else ""
        rows += [
            [f"{of}{key[1]}", *(one.pairs.by_category[key] for one in made.models)] for key in keys
        ]
        if name in first.subset_mean:
            found = [one.pairs.subset_mean[name] for one in made.models]
            rows.append([f"{of}mean of the categories", *found])
    sections: list[Section] = [dots]
    if len(rows) > 1:
        sections.append(
            DataTable(
                "Accuracy by data set and category",
                ["Pairs of", *(one.model for one in made.models)],
                rows,
                note="The mean of a set's categories counts each category the same, as "
                "RewardBench does.",
                unit="share",
            )
        )
    return [*sections, *_differences(made)]


def _differences(made: RewardEvaluation) -> list[Section]:
    rows: list[list[Cell]] = [
        [
            f"{one.a} less {one.b}",
            one.on,
            one.paired.difference,
            one.paired.more_a,
            one.paired.more_b,
            p_text(one.paired.permutation.p_value),
        ]
        for one in made.differences
        if one.paired.difference.n
    ]
    columns = ["Models", "On", "Difference", "Only the first right", "Only the second", "p"]
    note = (
        "In points, on the same items; p by permutation of whole prompts. Of many comparisons some "
        "have a small p by chance."
    )
    units = ("", "", "points", "", "", "")
    return [DataTable("Models beside each other", columns, rows, note=note, unit=units)]


def _ranks(made: RewardEvaluation) -> list[Section]:
    rows: list[list[Cell]] = [
        [k.model, k.best_first, k.exact, k.tau, k.rho] for k in (one.kwise for one in made.models)
    ]
    first = made.models[0].kwise
    if not first.best_first.n:
        return []
    rows.append(
        ["a random order", f"{first.chance_best:.1%}", f"{first.chance_exact:.1%}", "0", "0"]
    )
    sizes = ", ".join(f"{n:,} with {k}" for k, n in first.sizes.items())
    note = (
        "Best first: the highest score is of a reply that people put first. Exact: every pair that "
        "people ordered is in that order. Tau-b and Spearman: means over prompts of the "
        f"correlation within the prompt. Prompts by ranked replies: {sizes}."
    )
    columns = ["Model", "Best first", "Exact order", "Kendall's tau-b", "Spearman"]
    units = ("", "share", "share", "decimal", "decimal")
    return [DataTable("Order of all replies to a prompt", columns, rows, note=note, unit=units)]


def _ratings(made: RewardEvaluation) -> list[Section]:
    """The layout of the thesis's tables 6 and 7: models in rows, ranges in columns."""
    known = [one.ratings for one in made.models if isinstance(one.ratings, RatingErrors)]
    others = [one for one in made.models if not isinstance(one.ratings, RatingErrors)]
    why = [f"{one.model}: {one.ratings.why}." for one in others]  # type: ignore[union-attr]
    if not known:
        return [Prose("Errors of ratings", ["No model has rating errors.", *why])]
    low, middle, high = made.settings.edges.names
    names = (("low", low), ("high", high), ("middle", middle), ("all", "all"))
    rows: list[list[Cell]] = [
        [
            one.model,
            *(e for name, _ in names for e in (one.errors[name].mse, one.errors[name].mae)),
        ]
        for one in known
    ]
    columns = ["Model", *(f"{told}: {what}" for _, told in names for what in ("MSE", "MAE"))]
    more: list[list[Cell]] = [
        [one.model, one.pearson, one.spearman, *(one.errors[n].bias for n, _ in names)]
        for one in known
    ]
    note = "Mean squared and mean absolute error by range of the true rating." + (
        f" Without figures here: {' '.join(why)}" if why else ""
    )
    heads = ["Model", "Pearson", "Spearman", *(f"Bias, {told}" for _, told in names)]
    told = "Bias: prediction less rating; above 0 the model is too kind."
    return [
        DataTable("Errors of ratings", columns, rows, note=note, unit="decimal"),
        DataTable("Correlation with ratings, and bias", heads, more, note=told, unit="decimal"),
    ]


def _agreement(made: RewardEvaluation) -> list[Section]:
    sections: list[Section] = []
    for place, first in enumerate(made.models[0].agreement):
        if not any(one.agreement[place].overall.with_ties.n for one in made.models):
            continue
        sets = list(first.by_set) if len(first.by_set) > 1 else []
        rows: list[list[Cell]] = []
        for model in made.models:
            one = model.agreement[place]
            kept = one.overall
            by_set = [one.by_set[s].same for s in sets]
            rows.append([one.model, *by_set, kept.same, kept.kappa])
            rows[-1] += [kept.with_ties, kept.kappa_with_ties, one.model_ties]
        columns = [
            "Model",
            *(s or "no set" for s in sets),
            "All",
            "Kappa",
            "Ties kept",
            "Kappa",
            "Its ties",
        ]
        units = ("", *("share",) * (len(sets) + 1), "decimal", "share", "decimal", "")
        note = (
            f"Share of pairs with the same winner as {first.judge}, who says tie on "
            f"{first.ties:,}; ties of either are left out, or kept as an answer of their own. "
            "Kappa: Cohen's, agreement beyond chance."
        )
        title = f"Agreement with {first.judge}"
        sections.append(DataTable(title, columns, rows, note=note, unit=units))
    return sections


def _probe(made: RewardEvaluation) -> list[Section]:
    found = [one for one in made.models if one.probe is not None]
    if not found:
        return []
    rows: list[list[Cell]] = [
        [test, *(one.probe.passes[test] for one in found if one.probe)] for test in TESTS
    ]
    categories = list(found[0].probe.by_category) if found[0].probe else []
    for test in ("best > each other", "full order"):
        rows += [
            [f"{test}, {c}", *(one.probe.by_category[c][test] for one in found if one.probe)]
            for c in categories
        ]
    note = (
        f"{len(made.probes)} prompts, each with a good reply, a bad one, one beside the matter and "
        "one without meaning, all about equally long. Equal scores do not pass. By chance: 1 in 2 "
        "of two replies, 1 in 4 that the best is first, 1 in 24 the full order."
    )
    columns = ["Probe", *(one.model for one in found)]
    return [
        DataTable("The four-reply probe", columns, rows, note=note, unit="share"),
        ReplyScores(
            _examples(made, found),
            [one.model for one in found],
            "Probes, for example",
            "Scores of the first probes of each category; each model has a scale of its own.",
        ),
    ]


def _examples(made: RewardEvaluation, found: Sequence[ModelResult]) -> list[ScoredReplies]:
    """Two probes of each category, reply by reply."""
    kinds = list(dict.fromkeys(turn.tags["category"] for turn in made.probes))
    chosen = [
        t for kind in kinds for t in [x for x in made.probes if x.tags["category"] == kind][:2]
    ]
    return [
        ScoredReplies(
            turn.context[-1].content,
            [
                (r.author, r.text, [one.probe_scores[turn.id][i] for one in found])
                for i, r in enumerate(turn.replies)
            ],
        )
        for turn in chosen
    ]
