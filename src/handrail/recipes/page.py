"""The report of a flow: what was found, in the paper's layout and past it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handrail.ranking import Estimate
from handrail.recipes.acts import PUBLISHED
from handrail.recipes.asked import Language, find_language, language_facts, language_sections
from handrail.recipes.corpus import paired
from handrail.recipes.outcome import Findings, Outcomes, find, keep
from handrail.recipes.retrieval import unranked
from handrail.recipes.run import Run, read_json, versions
from handrail.recipes.systems import BASE, FLOW1, FLOW2, FLOW2_SFT, PAPER_TABLE1
from handrail.records import Assessment, Skip
from handrail.reports import (
    BreachHeatMap,
    Curves,
    DataTable,
    Example,
    ExampleReply,
    Examples,
    Gains,
    Headline,
    JudgeQuality,
    LeftOut,
    Lengths,
    OutcomeBars,
    RateDots,
    Report,
    Section,
    TrainingRun,
    WinRateTable,
    gain_finding,
    summary,
    write_report,
    write_summary,
)

_CURVES = {
    "rewards/accuracy": "pairs ranked right",
    "rewards/margin": "reward margin (beta x log-ratio)",
    "logps/chosen": "log-probability of the better reply (nats)",
    "logps/rejected": "log-probability of the worse reply (nats)",
}
_OBJECTIVES = {s.name: s.objective for s in (*FLOW1, FLOW2_SFT, *FLOW2)}
_SHOWN, _ALIKE = 6, 3  # example turns: where systems differ, and where none does


def conclude(run: Run, outcomes: Outcomes) -> dict[str, Any]:
    """Judge, rank, keep the judgements, write `summary.json` and `report.html`."""
    findings = find(run, outcomes)
    keep(findings, run.folder / "judged")
    return write_page(run.folder, findings)


def write_page(folder: Path, findings: Findings) -> dict[str, Any]:
    """Write `report.html` and `summary.json`; returns the summary."""
    outcomes = findings.outcomes
    language = find_language(folder, findings)
    first = outcomes.seeds[0]
    pairs = [one.feedback_pairs for one in outcomes.seeds if one.feedback_pairs is not None]
    report = Report(
        title=f"{outcomes.title}: {outcomes.data}",
        subtitle=f"{outcomes.aligned} against {outcomes.sft}, and {len(outcomes.systems)} systems "
        "on the same turns",
        sections=sections(findings, language),
        facts={
            "training turns": f"{len(first.corpus.train):,}",
            "with a better and a worse reply": f"{paired(first.corpus.train):,}",
            "test turns": f"{len(outcomes.turns):,}",
            "training seeds": str(len(outcomes.seeds)),
            "judge": outcomes.judge,
        },
        settings=outcomes.settings.model_dump(),
        provenance={"handrail": versions(folder), **first.corpus.facts, **_pairs_made(pairs)},
        command=read_json(folder / "config.json")["command"],
    )
    write_report(folder / "report.html", report)
    gains = {name: one.pooled.difference for name, one in findings.gains.items()}
    made = summary(
        adherence_gain=gains.get("adherence"),
        gains=gains,
        rates=findings.rates,
        results=findings.comparisons,
        extra={
            "recipe": outcomes.title,
            "aligned": outcomes.aligned,
            "sft": outcomes.sft,
            "seeds": [one.seed for one in outcomes.seeds],
            "over_seeds": {n: g.over_seeds.as_dict() for n, g in findings.gains.items()},
            "preference_accuracy": {n: e.as_dict() for n, e in findings.preference.items()},
            "perplexity": {n: e.as_dict() for n, e in findings.perplexity.items()},
            "left_out": left_out(findings),
            **({"feedback_pairs": pairs} if pairs else {}),
            **_replies_found(findings),
            **language_facts(language),
            "report": str(folder / "report.html"),
        },
    )
    write_summary(folder / "summary.json", made)
    return made


def _pairs_made(pairs: list[int]) -> dict[str, str]:
    """How many pairs of the bot's own replies each seed trained on; nothing but in Flow 2."""
    counts = ", ".join(f"{n:,}" for n in pairs)
    return {"pairs from the bot's own replies, by seed": counts} if pairs else {}


