"""What a flow trains and tests on: turns with chosen and rejected replies, and who judges them.

The embedded default is the care world, whose oracle judges all three dimensions. Conversations of
the user's own are judged by the executable checks of their playbook (adherence only), STAR's by its
flow charts (adherence, and inventions by what the agent was shown).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from handrail import world
from handrail.judges import RuleAssessor
from handrail.recipes import star
from handrail.recipes.language import judges_of
from handrail.recipes.overlap import as_it_went, keep_apart, refuse_same_file, tested
from handrail.recipes.own import read_turns, retrieve_rejected, whole_conversations
from handrail.recipes.parts import beyond, cut, drawn, take_points, talk_of
from handrail.recipes.settings import SCRATCH, FlowSettings
from handrail.records import (
    Assessor,
    Judge,
    RecordError,
    Skip,
    Turn,
)
from handrail.sources.grading import Grader
from handrail.sources.rejected import Allows, Tally
from handrail.sources.star_facts import FlowAssessor

# Test conversations are the same for every seed, so that seeds can be compared prompt by prompt.
_TEST_SEED, _TRAIN_SEED, _FEEDBACK_SEED = 9_000_001, 1_000, 500_000


@dataclass(frozen=True)
class Corpus:
    """Turns for one training seed. `feedback` is what Flow 2 learns from after SFT.

    `base` is what a model from scratch is made of: the training part, the same for every seed.
    `dropped`: by turn id, how many of its oldest messages a model has no room for.
    `allows`: whether the guidelines allow a reply at a turn; None where there are none.
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
    allows: Allows | None = field(default=None, compare=False)
    judge: Judge | None = None

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
    a seed decides only which of them it draws. What a seed drew is kept.
    """

    def __init__(
        self, settings: FlowSettings, *, feedback: bool = False, folder: Path | None = None
    ) -> None:
        """`feedback`: keep a part of the turns for Flow 2. `folder`: of the run, for its judge."""
        self.settings = settings
        self._folder = folder or Path()
        self._wanted = settings.feedback_points if feedback else 0
        self._drawn: dict[int, Corpus] = {}

    def of(self, seed: int) -> Corpus:
        """One seed's turns.

        Raises:
            RecordError: a file that cannot be read, or one that gives nothing to learn from.
        """
        if seed not in self._drawn:
            draw = self._from_files if self.settings.conversations else self._generated
            self._drawn[seed] = draw(seed)
        return self._drawn[seed]

    def _generated(self, seed: int) -> Corpus:
        return Corpus(
            name="the care world",
            train=tuple(_world(self.settings.train_points, _TRAIN_SEED + seed)),
            feedback=tuple(_world(self._wanted, _FEEDBACK_SEED + seed)) if self._wanted else (),
            test=self._world_test,
            assessor=world.Oracle(),
            base=self._world_base if self.settings.model == SCRATCH else (),
        )

    @cached_property
    def _world_test(self) -> tuple[Turn, ...]:
        return tuple(_world(self.settings.test_turns, _TEST_SEED))

    @cached_property
    def _world_base(self) -> tuple[Turn, ...]:
        """The first seed's turns, whatever the seed: one base for all."""
        return tuple(_world(self.settings.train_points, _TRAIN_SEED))

    def _from_files(self, seed: int) -> Corpus:
        files, settings = self._files, self.settings
        train = drawn(files.train, settings.train_points, seed)
        feedback = drawn(files.feedback, self._wanted, seed)
        spare = [
            *beyond("train", "points", files.train, train),
            *beyond("feedback", "points", files.feedback, feedback),
        ]
        return replace(
            files, train=tuple(train), feedback=tuple(feedback), skipped=(*files.skipped, *spare)
        )

    @cached_property
    def _files(self) -> Corpus:
        """All that the files hold: whole training and feedback parts, and the test turns drawn."""
        files = _read(self.settings, self._wanted)
        if not self.settings.llm:
            return files
        assessor, judge = judges_of(self.settings, self._folder)
        return replace(files, assessor=assessor, judge=judge)


def _world(n: int, seed: int) -> list[Turn]:
    """At least `n` turns with a chosen and a rejected reply, in whole conversations."""
    return take_points(lambda count: world.training_turns(count, seed), n)


