"""Replies of several systems at the same turns, lined up for a judge."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from handrail.cli.console import count
from handrail.cli.files import as_turns
from handrail.records import (
    HandrailWarning,
    Loaded,
    Message,
    RecordError,
    SettingError,
    Skip,
    Turn,
)

Given: TypeAlias = str | Path | Iterable[Turn] | Loaded[Turn]


@dataclass(frozen=True)
class Table:
    """What there is to judge: per system one reply at each of `turns`, None where it gave none.

    `contexts` are the conversations in which the replies were given, None where they all are the
    turns' own.
    """

    turns: tuple[Turn, ...]
    replies: dict[str, list[str | None]]
    contexts: dict[str, list[tuple[Message, ...] | None]] | None
    skipped: tuple[Skip, ...]

    def lengths(self) -> dict[tuple[str, str], int]:
        """Characters of each reply, by turn id and system."""
        return {
            (turn.id, name): len(text)
            for name, texts in self.replies.items()
            for turn, text in zip(self.turns, texts, strict=True)
            if text is not None
        }

    def own_turns(self, system: str) -> list[Turn]:
        """The turns as the system met them, with its own answers before them."""
        if self.contexts is None:
            return list(self.turns)
        own = zip(self.turns, self.contexts[system], strict=True)
        return [t if c is None else t.model_copy(update={"context": c}) for t, c in own]


def table(replies: Mapping[str, Given], turns: Given | None) -> Table:
    """Read and line up.

    Args:
        replies: system name to its turns with replies, or their file.
        turns: the turns that count; by default the first system's.

    Raises:
        HandrailError: a file that cannot be read, no replies, or a system without a reply at any
            of the turns.
    """
    if not replies:
        raise SettingError("there are no replies to judge", "Name at least one file of replies")
    read = {name: as_turns(source) for name, source in replies.items()}
    given = as_turns(turns) if turns is not None else Loaded(next(iter(read.values())).records)
    skipped = [skip for loaded in (*read.values(), given) for skip in loaded.skipped]
    asked = given.records
    texts: dict[str, list[str | None]] = {}
    contexts: dict[str, list[tuple[Message, ...] | None]] = {}
    for name, loaded in read.items():
        own = {turn.id: turn for turn in loaded.records}
        texts[name], more = _aligned(name, asked, own)
        skipped += more
        contexts[name] = [own[t.id].context if t.id in own else None for t in asked]
    foreign = any(
        context not in (None, turn.context)
        for column in contexts.values()
        for turn, context in zip(asked, column, strict=True)
    )
    return Table(tuple(asked), texts, contexts if foreign else None, tuple(skipped))


def _aligned(
    name: str, asked: Sequence[Turn], own: Mapping[str, Turn]
) -> tuple[list[str | None], list[Skip]]:
    """A system's reply at each turn asked about, and what was left out."""
    wanted = {turn.id for turn in asked}
    if not wanted & set(own):
        raise RecordError(
            f"'{name}' has no reply at any of the {len(wanted)} turns",
            "Generate the replies from the same file of turns: they are matched by turn id",
        )
    given = {identity: turn.replies for identity, turn in own.items()}
    texts = [given[t.id][0].text if given.get(t.id) else None for t in asked]
    counts = (
        (sum(text is None for text in texts), "turns without a reply"),
        (
            sum(len(given.get(i, ())) - 1 for i in wanted if len(given.get(i, ())) > 1),
            "replies after a turn's first",
        ),
        (len(set(given) - wanted), "replies at turns that were not asked about"),
    )
    return texts, [
        Skip(what=what, reason="not judged", where=name, count=n) for n, what in counts if n
    ]


def references(source: Given, turns: Sequence[Turn]) -> dict[str, list[str]]:
    """Reference answers by turn id: what the agent said in a turn's conversation, then its reply.

    The reply is the turn's best, or its first where none is.

    Warns with a `HandrailWarning` where some of the turns have none, and where some references are
    of other turns.

    Raises:
        HandrailError: a file that cannot be read, or none of the turns is in it.
    """
    read = as_turns(source).records
    wanted = {turn.id for turn in turns}
    found: dict[str, list[str]] = {}
    for turn in read:
        if turn.id in wanted and turn.replies:
            said = [m.content for m in turn.context if m.role == "assistant"]
            found[turn.id] = [*said, turn.replies[turn.best() or 0].text]
    if not found:
        raise RecordError(
            f"there is no reference for any of the {count(len(wanted), 'turn')}",
            "Write turns of the same ids, whose replies are the reference answers",
            str(source) if isinstance(source, str | Path) else "",
        )
    without, foreign = len(wanted) - len(found), sum(turn.id not in wanted for turn in read)
    told = [f"{count(without, 'turn')} without one, judged as they are"] if without else []
    told += [f"{foreign:,} of other turns, not shown"] if foreign else []
    if told:
        text = f"references for {count(len(found), 'turn')} ({'; '.join(told)})"
        warnings.warn(text, HandrailWarning, stacklevel=4)
    return found


def note_contexts(what: Table, used: bool) -> None:
    """Warn where replies were given in other conversations than the judge is shown."""
    if what.contexts is None or used:
        return
    other = sum(
        any(c[i] not in (None, turn.context) for c in what.contexts.values())
        for i, turn in enumerate(what.turns)
    )
    text = (
        f"at {count(other, 'turn')} a system replied in another conversation than the one that the "
        "judge is shown, which is the turn's. Only mt-pair and the graders show each its own"
    )
    warnings.warn(text, HandrailWarning, stacklevel=3)
