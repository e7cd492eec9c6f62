"""What the loaders share: a maker that collects the turns that rows give.

A row that is not as it should be stops the loading or, with on_error="skip", is counted; so is
everything that is left out of good rows, whatever `on_error` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from handrail.records import (
    Loaded,
    Message,
    Playbook,
    Provenance,
    RecordError,
    Reply,
    Skip,
    Turn,
    content_id,
)
from handrail.records.store import OnError
from handrail.sources.feedback.cells import LEAVE, Cells
from handrail.sources.reading import invalid
from handrail.sources.tables import Row

SPLITS = {"train": "train", "test": "test", "dev": "dev", "valid": "dev", "validation": "dev"}
_SPLIT = re.compile(rf"(?<![a-z])({'|'.join(SPLITS)})(?![a-z])")


@dataclass(frozen=True)
class Table:
    """Rows to read: a file's, or those of one split of a data set of the hub.

    `name` is what tells which part of the data set this is: the file's name after its folder's,
    or the hub's name with its configuration and split; `path` the file, where it is one.
    """

    name: str
    rows: Iterable[Row]
    path: Path | None = None

    @property
    def part(self) -> str:
        """The last part of the name: the file's, or the split's."""
        return self.name.rpartition("/")[2]

    @property
    def split(self) -> str:
        """`train`, `dev` or `test` where the name's last part has that word, else empty."""
        found = _SPLIT.findall(self.part.lower())
        return SPLITS[found[-1]] if found else ""


@dataclass
class Maker:
    """Collects the turns of one data set; `loaded` gives them with all that was left out."""

    name: str
    licence: str
    on_error: OnError = "stop"
    mend: str = ""
    _turns: dict[str, Turn] = field(default_factory=dict)
    _counted: dict[tuple[bool, str, str], tuple[str, int]] = field(default_factory=dict)
    _bad: list[Skip] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mend = f"Check that this is a file of {self.name} (docs/sources.md says which)"
        self._provenance = Provenance(
            source=self.name, licence=self.licence, made_by="handrail.sources.feedback"
        )

    def each(self, table: Table, use: Callable[[Cells], object]) -> None:
        """Call `use` with every row; a bad row stops, or is counted.

        Raises:
            RecordError: the first bad row; names its place, the field and the mend.
        """
        for row in table.rows:
            self.attempt(row.where, partial(self._use, row, use))

    def _use(self, row: Row, use: Callable[[Cells], object]) -> None:
        if row.fault is not None:
            raise row.fault
        use(Cells(row, self.mend, lambda what, reason: self.warn(what, reason, row.where)))

    def attempt(self, where: str, work: Callable[[], object]) -> None:
        """Do a piece of work; its fault stops, or is counted as a row.

        Raises:
            RecordError: the fault, with where it is.
        """
        try:
            work()
            return
        except ValidationError as error:
            fault = invalid(error, where)
        except RecordError as error:
            fault = RecordError(error.problem, error.mend, where)
        if self.on_error == "stop":
            raise fault from None
        self._bad.append(Skip(what="row", reason=fault.problem, where=where))

    def skip(self, what: str, reason: str, where: str = "", count: int = 1) -> None:
        """Count something that is left out; `where` is told of the first."""
        self._count(True, what, reason, where, count)

    def warn(self, what: str, reason: str, where: str = "") -> None:
        """Count something that is odd and read all the same; `where` is told of the first."""
        self._count(False, what, reason, where, 1)

    def _count(self, left_out: bool, what: str, reason: str, where: str, count: int) -> None:
        first, before = self._counted.get((left_out, what, reason), (where, 0))
        self._counted[left_out, what, reason] = first, before + count

    def add(
        self,
        context: Sequence[Message],
        replies: Sequence[Reply],
        where: str,
        *,
        key: str = "",
        conversation: str = "",
        playbook: Playbook | None = None,
        **tags: str,
    ) -> None:
        """Add a turn. One that repeats an earlier one is left out and counted.

        Args:
            context: what the replies answer.
            replies: with their feedback.
            where: its place in the data.
            key: names the turn within its set; by default its content does.
            playbook: the guardrails that were in force.
            conversation: what turns of one conversation share; by default how they open.
            tags: `set` and others; empty ones are left out.

        Raises:
            RecordError: another turn has the key, or a name or tag cannot be written.
        """
        _check_writable([key, conversation, *tags.values(), *(r.author for r in replies)])
        of = tags.get("set", self.name)
        turn = Turn(
            id=f"{of}/{key}" if key else _content_id(of, context, replies),
            conversation_id=conversation or opening(of, context),
            playbook=playbook,
            context=tuple(context),
            replies=tuple(replies),
            tags={name: value for name, value in tags.items() if value},
            provenance=self._provenance,
        )
        first = self._turns.setdefault(turn.id, turn)
        if first is turn:
            return
        if key and (first.context, first.replies) != (turn.context, turn.replies):
            raise RecordError(f"'{turn.id}' came before with other texts", "Keep one of the two")
        self.skip("turn", "repeats an earlier one", where)

    def loaded(self) -> Loaded[Turn]:
        """All that was collected."""
        told = [
            (left_out, Skip(what=what, reason=reason, where=first or self.name, count=n))
            for (left_out, what, reason), (first, n) in self._counted.items()
        ]
        return Loaded(
            list(self._turns.values()),
            [*self._bad, *(skip for left_out, skip in told if left_out)],
            [skip for left_out, skip in told if not left_out],
        )


def opening(of: str, context: Sequence[Message]) -> str:
    """A conversation's name from how it opens: turns that share their first message share it.

    So a split by conversation parts no such turns from one another.
    """
    first = next((i for i, m in enumerate(context) if m.role == "user"), len(context) - 1)
    return content_id(of, [(m.role, m.content) for m in context[: first + 1]])


def user(text: str) -> tuple[Message, ...]:
    """A context of one message of the user's."""
    return (Message(role="user", content=text),)


def ranked(texts: Sequence[str], ranks: Sequence[int]) -> tuple[Reply, ...]:
    """Replies with their ranks: 1 is best, ties are equal."""
    return tuple(Reply(text=t, rank=r) for t, r in zip(texts, ranks, strict=True))


def ranks_of(scores: Sequence[float]) -> list[int]:
    """The rank of each score: the highest has 1, equal ones share it, no rank is left free."""
    order = sorted(set(scores), reverse=True)
    return [order.index(score) + 1 for score in scores]


def _check_writable(texts: Iterable[str]) -> None:
    """Stop at a text that no file can hold; words of messages are looked at by themselves."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise RecordError("a text holds half of a surrogate pair", LEAVE) from None


def _content_id(of: str, context: Sequence[Message], replies: Sequence[Reply]) -> str:
    """A turn's id from its texts and their feedback."""
    said = [[(m.role, m.content) for m in context], [r.model_dump() for r in replies]]
    return content_id(of, said)