def _read(settings: FlowSettings, feedback_points: int) -> Corpus:
    path = settings.conversations
    refuse_same_file(settings)
    shares = {"train": 0.8, "test": 0.2}
    if feedback_points:
        shares = {"train": 0.5, "feedback": 0.3, "test": 0.2}
    facts: dict[str, str] = {}
    if star.reads(settings):
        made = star.star_parts(settings, shares)
        parts, skipped = made.parts, made.skipped
    else:
        parts, skipped, facts = _parts(settings, shares)
    for name, part in parts.items():
        if not paired(part):
            raise RecordError(
                f"the {name} part has no turn with a better and a worse reply",
                "Give turns with ranked replies, or conversations whose playbook has checks and "
                "more of them",
                path,
            )
    guide = star.guide_of(settings)
    if guide is None and not settings.llm:
        for name in [name for name in ("test", "feedback") if name in parts]:
            parts[name], more = _checkable(parts[name], name, settings)
            skipped += more
    # Test on turns where some guardrail applies, as the paper does.
    graded = guide is not None or bool(settings.llm)
    test = [turn for turn in parts["test"] if _applies(turn, graded)]
    test = test or parts["test"]
    if len(test) < len(parts["test"]):
        lost = len(parts["test"]) - len(test)
        skipped.append(Skip(what="test turn", reason="no guardrail applies to it", count=lost))
    asked = drawn(test, settings.test_turns, _TEST_SEED)
    skipped += beyond("test", "turns", test, asked)
    return Corpus(
        name=Path(path).name,
        train=tuple(parts["train"]),
        feedback=tuple(parts.get("feedback", ())),
        test=tuple(asked),
        assessor=RuleAssessor() if guide is None else FlowAssessor(guide),
        skipped=tuple(skipped),
        allows=None if guide is None else star.allows_by(guide),
        base=tuple(parts["train"]),
        facts=facts
        | {f"{name} turns in the files": _counted(part) for name, part in parts.items()},
    )


def _counted(turns: Sequence[Turn]) -> str:
    """How many turns there are, and how many of them preference training can learn from."""
    return f"{len(turns):,}, {paired(turns):,} with a better and a worse reply"


def paired(turns: Sequence[Turn]) -> int:
    """How many turns have a better and a worse reply."""
    return sum(any(True for _ in turn.pairs()) for turn in turns)


def _applies(turn: Turn, graded: bool) -> bool:
    """Whether some guardrail applies to some reply of the turn.

    Replies of the user's own turns say so where they were graded; else the checks do.
    """
    if any(r.keeps or r.breaks for r in turn.replies):
        return True
    if graded:
        return False
    grader = Grader(turn.playbook, turn.context)
    return any(grader.results(r.text) for r in turn.replies)


def _checkable(
    turns: Sequence[Turn], name: str, settings: FlowSettings
) -> tuple[list[Turn], list[Skip]]:
    """The turns that rule checks can judge; what they cannot is left out and counted.

    Raises:
        RecordError: there is none, so all training would end without one judgement.
    """
    able = [t for t in turns if t.playbook and any(g.check for g in t.playbook.guardrails)]
    if not able:
        raise RecordError(
            f"none of the {len(turns)} {name} turns has a playbook with a check, so no reply to "
            "them could be judged",
            "Add a 'check' to at least one guardrail (docs/records.md shows one)",
            settings.test_conversations or settings.conversations,
        )
    lost = len(turns) - len(able)
    reason = "its playbook has no check, so no reply to it can be judged"
    return able, [Skip(what=f"{name} turn", reason=reason, count=lost)] if lost else []


def _parts(
    settings: FlowSettings, shares: dict[str, float]
) -> tuple[dict[str, list[Turn]], list[Skip], dict[str, str]]:
    """Turns by part, what was left out, and facts.

    The turns of the test come from their own file, or from the tasks kept for it.
    """
    own = read_turns(settings.conversations, settings.playbook, settings.on_error)
    turns, skipped, filled = own.turns, list(own.skipped), own.filled
    tests: list[Turn] | None = None
    recorded = dict.fromkeys(shares, own.recorded)
    if settings.test_conversations:
        held = read_turns(settings.test_conversations, settings.playbook, settings.on_error)
        tests, recorded["test"] = held.turns, held.recorded
        skipped += held.skipped
        filled += held.filled
    if settings.split == "task":
        turns, tests, more = star.split_turns_by_task(turns, tests, star.guide_of(settings))
        skipped += more
    if settings.test_conversations and tests:
        ours, theirs = whole_conversations(turns), whole_conversations(tests)
        shared, more = tested(ours, theirs, settings.test_conversations)
        turns = [turn for turn in turns if talk_of(turn) not in shared]
        skipped += more
    parts, more = keep_apart(cut(turns, tests, shares), as_it_went, settings.conversations)
    skipped += more
    # All rejected replies come from the training part: nothing of the test is trained on.
    pool = [turn for turn in parts["train"] if turn.replies]
    tally = Tally()
    for name in parts:
        if recorded[name]:
            parts[name] = retrieve_rejected(parts[name], pool, tally)
    facts = {"turns under the playbook file": str(filled)} if settings.playbook else {}
    return parts, skipped + tally.skips(), facts
