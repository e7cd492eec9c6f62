"""Filters: what is kept, and what is dropped with the reason. They look at texts alone.

A filter answers, for each text, why it is dropped, or None. `run_filters` applies several one
after another to records of any kind, each to what the ones before it kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from handrail.records import Conversation, SettingError, Skip, Turn, nearest

R = TypeVar("R")
PARTS = ("new", "prompt", "reply", "all")
FilterProgress = Callable[[str, int, int], None]  # (filter, done, total)


@dataclass(frozen=True)
class Why:
    """Why a text is dropped. Equal cases have equal reasons; `detail` is of this one alone."""

    reason: str
    detail: str = ""


@runtime_checkable
class Filter(Protocol):
    """`names` are what the texts' records are called, for a reason that names another one."""

    @property
    def name(self) -> str: ...

    def why(
        self, texts: Sequence[str], names: Sequence[str], progress: Callable[[int, int], None]
    ) -> list[Why | None]: ...


@dataclass(frozen=True)
class Dropped(Generic[R]):
    """A record that a filter left out, with the reason."""

    record: R
    skip: Skip


@dataclass(frozen=True)
class Filtered(Generic[R]):
    """What the filters kept, in the order given, and what they dropped, filter by filter."""

    kept: list[R]
    dropped: list[Dropped[R]] = field(default_factory=list)

    @property
    def reasons(self) -> dict[str, int]:
        """How many records were dropped for each reason, the most frequent first."""
        return dict(Counter(d.skip.reason for d in self.dropped).most_common())


def run_filters(
    records: Sequence[R],
    filters: Sequence[Filter],
    text_of: Callable[[R], str],
    name_of: Callable[[R], str],
    progress: FilterProgress | None = None,
) -> Filtered[R]:
    """Apply the filters in their order, each to what is left.

    Args:
        records: of any kind.
        filters: what to apply; cheap ones first.
        text_of: a record's text that the filters look at.
        name_of: what a record is called in reasons.
        progress: called as (filter, done, total).
    """
    told = progress or (lambda name, done, total: None)
    kept, dropped = list(records), []
    for one in filters:
        whys = one.why(
            [text_of(r) for r in kept],
            [name_of(r) for r in kept],
            lambda done, total, name=one.name: told(name, done, total),  # type: ignore[misc]
        )
        for record, why in zip(kept, whys, strict=True):
            if why is not None:
                where = f"{name_of(record)}: {why.detail}" if why.detail else name_of(record)
                skip = Skip(what="record", reason=why.reason, where=where)
                dropped.append(Dropped(record, skip))
        kept = [r for r, why in zip(kept, whys, strict=True) if why is None]
    return Filtered(kept, dropped)


def record_text(record: Any, part: str = "new") -> str:
    """The text of a turn or conversation that filters look at; facts and notes are no part of it.

    Args:
        record: a `Turn` or a `Conversation`.
        part: "prompt": what the user says (of a turn: all of it); "reply": what the assistant says
            (of a turn: its replies); "all": both, with a turn's earlier messages; "new": of a turn
            what the user said since the assistant's last message, and the replies, so that turns
            of one conversation do not repeat each other; of a conversation all.

    Raises:
        SettingError: an unknown part.
        TypeError: another kind of record.
    """
    if part not in PARTS:
        raise SettingError(f"unknown part '{part}'", nearest(part, PARTS))
    if isinstance(record, Conversation):
        roles = {"prompt": ("user",), "reply": ("assistant",)}.get(part, ("user", "assistant"))
        return "\n".join(m.content for m in record.messages if m.role in roles)
    if not isinstance(record, Turn):
        raise TypeError(f"{type(record).__name__} records have no text to filter by")
    replies = [r.text for r in record.replies]
    if part == "reply":
        return "\n".join(replies)
    if part == "prompt":
        return "\n".join(m.content for m in record.context if m.role == "user")
    spoken = [m for m in record.context if m.role in ("user", "assistant")]
    if part == "new":
        last = max((i + 1 for i, m in enumerate(spoken) if m.role == "assistant"), default=0)
        spoken = spoken[last:]
    return "\n".join([*(m.content for m in spoken), *replies])


@dataclass(frozen=True)
class Length:
    """Keeps texts of so many words (split at white space) and characters, bounds included."""

    min_words: int = 0
    max_words: int | None = None
    min_characters: int = 0
    max_characters: int | None = None
    name: str = "length"

    def __post_init__(self) -> None:
        for what, least, most in (
            ("words", self.min_words, self.max_words),
            ("characters", self.min_characters, self.max_characters),
        ):
            if least < 0 or (most is not None and most < least):
                raise SettingError(
                    f"no text has at least {least} and at most {most} {what}", "Change the bounds"
                )

    def why(
        self, texts: Sequence[str], names: Sequence[str], progress: Callable[[int, int], None]
    ) -> list[Why | None]:
        """The first bound that a text does not keep to."""
        progress(len(texts), len(texts))
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Why | None:
        for what, n, least, most in (
            ("words", len(text.split()), self.min_words, self.max_words),
            ("characters", len(text), self.min_characters, self.max_characters),
        ):
            if n < least:
                return Why(f"fewer than {least:,} {what}", f"{n:,}")
            if most is not None and n > most:
                return Why(f"more than {most:,} {what}", f"{n:,}")
        return None
