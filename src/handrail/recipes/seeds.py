"""A flow over its training seeds: each trains and answers, then all are judged together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handrail.recipes.annotate import annotate
from handrail.recipes.corpus import Corpora, Corpus
from handrail.recipes.flow import base_system, begin
from handrail.recipes.outcome import Outcomes, SeedOutcome
from handrail.recipes.page import conclude
from handrail.recipes.parallel import how_many, make_ahead
from handrail.recipes.prompts import fit_prompts
from handrail.recipes.run import Progress, Run, quiet
from handrail.recipes.settings import FlowSettings
from handrail.records import RunError


@dataclass(frozen=True)
class Flow:
    """A flow: what one seed does, and what is told of all.

    Attributes:
        name: of the recipe.
        title: of the report.
        pairs: the systems that are compared, and where the paper shows it.
        aligned: the system whose gain over its SFT is the headline.
        one_seed: trains one seed's systems and lets them answer, in stages of the run.
        feedback: whether a part of the turns is kept for the bot's own answers.
    """

    name: str
    title: str
    pairs: tuple[tuple[str, str, str], ...]
    aligned: str
    one_seed: Callable[[Run, FlowSettings, Corpus, int], SeedOutcome]
    feedback: bool = False


def run_flow(
    flow: Flow, settings: FlowSettings, out: Path, progress: Progress = quiet, *, frozen: bool
) -> dict[str, Any]:
    """All seeds, judged; returns the run's summary and writes `report.html` beside it.

    `frozen`: train nothing; only judge and report what is there.
    """
    run = Run(out, progress, frozen=frozen)
    with run.locked():
        given = begin(run, flow.name, settings)
        settings, annotated = annotate(run, given)
        seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
        corpora = Corpora(settings, feedback=flow.feedback, folder=run.folder)
        most = 1 if frozen else how_many(settings)
        if most > 1:
            _make_ahead(flow, run, settings, corpora, seeds, most)
        outcomes = Outcomes(
            title=flow.title,
            settings=given,
            pairs=flow.pairs,
            aligned=flow.aligned,
            annotated=annotated,
        )
        for seed in seeds:
            outcomes.add(flow.one_seed(run, settings, corpora.of(seed), seed))
        return conclude(run, outcomes)


def _make_ahead(
    flow: Flow, run: Run, settings: FlowSettings, corpora: Corpora, seeds: range, most: int
) -> None:
    """Make the stages of the unfinished seeds in processes of their own, `most` at once."""
    whole = Run(run.folder, frozen=True)

    def finished(seed: int) -> bool:
        if not any((run.folder / "stages").glob(f"seed{seed}-*")):
            return False
        try:
            flow.one_seed(whole, settings, corpora.of(seed), seed)
        except RunError:
            return False
        return True

    todo = [seed for seed in seeds if not finished(seed)]
    if len(todo) > 1:
        # What seeds share is made here, so that bad input is met before any process starts.
        corpus = corpora.of(todo[0])
        fit_prompts(run, settings, corpus, base_system(run, settings, corpus), todo[0])
        make_ahead(run, flow.name, settings, todo, most)