def sections(findings: Findings, language: Language | None) -> list[Section]:
    """The page's parts in the order in which they are read."""
    outcomes = findings.outcomes
    labels = {(a, b): where for a, b, where in outcomes.pairs if where}
    headline = Headline(
        [
            gain_finding(outcomes.aligned, outcomes.sft, gain, dimension)
            for dimension, gain in findings.gains.items()
        ],
        remarks=_remarks(findings),
    )
    gains = {f"{outcomes.aligned}: {name}": gain for name, gain in findings.gains.items()}
    return [
        headline,
        WinRateTable(findings.comparisons, labels, PAPER_TABLE1, "paper"),
        OutcomeBars(findings.comparisons, labels),
        RateDots(findings.rates),
        Gains(gains, seeds=[one.seed for one in outcomes.seeds]),
        BreachHeatMap(findings.breaches),
        _written(findings),
        *_real(findings),
        Curves(_curves(findings), _CURVES),
        Lengths(_lengths(findings), standard="chosen"),
        Examples(_examples(findings)),
        LeftOut(_skips(findings), _counts(findings)),
        JudgeQuality(findings.comparisons, judge=outcomes.judge),
        *language_sections(language),
    ]


def _remarks(findings: Findings) -> list[str]:
    """What the figures do not show."""
    outcomes = findings.outcomes
    remarks = []
    if len(outcomes.seeds) < 3:
        remarks.append(
            f"{len(outcomes.seeds)} training seed(s): take three or more before you rely on it."
        )
    if len(findings.dimensions) < 3:
        known = ", ".join(findings.dimensions) or "nothing"
        remarks.append(f"The judge can tell {known} only; the other dimensions were not judged.")
    return remarks


def _written(findings: Findings) -> DataTable:
    """How the models score the written replies: no sampling, no judge."""
    rows: list[list[str | float | Estimate]] = []
    for name in findings.outcomes.systems:
        if name in findings.preference:
            shown = findings.perplexity.get(name, "unknown")
            rows.append([name, findings.preference[name], shown])
    return DataTable(
        title="Written replies",
        columns=("System", "Better reply is likelier", "Perplexity of the chosen, per token"),
        rows=rows,
        unit=("", "share", "decimal"),
    )


def _replies_found(findings: Findings) -> dict[str, Any]:
    """What `summary.json` says of next actions and of recall, where they were measured."""
    found: dict[str, Any] = {}
    if findings.acts is not None:
        found["next_action"] = findings.acts.as_dict()
    if findings.recall:
        found["recall"] = {
            name: {str(depth): one.as_dict() for depth, one in at.items()}
            for name, at in findings.recall.items()
        }
    return found


def _real(findings: Findings) -> list[Section]:
    """Next-action accuracy and recall of the true reply, where they were measured."""
    parts: list[Section] = []
    if findings.acts is not None:
        parts.append(
            DataTable(
                title="Next action",
                columns=("System", "The human's act", "Allowed by the flow chart", "Any act known"),
                rows=[[n, f.right, f.allowed, f.matched] for n, f in findings.acts.figures.items()],
                unit="share",
                note="Replies matched to the task's canonical replies. "
                f"{findings.acts.free_text} of {findings.acts.turns} turns, where the human wrote "
                f"freely, are left out of the first figure. {PUBLISHED}",
            )
        )
    if findings.recall:
        depths = list(next(iter(findings.recall.values())))
        parts.append(
            DataTable(
                title="The true reply among 100",
                columns=("System", *(f"recall@{depth}" for depth in depths)),
                rows=[[name, *at.values()] for name, at in findings.recall.items()],
                unit="share",
                note="By mean log-probability per token; the others are replies of other turns.",
            )
        )
    return parts


