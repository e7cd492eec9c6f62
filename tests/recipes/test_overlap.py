"""What is tested on is not trained on: one file given twice, and conversations in both files."""

from __future__ import annotations

from pathlib import Path

import pytest

from handrail import world
from handrail.recipes.corpus import Corpora
from handrail.recipes.settings import FlowSettings
from handrail.records import (
    Conversation,
    Message,
    RecordError,
    SettingError,
    Turn,
    write_jsonl,
)
from handrail.sources.grading import agent_turns

TALKS = world.generate(40, 11)
OTHERS = world.generate(10, 12)


def renamed(talk: Conversation) -> Conversation:
    return talk.model_copy(update={"id": f"other-{talk.id}"})


def settings(folder: Path, train: list, test: list) -> FlowSettings:
    """Settings of two files with these records."""
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "test.jsonl", test)
    return FlowSettings(
        conversations=str(folder / "train.jsonl"),
        test_conversations=str(folder / "test.jsonl"),
        train_points=9999,
    )


def turns_of(talks: list[Conversation]) -> list[Turn]:
    return [turn for talk in talks for turn in agent_turns(talk)]


@pytest.mark.parametrize("what", ["equal ids", "equal contents", "turns"])
def test_conversations_of_the_test_are_left_out_of_the_training(tmp_path: Path, what: str) -> None:
    alike = [renamed(t) for t in TALKS[:5]] if what == "equal contents" else TALKS[:5]
    train, test = TALKS, [*alike, *OTHERS]
    if what == "equal ids":  # as one conversation cut off at another place
        test = [t.model_copy(update={"messages": t.messages[:-1]}) for t in alike] + OTHERS
    if what == "turns":
        pairs = world.training_turns(40, 3)
        names = list(dict.fromkeys(t.conversation_id for t in pairs))[:5]
        one = settings(tmp_path, pairs, [t for t in pairs if t.conversation_id in names])
    else:
        one = settings(tmp_path, train, test)
        names = [t.id for t in TALKS[:5]]
    corpus = Corpora(one).of(0)
    assert not {t.conversation_id for t in corpus.train} & set(names)
    left = {s.what: s.count for s in corpus.skipped if "test_conversations too" in s.reason}
    assert left == {"training conversation": 5}


def test_files_that_both_count_from_one_share_nothing(tmp_path: Path) -> None:
    train = [t.model_copy(update={"id": str(n)}) for n, t in enumerate(TALKS)]
    test = [t.model_copy(update={"id": str(n)}) for n, t in enumerate(OTHERS)]
    hello = Message(role="assistant", content="Hello, how can I help?")
    train, test = (
        [t.model_copy(update={"messages": (hello, *t.messages)}) for t in talks]
        for talks in (train, test)
    )
    corpus = Corpora(settings(tmp_path, train, test)).of(0)
    assert len({t.conversation_id for t in corpus.train}) == len(train)


def test_the_training_file_itself_or_a_copy_of_it_is_refused(tmp_path: Path) -> None:
    one = settings(tmp_path, TALKS, TALKS)
    with pytest.raises(RecordError, match="all 40 conversations to train on are in test_conv"):
        Corpora(one).of(0)
    (tmp_path / "test.jsonl").unlink()
    (tmp_path / "test.jsonl").symlink_to(tmp_path / "train.jsonl")
    with pytest.raises(SettingError, match="is the file that is trained on"):
        Corpora(one).of(0)
