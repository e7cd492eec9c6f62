"""Open Assistant's trees and messages: two worked examples, and a slow oracle over random ones."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.records import Loaded, RecordError, Turn
from handrail.sources.feedback import FEEDBACK, load
from handrail.sources.feedback.maker import Table
from handrail.sources.feedback.oasst import OasstOptions
from handrail.sources.tables import Row
from tests.sources.feedback.small import FLAT, TREE, message, write


def read(rows: list[dict[str, Any]], **options: Any) -> Loaded[Turn]:
    table = Table("rows/x", [Row(f"rows, line {i}", row) for i, row in enumerate(rows, start=1)])
    return FEEDBACK["oasst"].read([table], "skip", OasstOptions(**options), "rows")


def told(loaded: Loaded[Turn]) -> dict[str, int]:
    return {f"{s.what}: {s.reason}": s.count for s in loaded.skipped}


def test_a_tree_and_its_messages_give_the_same_turn(tmp_path: Path) -> None:
    (tree,) = load("oasst", write(tmp_path / "tree.jsonl", [TREE])).records
    (flat,) = load("oasst", write(tmp_path / "flat.jsonl", FLAT)).records
    assert tree == flat
    assert tree.id == "oasst/a"
    assert [(m.role, m.content) for m in tree.context] == [("user", "Hi?")]
    assert [(r.text, r.rank, r.labels) for r in tree.replies] == [
        ("Hello.", 2, {"quality": 0.5}),
        ("Good day.", 1, {}),
    ]
    assert tree.tags == {"set": "oasst", "lang": "en", "state": "ready_for_export"}


def test_parquet_with_ranks_as_floats(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    rows = [row | {"rank": None if row["rank"] is None else float(row["rank"])} for row in FLAT]
    path = tmp_path / "train-00000.parquet"
    pyarrow.parquet.write_table(arrow.Table.from_pylist(rows), path)
    (turn,) = load("oasst", path).records
    assert [r.rank for r in turn.replies] == [2, 1]
    assert turn.tags["split"] == "train"


def test_a_thread_follows_the_best_ranked_reply() -> None:
    """Worked example: the second reply is ranked first, so what follows the first is no best."""
    worse = message(
        "b",
        "assistant",
        "B",
        message(
            "d", "prompter", "D?", message("f", "assistant", "F"), message("g", "assistant", "G")
        ),
        rank=1,
    )
    better = message("c", "assistant", "C", message("e", "prompter", "E?",
                     message("h", "assistant", "H")), rank=0)  # fmt: skip
    row = {"message_tree_id": "a", "tree_state": "x",
           "prompt": message("a", "prompter", "A?", worse, better)}  # fmt: skip
    every = {"states": None, "feedback": "none"}
    assert {t.id for t in read([row], **every).records} == {"oasst/a", "oasst/d", "oasst/e"}
    best = read([row], **every, threads="best")
    assert [t.id for t in best.records] == ["oasst/a", "oasst/e"]
    assert told(best) == {"turn: not on a thread of best-ranked replies": 1}
    assert [m.content for m in best.records[1].context] == ["A?", "C", "E?"]


def test_what_cannot_stand_in_a_tree_is_counted_each_by_its_reason() -> None:
    def flat(key: str, parent: str | None, role: str, **more: Any) -> dict[str, Any]:
        return {"message_id": key, "parent_id": parent, "role": role, "text": key} | more

    rows = [
        flat("a", None, "prompter"),
        flat("b", "a", "assistant", rank=0),
        flat("c", "a", "assistant", rank=1, deleted=True),
        flat("d", "c", "prompter"),
        flat("e", "a", "assistant", rank=2, text=None),
        flat("f", "a", "assistant", review_result=False),
        flat("g", "a", "prompter"),
        flat("b", "a", "assistant"),
        flat("h", "nobody", "prompter"),
        flat("i", "h", "assistant"),
        flat("j", "k", "prompter"),
        flat("k", "j", "assistant"),
        flat("l", "l", "assistant"),
        flat("m", "a", "assistant"),
    ]
    loaded = read(rows)
    assert told(loaded) == {
        "message: its id came before": 1,
        "message: its parent is not in the data": 1,
        "message: follows a message that was left out": 2,
        "message: its line of parents is a circle": 3,
        "message: was deleted": 1,
        "message: has no text": 1,
        "message: failed its review": 1,
        "message: has the role of the message that it answers": 1,
        "turn: has no feedback": 1,
    }
    assert not loaded.records
    # With the deleted one kept out, b and m are left: ranked in part, so no pair.
    (turn,) = read(rows, feedback="none").records
    assert [(r.text, r.rank) for r in turn.replies] == [("b", 1), ("m", None)]
    assert [w.reason for w in read(rows, feedback="none").warnings] == [
        "its replies are ranked in part"
    ]


def test_null_entries_and_trees_that_come_twice() -> None:
    tree = copy.deepcopy(TREE)
    tree["prompt"]["replies"].insert(0, None)
    loaded = read([tree, TREE])
    assert told(loaded) == {"message: is null": 1, "tree: came before": 1}
    assert [len(t.replies) for t in loaded.records] == [2]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"langs": ("de",)}, "turn: its language is en"),
        ({"states": ("growing",)}, "tree: its state is ready_for_export, not growing"),
        ({"min_replies": 3}, "turn: has fewer than 3 replies"),
    ],
)
def test_options_leave_out_and_say_why(options: dict[str, Any], reason: str) -> None:
    loaded = read([TREE], **options)
    assert not loaded.records
    assert told(loaded) == {reason: 1}


def test_max_replies_keeps_the_best_ranked() -> None:
    kept = read([TREE], max_replies=1, feedback="none")
    assert [[r.text for r in t.replies] for t in kept.records] == [["Good day."]]
    assert told(kept)["reply: beyond max_replies"] == 1


def test_synthetic_and_unreviewed_messages_are_kept_by_choice() -> None:
    tree = copy.deepcopy(TREE)
    tree["prompt"]["replies"][0] |= {"synthetic": True, "model_name": "m", "review_result": None}
    (turn,) = read([tree]).records
    assert [r.author for r in turn.replies] == ["m", ""]
    for option, reason in (("synthetic", "was written by a program"),
                           ("unreviewed", "its review is open")):  # fmt: skip
        assert told(read([tree], **{option: False}))[f"message: {reason}"] == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rank": -1}, "field 'rank': expected a whole number from 0"),
        ({"rank": 0.5}, "field 'rank'"),
        ({"role": "bot"}, "field 'role': expected one of 'prompter'"),
        ({"labels": {"quality": {"value": 1.5, "count": 1}}}, "field 'labels.quality'"),
        ({"labels": {"name": ["quality"], "value": []}}, "field 'labels': its names and values"),
        ({"deleted": "perhaps"}, "field 'deleted': expected true or false"),
        ({"text": 3}, "field 'text': expected a text"),
    ],
)
def test_a_wrong_type_names_the_field(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    tree = copy.deepcopy(TREE)
    tree["prompt"]["replies"][0] |= change
    for rows in ([tree], [FLAT[0], FLAT[1] | change]):
        with pytest.raises(RecordError, match=problem.replace("'", ".")):
            load("oasst", write(tmp_path / "a.jsonl", rows))


KEYS = "abcdefgh"
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "message_id": st.sampled_from(KEYS),
            "parent_id": st.none() | st.sampled_from(KEYS + "z"),
            "role": st.sampled_from(["prompter", "assistant"]),
            "text": st.sampled_from(["words", "words", "more words", "", None]),
            "deleted": st.sampled_from([False, False, False, True, None]),
            "rank": st.none() | st.integers(0, 3),
        }
    ),
    max_size=9,
)


@settings(max_examples=300, deadline=None)
@given(rows=MESSAGES)
def test_random_messages_against_an_oracle(rows: list[dict[str, Any]]) -> None:
    """Every message's own line of parents, walked anew, says whether it stands in a turn."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["message_id"], row)

    def line(key: str) -> list[str] | None:
        """From the root to the message; None where one on the way is not sound."""
        path: list[str] = []
        while True:
            if key not in first or key in path:
                return None
            path.append(key)
            parent = first[key]["parent_id"]
            if parent is None:
                break
            key = parent
        nodes = [first[k] for k in path[::-1]]
        sound = all(n["text"] and not n["deleted"] for n in nodes) and all(
            a["role"] != b["role"] for a, b in pairwise(nodes)
        )
        return path[::-1] if sound else None

    lines = {key: line(key) for key in first}
    sound = {key: path for key, path in lines.items() if path is not None}
    wanted = {}
    for key in sound:
        replies = [k for k in first if first[k]["parent_id"] == key and k in sound]
        if first[key]["role"] == "prompter" and replies:
            wanted[f"oasst/{key}"] = (
                [first[k]["text"] for k in sound[key]],
                [(first[k]["text"], first[k]["rank"]) for k in replies],
            )
    loaded = read(rows, feedback="none")
    found = {
        t.id: (
            [m.content for m in t.context],
            [(r.text, None if r.rank is None else r.rank - 1) for r in t.replies],
        )
        for t in loaded.records
    }
    assert found == wanted
    left_out = Counter[str]()
    for skip in loaded.skipped:
        left_out[skip.what] += skip.count
    assert left_out["message"] == len(rows) - len(sound)
