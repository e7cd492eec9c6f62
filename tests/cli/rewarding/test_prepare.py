"""`handrail reward prepare` and its function: what they write, count, and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.records import Message, RecordError, Reply, SettingError, Turn
from handrail.rewards.data.augment import NgramEmbedder, augmenter
from handrail.rewards.data.balance import Balance
from handrail.rewards.data.paraphrases import RuleParaphraser
from handrail.world.serve import serving
from tests.models import encoders

ASK = (Message(role="user", content="May I have a refund?"),)


def turn(name: str, *replies: Reply, **tags: str) -> Turn:
    return Turn(id=name, context=ASK, replies=replies, tags=tags)


LABELLED = [
    turn(
        f"t{i}",
        Reply(text=f"I am really sorry, number {i}.", rank=2, labels={"quality": 0.25}),
        Reply(text=f"Of course, number {i}.", rank=1, labels={"quality": 0.52 + i / 30}),
    )
    for i in range(10)
] + [turn("one", Reply(text="Yes.", rank=1, labels={"quality": 1.0}))]
RANKED = [
    turn("a", Reply(text="x", rank=1), Reply(text="y", rank=2)),
    turn("b", Reply(text="x", rank=1), Reply(text="y", rank=1)),
]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handrail.write("labelled.jsonl", LABELLED)
    handrail.write("ranked.jsonl", RANKED)


def run(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    """The command's JSON; for a failure, its message."""
    done = invoke(["reward", "prepare", *args, "--json", "-q"])
    out, err = capsys.readouterr()
    assert done == code, err
    return json.loads(out) if code == 0 else err


def test_labels_balance_counts_and_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    name = "logistic + over_s + under_s_5 + wgt_s_05"
    found = run(capsys, "labelled.jsonl", "--out", "ready.jsonl", "--balance", name)
    assert found["ratings"] == "from the label quality"
    assert found["balance"] == name
    assert found["before"] == {"low": 10, "middle": 10, "high": 1, "unrated": 0}
    assert found["after"] == {"low": 20, "middle": 4, "high": 1, "unrated": 0}
    assert found["weight"] == 1.0  # the half of 25 / 20 is below one
    assert [b["kept"] for b in found["bins"]] == [0, 1, 1, 1, 1]
    assert found["preferences"] == {
        **{"turns": 11, "pairs": 10, "one_reply": 1, "all_tied": 0, "without": 0}
    }
    made = handrail.read("ready.jsonl").records
    same = handrail.prepare_rewards("labelled.jsonl", balance=name)
    assert made == same.turns
    assert all(r.rating is not None for t in made for r in t.replies)


def test_the_text_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--balance", "logistic + over_s + under_s_5 + wgt_1_4"]
    assert invoke(["reward", "prepare", "labelled.jsonl", "--out", "ready.jsonl", *words]) == 0
    out = capsys.readouterr().out
    assert out.startswith("21 turns: ready.jsonl\nRatings: from the label quality\n")
    rows = [line.split() for line in out.splitlines()]
    assert ["0.4", "and", "below", "10", "20", "1.4"] in rows
    assert ["between", "0.4", "and", "0.9", "10", "4", "1"] in rows
    assert "0.506 to 0.602: 1 of 3" in out
    assert "the loss is chosen in training: --loss logistic" in out
    told = "For preferences, before balancing: 11 turns with 10 pairs\n  1 turn without a pair: one"
    assert told in out
    assert "Warning: the middle, 0.41 to 0.89: 1 of 5 bins hold fewer replies than the 1" in out


