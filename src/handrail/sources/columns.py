"""TRL's columns, out and in: preference pairs, labelled completions, prompts and messages.

The shapes are those of TRL's "dataset formats": `prompt/chosen/rejected`,
`prompt/completion/label`, `prompt/completion`, `messages`; each in the conversational form (lists
of role and content) or, but for `messages`, in the standard form (plain text). A playbook goes into
the prompt as a system message, and, so that nothing is lost, as JSON into the column `playbook`,
which TRL ignores.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

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
from handrail.sources.reading import invalid
from handrail.sources.tables import Row, table_rows

Kind = Literal["preference", "labelled", "completion", "messages"]
KINDS: dict[Kind, tuple[str, ...]] = {
    "preference": ("prompt", "chosen", "rejected"),
    "labelled": ("prompt", "completion", "label"),
    "completion": ("prompt", "completion"),
    "messages": ("messages",),
}
_SPEAKERS = {"user": "User", "assistant": "Agent", "tool": "Facts", "system": "System"}


def rules_text(playbook: Playbook) -> str:
    """The guardrails as the text of a system message."""
    return "Follow these rules:\n" + "\n".join(f"- {g.text}" for g in playbook.guardrails)


def _messages(messages: Sequence[Message], playbook: Playbook | None) -> list[dict[str, str]]:
    head = [{"role": "system", "content": rules_text(playbook)}] if playbook else []
    return [*head, *({"role": m.role, "content": m.content} for m in messages)]


def _text(messages: Sequence[Message], playbook: Playbook | None) -> str:
    head = [rules_text(playbook), ""] if playbook else []
    lines = [f"{_SPEAKERS[m.role]}: {m.content}" for m in messages]
    return "\n".join([*head, *lines, "Agent:"])


def _extras(playbook: Playbook | None, source: str) -> dict[str, str]:
    return {
        "playbook": playbook.model_dump_json(exclude_defaults=True) if playbook else "",
        "source": source,
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
            prompt = _messages if conversational else _text
            extra = _extras(turn.playbook, turn.id)
            yield {"prompt": prompt(turn.context, turn.playbook), **row, **extra}


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
            **_extras(item.playbook, item.id),
        }


def kind_of(row: dict[str, Any]) -> Kind:
    """Which of TRL's shapes a row has; the error names what it has instead."""
    have = set(row)
    if {"chosen", "rejected"} <= have:
        return "preference"
    for kind in ("labelled", "completion", "messages"):
        if set(KINDS[kind]) <= have:
            return kind
    raise RecordError(
        f"the columns {', '.join(sorted(map(str, have))) or '(none)'} are none of TRL's shapes",
        "Give prompt/chosen/rejected, prompt/completion/label, prompt/completion or messages",
    )


def load(
    path: str | Path,
    *,
    playbook: Playbook | None = None,
    encoding: str | None = None,
    on_error: OnError = "stop",
) -> tuple[Loaded[Turn], Loaded[Conversation]]:
    """As `import_rows`, of a `.jsonl`, `.json`, `.csv`, `.tsv` or `.parquet` file."""
    rows = table_rows(Path(path), encoding, on_error)
    return import_rows(rows, str(path), on_error, playbook)


