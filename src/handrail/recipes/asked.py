"""What a flow's report says of its language model: what it made, failed at, cost, and how right.

In the care world the truth is known, so the model's verdicts are held against the oracle's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handrail.judges import AssessorJudge, compare_systems
from handrail.ranking import (
    Agreement,
    Estimate,
    Preferences,
    agreement,
    clusters_of,
    preferences,
)
from handrail.recipes.annotate import Annotated
from handrail.recipes.language import FlowModel
from handrail.recipes.outcome import HOW, Findings
from handrail.records import JudgeError, Playbook, Turn, Usage, Verdict
from handrail.reports import DataTable, Section
from handrail.world import Oracle
from handrail.world.generator import PROVENANCE
from handrail.world.playing.rules import known


@dataclass(frozen=True)
class Language:
    """What a flow found of its language model, reckoned once for the page and the summary.

    `judged` judgements were asked for, of which `failed` counts those that failed, by what was
    judged and why. `kept` are answers, tokens and cost by prompt, as the run's file of answers
    holds them. `right`, by dimension, is empty outside the world.
    """

    name: str
    annotated: Sequence[Annotated]
    habits: Preferences
    judged: int
    failed: Counter[str]
    kept: list[tuple[str, int, Usage, float | None]]
    right: dict[str, Agreement]


def find_language(folder: Path, findings: Findings) -> Language | None:
    """What is to be told of the run's language model; None where there was none."""
    outcomes = findings.outcomes
    if not outcomes.settings.llm:
        return None
    alone = sum(len(judged) for run in findings.assessed for judged in run.values())
    return Language(
        name=outcomes.settings.llm["model"],
        annotated=outcomes.annotated,
        habits=_preferences(findings),
        judged=alone + sum(map(len, findings.verdicts)),
        failed=_failed(findings),
        kept=FlowModel(outcomes.settings, folder).kept(),
        right=_agreements(findings),
    )


def language_sections(found: Language | None) -> list[Section]:
    """The report's tables about the language model; none where there was none."""
    if found is None:
        return []
    return [_made(found), _habits(found), _failures(found), _spent(found), _right(found)]


def language_facts(found: Language | None) -> dict[str, Any]:
    """The same for `summary.json`; nothing where there was no language model."""
    if found is None:
        return {}
    return {
        "language_model": {
            "name": found.name,
            "annotated": {one.name: one.counts for one in found.annotated},
            "habits": {
                name: one.as_dict()
                for name, one in (
                    ("flip_rate", found.habits.flips),
                    ("tie_rate", found.habits.ties),
                    ("first_preference", found.habits.first),
                    ("length_preference", found.habits.longer),
                )
            },
            "failed_judgements": dict(found.failed),
            "answers": [
                {
                    "prompt": prompt,
                    "answers": n,
                    "prompt_tokens": usage.prompt_tokens,
                    "completion_tokens": usage.completion_tokens,
                    "cost": cost,
                }
                for prompt, n, usage, cost in found.kept
            ],
            "against_the_oracle": {
                dimension: {"share": one.share.as_dict(), "kappa": one.kappa.as_dict()}
                for dimension, one in found.right.items()
            },
        }
    }


def _made(found: Language) -> DataTable:
    rows = [[one.name, what, f"{n:,}"] for one in found.annotated for what, n in one.counts.items()]
    return DataTable(
        title="What the language model made of the conversations",
        columns=("File", "What", "How many"),
        rows=rows,
        note="Guardrails are found, tagged and merged; at each point one guardrail is broken, in "
        "one of four kinds, until the judge confirms it.",
    )


def _preferences(findings: Findings) -> Preferences:
    """How the model bends to order and length, over all seeds, pairs and dimensions."""
    turns = findings.outcomes.turns
    talks = clusters_of(turns)
    verdicts: list[Verdict] = []
    lengths: dict[tuple[str, str], int] = {}
    clusters: dict[str, str] = {}
    for one, found in zip(findings.outcomes.seeds, findings.verdicts, strict=True):
        prefix = f"seed {one.seed}: "
        verdicts += _renamed(found, prefix)
        clusters |= {prefix + turn: talk for turn, talk in talks.items()}
        for name in findings.outcomes.systems:
            said = zip(turns, one.replies[name], strict=True)
            lengths |= {(prefix + turn.id, name): len(reply.text) for turn, reply in said}
    return preferences(verdicts, lengths, clusters, HOW)


def _habits(found: Language) -> DataTable:
    habits = found.habits
    rows: list[list[str | float | Estimate]] = [
        ["the two orders disagree (flip rate), of comparisons", habits.flips],
        ["no preference for either reply, of verdicts", habits.ties],
        ["for the reply shown first, of decided verdicts", habits.first],
        ["for the longer reply, of decided verdicts", habits.longer],
    ]
    return DataTable(
        title="How the language model judges pairs",
        columns=("What", "Share"),
        rows=rows,
        unit=("", "share"),
        note="Half is no liking for a place, or for length where the better reply is no longer.",
    )


