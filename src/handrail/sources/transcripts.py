"""The user's own conversations as rows of a file: one message or one conversation a row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handrail.records import Conversation, Loaded, Message, Playbook, Provenance, RecordError, Skip
from handrail.records.store import OnError
from handrail.sources.drafts import (
    OR_SKIP,
    Draft,
    cleaned,
    have,
    identity,
    listed,
    tool_calls,
    words,
)
from handrail.sources.mapping import Mapping as Mapping
from handrail.sources.reading import invalid
from handrail.sources.roles import note_swapped, role_table
from handrail.sources.rules import load_playbook, make_playbook
from handrail.sources.tables import Row, table_rows


@dataclass
class Imported(Loaded[Conversation]):
    """Conversations, what was left out, and what was mended on the way, counted by kind."""

    counts: Counter[str] = field(default_factory=Counter)


def load(
    path: str | Path,
    mapping: Mapping | None = None,
    *,
    playbook: Playbook | str | Path | None = None,
    encoding: str | None = None,
    on_error: OnError = "stop",
) -> Imported:
    """Read the user's conversations.

    Empty messages are dropped, a message that repeats the one before it is merged into it, and
    messages of one side in a row are joined by a line break; tool calls beside a message's text
    are left out. Each is counted in `counts`. The text parts of a message are joined by a line
    break. Text that was decoded wrongly before it was saved is counted and warned of.

    Args:
        path: `.jsonl`, `.json`, `.csv` or `.tsv`, gzip or not, or `.parquet`.
        mapping: which column holds what.
        playbook: the playbook of every conversation that names none itself, or its file.
        encoding: see `read_text`.
        on_error: "stop" raises at the first fault; "skip" leaves out the conversation that has it,
            and only warns where the roles look swapped.

    Raises:
        RecordError: names file, line, field and mend.
    """
    path, mapping = Path(path), mapping or Mapping()
    default = playbook if isinstance(playbook, Playbook | None) else load_playbook(playbook)
    imported = Imported()
    reader = _Reader(path, mapping, default, imported, on_error)
    drafts = reader.collect(table_rows(path, encoding, on_error))
    for name, draft in drafts.items():
        if not draft.bad:
            reader.attempt(draft.where, partial(reader.finish, name, draft))
    note_swapped(imported, str(path), on_error)
    if not imported.records and on_error == "stop":
        raise RecordError("no conversations", "Check that this is the right file", str(path))
    return imported


class _Reader:
    def __init__(
        self,
        path: Path,
        mapping: Mapping,
        playbook: Playbook | None,
        imported: Imported,
        on_error: OnError,
    ) -> None:
        self.path, self.mapping, self.default = path, mapping, playbook
        self.imported, self.on_error = imported, on_error
        self.roles = role_table(
            {
                "assistant": mapping.agent,
                "user": mapping.customer,
                "tool": mapping.tool,
                "system": mapping.system,
            }
        )
        self.playbooks: dict[str, Playbook] = {}

    def attempt(self, where: str, do: Callable[[], object]) -> None:
        """Run; a fault stops, or is counted as one conversation left out."""
        try:
            do()
        except RecordError as error:
            self._leave_out("conversation", where, error)

    def _leave_out(self, what: str, where: str, error: RecordError) -> None:
        if self.on_error == "stop":
            raise error
        error = RecordError(error.problem, error.mend.replace(OR_SKIP, ""), error.where)
        # A fault of another file (a playbook's) keeps its place beside the conversation's.
        own = error.where.startswith(str(self.path))
        reason, place = (error.told, error.where) if own else (str(error), where)
        self.imported.skipped.append(Skip(what=what, reason=reason, where=place))

    def collect(self, found: Iterable[Row]) -> dict[str, Draft]:
        """All rows by conversation, in the order in which conversations begin."""
        drafts: dict[str, Draft] = {}
        for row in found:
            try:
                self._take(row, drafts)
            except RecordError as error:
                self._spoil(row, drafts, error)
        return drafts

    def _spoil(self, row: Row, drafts: dict[str, Draft], error: RecordError) -> None:
        """Leave out what a faulty row belongs to, each conversation counted once.

        A row that is a conversation by itself, or repeats the id of one, spoils no other.
        """
        name = self._name(row.fields)
        if name is None:
            self._leave_out("row", row.where, error)
            return
        whole = self.mapping.is_whole(row.fields)
        draft = drafts.setdefault(name, Draft(row.where, whole))
        alone = whole or draft.whole
        if alone or not draft.bad:
            self._leave_out("conversation", row.where, error)
        draft.bad |= draft.where == row.where or not alone

    def _name(self, fields: dict[str, Any]) -> str | None:
        """The conversation that a faulty row belongs to, where it can be told."""
        try:
            key = self.mapping.find("conversation", fields, "")
            return identity(fields[key], key, "")
        except RecordError:
            return None

    def _take(self, row: Row, drafts: dict[str, Draft]) -> None:
        if row.fault is not None:
            raise row.fault
        if self.mapping.is_whole(row.fields):
            self._take_conversation(row, drafts)
            return
        key = self.mapping.find("conversation", row.fields, row.where)
        name = identity(row.fields.get(key), key, row.where)
        draft = drafts.setdefault(name, Draft(row.where))
        if draft.whole:
            raise _came_before(name, draft, row.where)
        self._note_playbook(draft, row)
        self._take_message(row.fields, row.where, draft)

    def _take_conversation(self, row: Row, drafts: dict[str, Draft]) -> None:
        key = self.mapping.find("conversation", row.fields, row.where, optional=True)
        value = row.fields.get(key) if key else None
        if value is None:
            names = (f"{self.path.name.split('.')[0]}-{n}" for n in count(len(drafts) + 1))
            name = next(name for name in names if name not in drafts)
        else:
            name = identity(value, key, row.where)
        if name in drafts:
            raise _came_before(name, drafts[name], row.where)
        draft = drafts[name] = Draft(row.where, whole=True)
        try:
            self._note_playbook(draft, row)
            self._take_messages(row, draft)
        except RecordError:
            draft.bad = True
            raise

    def _take_messages(self, row: Row, draft: Draft) -> None:
        field = self.mapping.find("messages", row.fields, row.where)
        for number, message in enumerate(listed(row.fields[field], field, row.where), start=1):
            where = f"{row.where}, message {number}"
            if not isinstance(message, dict):
                raise RecordError(
                    f"expected an object, found {type(message).__name__}",
                    "Each message has a role and a text",
                    where,
                )
            self._take_message(message, where, draft)

    def _note_playbook(self, draft: Draft, row: Row) -> None:
        column = self.mapping.playbook
        if column is None:
            return
        if column not in row.fields:
            raise RecordError(
                f"there is no field '{column}' for the playbook", have(row.fields), row.where
            )
        draft.playbook = draft.playbook or row.fields[column]

    def _take_message(self, fields: dict[str, Any], where: str, draft: Draft) -> None:
        role_key = self.mapping.find("role", fields, where)
        calls = tool_calls(fields)
        text_key = self.mapping.find("text", fields, where, optional=calls > 0)
        role = self.roles.role(fields.get(role_key), role_key, where)
        text = words(fields.get(text_key), text_key, where)
        order = None
        if self.mapping.order:
            order = fields.get(self.mapping.order)
            if order is None or str(order).strip() == "":
                raise RecordError(
                    f"field '{self.mapping.order}' gives no place in the order",
                    "Give a number or a time, or leave order out of the mapping",
                    where,
                )
        draft.calls += calls
        draft.pieces.append((order, role, text, where))

    def finish(self, name: str, draft: Draft) -> None:
        """The conversation of a draft: ordered, cleaned, with its playbook."""
        joined, counts, spoilt = cleaned(draft, self.mapping.order or "")
        self.imported.warnings += spoilt
        try:
            made = Conversation(
                id=name,
                messages=tuple(Message(role=r, content=t) for r, t in joined),
                playbook=self._playbook(draft),
                tags={"source": "transcripts", "file": self.path.name},
                provenance=Provenance(
                    source=self.path.name, made_by="handrail.sources.transcripts"
                ),
            )
        except ValidationError as error:
            raise invalid(error, draft.where) from None
        self.imported.records.append(made)
        self.imported.counts.update(counts)

    def _playbook(self, draft: Draft) -> Playbook | None:
        value = draft.playbook
        if value is None or value == "":
            return self.default
        if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
            if value not in self.playbooks:
                self.playbooks[value] = load_playbook(self.path.parent / value)
            return self.playbooks[value]
        try:
            data = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError) as error:
            raise RecordError(
                f"field '{self.mapping.playbook}' is not a list of rules ({error})",
                "Give a JSON list, or the name of a playbook file",
                draft.where,
            ) from None
        return make_playbook(data, draft.where, self.path.name)


def _came_before(name: str, first: Draft, where: str) -> RecordError:
    return RecordError(
        f"the conversation '{name}' came before ({first.where})",
        "Give each conversation its own id",
        where,
    )
