"""HH-RLHF's dialogues: taken apart as they were put together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from handrail.records import RecordError
from handrail.sources.feedback import load
from handrail.sources.feedback.hh_rlhf import dialogue
from tests.sources.feedback.small import write

WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)
SAID = st.lists(st.tuples(st.sampled_from(["Human", "Assistant"]), WORDS), max_size=6)


@given(said=SAID, last=WORDS)
def test_a_dialogue_comes_back_as_it_was_written(said: list[tuple[str, str]], last: str) -> None:
    said = [*said, ("Assistant", last)]
    assume(all(words.strip() for _, words in said))
    assume(not any(f"{mark}:" in words for _, words in said for mark in ("Human", "Assistant")))
    text = "".join(f"\n\n{mark}: {words}" for mark, words in said)
    assert dialogue(text, "chosen") == [(mark, words.strip()) for mark, words in said]


@pytest.mark.parametrize(
    ("chosen", "rejected", "problem"),
    [
        ("\n\nHuman: Hi\n\nAssistant: a", "\n\nHuman: Ho\n\nAssistant: b", "differ before"),
        ("\n\nHuman: Hi\n\nAssistant: a", "\n\nHuman: Hi\n\nAssistant: a", "are the same"),
        ("\n\nHuman: Hi\n\nAssistant:  ", "\n\nHuman: Hi\n\nAssistant: b", "ends with an empty"),
        ("\n\nHuman:\n\nAssistant: a", "\n\nHuman:\n\nAssistant: b", "an empty message of Human"),
        ("Hi", "\n\nHuman: Hi\n\nAssistant: b", "does not begin with a line"),
        ("so\n\nHuman: Hi\n\nAssistant: a", "\n\nHuman: Hi\n\nAssistant: b", "does not begin"),
        ("\n\nHuman: Hi", "\n\nHuman: Hi\n\nAssistant: b", "does not end with a message"),
    ],
)
def test_pairs_that_are_none(tmp_path: Path, chosen: str, rejected: str, problem: str) -> None:
    good = {"chosen": "\n\nHuman: Hi\n\nAssistant: a", "rejected": "\n\nHuman: Hi\n\nAssistant: b"}
    bad = {"chosen": chosen, "rejected": rejected}
    path = write(tmp_path / "a.jsonl", [good, bad])
    with pytest.raises(RecordError, match=f"line 2: .*{problem}.*on-error skip"):
        load("hh_rlhf", path)
    loaded = load("hh_rlhf", path, on_error="skip")
    assert len(loaded.records) == 1
    assert [s.count for s in loaded.skipped] == [1]


@pytest.mark.parametrize(
    ("path", "tags"),
    [
        ("helpful-base/train.jsonl", {"set": "hh_helpful", "category": "base", "split": "train"}),
        ("harmless_base_dev.jsonl", {"set": "hh_harmless", "category": "base", "split": "dev"}),
        ("helpful-rejection-sampled/test.jsonl",
         {"set": "hh_helpful", "category": "rejection-sampled", "split": "test"}),
        ("helpful_online.jsonl", {"set": "hh_helpful", "category": "online"}),
        ("mine.jsonl", {"set": "hh_rlhf"}),
    ],
)  # fmt: skip
def test_the_set_is_told_by_the_files_name(tmp_path: Path, path: str, tags: dict[str, str]) -> None:
    row = {"chosen": "\n\nHuman: Hi\n\nAssistant: a", "rejected": "\n\nHuman: Hi\n\nAssistant: b"}
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (turn,) = load("hh_rlhf", write(tmp_path / path, [row])).records
    assert turn.tags == tags
    (named,) = load("hh_rlhf", tmp_path / path, set="mine").records
    assert named.tags["set"] == "mine"


def test_messages_of_one_side_in_a_row_are_joined_and_counted(tmp_path: Path) -> None:
    head = "\n\nHuman: Hi\n\nHuman: there\n\nAssistant: "
    row = {"chosen": head + "a", "rejected": head + "b"}
    loaded = load("hh_rlhf", write(tmp_path / "a.jsonl", [row]))
    assert [(m.role, m.content) for m in loaded.records[0].context] == [("user", "Hi\n\nthere")]
    assert [w.count for w in loaded.warnings] == [1]


def test_pairs_that_open_alike_are_of_one_conversation_and_repeats_are_counted(
    tmp_path: Path,
) -> None:
    def row(reply: str) -> dict[str, str]:
        return {"chosen": f"\n\nHuman: Hi\n\nAssistant: {reply}",
                "rejected": "\n\nHuman: Hi\n\nAssistant: b"}  # fmt: skip

    loaded = load("hh_rlhf", write(tmp_path / "a.jsonl", [row("a"), row("c"), row("a")]))
    assert len(loaded.records) == 2
    assert len({t.conversation_id for t in loaded.records}) == 1
    assert [(s.reason, s.count) for s in loaded.skipped] == [("repeats an earlier one", 1)]
