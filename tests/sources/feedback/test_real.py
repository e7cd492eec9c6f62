"""The loaders on the public files: as many turns, ranks, ties and left-out messages as they have.

The expected counts are those that the data's own description gives, or that a plain count over the
raw JSON gives here.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handrail.records import RecordError, Skip, Turn
from handrail.sources.feedback import load
from tests.data import need


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield from map(json.loads, file)


def counted(skips: list[Skip]) -> Counter[str]:
    return Counter({f"{s.what}: {s.reason}": s.count for s in skips})


def fully_ranked(turns: list[Turn]) -> int:
    return sum(len(t.replies) > 1 and all(r.rank for r in t.replies) for t in turns)


def test_oasst_ready_trees_have_211_fully_ranked_groups() -> None:
    path = need("oasst", "en_100_trees.jsonl.gz")
    loaded = load("oasst", path)
    assert fully_ranked(loaded.records) == 211
    assert counted(loaded.warnings) == {"turn: its replies are ranked in part": 1}
    assert len(loaded.records) == 212
    # A reply of rank 0 is rank 1 here, and none has two best.
    whole = [t for t in loaded.records if all(r.rank for r in t.replies)]
    assert all(sorted(r.rank or 0 for r in t.replies) == [*range(1, len(t.replies) + 1)]
               for t in whole)  # fmt: skip
    assert len({t.conversation_id for t in loaded.records}) <= 100


def test_oasst_all_prompts_with_replies_are_turns_where_no_feedback_is_asked_for() -> None:
    path = need("oasst", "en_100_trees.jsonl.gz")
    assert len(load("oasst", path, feedback="none").records) == 254  # 211 + 1 + 40 + 2 groups


def test_oasst_subset_counts_what_it_leaves_out() -> None:
    path = need("oasst", "oasst2_subset_trees.jsonl.gz")
    loaded = load("oasst", path, states=None, feedback="none")
    told = counted(loaded.skipped)
    assert told["tree: came before"] == 31
    seen: set[str] = set()
    bad: Counter[str] = Counter()

    def count(message: dict[str, Any], lost: bool) -> None:
        gone = lost or message["deleted"] or message["review_result"] is False
        if lost:
            bad["message: follows a message that was left out"] += 1
        elif message["deleted"]:
            bad["message: was deleted"] += 1
        elif message["review_result"] is False:
            bad["message: failed its review"] += 1
        for reply in message["replies"]:
            count(reply, gone)

    for row in rows(path):
        if row["prompt"]["message_id"] not in seen:
            seen.add(row["prompt"]["message_id"])
            count(row["prompt"], False)
    assert {k: n for k, n in told.items() if k.startswith("message")} == bad
    labelled = [r for t in loaded.records for r in t.replies if r.labels]
    assert {"quality", "toxicity", "helpfulness", "creativity"} <= set(labelled[0].labels)
    assert {frozenset(r.labels) for r in labelled} > {frozenset(labelled[0].labels)}  # keys vary


def test_oasst_languages_and_states() -> None:
    path = need("oasst", "oasst2_subset_trees.jsonl.gz")
    four = load("oasst", path, states=None, langs=("en", "es", "fr", "de")).records
    assert {t.tags["lang"] for t in four} == {"en", "es", "fr", "de"}
    ready = load("oasst", path).records
    assert {t.tags["state"] for t in ready} == {"ready_for_export"}
    portuguese = load("oasst", path, states=None, langs=("pt",), feedback="none").records
    assert {t.tags["lang"] for t in portuguese} == {"pt-BR"}


def test_oasst_flat_messages() -> None:
    path = need("oasst", "seed_messages_flat.jsonl")
    loaded = load("oasst", path, feedback="none", states=None)
    roles = {row["user_message_id"]: row["role"] for row in rows(path)}
    again = sum(
        row["parent_message_id"] is not None and roles[row["parent_message_id"]] == row["role"]
        for row in rows(path)
    )
    told = counted(loaded.skipped)
    assert told["message: has the role of the message that it answers"] == again
    with pytest.raises(RecordError, match="no turns with feedback"):
        load("oasst", path)


@pytest.mark.parametrize(("kind", "differ", "empty"), [("harmless", 5, 4), ("helpful", 9, 4)])
def test_hh_pairs(kind: str, differ: int, empty: int) -> None:
    loaded = [
        load("hh_rlhf", need("hh_rlhf", f"{kind}_base_{split}.jsonl.gz"), on_error="skip")
        for split in ("train", "dev", "test")
    ]
    turns = [t for one in loaded for t in one.records]
    told = Counter(s.reason for one in loaded for s in one.skipped)
    assert {(t.tags["set"], t.tags["category"]) for t in turns} == {(f"hh_{kind}", "base")}
    assert Counter(t.tags["split"] for t in turns).keys() == {"train", "dev", "test"}
    assert told["'chosen' and 'rejected' differ before the assistant's last message"] == differ
    # One helpful pair that ends in an empty message has one inside too, and is told for that.
    ends = sum(n for why, n in told.items() if "ends with an empty message" in why)
    inside = sum(n for why, n in told.items() if "inside" in why)
    assert ends + inside == empty
    assert inside == (kind == "helpful")
    rows_in_all = 2312 if kind == "harmless" else 2352
    assert len(turns) + told.total() == rows_in_all
    assert all([r.rank for r in t.replies] == [1, 2] for t in turns)


def test_hh_stops_at_the_first_bad_pair() -> None:
    path = need("hh_rlhf", "helpful_base_train.jsonl.gz")
    with pytest.raises(RecordError, match=r"line \d+: 'chosen' and 'rejected' differ.*skip"):
        load("hh_rlhf", path)


def test_webgpt_has_245_ties() -> None:
    path = need("webgpt", "comparisons_test.jsonl.gz")
    turns = load("webgpt", path).records
    assert len(turns) == 901
    assert sum(t.replies[0].rank == t.replies[1].rank for t in turns) == 245
    assert Counter(t.tags["margin"] for t in turns) == {"0": 245, "0.5": 491, "1": 165}
    raw = list(rows(path))
    assert [[r.rank for r in t.replies] for t in turns] == [
        [1, 1] if a == b else [1, 2] if a > b else [2, 1] for a, b in (r["scores"] for r in raw)
    ]
    without = load("webgpt", path, ties=False)
    assert len(without.records) == 656
    assert counted(without.skipped) == {"turn: the two answers are tied": 245}
    rated = load("webgpt", path, ratings=True).records
    assert {t.tags["scale"] for t in rated} == {"0..2"}
    assert sum(r.rating or 0 for t in rated for r in t.replies) == pytest.approx(2 * 901)