def _failed(findings: Findings) -> Counter[str]:
    """Judgements that failed, by what was judged and why."""
    counts: Counter[str] = Counter()
    for run in findings.assessed:
        for one in (one for judged in run.values() for one in judged):
            if isinstance(one, JudgeError):
                counts[f"one reply: {one.kind or one.problem}"] += 1
    for verdicts in findings.verdicts:
        for two in verdicts:
            if isinstance(two, JudgeError):
                counts[f"two replies: {two.kind or two.problem}"] += 1
    return Counter(dict(sorted(counts.items())))


def _failures(found: Language) -> DataTable:
    rows = [[what, f"{n:,}"] for what, n in found.failed.items()] or [["none", "0"]]
    return DataTable(
        title="Judgements that failed",
        columns=("What, and why", "How many"),
        rows=rows,
        note=f"Of {found.judged:,}. None of them counts as a verdict.",
    )


def _spent(found: Language) -> DataTable:
    costs = [cost for *_, cost in found.kept]
    known_costs = [cost for cost in costs if cost is not None]
    whole = sum(known_costs) if len(known_costs) == len(costs) else None
    usage = sum((one for _, _, one, _ in found.kept), Usage())
    every = ("all", sum(n for _, n, _, _ in found.kept), usage, whole)
    rows = [
        [
            prompt,
            f"{n:,}",
            f"{one.prompt_tokens:,}",
            f"{one.completion_tokens:,}",
            "not known" if cost is None else f"{cost:.2f}",
        ]
        for prompt, n, one, cost in (*found.kept, every)
    ]
    return DataTable(
        title="What the language model was asked",
        columns=("Prompt, version", "Answers", "Tokens of prompts", "Tokens of replies", "Cost"),
        rows=rows,
        note="Answers that could be read, each paid for once; what failed is not among them.",
    )


def _agreements(findings: Findings) -> dict[str, Agreement]:
    """By dimension, the language model's verdicts against the oracle's; empty outside the world."""
    turns = findings.outcomes.turns
    if any(turn.provenance.source != PROVENANCE.source for turn in turns):
        return {}
    checked = [_with_checks(turn) for turn in turns]
    oracle = AssessorJudge(Oracle())
    pairs = [(a, b) for a, b, _ in findings.outcomes.pairs]
    ours: dict[str, list[Verdict]] = {d: [] for d in findings.dimensions}
    true: dict[str, list[Verdict]] = {d: [] for d in findings.dimensions}
    for one, verdicts in zip(findings.outcomes.seeds, findings.verdicts, strict=True):
        replies = {name: [r.text for r in one.replies[name]] for name in findings.outcomes.systems}
        exact = compare_systems(checked, replies, oracle, pairs, findings.dimensions)
        for found, into in ((verdicts, ours), (exact, true)):
            _sort(found, f"seed {one.seed}: ", into)
    clusters = {
        f"seed {one.seed}: {turn}": talk
        for one in findings.outcomes.seeds
        for turn, talk in clusters_of(turns).items()
    }
    return {d: agreement(ours[d], true[d], clusters, HOW) for d in findings.dimensions}


def _sort(
    found: Sequence[Verdict | JudgeError], prefix: str, into: dict[str, list[Verdict]]
) -> None:
    """The verdicts by dimension, their turns named after the seed as well."""
    for verdict in _renamed(found, prefix):
        into[verdict.dimension].append(verdict)


def _renamed(found: Sequence[Verdict | JudgeError], prefix: str) -> list[Verdict]:
    return [
        one.model_copy(update={"turn": prefix + one.turn})
        for one in found
        if isinstance(one, Verdict)
    ]


def _with_checks(turn: Turn) -> Turn:
    """The turn with the check of each guardrail whose text is the world's."""
    if turn.playbook is None:
        return turn
    rules = []
    for rule in turn.playbook.guardrails:
        found = known(rule.text)
        check = rule.check if found is None else found.guardrail.check
        rules.append(rule.model_copy(update={"check": check}))
    return turn.model_copy(update={"playbook": Playbook(guardrails=tuple(rules))})


def _right(found: Language) -> DataTable:
    rows: list[list[str | float | Estimate]] = [
        [dimension, one.share, one.kappa] for dimension, one in found.right.items()
    ]
    return DataTable(
        title="The language model against the oracle",
        columns=("Dimension", "Same of four bins", "Cohen's kappa"),
        rows=rows,
        unit=("", "share", "decimal"),
        note="Both judged the same comparisons. Of guardrails, the oracle knows those whose words "
        "are the world's.",
    )
