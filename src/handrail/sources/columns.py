"""TRL's columns, out and in: preference pairs, labelled completions, prompts and messages.

The shapes are those of TRL's "dataset formats": `prompt/chosen/rejected`,
`prompt/completion/label`, `prompt/completion`, `messages`; each in the conversational form (lists
of role and content) or, but for `messages`, in the standard form (plain text). A playbook goes into
the prompt as a system message, and, so that nothing is lost, as JSON into the column `playbook`.
TRL's trainers ignore this column, `source` (the record's id), `conversation_id` and, beside a
prompt of plain text, `prompt_messages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handrail.records import (
    Conversation,
    Loaded,
    Message,
    Playbook,
    RecordError,
    Reply,
    Skip,
    Turn,
)
from handrail.records.store import OnError
from handrail.sources.arrow import is_parquet, parquet_names
from handrail.sources.plain_prompt import (
    OURS,
    is_plain,
    prompt_columns,
    prompt_messages,
    rules_text,
)
from handrail.sources.reading import invalid
from handrail.sources.roles import note_swapped
from handrail.sources.tables import Row, table_rows
from handrail.sources.trl_rows import (
    Kind,
    kind_of,
    prompt_and_replies,
    read_conversation,
    read_messages,
    read_playbook,
)

# The last are those of an export of conversations, which keep the playbook.
_SIGNS = ({"chosen", "rejected"}, {"prompt", "completion"}, {"messages", "playbook", "source"})


def _messages(messages: Sequence[Message], playbook: Playbook | None) -> list[dict[str, str]]:
    head = [{"role": "system", "content": rules_text(playbook)}] if playbook else []
    return [*head, *({"role": m.role, "content": m.content} for m in messages)]


def _extras(playbook: Playbook | None, source: str, conversation: str) -> dict[str, str]:
    return {
        "playbook": playbook.model_dump_json(exclude_defaults=True) if playbook else "",
        "source": source,
        "conversation_id": conversation,
    }


def export_turns(
    turns: Iterable[Turn], kind: Kind = "preference", *, conversational: bool = True
) -> Iterator[dict[str, Any]]:
    """Rows of TRL's columns from turns.

    Args:
        turns: any.
        kind: "preference" gives a row per (better, worse) pair, "labelled" one per reply that is
            desirable or not, "completion" the best reply of each turn.
        conversational: lists of messages; else plain texts.
    """
    for turn in turns:
        for row in _turn_rows(turn, kind, conversational):
            if conversational:
                prompt: dict[str, Any] = {"prompt": _messages(turn.context, turn.playbook)}
            else:
                prompt = prompt_columns(turn.context, turn.playbook)
            extra = _extras(turn.playbook, turn.id, turn.conversation_id)
            yield {**prompt, **row, **extra}


def _turn_rows(turn: Turn, kind: Kind, conversational: bool) -> Iterator[dict[str, Any]]:
    def said(reply: Reply) -> Any:
        one = [{"role": "assistant", "content": reply.text}]
        return one if conversational else " " + reply.text

    if kind == "preference":
        for better, worse in turn.pairs():
            yield {"chosen": said(turn.replies[better]), "rejected": said(turn.replies[worse])}
    elif kind == "labelled":
        for reply in turn.replies:
            if reply.desirable is not None:
                yield {"completion": said(reply), "label": reply.desirable}
    elif kind == "completion":
        best = turn.best()
        if best is not None:
            yield {"completion": said(turn.replies[best])}
    else:
        raise RecordError(
            f"turns have no columns of the kind '{kind}'",
            "Known: preference, labelled, completion; conversations have messages",
        )


def export_conversations(conversations: Iterable[Conversation]) -> Iterator[dict[str, Any]]:
    """Rows with the column `messages`, one per conversation."""
    for item in conversations:
        yield {
            "messages": _messages(item.messages, item.playbook),
            **_extras(item.playbook, item.id, item.id),
        }


def held_in(path: Path, encoding: str | None = None, on_error: OnError = "stop") -> bool:
    """Whether a file's columns are TRL's, by its Parquet schema or its first good row."""
    names = _names(path, encoding, on_error)
    return any(signs <= names for signs in _SIGNS)


def is_export(path: Path, encoding: str | None = None, on_error: OnError = "stop") -> bool:
    """Whether a file is an export of Handrail's: TRL's columns with its own beside them."""
    names = _names(path, encoding, on_error)
    return any(signs | OURS <= names for signs in _SIGNS)


def _names(path: Path, encoding: str | None, on_error: OnError) -> set[str]:
    if is_parquet(path):
        return parquet_names(path)
    rows = table_rows(path, encoding, on_error)
    return next((set(row.fields) for row in rows if row.fault is None), set())


def load(
    path: str | Path,
    *,
    playbook: Playbook | None = None,
    encoding: str | None = None,
    on_error: OnError = "stop",
) -> tuple[Loaded[Turn], Loaded[Conversation]]:
    """As `import_rows`, of a `.jsonl`, `.json`, `.csv`, `.tsv` or `.parquet` file.

    Roles that look swapped stop; with on_error="skip" they are in the `.warnings` of either.
    """
    rows = table_rows(Path(path), encoding, on_error)
    turns, talks = import_rows(rows, str(path), on_error, playbook)
    note_swapped(turns, str(path), on_error)
    note_swapped(talks, str(path), on_error)
    return turns, talks


def import_rows(
    rows: Iterable[dict[str, Any] | Row],
    where: str = "rows",
    on_error: OnError = "stop",
    playbook: Playbook | None = None,
) -> tuple[Loaded[Turn], Loaded[Conversation]]:
    """Turns from pairs, labels and completions, and conversations from messages.

    A prompt in the standard form becomes one user message, but for Handrail's own export, whose
    messages come back as they went. Rows that repeat an earlier one are
    left out and counted, whatever `on_error` says. Rows without `conversation_id` that open in the
    same way are turns of one conversation.

    Args:
        rows: dictionaries, or the rows of a file with their places and faults.
        where: what holds the rows, for the errors.
        on_error: "stop" raises at the first bad row, "skip" counts it.
        playbook: of rows that bring none.

    Raises:
        RecordError: a shape, type or label that is not TRL's; names the row and the column.
    """
    turns: Loaded[Turn] = Loaded()
    talks: Loaded[Conversation] = Loaded()
    seen: dict[str, Turn | Conversation] = {}
    for number, row in enumerate(rows, start=1):
        at = row if isinstance(row, Row) else Row(f"{where}, row {number}", row)
        try:
            if at.fault is not None:
                raise at.fault
            made = _import(at.fields, at.where, playbook)
            if seen.setdefault(made.id, made) != made:
                raise RecordError(
                    f"another row has the conversation_id '{made.id}'",
                    "Give each conversation its own",
                    at.where,
                )
        except RecordError as error:
            if on_error == "stop":
                raise
            turns.skipped.append(Skip(what="row", reason=error.told, where=at.where))
            continue
        if seen[made.id] is not made:
            turns.skipped.append(Skip(what="row", reason="repeats an earlier row", where=at.where))
            continue
        if isinstance(made, Turn):
            turns.records.append(made)
        else:
            talks.records.append(made)
    return turns, talks


def _import(row: dict[str, Any], where: str, default: Playbook | None) -> Turn | Conversation:
    try:
        kind = kind_of(row)
        own = read_playbook(row)
        playbook = own or default
        if kind == "messages":
            messages = _without_rules(read_messages(row["messages"], "messages"), playbook)
            return Conversation(id=read_conversation(row, ()), messages=messages, playbook=playbook)
        prompt, replies = prompt_and_replies(row, kind)
        plain = is_plain(row)
        context = prompt_messages(row, own) if plain else _without_rules(prompt, playbook)
        return Turn(
            conversation_id=read_conversation(row, context),
            context=context,
            replies=replies,
            playbook=playbook,
        )
    except RecordError as error:
        raise RecordError(error.problem, error.mend, where) from None
    except ValidationError as error:
        raise invalid(error, where) from None


def _without_rules(messages: tuple[Message, ...], playbook: Playbook | None) -> tuple[Message, ...]:
    """The messages without the system message that an export put in front."""
    if playbook is None or not messages:
        return messages
    put = Message(role="system", content=rules_text(playbook))
    return messages[1:] if messages[0] == put else messages
