"""From what the systems said to what was found: judge, rank, write summary and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from handrail.ranking import (
    BreachTable,
    Estimate,
    PairResult,
    Partition,
    Resampling,
    SeedDifference,
    SystemRate,
    breach_table,
    clusters_of,
    compare_pairs,
    ratio_over_seeds,
    system_difference,
    system_rates,
)
from handrail.recipes import star
from handrail.recipes.acts import ActTable, act_table, has_acts
from handrail.recipes.annotate import Annotated
from handrail.recipes.corpus import Corpus
from handrail.recipes.flow import Trained
from handrail.recipes.judging import Judged, judge_seed
from handrail.recipes.retrieval import recall
from handrail.recipes.run import Progress, Run
from handrail.recipes.settings import FlowSettings
from handrail.recipes.systems import BASE
from handrail.records import (
    Assessment,
    JudgeError,
    Reply,
    Skip,
    Turn,
    Verdict,
    write_jsonl,
)

HOW = Resampling(resamples=2000, seed=0)


@dataclass
class SeedOutcome:
    """What one training seed gave: per system its replies and figures."""

    seed: int
    corpus: Corpus
    trained: dict[str, Trained] = field(default_factory=dict)
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: list[Skip] = field(default_factory=list)
    feedback_pairs: int | None = None  # of the bot's own replies, in Flow 2

    def add(self, one: Trained, replies: list[Reply], facts: dict[str, Any]) -> None:
        """Note one system's replies to the test turns."""
        self.trained[one.name] = one
        self.replies[one.name] = replies
        self.facts[one.name] = facts
        # Systems that read the same turns leave out the same ones: these count once.
        new = Counter(one.skipped) - Counter(self.skipped)
        self.skipped += new.elements()


@dataclass
class Outcomes:
    """All seeds of a flow. `aligned` names the system whose gain over its SFT is the headline.

    `annotated` is what a language model made of the conversations first.
    """

    title: str
    settings: FlowSettings
    pairs: tuple[tuple[str, str, str], ...]
    aligned: str
    annotated: Sequence[Annotated] = ()
    seeds: list[SeedOutcome] = field(default_factory=list)

    def add(self, outcome: SeedOutcome) -> None:
        """Note a finished seed."""
        self.seeds.append(outcome)

    @property
    def sft(self) -> str:
        """The system that the aligned one started from."""
        return next(a for a, b, _ in self.pairs if b == self.aligned)

    @property
    def data(self) -> str:
        """What the conversations are called; those that were annotated by their own file."""
        if self.annotated and self.settings.conversations:
            return Path(self.settings.conversations).name
        return "the care world" if self.annotated else self.seeds[0].corpus.name

    @property
    def judge(self) -> str:
        """The judge's name; of single replies and of pairs where these are not one."""
        corpus = self.seeds[0].corpus
        names = [corpus.assessor.name, *([corpus.judge.name] if corpus.judge else [])]
        return " and ".join(names)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The test turns: the same for every seed."""
        return self.seeds[0].corpus.test

    @property
    def systems(self) -> list[str]:
        """All systems, the untrained base first."""
        return [BASE, *(name for name in self.seeds[0].replies if name != BASE)]


@dataclass
class Findings:
    """Everything that the report shows, computed once."""

    outcomes: Outcomes
    dimensions: tuple[str, ...]
    assessed: list[dict[str, list[Assessment | JudgeError]]]
    verdicts: list[list[Verdict | JudgeError]]
    rates: tuple[SystemRate, ...]
    comparisons: tuple[PairResult, ...]
    breaches: BreachTable
    gains: dict[str, SeedDifference]
    preference: dict[str, Estimate]
    perplexity: dict[str, Estimate]
    recall: dict[str, dict[int, Estimate]] = field(default_factory=dict)
    acts: ActTable | None = None


def find(run: Run, outcomes: Outcomes) -> Findings:
    """Judge every reply and every pair of systems in both orders; rank with intervals."""
    turns = outcomes.turns
    clusters = clusters_of(turns)
    names = [clusters[t.id] for t in turns]
    pairs = [(a, b) for a, b, _ in outcomes.pairs]
    judged: list[Judged] = []
    for number, one in enumerate(outcomes.seeds):
        parts = (number, len(outcomes.seeds))
        told = (_share(run.progress, "judge", *parts), _share(run.progress, "compare", *parts))
        replies = {name: one.replies[name] for name in outcomes.systems}
        judged.append(judge_seed(run, one.corpus, replies, pairs, one.seed, told))
    assessed, verdicts = [one.assessed for one in judged], [one.verdicts for one in judged]
    dimensions = judged[0].dimensions
    return Findings(
        outcomes=outcomes,
        dimensions=dimensions,
        assessed=assessed,
        verdicts=verdicts,
        rates=system_rates(*assessed, clusters=names, dimensions=dimensions, how=HOW),
        comparisons=compare_pairs(*verdicts, clusters=clusters, how=HOW),
        breaches=breach_table(*assessed, turns=turns),
        gains={
            dimension: system_difference(
                *assessed,
                better=outcomes.aligned,
                worse=outcomes.sft,
                clusters=names,
                dimension=dimension,
                how=HOW,
            )
            for dimension in dimensions
        },
        preference=_preference(outcomes, clusters),
        perplexity=_perplexity(outcomes, clusters),
        recall=_recall(outcomes, clusters),
        acts=_acts(outcomes, names),
    )


def _share(progress: Progress, stage: str, number: int, parts: int) -> Callable[[int, int], None]:
    """A judge's progress on one of several equal parts, as progress on the whole stage."""
    return lambda done, total: progress(stage, number * total + done, parts * total)


