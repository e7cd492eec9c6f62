"""What both flows are made of: the model to start from, and its training as a system.

Each piece is a stage of a `Run`, keyed by its inputs, so a flow that was stopped goes on where it
was, and one whose settings were edited makes again only what they touch.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from handrail import world
from handrail.models import (
    ModelSettings,
    Policy,
    count_parameters,
    load_policy,
    resolve_dtype,
)
from handrail.objectives import IPO, KTO, OBJECTIVES, KTOPair
from handrail.objectives.dpo import DPO
from handrail.recipes.corpus import Corpus
from handrail.recipes.own import whole_conversations
from handrail.recipes.pretrain import pretrain
from handrail.recipes.retrieval import rank_sets
from handrail.recipes.run import Run, digest_files, digest_records, read_json, watcher, write_json
from handrail.recipes.settings import BETAS, SCRATCH, FlowSettings, default_rates
from handrail.recipes.small_model import PretrainSettings
from handrail.recipes.systems import BASE, PAPER_RATES, System
from handrail.records import (
    Conversation,
    SettingError,
    Skip,
    Turn,
    read_jsonl,
    write_jsonl,
)
from handrail.training import ADAPTER, TrainSettings, train
from handrail.trees import Renderer, TreeSettings, build_trees
from handrail.trees.styles import guardrail_head


@dataclass(frozen=True)
class Trained:
    """A finished system: its model folder, its training metrics and what was left out.

    Under LoRA it is also the model that it was trained from and the adapter.
    """

    name: str
    model: Path
    metrics: Path | None
    skipped: tuple[Skip, ...]
    start: Path | None = None
    adapter: Path | None = None


def set_threads(count: int) -> int:
    """Use `count` threads (0: all cores that this process may use); returns how many."""
    able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = count or able or 1
    torch.set_num_threads(threads)
    return threads


def begin(run: Run, recipe: str, settings: FlowSettings) -> FlowSettings:
    """Set the threads and write what the run is into its folder; the settings, resolved.

    dtype=auto is what the folder's config.json holds, so that a run which goes on or is reported
    on another machine keeps its finished stages; in a new folder, what this machine is fast in.

    Raises:
        SettingError: an input that nothing would read.
        ModelError: there is no such model.
    """
    if not (settings.conversations or run.frozen):
        _refuse_unread(settings)
    set_threads(settings.threads)
    settings = with_rates(settings)
    if settings.dtype == "auto":
        dtype = _begun_with(run.folder) or resolve_dtype("auto")
        settings = settings.model_copy(update={"dtype": dtype})
    if not run.frozen:
        # The program's name instead of its path: the page says the same on any machine.
        name = Path(sys.argv[0]).name
        config = {
            "recipe": recipe,
            "settings": settings.model_dump(mode="json"),
            "command": shlex.join(["handrail" if name == "__main__.py" else name, *sys.argv[1:]]),
            "folder": os.getcwd(),  # which relative paths are relative to
        }
        write_json(run.folder / "config.json", config)
    return settings


def _refuse_unread(settings: FlowSettings) -> None:
    """Refuse what belongs to the user's conversations where there are none."""
    unset = FlowSettings()
    for name in ("playbook", "test_conversations", "guidelines", "split"):
        if getattr(settings, name) != getattr(unset, name):
            raise SettingError(
                f"{name} needs conversations, and none are given",
                f"Give them (--conversations FILE), or leave {name} out",
            )


def with_rates(settings: FlowSettings) -> FlowSettings:
    """The settings with every objective's rate and beta; rates not given follow from the model.

    The model's size decides, not its name, so that equal weights learn alike.

    Raises:
        ModelError: there is no such model to learn the size of.
    """
    rates, betas = settings.learning_rates, BETAS | settings.betas
    if not rates.keys() >= PAPER_RATES.keys():
        # The packaged model, and what `scratch` makes, are small by design.
        size = 0 if settings.model in ("world", SCRATCH) else count_parameters(settings.model)
        rates = default_rates(size, settings.mode) | rates
    # In one order, however they were given, so that equal runs have equal pages.
    ordered = {
        "learning_rates": {name: rates[name] for name in PAPER_RATES},
        "betas": {name: betas[name] for name in BETAS},
    }
    return settings.model_copy(update=ordered)


def _begun_with(folder: Path) -> str | None:
    """The dtype that a run's folder began with; None for a new folder."""
    try:
        dtype = read_json(folder / "config.json")["settings"]["dtype"]
    except (OSError, ValueError, KeyError, TypeError):  # begun by nothing that ran a stage
        return None
    return dtype if dtype in ("float32", "bfloat16") else None


def model_key(path: str) -> str:
    """What identifies a model: its files' digest for a folder, else its hub name."""
    folder = Path(path)
    if not folder.is_dir():
        return path
    return digest_files(sorted(p for p in folder.rglob("*") if p.suffix in _MODEL_FILES))


_MODEL_FILES = {".safetensors", ".json", ".bin", ".model", ".jinja"}