def test_edges_and_bins_are_settings(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--balance", "under_s_4", "--low", "0.2", "--high", "0.6", "--bins", "2"]
    found = run(capsys, "labelled.jsonl", "--out", "ready.jsonl", *words)
    assert found["before"] == {"low": 0, "middle": 13, "high": 8, "unrated": 0}
    assert [b["kept"] for b in found["bins"]] == [2, 2]


def test_paraphrases_by_rule_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--balance", "augment", "--among", "en", "--among", "de"]
    found = run(capsys, "labelled.jsonl", "--out", "ready.jsonl", *words)
    assert (found["before"]["low"], found["after"]["low"]) == (10, 20)
    new = [t for t in handrail.read("ready.jsonl").records if t.id.endswith("~augment1")]
    assert len(new) == 10
    assert new[3].replies[0].text == "Sorry, number 3."
    assert all(0 < r.rating < 0.25 for t in new for r in t.replies)
    mine = augmenter(RuleParaphraser(), NgramEmbedder())
    made = handrail.prepare_rewards(LABELLED, balance=Balance(augment=True), augmenter=mine)
    assert [r.text for t in made.turns for r in t.replies] == [
        r.text for t in handrail.read("ready.jsonl").records for r in t.replies
    ]


def test_paraphrases_by_a_language_model_over_http(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as url:
        asked = ["--paraphraser", "world", "--base-url", url, "--no-languages", "--no-cache"]
        words = ["--balance", "augment", *asked]
        found = run(capsys, "labelled.jsonl", "--out", "ready.jsonl", *words)
    new = [t for t in handrail.read("ready.jsonl").records if t.id.endswith("~augment1")]
    assert len(new) == found["after"]["low"] - 10 > 0
    assert all(r.author == "paraphrase by world" for t in new for r in t.replies)
    assert {skip["what"] for skip in found["skipped"]} <= {"paraphrase"}


def test_similarity_by_a_sentence_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--balance", "augment", "--no-languages", "--embedder", str(encoders.minilm())]
    found = run(capsys, "labelled.jsonl", "--out", "ready.jsonl", *words)
    assert found["after"]["low"] == 20


def test_turns_with_ranks_only_are_counted_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "ranked.jsonl", "--out", "ready.jsonl")
    assert found["ratings"] == "none: no reply has a rating or labels"
    assert found["preferences"]["pairs"] == 1
    assert found["preferences"]["all_tied"] == 1
    assert handrail.read("ready.jsonl").records == RANKED


def test_weights_from_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("quality: 0.5\n")
    found = run(capsys, "labelled.jsonl", "--out", "ready.jsonl", "--weights", "mine.yaml")
    assert found["ratings"] == "from labels by mine"
    made = handrail.prepare_rewards("labelled.jsonl", weights={"quality": 2.0})
    assert [t.replies for t in made.turns] == [
        t.replies for t in handrail.read("ready.jsonl").records
    ]


BAD = [
    turn("nan", Reply(text="x", rating=float("nan")), scale="1..5"),
    turn("high", Reply(text="x", rating=7), Reply(text="y", rating=3), scale="1..5"),
    turn("bare", Reply(text="x")),
]


def test_bad_ratings_stop_or_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    handrail.write("bad.jsonl", BAD)
    line = '{"id": "nan", "replies": [{"text": "x", "rating": NaN}], "tags": {"scale": "1..5"}}\n'
    lines = Path("bad.jsonl").read_text().splitlines(keepends=True)
    Path("bad.jsonl").write_text("".join([line, *lines[1:]]))
    told = run(capsys, "bad.jsonl", "--out", "ready.jsonl", code=2)
    assert "turn 'nan', replies.0: the rating nan is not on the scale 1..5 (2 more" in told
    assert not Path("ready.jsonl").exists()
    assert invoke(["reward", "prepare", "bad.jsonl", "--out", "r.jsonl", "--on-error", "skip"]) == 0
    told = capsys.readouterr().out
    assert "Left without a rating: 3" in told
    assert "Left out" not in told  # the replies are still there
    found = run(capsys, "bad.jsonl", "--out", "ready.jsonl", "--on-error", "skip")
    assert [s["where"] for s in found["skipped"]] == [
        *("turn 'nan', replies.0", "turn 'high', replies.0", "turn 'bare', replies.0")
    ]
    assert found["before"] == {"low": 0, "middle": 1, "high": 0, "unrated": 3}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.jsonl"], "there is no such file"),
        (["labelled.jsonl", "--weights", "w4"], "Known are quality, w2, w3"),
        (["labelled.jsonl", "--weights", "w4.yaml"], "w4.yaml: cannot be read"),
        (["labelled.jsonl", "--weights", "w3"], "In the data are quality"),
        (["labelled.jsonl", "--balance", "augmnt"], "'augmnt' is no means"),
        (["labelled.jsonl", "--low", "0.9", "--high", "0.4"], "the middle cannot reach"),
        (["labelled.jsonl", "--scale", "5"], "'5' is no scale"),
        (["labelled.jsonl", "--retries", "3"], "--retries: there is no augment in --balance"),
        (["ranked.jsonl", "--balance", "over_s"], "nothing to balance"),
        (["labelled.jsonl", "--balance", "augment", "--among", "xx"], "unknown language 'xx'"),
        (["labelled.jsonl", "--balance", "augment", "--among", "en"], "Name two or more"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_cannot_be(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in run(capsys, *words, "--out", "ready.jsonl", code=2)
    assert not Path("ready.jsonl").exists()


def test_the_file_that_is_read_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert "would destroy it" in run(capsys, "ranked.jsonl", "--out", "ranked.jsonl", code=2)
    assert "JSON Lines" in run(capsys, "ranked.jsonl", "--out", "x.parquet", code=2)


def test_errors_of_the_function() -> None:
    with pytest.raises(SettingError, match="there are no label weights 'w4'"):
        handrail.prepare_rewards(LABELLED, weights="w4")
    with pytest.raises(RecordError, match=r"nosuch.yaml: cannot be read"):
        handrail.prepare_rewards(LABELLED, weights=Path("nosuch.yaml"))
    with pytest.raises(RecordError, match="nothing to balance"):
        handrail.prepare_rewards(RANKED, balance="over_s")
