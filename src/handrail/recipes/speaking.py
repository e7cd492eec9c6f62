"""A trained system at the test turns: what it says, and how it scores what was written down."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from handrail.recipes.flow import Trained, load_trained, model_key, slug, style_key
from handrail.recipes.likelihood import likelihood
from handrail.recipes.retrieval import rank_sets, true_ranks
from handrail.recipes.run import Run, digest_records, read_json, write_json
from handrail.recipes.settings import FlowSettings
from handrail.records import Reply, SamplingParams, Turn, read_jsonl, write_jsonl
from handrail.sampling import LocalSampler


def speak(
    run: Run,
    settings: FlowSettings,
    trained: Trained,
    turns: Sequence[Turn],
    seed: int,
    purpose: str = "test",
) -> tuple[list[Reply], dict[str, Any]]:
    """One sampled reply of a system per turn; of test turns, how it scores the recorded replies."""
    params = SamplingParams(
        temperature=settings.temperature, max_tokens=settings.reply_tokens, seed=seed
    )
    inputs = {
        "model": model_key(str(trained.model)),
        "params": params,
        "turns": digest_records(turns),
        "dtype": settings.dtype,
        **style_key(settings),
    }

    def make(folder: Path) -> None:
        policy, renderer = load_trained(trained, settings)
        stage = f"{trained.name} speaks (seed {seed})"
        run.progress(stage, 0, len(turns))
        samples = LocalSampler(policy, renderer).sample(turns, params, partial(run.progress, stage))
        cut = [i for i, s in enumerate(samples) if s[0].finish == "length"]
        empty = [i for i, s in enumerate(samples) if not s[0].text]
        # An empty reply is kept as what it is: a reply that says nothing.
        replies = [Reply(text=s[0].text or "(no reply)", author=trained.name) for s in samples]
        write_jsonl(folder / "replies.jsonl", replies)
        places = {"cut_at": cut, "empty_at": empty}
        counts = {"cut": len(cut), "empty": len(empty), "n": len(turns)}
        write_json(folder / "facts.json", counts | places)

    name = f"seed{seed}-{slug(trained.name)}-{purpose}"
    folder = run.stage(name, inputs, make)
    facts = read_json(folder / "facts.json")
    if purpose == "test":
        facts |= _score(run, settings, trained, turns, seed)
        if settings.recall_turns:
            facts |= _rank(run, settings, trained, turns, seed)
    return read_jsonl(folder / "replies.jsonl", Reply).records, facts


def _score(
    run: Run, settings: FlowSettings, trained: Trained, turns: Sequence[Turn], seed: int
) -> dict[str, Any]:
    """How likely a system finds the replies that were written for test turns."""
    inputs = {
        "model": model_key(str(trained.model)),
        "turns": digest_records(turns),
        "dtype": settings.dtype,
        **style_key(settings),
        "token_budget": settings.token_budget,
    }

    def make(folder: Path) -> None:
        policy, renderer = load_trained(trained, settings)
        stage = f"{trained.name} scores written replies (seed {seed})"
        told = partial(run.progress, stage)
        found = likelihood(policy, renderer, turns, settings.token_budget, told)
        write_json(folder / "scores.json", found)

    folder = run.stage(f"seed{seed}-{slug(trained.name)}-written", inputs, make)
    return dict(read_json(folder / "scores.json"))


def _rank(
    run: Run, settings: FlowSettings, trained: Trained, turns: Sequence[Turn], seed: int
) -> dict[str, Any]:
    """Where a system ranks the true reply of test turns among others; a stage of its own."""
    sets = rank_sets(turns, settings.recall_turns)
    inputs = {
        "model": model_key(str(trained.model)),
        "turns": digest_records([one.turn for one in sets]),
        "texts": [one.texts for one in sets],
        "dtype": settings.dtype,
        **style_key(settings),
        "token_budget": settings.token_budget,
    }

    def make(folder: Path) -> None:
        policy, renderer = load_trained(trained, settings)
        stage = f"{trained.name} ranks (seed {seed})"
        run.progress(stage, 0, len(sets))
        ranks = true_ranks(
            policy, renderer, sets, settings.token_budget, partial(run.progress, stage)
        )
        write_json(folder / "ranks.json", ranks)

    folder = run.stage(f"seed{seed}-{slug(trained.name)}-recall", inputs, make)
    return dict(read_json(folder / "ranks.json"))
