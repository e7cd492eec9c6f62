"""No conversation is trained on and tested on: not of two files, nor twice in one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

from handrail.recipes.own import whole_conversations
from handrail.recipes.parts import talk_of
from handrail.recipes.settings import FlowSettings
from handrail.records import Conversation, RecordError, SettingError, Skip, Turn

T = TypeVar("T", Turn, Conversation)

_APART = (
    "Give other conversations to test on, or leave test_conversations out: a part of the "
    "conversations is then kept for the test"
)


def refuse_same_file(settings: FlowSettings) -> None:
    """Refuse a test file that is the training file, also through links.

    Raises:
        SettingError: it is.
    """
    one, two = Path(settings.conversations), Path(settings.test_conversations)
    if settings.test_conversations and one.exists() and two.exists() and one.samefile(two):
        raise SettingError(
            "test_conversations is the file that is trained on", _APART, settings.test_conversations
        )


def tested(
    talks: Sequence[Conversation], tests: Sequence[Conversation], where: str
) -> tuple[set[str], list[Skip]]:
    """Ids of the training conversations that are in the test too, and their count.

    They are those of equal messages, and those of an equal id whose customer begins alike: two
    files may both count their conversations from 1.

    Args:
        talks: of the training file.
        tests: of the test file.
        where: the test file.

    Raises:
        RecordError: nothing is left to train on.
    """
    opened = {(talk.id, _opening(talk)) for talk in tests}
    said = {talk.messages for talk in tests}
    shared = {t.id for t in talks if (t.id, _opening(t)) in opened or t.messages in said}
    if shared and len(shared) == len({talk.id for talk in talks}):
        raise RecordError(
            f"all {len(shared):,} conversations to train on are in test_conversations too",
            _APART,
            where,
        )
    if not shared:
        return shared, []
    reason = "it is in test_conversations too"
    return shared, [
        Skip(what="training conversation", reason=reason, where=where, count=len(shared))
    ]


def keep_apart(
    parts: dict[str, list[T]], said: Callable[[Sequence[T]], list[Hashable]], where: str
) -> tuple[dict[str, list[T]], list[Skip]]:
    """The parts without what a later one holds too, under another id: tested on, it is not taught.

    Args:
        parts: in the order train, feedback, test; the test stays whole.
        said: for each element of a part what makes its conversation equal to another.
        where: the file.

    Raises:
        RecordError: nothing is left of a part.
    """
    kept, skips = dict(parts), []
    seen: set[Hashable] = set()
    for name in reversed(parts):
        keys = said(parts[name])
        kept[name] = [one for one, key in zip(parts[name], keys, strict=True) if key not in seen]
        lost = len(parts[name]) - len(kept[name])
        if lost and not kept[name]:
            raise RecordError(
                f"every conversation of the {name} part is in the test too, under another id",
                "Give each conversation once, and more of them",
                where,
            )
        if lost:
            what = "turn" if isinstance(parts[name][0], Turn) else "conversation"
            reason = "its conversation is in a held-out part too, under another id"
            skips.append(Skip(what=f"{name} {what}", reason=reason, where=where, count=lost))
        seen.update(keys)
    return kept, skips


def as_it_went(turns: Sequence[Turn]) -> list[Hashable]:
    """For each turn what was said in its conversation, as far as the last of its turns shows it."""
    said = {talk.id: talk.messages for talk in whole_conversations(turns)}
    return [said.get(talk_of(turn), turn.id) for turn in turns]


def _opening(talk: Conversation) -> str:
    """What the customer says first."""
    return next((m.content for m in talk.messages if m.role == "user"), "")
