"""Stages 1 and 2 of the guardrail-alignment paper within a flow, by a language model.

Conversations without a playbook get one: the guardrails that the model finds in them. Every agent
message that follows a guardrail then gets a reply that breaks it, confirmed by the model as judge.
In the care world the conversations are its own, and their playbooks are not shown to the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from handrail import world
from handrail.judges import ModelAssessor
from handrail.recipes import star
from handrail.recipes.language import ANNOTATING, FlowModel, check_options, prompts_of
from handrail.recipes.overlap import refuse_same_file
from handrail.recipes.own import read_talks
from handrail.recipes.run import Run, digest_records, read_json, write_json
from handrail.recipes.settings import FlowSettings
from handrail.records import Conversation, RecordError, Request, Skip, write_jsonl
from handrail.synthesis import (
    Asking,
    Broken,
    Found,
    break_replies,
    choose_points,
    find_guardrails,
    plan_guardrails,
    plan_points,
    plan_replies,
    plan_tags,
    tag_by_playbooks,
)

_WORLD_SEED = 700_000_000  # far from the seeds of all turns that the world makes itself
_POINTS = 5  # of a conversation of the world, at least, as counted on 300 of them


@dataclass(frozen=True)
class Annotated:
    """What the model made of one file of conversations: guardrails, tags, points, by `counts`."""

    name: str
    turns: Path
    counts: dict[str, int]
    skipped: tuple[Skip, ...]


def annotate(run: Run, settings: FlowSettings) -> tuple[FlowSettings, list[Annotated]]:
    """The settings with files of turns in place of conversations that had to be annotated first.

    Without a language model, and for files whose turns have feedback already, they are as given.

    Raises:
        HandrailError: conversations of which only some have a playbook, none that follows any, or
            a model that cannot be asked, or not for all (what it answered is kept).
    """
    if not settings.llm:
        return settings, []
    check_options(settings)
    if settings.conversations and star.reads(settings):
        return settings, []
    refuse_same_file(settings)
    made: list[Annotated] = []
    changed: dict[str, str] = {}
    for name in ("conversations", "test_conversations"):
        talks, skipped = _talks(settings, name)
        if talks:
            one = _stage(run, settings, name, talks, skipped)
            made.append(one)
            changed[name] = str(one.turns)
    return settings.model_copy(update=changed), made


def _talks(settings: FlowSettings, name: str) -> tuple[list[Conversation], list[Skip]]:
    """The conversations to annotate; none where the file holds turns, or there is no file."""
    path = getattr(settings, name)
    if not path:
        return (_world_talks(settings), []) if name == "conversations" else ([], [])
    talks, skipped = read_talks(path, settings.playbook, settings.on_error)
    bare = [c.id for c in talks if c.playbook is None]
    if bare and len(bare) < len(talks):
        raise RecordError(
            f"{len(bare):,} of {len(talks):,} conversations have no playbook, the first is "
            f"'{bare[0]}'",
            "Give all of them one (--playbook FILE), or none: then the language model finds "
            "each one's guardrails",
            path,
        )
    return talks, skipped


def _world_talks(settings: FlowSettings) -> list[Conversation]:
    """Enough conversations of the world for all parts, without the playbooks behind them."""
    points = max(settings.train_points / 0.8, settings.test_turns / 0.2)
    talks = world.generate(math.ceil(points / _POINTS), _WORLD_SEED)
    return [talk.model_copy(update={"playbook": None}) for talk in talks]


def _stage(
    run: Run,
    settings: FlowSettings,
    name: str,
    talks: Sequence[Conversation],
    read: Sequence[Skip],
) -> Annotated:
    """Both stages of the paper, as a stage of the run."""
    prompts = prompts_of(settings)
    inputs = {
        "conversations": digest_records(talks),
        "model": settings.llm["model"],
        "prompts": [prompts[task].label for task in ANNOTATING],
        "faults": settings.llm.get("faults"),
    }

    def make(folder: Path) -> None:
        model = FlowModel(settings, run.folder, whole=True)
        asking = Asking(model, prompts)
        judge = ModelAssessor(asking.model, prompts)
        _told(run, "estimate", 1, 1, model.estimate(_planned(talks, asking, judge)))
        told = partial(_told, run)
        if talks[0].playbook is None:
            found = find_guardrails(talks, asking, progress=told)
        else:
            found = tag_by_playbooks(talks, asking, progress=told)
        points, unmarked = choose_points(found.turns)
        broken = break_replies(points, asking, judge, progress=told)
        if not broken.turns:
            raise RecordError(
                f"the language model '{asking.model.name}' made no reply that breaks a guardrail",
                f"Most often: {broken.failed[0].reason if broken.failed else 'no points'}",
                settings.conversations,
            )
        write_jsonl(folder / "turns.jsonl", broken.turns)
        skips = [*found.skipped, *broken.skipped]
        if unmarked:
            skips.append(Skip(what="turn", reason="its reply keeps no guardrail", count=unmarked))
        spent = asking.model.spent
        facts = {
            "counts": list(_counts(found, broken).items()),  # in the order of the work
            "asked": {
                "requests": spent.requests,
                "cached": spent.cached,
                "tokens": spent.usage.prompt_tokens + spent.usage.completion_tokens,
                "cost": spent.cost if not spent.unpriced else None,
                "failures": spent.failures,
            },
            "skipped": [skip.model_dump() for skip in skips],
        }
        write_json(folder / "annotated.json", facts)

    stage = "annotated" if name == "conversations" else "annotated-test"
    folder = run.stage(stage, inputs, make)
    facts = read_json(folder / "annotated.json")
    skips = (*read, *(Skip(**one) for one in facts["skipped"]))
    return Annotated(name, folder / "turns.jsonl", dict(facts["counts"]), skips)


def _counts(found: Found, broken: Broken) -> dict[str, int]:
    """What became of the conversations, step by step."""
    made = broken.counts
    return {
        **found.counts,
        "points": made["points"],
        "tries to break one": made["tries"],
        "pairs made": made["made"],
        "points without a pair": made["failed"],
        **{f"broken by {kind}": n for kind, n in broken.kinds.items()},
    }


def _planned(talks: Sequence[Conversation], asking: Asking, judge: ModelAssessor) -> list[Request]:
    """About what both stages will ask; the judging of the systems' replies is not among it."""
    plan = plan_tags if talks[0].playbook is not None else plan_guardrails
    parts = [*plan(talks, asking), *plan_replies(plan_points(talks), asking, judge)]
    return [request for part in parts for request in part.requests]


def _told(run: Run, stage: str, done: float, total: float, note: str = "") -> None:
    run.progress(f"annotate: {stage}", done, total, note)
