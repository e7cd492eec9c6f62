"""`handrail data filter`: records and rows of any file, kept and dropped with the reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.records import RecordError, SettingError
from handrail.synthesis import Contamination, Length, NearDuplicates, detect
from tests.data import need

TURNS = world.training_turns(3, seed=8)
TALKS = world.generate(3, seed=8)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handrail.write("turns.jsonl", TURNS)
    handrail.write("talks.jsonl", TALKS)


def run(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    done = invoke(["data", "filter", *args, "--json", "-q"])
    out, err = capsys.readouterr()
    assert done == code, err
    return json.loads(out) if code == 0 else err


def rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_turns_come_out_as_they_were_and_dropped_ones_with_their_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["turns.jsonl", "--out", "kept.jsonl", "--dropped", "dropped.jsonl"]
    told = run(capsys, *given, "--max-words", "60", "--near-duplicates", "0.9")
    kept = handrail.read("kept.jsonl").records
    dropped = rows("dropped.jsonl")
    assert told["kept"] == len(kept) > 0
    assert sum(told["dropped"].values()) == len(dropped) > 0
    assert {t.id for t in kept} | {d["record"]["id"] for d in dropped} == {t.id for t in TURNS}
    by_id = {t.id: t for t in TURNS}
    assert all(t == by_id[t.id] for t in kept)
    assert dropped[0]["reason"] == "more than 60 words"
    assert dropped[0]["where"].startswith(dropped[0]["record"]["id"] + ": ")


def test_conversations_are_filtered_whole(capsys: pytest.CaptureFixture[str]) -> None:
    handrail.write("twice.jsonl", [*TALKS, TALKS[0].model_copy(update={"id": "again"})])
    told = run(capsys, "twice.jsonl", "--out", "k.jsonl", "--near-duplicates", "0.95")
    assert told["dropped"] == {"it nearly equals an earlier one": 1}
    assert [c.id for c in handrail.read("k.jsonl").records] == [c.id for c in TALKS]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.json", "rows.txt"])
def test_rows_of_any_file_are_filtered(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["How do I bake bread?", "How do I bake  bread", "No", "Where is my parcel now?"]
    if name.endswith(".jsonl"):
        text = "".join(json.dumps({"instruction": t, "n": i}) + "\n" for i, t in enumerate(texts))
    elif name.endswith(".json"):
        text = json.dumps([{"prompt": t} for t in texts])
    elif name.endswith(".csv"):
        text = "question,n\n" + "".join(f'"{t}",{i}\n' for i, t in enumerate(texts))
    else:
        text = "\n".join(texts) + "\n\n"
    Path(name).write_text(text)
    told = run(capsys, name, "--out", "k.jsonl", "--min-words", "2", "--near-duplicates", "0.8")
    assert (told["read"], told["kept"]) == (4, 2)
    assert list(told["dropped"]) == ["fewer than 2 words", "it nearly equals an earlier one"]
    assert [next(iter(r.values())) for r in rows("k.jsonl")] == [texts[0], texts[3]]


def test_messages_and_named_fields_of_rows_are_looked_at() -> None:
    chat = {"conversations": [{"from": "human", "value": "one two"}, {"from": "gpt", "value": "x"}]}
    dpo = {"messages": [{"role": "user", "content": "one two three"}], "id": 7}
    both = {"instruction": "one", "input": "two three four", "output": "five"}
    data = [chat, dpo, both]
    assert handrail.filter_records(data, [Length(min_words=4)]).kept == [both]
    named = handrail.filter_records([both], [Length(max_words=1)], texts=["output"])
    assert named.kept == [both]
    with pytest.raises(RecordError, match="there is no field answer") as stop:
        handrail.filter_records([both], [Length(max_words=1)], texts=["answer"])
    assert "--text" in str(stop.value)
    with pytest.raises(RecordError, match="there is no field prompt or instruction"):
        handrail.filter_records([{"n": 1}], [Length(max_words=1)])
    with pytest.raises(SettingError, match="there is no filter"):
        handrail.filter_records([both], [])


def test_texts_of_an_evaluation_set_are_kept_out(capsys: pytest.CaptureFixture[str]) -> None:
    question = "Which planet of the solar system has the largest number of known moons?"
    Path("eval.jsonl").write_text(json.dumps({"instruction": question}) + "\n")
    texts = [f"Tell me: {question}", "Which planet is red?"]
    Path("train.jsonl").write_text("".join(json.dumps({"prompt": t}) + "\n" for t in texts))
    given = ["train.jsonl", "--out", "k.jsonl", "--dropped", "d.jsonl", "--not-in", "eval.jsonl"]
    told = run(capsys, *given)
    assert told["dropped"] == {"it meets eval.jsonl": 1}
    assert rows("d.jsonl")[0]["where"].startswith("train.jsonl, line 1: line 1: “which planet of")
    assert run(capsys, *given, "--ngram", "2")["kept"] == 0


def test_gzip_goes_in_and_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.jsonl.gz").write_bytes(gzip.compress(b'{"prompt": "a b"}\n{"prompt": "a"}\n'))
    run(capsys, "a.jsonl.gz", "--out", "k.jsonl.gz", "--min-words", "2")
    assert json.loads(gzip.decompress(Path("k.jsonl.gz").read_bytes())) == {"prompt": "a b"}


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["none.jsonl", "--out", "k.jsonl", "--min-words", "2"], "there is no such file"),
        (["empty.jsonl", "--out", "k.jsonl", "--min-words", "2"], "no records"),
        (["turns.jsonl", "--out", "k.jsonl"], "there is no filter"),
        (["turns.jsonl", "--out", "turns.jsonl", "--min-words", "2"], "would destroy it"),
        (["turns.jsonl", "--out", "k.csv", "--min-words", "2"], "ends in '.csv'"),
        (["turns.jsonl", "--out", "k.jsonl", "--dropped", "k.jsonl", "--min-words", "2"], "same"),
        (["turns.jsonl", "--out", "k.jsonl", "--min-words", "9", "--max-words", "2"], "no text"),
        (["turns.jsonl", "--out", "k.jsonl", "--near-duplicates", "2"], "no similarity"),
        (["turns.jsonl", "--out", "k.jsonl", "--language", "english"], "unknown language"),
        (["turns.jsonl", "--out", "k.jsonl", "--not-in", "none.jsonl"], "there is no such file"),
        (["book.jsonl", "--out", "k.jsonl", "--min-words", "2"], "holds Playbook records"),
        (["bad.jsonl", "--out", "k.jsonl", "--min-words", "2"], "line 2"),
    ],
)
def test_bad_input_is_one_clear_error(
    args: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.jsonl").write_text("")
    Path("bad.jsonl").write_text('{"prompt": "a b c"}\n{"prompt": \n')
    handrail.write("book.jsonl", [TURNS[0].playbook])
    assert problem in run(capsys, *args, code=2)
    assert not Path("k.jsonl").exists()


def test_bad_rows_may_be_skipped_and_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.jsonl").write_text('{"prompt": "a b c"}\n{"prompt": \n')
    given = ["bad.jsonl", "--out", "k.jsonl", "--min-words", "2", "--on-error", "skip"]
    told = run(capsys, *given)
    assert told["kept"] == 1
    assert [s["where"] for s in told["skipped"]] == ["bad.jsonl, line 2"]


@pytest.mark.slow
def test_languages_of_public_messages_are_those_that_people_named() -> None:
    """OASST's messages carry their language; all 75 of lingua's are loaded."""
    packed = need("oasst", "oasst2_subset_trees.jsonl.gz").read_bytes()
    trees = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    messages = [tree["prompt"] for tree in trees]
    found = detect([m["text"] for m in messages])
    told = [
        (code, m["lang"].split("-")[0])
        for (code, p), m in zip(found, messages, strict=True)
        if p >= 0.5
    ]
    assert len(told) > 400
    assert sum(code == lang for code, lang in told) / len(told) > 0.95


def test_public_messages_in_two_languages_are_told_apart() -> None:
    packed = need("oasst", "oasst2_subset_trees.jsonl.gz").read_bytes()
    messages = [json.loads(line)["prompt"] for line in gzip.decompress(packed).splitlines()[:200]]
    known = [m for m in messages if m["lang"] in ("en", "es")]
    found = detect([m["text"] for m in known], among=("en", "es"))
    told = [(code, m["lang"]) for (code, p), m in zip(found, known, strict=True) if p >= 0.5]
    assert len(told) > 100
    assert sum(code == lang for code, lang in told) / len(told) > 0.95


def test_near_duplicates_of_public_prompts_are_near_duplicates() -> None:
    found = handrail.filter_records(
        need("dolly", "dolly_3000.jsonl.gz"), [NearDuplicates(0.8)], texts=["instruction"]
    )
    assert 10 < len(found.dropped) < 60
    assert all(float(d.skip.where.split(": ")[1].split()[0]) >= 0.8 for d in found.dropped)


def test_a_benchmark_that_holds_another_one_is_found_out() -> None:
    """AlpacaEval took its part "selfinstruct" from these instructions, and nothing else of it."""
    texts = handrail.evaluation_texts([need("self_instruct", "user_oriented_instructions.jsonl")])
    found = handrail.filter_records(need("alpaca_eval", "outputs.jsonl.gz"), [Contamination(texts)])
    assert {d.record["dataset"] for d in found.dropped} == {"selfinstruct"}
    held = sum(r["dataset"] == "selfinstruct" for r in found.kept)
    assert len(found.dropped) > 0.95 * (len(found.dropped) + held)