def load(path: str, settings: FlowSettings) -> tuple[Policy, Renderer]:
    """The policy at `path` and the renderer of its prompts."""
    how = ModelSettings(mode=settings.mode, dtype=settings.dtype, style=settings.style)
    policy = load_policy(path, how)
    return policy, Renderer(policy.tokenizer)


def load_trained(one: Trained, settings: FlowSettings) -> tuple[Policy, Renderer]:
    """A system as it was trained, and the renderer of its prompts.

    Under LoRA with its adapter beside the weights: merged, and then computed with in bfloat16, a
    small update would be rounded away.
    """
    if one.adapter is None:
        return load(str(one.model), settings)
    policy, renderer = load(str(one.start), settings)
    policy.restore(one.adapter)
    return policy, renderer


def style_key(settings: FlowSettings) -> dict[str, str]:
    """What the prompts' style adds to a stage's inputs: nothing where the tokenizer states it."""
    return {} if settings.style == "auto" else {"style": settings.style}


def longest(policy: Policy, token_budget: int) -> int:
    """The longest prompt and reply that both the model and the budget take."""
    return min(policy.max_positions or token_budget, token_budget)


def objective_of(name: str, settings: FlowSettings) -> Any:
    """The objective of a system, with its beta where it takes one."""
    makers = {kind.name: kind for kind in (DPO, IPO, KTO, KTOPair)}
    return makers[name](beta=settings.betas[name]) if name in makers else OBJECTIVES[name]()


def train_system(
    run: Run,
    settings: FlowSettings,
    system: System,
    turns: Sequence[Turn],
    start: Trained,
    seed: int,
) -> Trained:
    """Train one system for one epoch from another system's weights, as a stage of the run."""
    objective = objective_of(system.objective, settings)
    rate = settings.learning_rates[system.objective]
    inputs = {
        "system": system.name,
        "objective": repr(objective),
        "rate": rate,
        "seed": seed,
        "turns": digest_records(turns),
        "start": model_key(str(start.model)),
        "settings": {k: getattr(settings, k) for k in _TRAINING_FIELDS},
        **style_key(settings),
    }

    def make(folder: Path) -> None:
        policy, renderer = load(str(start.model), settings)
        forest = build_trees(
            turns,
            renderer,
            TreeSettings(
                max_tokens=longest(policy, settings.token_budget),
                tree_tokens=settings.token_budget,
                share_turns=settings.batch_size,
                replies="best" if system.objective == "sft" else "all",
                on_long=settings.on_long,
                mismatched=objective.needs_mismatched,
                seed=seed,
            ),
        )
        result = train(
            policy,
            forest,
            objective,
            TrainSettings(
                learning_rate=rate,
                batch_size=settings.batch_size,
                token_budget=settings.token_budget,
                seed=seed,
                # Systems that start from one model on the same turns share its log-probabilities.
                reference_dir=str(run.folder / "references"),
            ),
            folder / "training",
            progress=watcher(run.progress, f"{system.name}, seed {seed}"),
        )
        write_jsonl(folder / "skipped.jsonl", result.skipped)

    folder = run.stage(f"seed{seed}-{slug(system.name)}", inputs, make)
    skipped = read_jsonl(folder / "skipped.jsonl", Skip, on_error="skip").records
    training = folder / "training"
    lora = (start.model, training / ADAPTER) if settings.mode == "lora" else (None, None)
    made = (training / "final", training / "metrics.jsonl")
    return Trained(system.name, *made, tuple(skipped), *lora)


_TRAINING_FIELDS = ("mode", "dtype", "batch_size", "token_budget", "on_long")


def base_system(run: Run, settings: FlowSettings, corpus: Corpus) -> Trained:
    """The model that all others start from, as a system."""
    if settings.recall_turns:  # too few replies to rank are told before anything is trained
        rank_sets(corpus.test, settings.recall_turns)
    if settings.model != SCRATCH:
        known = settings.model == "world"
        path = world.world_model_path() if known else Path(settings.model)
        if settings.model.startswith((".", "~")):  # said to be a folder: never looked up by name
            path = path.expanduser().absolute()
        return Trained(BASE, path, None, ())
    talks = whole_conversations(corpus.base)
    size = scratch_settings(talks)

    def make(folder: Path) -> None:
        pretrain(talks, size, folder / "model", run.progress)

    inputs = {"conversations": digest_records(talks), "settings": size}
    return Trained(BASE, run.stage("base", inputs, make) / "model", None, ())


def scratch_settings(talks: Sequence[Conversation]) -> PretrainSettings:
    """As many epochs as see about six million tokens, between one and twelve."""
    # Nearly five characters a token in English, and what the prompt says beside the messages.
    tokens = sum(len(m.content) // 4 + 4 for c in talks for m in c.messages)
    tokens += sum(len(guardrail_head(c.playbook)) // 5 for c in talks)
    return PretrainSettings(epochs=min(12, max(1, round(6e6 / max(1, tokens)))), positions=4096)


def slug(name: str) -> str:
    """A system's name as a folder name."""
    return name.lower().replace("→", "-")