def _curves(findings: Findings) -> list[TrainingRun]:
    """Every run's metrics; losses of different objectives have no common scale, so each its own."""
    runs = []
    for one in findings.outcomes.seeds:
        for name, trained in one.trained.items():
            if trained.metrics is not None:
                label = f"{name}, seed {one.seed}"
                read = TrainingRun.read(label, trained.metrics, ["loss", *_CURVES], group=name)
                own = {f"loss of {_OBJECTIVES[name]}": read.series["loss"]}
                rest = {key: read.series[key] for key in _CURVES if key in read.series}
                runs.append(TrainingRun(label, own | rest, name))
    return runs


def _lengths(findings: Findings) -> dict[str, list[float]]:
    turns = findings.outcomes.turns
    chosen = [t.replies[b].text for t in turns if (b := t.best()) is not None]
    lengths = {"chosen": [float(len(text.split())) for text in chosen]}
    for name in findings.outcomes.systems:
        replies = [r for one in findings.outcomes.seeds for r in one.replies[name]]
        lengths[name] = [float(len(r.text.split())) for r in replies]
    return lengths


def _examples(findings: Findings) -> list[Example]:
    """Turns where SFT and the aligned system differ in what they break, gains and losses both.

    Where they nowhere do, turns on which both break something, or the first ones.
    """
    outcomes = findings.outcomes
    one, assessed = outcomes.seeds[0], findings.assessed[0]
    gained, lost, broken, kept = [], [], [], []
    for i, turn in enumerate(outcomes.turns):
        before, after = assessed[outcomes.sft][i], assessed[outcomes.aligned][i]
        if not (isinstance(before, Assessment) and isinstance(after, Assessment)):
            continue
        if before.breaks and not after.breaks:
            gained.append((i, turn, f"{outcomes.aligned} keeps what {outcomes.sft} breaks"))
        elif after.breaks and not before.breaks:
            lost.append((i, turn, f"{outcomes.aligned} breaks what {outcomes.sft} keeps"))
        elif before.breaks:
            broken.append((i, turn, f"{outcomes.sft} and {outcomes.aligned} both break a rule"))
        else:
            kept.append((i, turn, f"{outcomes.sft} and {outcomes.aligned} both keep every rule"))
    # In the proportion in which they occur, so that the examples do not flatter.
    share = len(gained) / max(1, len(gained) + len(lost))
    take = min(len(gained), round(_SHOWN * share))
    picked = gained[:take] + lost[: _SHOWN - take] or (broken + kept)[:_ALIKE]
    shown = list(dict.fromkeys([BASE, outcomes.sft, outcomes.aligned]))
    return [
        Example(
            turn,
            [ExampleReply(name, one.replies[name][i].text, assessed[name][i]) for name in shown],
            why,
        )
        for i, turn, why in picked
    ]


def _skips(findings: Findings) -> list[Skip]:
    seeds = findings.outcomes.seeds
    # The files are the same for all seeds; what was left out of them counts once.
    skips = [skip for one in findings.outcomes.annotated for skip in one.skipped]
    skips += [*seeds[0].corpus.skipped, *(skip for one in seeds for skip in one.skipped)]
    return skips + (unranked([one.facts[BASE] for one in seeds]) if findings.recall else [])


def left_out(findings: Findings) -> list[dict[str, Any]]:
    """What was skipped or cut, by kind and reason: the report's section, for programs."""
    rows = LeftOut(_skips(findings), _counts(findings)).rows()
    return [{"what": what, "reason": why, "count": n} for what, why, n, _ in sorted(rows)]


def _counts(findings: Findings) -> list[tuple[str, str, int]]:
    # The same turns for every system and seed, read by one tokenizer into as many positions.
    unscored = max(f["unscored"] for one in findings.outcomes.seeds for f in one.facts.values())
    reason = "a reply does not fit the model's positions or the budget: not in Written replies"
    counts = [("test turn", reason, unscored)]
    for name in findings.outcomes.systems:
        facts = [one.facts[name] for one in findings.outcomes.seeds]
        cut = sum(f["cut"] for f in facts)
        empty = sum(f["empty"] for f in facts)
        counts.append((f"reply of {name}", "cut off at the longest reply allowed", cut))
        counts.append((f"reply of {name}", "the model said nothing; judged as it is", empty))
    return counts
