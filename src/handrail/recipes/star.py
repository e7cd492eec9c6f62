"""STAR's conversations in a flow: from its raw file or converted records to parts of turns.

Held-out dialogues draw their rejected candidates from the training pool, so that nothing said in
them becomes another turn's feedback. Tasks that are unseen in training have no reply there; they
draw from each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handrail.recipes.overlap import keep_apart, tested
from handrail.recipes.parts import cut
from handrail.recipes.settings import FlowSettings
from handrail.records import Conversation, RecordError, SettingError, Skip, Turn, nearest
from handrail.sources import registry
from handrail.sources.registry import first_object
from handrail.sources.rejected import Allows, Tally
from handrail.sources.star import guide_beside, held_out_tasks, split_by_task
from handrail.sources.star_guide import Guide
from handrail.sources.star_turns import ReplyPool, turns

Talks = list[Conversation]


@dataclass
class StarParts:
    """Turns by part (train, test, perhaps feedback), and what was left out."""

    parts: dict[str, list[Turn]]
    skipped: list[Skip]


def is_raw(path: Path) -> bool:
    """Whether this is STAR's raw file, by its first record."""
    return {"dialogue_id", "tasks", "turns"} <= set(first_object(path))


def guide_of(settings: FlowSettings) -> Guide | None:
    """The flow charts that the settings name, or that lie beside a raw STAR file; else None."""
    if settings.guidelines:
        return guide_beside(settings.guidelines, settings.guidelines)
    path = Path(settings.conversations)
    if settings.conversations and is_raw(path) and (path.parent / "guidelines.json").exists():
        return guide_beside(path)
    return None


def allows_by(guide: Guide) -> Allows:
    """Whether the flow charts allow a reply; they say nothing of turns without STAR's tags."""
    return lambda turn, reply: "tasks" in turn.tags and guide.allows(turn, reply)


def reads(settings: FlowSettings) -> bool:
    """Whether the flow's conversations are STAR's, raw or as converted records with a guide."""
    path = Path(settings.conversations)
    if is_raw(path):
        return True
    tags = first_object(path).get("tags", {}) if settings.guidelines else {}
    return isinstance(tags, dict) and tags.get("source") == "star" and "acts" in tags


def star_parts(settings: FlowSettings, shares: dict[str, float]) -> StarParts:
    """The turns of each part.

    Args:
        settings: of the flow.
        shares: of each part of `conversations`, test left out where `test_conversations` is given.
    """
    guide = guide_of(settings)
    if guide is None:
        raise RecordError(
            "STAR's flow charts are not beside the raw file",
            "Put guidelines.json there, or set guidelines to its path",
            settings.conversations,
        )
    talks, skipped = _read(settings.conversations, settings)
    tests: Talks | None = None
    if settings.test_conversations:
        tests, more = _read(settings.test_conversations, settings)
        skipped += more
    if settings.split == "task":
        unseen = held_out_tasks(guide)
        seen, own, mixed = split_by_task(talks, unseen)
        if tests is None:
            tests = own
        else:
            skipped += [_elsewhere(t, "training", "the task is kept for the test") for t in own]
            others, tests, more = split_by_task(tests, unseen)
            skipped += [_elsewhere(t, "test", "its task is seen in training") for t in others]
            mixed += more
        talks, skipped = seen, skipped + mixed
    if settings.test_conversations and tests:
        shared, more = tested(talks, tests, settings.test_conversations)
        talks = [talk for talk in talks if talk.id not in shared]
        skipped += more
    parts = cut(talks, tests, shares)
    parts, more = keep_apart(parts, lambda part: [t.messages for t in part], settings.conversations)
    skipped += more
    return _turns(parts, guide, settings.split, skipped)


def _elsewhere(talk: Conversation, where: str, reason: str) -> Skip:
    return Skip(what=f"{where} conversation", reason=reason, where=talk.id)


def _turns(parts: dict[str, Talks], guide: Guide, split: str, skipped: list[Skip]) -> StarParts:
    pool = ReplyPool(parts["train"])
    tally = Tally()
    made = {}
    for name, talks in parts.items():
        own = name == "test" and split == "task"
        one = turns(talks, guide, pool=ReplyPool(talks) if own else pool)
        made[name] = one.turns
        tally.refused += one.tally.refused
    return StarParts(made, [*skipped, *tally.skips()])


def _read(path: str, settings: FlowSettings) -> tuple[Talks, list[Skip]]:
    if is_raw(Path(path)):
        loaded = registry.source("star")(
            path, settings.on_error, guidelines=settings.guidelines or None
        )
    else:
        loaded = registry.conversations(path, on_error=settings.on_error)
    for talk in loaded.records:
        if "acts" not in talk.tags or "tasks" not in talk.tags:
            raise RecordError(
                f"conversation '{talk.id}' has none of STAR's tags",
                "Give STAR's raw file, or what `handrail data convert star` made of it",
                path,
            )
    return list(loaded.records), list(loaded.skipped)


def split_turns_by_task(
    turns: Sequence[Turn], tests: Sequence[Turn] | None, guide: Guide | None
) -> tuple[list[Turn], list[Turn], list[Skip]]:
    """Training and test turns with no task in common, by the turns' tags.

    The tasks kept for the test are `held_out_tasks` of the guide. Turns that mix tasks of both
    kinds are left out and counted, as are turns of the wrong kind where the test turns are given.

    Raises:
        SettingError: no guide, or turns that do not say their task.
    """
    if guide is None:
        raise SettingError(
            "split is 'task' but no flow charts are known", "Set guidelines to guidelines.json"
        )
    unseen = set(held_out_tasks(guide))
    train: list[Turn] = []
    test: list[Turn] = []
    left = {"it mixes tasks of training and test": 0, "its task belongs to the other part": 0}
    for part, source in (("train", turns), ("test", tests)):
        for turn in source or ():
            tasks = _tasks(turn, guide)
            if not (tasks <= unseen or tasks.isdisjoint(unseen)):
                left["it mixes tasks of training and test"] += 1
            elif tasks <= unseen and (part == "test" or tests is None):
                test.append(turn)
            elif tasks.isdisjoint(unseen) and part == "train":
                train.append(turn)
            else:
                left["its task belongs to the other part"] += 1
    skips = [Skip(what="turn", reason=r, count=n) for r, n in left.items() if n]
    return train, test, skips


def _tasks(turn: Turn, guide: Guide) -> set[str]:
    tasks = set(turn.tags.get("tasks", "").split(","))
    for task in tasks:
        if task not in guide.tasks:
            raise SettingError(
                f"split is 'task' but the task of turn '{turn.id}' is '{task}'",
                nearest(task, guide.tasks),
            )
    return tasks
