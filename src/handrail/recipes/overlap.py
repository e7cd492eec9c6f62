"""Conversations that are in the training file and in the test file: left out of the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handrail.recipes.settings import FlowSettings
from handrail.records import Conversation, RecordError, SettingError, Skip

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


def _opening(talk: Conversation) -> str:
    """What the customer says first."""
    return next((m.content for m in talk.messages if m.role == "user"), "")