def import_rows(
    rows: Iterable[dict[str, Any] | Row],
    where: str = "rows",
    on_error: OnError = "stop",
    playbook: Playbook | None = None,
) -> tuple[Loaded[Turn], Loaded[Conversation]]:
    """Turns from pairs, labels and completions, and conversations from messages.

    A prompt in the standard form becomes one user message. Rows that repeat an earlier one are
    left out and counted, whatever `on_error` says.

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
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        at = row if isinstance(row, Row) else Row(f"{where}, row {number}", row)
        try:
            if at.fault is not None:
                raise at.fault
            made = _import(at.fields, at.where, playbook)
        except RecordError as error:
            if on_error == "stop":
                raise
            turns.skipped.append(Skip(what="row", reason=error.told, where=at.where))
            continue
        if made.id in seen:
            turns.skipped.append(Skip(what="row", reason="repeats an earlier row", where=at.where))
            continue
        seen.add(made.id)
        if isinstance(made, Turn):
            turns.records.append(made)
        else:
            talks.records.append(made)
    return turns, talks


def _import(row: dict[str, Any], where: str, default: Playbook | None) -> Turn | Conversation:
    try:
        kind = kind_of(row)
        playbook = _playbook(row) or default
        if kind == "messages":
            messages = _without_rules(_read_messages(row["messages"], "messages"), playbook)
            return Conversation(messages=messages, playbook=playbook)
        prompt, replies = _prompt_and_replies(row, kind)
        return Turn(context=_without_rules(prompt, playbook), replies=replies, playbook=playbook)
    except RecordError as error:
        raise RecordError(error.problem, error.mend, where) from None
    except ValidationError as error:
        raise invalid(error, where) from None


def _prompt_and_replies(
    row: dict[str, Any], kind: Kind
) -> tuple[tuple[Message, ...], tuple[Reply, ...]]:
    if kind == "preference":
        prompt, chosen, rejected = _pair(row)
        if chosen == rejected:
            raise RecordError("chosen and rejected are the same", "Leave the row out")
        return prompt, (
            Reply(text=chosen, rank=1, desirable=True),
            Reply(text=rejected, rank=2, desirable=False),
        )
    prompt = _read_prompt(row["prompt"])
    text = _reply_text(row["completion"], "completion")
    if kind == "completion":
        return prompt, (Reply(text=text),)
    # CSV knows texts only.
    label = {"true": 1, "false": 0, "1": 1, "0": 0}.get(str(row["label"]).lower(), row["label"])
    if label not in (0, 1):
        raise RecordError(f"column 'label': expected true or false, found {label!r:.40}", "Mend it")
    return prompt, (Reply(text=text, desirable=bool(label)),)


def _pair(row: dict[str, Any]) -> tuple[tuple[Message, ...], str, str]:
    """Prompt, chosen and rejected text; a prompt that is only inside the two is taken out."""
    if row.get("prompt") is not None:
        prompt = _read_prompt(row["prompt"])
        return (
            prompt,
            _reply_text(row["chosen"], "chosen"),
            _reply_text(row["rejected"], "rejected"),
        )
    if isinstance(row["chosen"], str):
        raise RecordError("there is no column 'prompt'", "Add it, or give lists of messages")
    chosen = _read_messages(row["chosen"], "chosen")
    rejected = _read_messages(row["rejected"], "rejected")
    if not chosen or not rejected or chosen[:-1] != rejected[:-1]:
        raise RecordError(
            "chosen and rejected do not share all but their last message", "Add a column 'prompt'"
        )
    if chosen[-1].role != "assistant" or rejected[-1].role != "assistant":
        raise RecordError("the last message is not the assistant's", "Mend the roles")
    return chosen[:-1], chosen[-1].content, rejected[-1].content


def _read_prompt(value: Any) -> tuple[Message, ...]:
    if isinstance(value, str):
        return (Message(role="user", content=value),)
    return _read_messages(value, "prompt")


def _reply_text(value: Any, column: str) -> str:
    """The words of a reply: a text, or a list with one assistant message."""
    if isinstance(value, str):
        return value.removeprefix(" ")
    messages = _read_messages(value, column)
    if len(messages) != 1 or messages[0].role != "assistant":
        raise RecordError(
            f"column '{column}': expected a text or one assistant message",
            "Put what comes before the reply into 'prompt'",
        )
    return messages[0].content


def _read_messages(value: Any, column: str) -> tuple[Message, ...]:
    if not isinstance(value, list | tuple):
        raise RecordError(
            f"column '{column}': expected a list of messages, found {type(value).__name__}",
            "Each message is {role, content}",
        )
    made = []
    for item in value:
        if not isinstance(item, dict) or "role" not in item or "content" not in item:
            raise RecordError(
                f"column '{column}': a message lacks 'role' or 'content'", "Mend the message"
            )
        made.append(Message(role=item["role"], content=item["content"]))
    return tuple(made)


def _playbook(row: dict[str, Any]) -> Playbook | None:
    value = row.get("playbook")
    if not value:
        return None
    try:
        return Playbook.model_validate(json.loads(value) if isinstance(value, str) else value)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise
        raise RecordError(
            f"column 'playbook' is not JSON ({error})", "Leave the column out"
        ) from None


def _without_rules(messages: tuple[Message, ...], playbook: Playbook | None) -> tuple[Message, ...]:
    """The messages without the system message that an export put in front."""
    if playbook is None or not messages:
        return messages
    put = Message(role="system", content=rules_text(playbook))
    return messages[1:] if messages[0] == put else messages
