"""What a flow trains and tests on: turns with chosen and rejected replies, and who judges them.

The embedded default is the care world, whose oracle judges all three dimensions. Conversations of
the user's own are judged by the executable checks of their playbook (adherence only), STAR's by its
flow charts (adherence, and inventions by what the agent was shown).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from handrail import world
from handrail.judges import RuleAssessor
from handrail.recipes import star
from handrail.recipes.settings import FlowSettings
from handrail.records import (
    Assessor,
    Conversation,
    Message,
    RecordError,
    Skip,
    Turn,
    read_jsonl,
)
from handrail.records.store import raw_lines
from handrail.sources.grading import agent_turns
from handrail.sources.registry import conversations as read_conversations
from handrail.sources.rejected import Candidate, Tally, add_rejected
from handrail.sources.rules import load_playbook
from handrail.sources.star_facts import FlowAssessor

# Test conversations are the same for every seed, so that seeds can be compared prompt by prompt.
_TEST_SEED, _TRAIN_SEED, _FEEDBACK_SEED = 9_000_001, 1_000, 500_000
T = TypeVar("T", Turn, Conversation)
_CANDIDATES = 8  # replies of other turns that are tried as the rejected one


@dataclass(frozen=True)
class Corpus:
    """Turns for one training seed. `feedback` is what Flow 2 learns from after SFT.

    `base` is what a model from scratch is made of: the training part, the same for every seed.
    `dropped`: by turn id, how many of its oldest messages a model has no room for.
    """

    name: str
    train: tuple[Turn, ...]
    feedback: tuple[Turn, ...]
    test: tuple[Turn, ...]
    assessor: Assessor
    skipped: tuple[Skip, ...] = ()
    base: tuple[Turn, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def shown(self, turns: Sequence[Turn]) -> list[Turn]:
        """The turns as the models are asked: without the messages that they have no room for."""
        return [
            turn.model_copy(update={"context": turn.context[self.dropped[turn.id] :]})
            if turn.id in self.dropped
            else turn
            for turn in turns
        ]


class Corpora:
    """The turns that each seed of a flow trains on, and that all seeds are tested on.

    Files are read, and their turns built, once: at the first seed. They hang on the settings alone;
    a seed decides only which of them it draws.
    """

    def __init__(self, settings: FlowSettings, *, feedback: bool = False) -> None:
        """`feedback`: keep a part of the turns for Flow 2."""
        self.settings = settings
        self._wanted = settings.feedback_points if feedback else 0

    def of(self, seed: int) -> Corpus:
        """One seed's turns.

        Raises:
            RecordError: a file that cannot be read, or one that gives nothing to learn from.
        """
        return self._from_files(seed) if self.settings.conversations else self._generated(seed)

    def _generated(self, seed: int) -> Corpus:
        return Corpus(
            name="the care world",
            train=tuple(_world(self.settings.train_points, _TRAIN_SEED + seed)),
            feedback=tuple(_world(self._wanted, _FEEDBACK_SEED + seed)) if self._wanted else (),
            test=self._world_test,
            assessor=world.Oracle(),
        )

    @cached_property
    def _world_test(self) -> tuple[Turn, ...]:
        return tuple(_world(self.settings.test_turns, _TEST_SEED))

    def _from_files(self, seed: int) -> Corpus:
        files, settings = self._files, self.settings
        return replace(
            files,
            train=tuple(_drawn(files.train, settings.train_points, seed)),
            feedback=tuple(_drawn(files.feedback, self._wanted, seed)),
        )

    @cached_property
    def _files(self) -> Corpus:
        """All that the files hold: whole training and feedback parts, and the test turns drawn."""
        return _read(self.settings, self._wanted)


def _world(n: int, seed: int) -> list[Turn]:
    """At least `n` turns with a chosen and a rejected reply, in whole conversations."""
    return take_points(lambda count: world.training_turns(count, seed), n)


def take_points(make: Callable[[int], Sequence[Turn]], n: int) -> list[Turn]:
    """Turns of the first conversations that together hold at least `n`, none cut in two."""
    count = max(2, n // 4)
    turns = list(make(count))
    while len(turns) < n:
        count *= 2
        turns = list(make(count))
    return _whole(turns, n)


def _whole(turns: Sequence[Turn], n: int) -> list[Turn]:
    """The first turns, at least `n`, that do not cut a conversation in two."""
    for end in range(n, len(turns)):
        if turns[end].conversation_id != turns[end - 1].conversation_id:
            return list(turns[:end])
    return list(turns)


def _read(settings: FlowSettings, feedback_points: int) -> Corpus:
    path = settings.conversations
    shares = {"train": 0.8, "test": 0.2}
    if feedback_points:
        shares = {"train": 0.5, "feedback": 0.3, "test": 0.2}
    if star.reads(settings):
        made = star.star_parts(settings, shares, _split)
        parts, skipped = made.parts, made.skipped
    else:
        parts, skipped = _parts(settings, shares)
    for name, part in parts.items():
        if not any(True for turn in part for _ in turn.pairs()):
            raise RecordError(
                f"the {name} part has no turn with a better and a worse reply",
                "Give turns with ranked replies, or conversations whose playbook has checks and "
                "more of them",
                path,
            )
    # Test on turns where some guardrail applies, as the paper does.
    test = [turn for turn in parts["test"] if any(r.keeps or r.breaks for r in turn.replies)]
    guide = star.guide_of(settings)
    return Corpus(
        name=Path(path).name,
        train=tuple(parts["train"]),
        feedback=tuple(parts.get("feedback", ())),
        test=tuple(_drawn(test or parts["test"], settings.test_turns, _TEST_SEED)),
        assessor=RuleAssessor() if guide is None else FlowAssessor(guide),
        skipped=tuple(skipped),
        base=tuple(parts["train"]),
        facts={f"{name} turns in the files": str(len(part)) for name, part in parts.items()},
    )


def _parts(
    settings: FlowSettings, shares: dict[str, float]
) -> tuple[dict[str, list[Turn]], list[Skip]]:
    """Turns by part; those of the test come from their own file, or from the tasks kept for it."""
    turns, skipped = read_turns(settings.conversations, settings.playbook)
    tests: list[Turn] | None = None
    if settings.test_conversations:
        tests, more = read_turns(settings.test_conversations, settings.playbook)
        skipped += more
    if settings.split == "task":
        turns, tests, more = star.split_turns_by_task(turns, tests, star.guide_of(settings))
        skipped += more
    names = [name for name in shares if tests is None or name != "test"]
    total = sum(shares[name] for name in names)
    cut = _split(turns, {name: shares[name] / total for name in names})
    parts = dict(zip(names, cut, strict=True))
    return (parts if tests is None else {**parts, "test": tests}), skipped


def read_turns(path: str, playbook: str = "") -> tuple[list[Turn], list[Skip]]:
    """Turns of a file of turns or of conversations; the latter get rejected replies retrieved.

    A rejected reply is an agent's reply of another turn that breaks a guardrail that applies here
    and that is neither equal nor near-equal to the chosen one. What was refused is counted.
    """
    if _holds_turns(Path(path)):
        return list(read_jsonl(path, Turn).records), []
    loaded = read_conversations(path)
    book = load_playbook(playbook) if playbook else None
    talks = [c if c.playbook or not book else _under(c, book) for c in loaded.records]
    bare = [c.id for c in talks if c.playbook is None]
    if bare:
        raise RecordError(
            f"{len(bare)} conversations have no playbook, the first is '{bare[0]}'",
            "Name one with --playbook, or put one into the records",
            path,
        )
    turns = [turn for talk in talks for turn in agent_turns(talk)]
    pool = [turn.replies[0].text for turn in turns]
    tally = Tally()
    made = [
        add_rejected(turn, _candidates(turn, pool), tally=tally)
        if turn.replies[0].keeps and not turn.replies[0].breaks
        else turn
        for turn in turns
    ]
    return made, [*loaded.skipped, *tally.skips()]


def _holds_turns(path: Path) -> bool:
    """Whether the first record of a JSON Lines file is a turn."""
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        return False
    first = next((line for line in raw_lines(path) if line.strip()), b"")
    try:
        return "context" in json.loads(first)
    except (ValueError, RecursionError, TypeError):
        return False


def _under(conversation: Conversation, playbook: object) -> Conversation:
    return conversation.model_copy(update={"playbook": playbook})


def _candidates(turn: Turn, pool: Sequence[str]) -> list[Candidate]:
    """Replies of other turns, chosen by a hash of the turn: repeatable and well spread."""
    found = []
    for k in range(_CANDIDATES):
        text = pool[_hash(f"{turn.id}:{k}") % len(pool)]
        found.append(Candidate(text, "reply of another turn"))
    return found


def _split(turns: Sequence[T], shares: dict[str, float]) -> list[list[T]]:
    """Parts by conversation, by a hash of its id: the same whatever else is in the file."""
    parts: list[list[T]] = [[] for _ in shares]
    for turn in turns:
        name = turn.conversation_id if isinstance(turn, Turn) else ""
        place, total = _hash(name or turn.id) / 2**64, 0.0
        for part, share in zip(parts, shares.values(), strict=True):
            total += share
            if place < total:
                part.append(turn)
                break
        else:
            parts[-1].append(turn)
    return parts


def _drawn(turns: Sequence[Turn], n: int, seed: int) -> list[Turn]:
    """Whole conversations in an order that the seed decides, until they hold `n` turns."""
    ordered = sorted(turns, key=lambda t: _hash(f"{seed}:{t.conversation_id or t.id}"))
    return _whole(ordered, n) if n else []


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def whole_conversations(turns: Sequence[Turn]) -> list[Conversation]:
    """The conversations that turns came from, as far as their last turn shows them."""
    last: dict[str, Turn] = {}
    for turn in turns:
        name = turn.conversation_id or turn.id
        if name not in last or len(turn.context) > len(last[name].context):
            last[name] = turn
    talks = []
    for name, turn in last.items():
        best = turn.best()
        end = () if best is None else (Message(role="assistant", content=turn.replies[best].text),)
        messages = (*turn.context, *end)
        if any(m.role == "assistant" for m in messages):
            talks.append(Conversation(id=name, messages=messages, playbook=turn.playbook))
    return talks