def _preference(outcomes: Outcomes, clusters: dict[str, str]) -> dict[str, Estimate]:
    """Held-out preference accuracy: how often the better written reply is the likelier one."""
    rates = {}
    for name in outcomes.systems:
        facts = [one.facts[name] for one in outcomes.seeds]
        values = [np.array(f["preference"], float) for f in facts]
        groups = [[clusters[t] for t in f["preference_turns"]] for f in facts]
        if sum(map(len, groups)):
            rates[name] = Partition.of(values, groups).estimate(HOW)
    return rates


def _perplexity(outcomes: Outcomes, clusters: dict[str, str]) -> dict[str, Estimate]:
    """Perplexity per token of the best written replies, all seeds' nats over all seeds' tokens."""
    found = {}
    for name in outcomes.systems:
        facts = [one.facts[name] for one in outcomes.seeds]
        groups = [[clusters[t] for t in f["best_turns"]] for f in facts]
        nats = ratio_over_seeds(
            [f["nats"] for f in facts], [f["tokens"] for f in facts], groups, HOW
        )
        if nats.n:
            with np.errstate(over="ignore"):  # a model that training spoilt: infinite
                value, low, high = np.exp([nats.value, nats.low, nats.high]).tolist()
            found[name] = replace(nats, value=value, low=low, high=high)
    return found


def _recall(outcomes: Outcomes, clusters: dict[str, str]) -> dict[str, dict[int, Estimate]]:
    """Recall of the true reply by system; nothing where no turns were ranked."""
    if not outcomes.settings.recall_turns:
        return {}
    return {
        name: recall([one.facts[name] for one in outcomes.seeds], clusters, HOW)
        for name in outcomes.systems
    }


def _acts(outcomes: Outcomes, clusters: list[str]) -> ActTable | None:
    """Next-action figures, where the turns carry STAR's tags and its flow charts are known."""
    guide = star.guide_of(outcomes.settings) if has_acts(outcomes.turns) else None
    if guide is None:
        return None
    texts = {
        name: [[r.text for r in one.replies[name]] for one in outcomes.seeds]
        for name in outcomes.systems
    }
    return act_table(outcomes.turns, texts, guide, clusters, HOW)


def keep(findings: Findings, folder: Path) -> None:
    """Write replies, assessments and verdicts, so that every number can be traced."""
    for one, assessed, verdicts in zip(
        findings.outcomes.seeds, findings.assessed, findings.verdicts, strict=True
    ):
        home = folder / f"seed{one.seed}"
        write_jsonl(home / "verdicts.jsonl", [v for v in verdicts if isinstance(v, Verdict)])
        errors = [v for v in verdicts if isinstance(v, JudgeError)]
        write_jsonl(home / "judge-errors.jsonl", errors)
        rows = []
        for name in findings.outcomes.systems:
            for turn, reply, judged in zip(
                findings.outcomes.turns, one.replies[name], assessed[name], strict=True
            ):
                breaks = judged.breaks if isinstance(judged, Assessment) else ()
                rows.append(
                    turn.model_copy(
                        update={
                            "id": f"{turn.id}-{name}",
                            "replies": (reply.model_copy(update={"breaks": breaks}),),
                            "tags": {**turn.tags, "system": name},
                        }
                    )
                )
        write_jsonl(home / "replies.jsonl.gz", rows)
