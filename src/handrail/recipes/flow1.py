"""Flow 1 of the guardrail-alignment paper: does alignment beat fine-tuning alone?

One training set, one test set. From the base model: SFT for one and two epochs, IPO and KTO-pair
on the base itself, and IPO, KTO-pair, DPO and KTO after one epoch of SFT. Every system answers the
same test turns; the judge compares them in pairs on adherence, naturalness and hallucination.
`quickstart` is the same story with two systems and two seeds.

Left out: the paper's GPT-4 as annotator and judge (the world's oracle, or a playbook's checks,
stand in), and its sharding over four GPUs (docs/training.md has it for a single training).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from handrail.recipes.corpus import Corpus
from handrail.recipes.flow import base_system, train_system
from handrail.recipes.outcome import SeedOutcome
from handrail.recipes.prompts import fit_prompts
from handrail.recipes.run import Progress, Run, quiet
from handrail.recipes.seeds import Flow, run_flow
from handrail.recipes.settings import FlowSettings
from handrail.recipes.speaking import speak
from handrail.recipes.systems import BASE, FLOW1, FLOW1_PAIRS, QUICK, System


def run_flow1(
    settings: FlowSettings, out: Path, progress: Progress = quiet, *, frozen: bool = False
) -> dict[str, Any]:
    """All eight systems; returns the run's summary and writes `report.html` beside it."""
    return run_flow(FLOW, settings, out, progress, frozen=frozen)


def run_quickstart(
    settings: FlowSettings, out: Path, progress: Progress = quiet, *, frozen: bool = False
) -> dict[str, Any]:
    """SFT, then IPO: the shortest way from conversations to an aligned bot and its report."""
    return run_flow(QUICKSTART, settings, out, progress, frozen=frozen)


def _one_seed(
    run: Run, settings: FlowSettings, corpus: Corpus, seed: int, *, systems: Sequence[System]
) -> SeedOutcome:
    """Train every system in order, then let each answer the test turns."""
    base = base_system(run, settings, corpus)
    corpus, _ = fit_prompts(run, settings, corpus, base, seed)
    trained = {BASE: base}
    for system in systems:
        start = trained[system.start]
        trained[system.name] = train_system(run, settings, system, corpus.train, start, seed)
    outcome = SeedOutcome(seed=seed, corpus=corpus)
    for one in trained.values():
        outcome.add(one, *speak(run, settings, one, corpus.shown(corpus.test), seed))
    return outcome


FLOW = Flow(
    name="flow1",
    title="Flow 1",
    pairs=FLOW1_PAIRS,
    aligned="SFT→IPO",
    one_seed=partial(_one_seed, systems=FLOW1),
)
QUICKSTART = Flow(
    name="quickstart",
    title="Quickstart",
    pairs=(("M1-SFT", "SFT→IPO", "Fig. 4a"),),
    aligned="SFT→IPO",
    one_seed=partial(_one_seed, systems=QUICK),
)
