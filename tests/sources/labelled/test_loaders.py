"""Each labelled data set: what its loader makes of small files, of the real ones, of bad ones."""

from __future__ import annotations

import copy
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from handrail.records import (
    HandrailError,
    JudgeError,
    Outcome,
    RecordError,
    Verdict,
    read_jsonl,
    write_jsonl,
)
from handrail.sources.labelled import LABELLED, Labelled, present
from tests.data import need
from tests.mangling import mangled
from tests.sources.labelled import small


def load(folder: Path, name: str, on_error: Any = "stop", **files: Any) -> Labelled:
    """A small set; `files` replace those of the same name ("." written "__")."""
    given = {key.replace("__", "."): rows for key, rows in files.items()}
    small.put(folder / name, {**small.SETS[name](), **given})
    return LABELLED[name](folder / name, on_error)


def said(made: Labelled, judge: str) -> list[str]:
    return [str(v.outcome) for v in made.verdicts if v.judge == judge]


def skips(made: Labelled) -> Counter[str]:
    found: Counter[str] = Counter()
    for skip in (*made.skipped, *made.warnings):
        found[skip.reason.split(":")[0]] += skip.count
    return found


def test_llmbar(tmp_path: Path) -> None:
    made = load(tmp_path, "llmbar")
    assert said(made, "human") == ["A", "B"] * 3
    turn = made.turns[1]
    assert turn.id == "llmbar/adversarial_manual/1"
    assert turn.conversation_id == made.turns[0].conversation_id  # one prompt
    assert turn.tags["subset"] == "adversarial_manual"
    assert [r.author for r in turn.replies] == ["output_1", "output_2"]
    assert turn.provenance.source == "llmbar"
    assert len(made.turns[4].replies) == 1
    assert made.lengths["llmbar/natural/4", "output_1"] == 0
    assert skips(made) == {"empty": 1, "two equal outputs, one of them labelled as the better": 1}


def test_pandalm(tmp_path: Path) -> None:
    made = load(tmp_path, "pandalm")
    assert said(made, "human:1") == ["A", "B", "TIE", "B"]
    assert said(made, "human:3") == ["A", "A", "B", "B"]
    assert said(made, "pandalm") == ["A", "B", "TIE", "B"]
    assert said(made, "gpt3.5") == ["A", "TIE", "B"]
    (error,) = made.errors
    assert (error.judge, error.kind, error.turn) == ("gpt3.5", "malformed", "pandalm/2")
    assert "garbage" in error.problem
    assert made.turns[0].replies[0].text == "True"
    assert made.turns[0].context[0].content == "Do 0.\n\nThis"
    assert [v.rationale for v in made.verdicts if v.judge == "pandalm"] == ["because"] * 4
    assert skips(made) == {
        "empty": 1,
        "a JSON boolean in 'response1', read as the word True": 1,
    }


def test_llmfao(tmp_path: Path) -> None:
    made = load(tmp_path, "llmfao")
    assert [t.id for t in made.turns] == ["llmfao/7", "llmfao/8"]
    assert [r.author for r in made.turns[0].replies] == ["Bo", "Cy"]
    assert said(made, "human:0") == ["A", "TIE", "TIE", "B"]
    assert said(made, "gpt3.5") == ["A"] * 4
    assert said(made, "gpt4") == ["TIE"] * 4
    last = [v for v in made.verdicts if v.judge == "human:1"][-1]
    assert (last.turn, last.a, last.b, last.order) == ("llmfao/8", "Cy", "Bo", "AB")
    assert made.lengths["llmfao/7", "Ada"] == 1  # a space
    assert skips(made) == {"empty": 1}


def test_vicuna(tmp_path: Path) -> None:
    made = load(tmp_path, "vicuna")
    assert said(made, "human") == ["A", "TIE", "B"]
    assert said(made, "gpt4") == ["A", "TIE", "A", "B"]
    ratings = {(r.turn, r.a, r.dimension): r.value for r in made.ratings}
    assert ratings["vicuna/1", "bard", "helpfulness beside vicuna-13b"] == 0.0
    assert ratings["vicuna/1", "vicuna-13b", "helpfulness beside gpt35"] == 8.5
    assert skips(made) == {"empty": 1}


def test_alpaca_eval(tmp_path: Path) -> None:
    made = load(tmp_path, "alpaca_eval")
    assert said(made, "gpt4") == ["B", "A", "TIE"]
    assert said(made, "gpt4_turbo") == ["A", "B", "TIE", "A"]
    assert [r.value for r in made.ratings] == [0.25, 0.75, 0.5, 0.0]
    (error,) = made.errors
    assert (error.turn, error.judge) == ("alpaca_eval/3", "gpt4")
    # The third output of the reference has another length than the one that was judged.
    assert [r.author for r in made.turns[2].replies] == ["m", "n"]
    assert [r.author for r in made.turns[0].replies] == ["text_davinci_003", "n"]
    assert made.lengths["alpaca_eval/2", "text_davinci_003"] == 50
    assert made.lengths["alpaca_eval/0", "gpt4_1106_preview"] == 99
    assert skips(made) == {"text_davinci_003": 1, "null": 1}


def test_prometheus(tmp_path: Path) -> None:
    made = load(tmp_path, "prometheus")
    assert len(made.turns) == 8
    assert len(made.ratings) == 24
    turn = made.turns[0]
    assert turn.id == "prometheus/vicuna_eval/0/x"
    assert turn.conversation_id == made.turns[1].conversation_id
    assert turn.context[0].content == "Ask 0"
    assert turn.replies[0].text == "word "
    assert turn.tags["reference"] == "Best."
    assert '"criterion": "Is it right?"' in turn.tags["rubric"]
    assert [r.judge for r in made.ratings[:3]] == ["gpt4:1", "gpt4:2", "gpt4:3"]
    assert [r.value for r in made.ratings if r.turn == made.turns[3].id] == [4, 5, 4]


def test_own_labels_are_handrails_records(tmp_path: Path) -> None:
    made = LABELLED["own"](small.put_own(tmp_path / "own"))
    assert len(made.turns) == 2
    assert [v.judge for v in made.verdicts[:3]] == ["human:ann", "human:bob", "human:cem"]
    assert made.lengths["t0", "old"] == 7


def test_own_labels_of_a_reply_that_is_not_there(tmp_path: Path) -> None:
    folder = small.put_own(tmp_path / "own")
    text = (folder / "verdicts.jsonl").read_text()
    (folder / "verdicts.jsonl").write_text(text.replace('"b":"new"', '"b":"neu"', 1))
    with pytest.raises(RecordError, match="'neu' has no reply at t0; the nearest is 'new'"):
        LABELLED["own"](folder)
    made = LABELLED["own"](folder, "skip")
    assert len(made.verdicts) == 5
    assert sum(s.count for s in made.skipped) == 1


@pytest.mark.parametrize("name", small.SETS)
def test_another_files_rows_are_refused_with_their_place(tmp_path: Path, name: str) -> None:
    first = next(iter(small.SETS[name]()))
    folder = small.put(tmp_path / name, {**small.SETS[name](), first: [{"some": "thing"}]})
    with pytest.raises(RecordError, match=r"line 1: field '\w+' is missing. Check that this is"):
        LABELLED[name](folder)
    with pytest.raises(RecordError, match="not one row is of use: field"):
        LABELLED[name](folder, "skip")
    (folder / first).write_bytes(small.gzip.compress(b"") if first.endswith(".gz") else b"")
    with pytest.raises(RecordError, match=r"not one row\. Check that"):
        LABELLED[name](folder)
    (folder / first).unlink()
    with pytest.raises(RecordError, match=r"there is no .* \(or .*\.gz\)"):
        LABELLED[name](folder)


@pytest.mark.parametrize(
    ("name", "file", "field", "value", "told"),
    [
        ("llmbar", "pairs.jsonl.gz", "label", 3, "one of 1, 2, found 3"),
        ("llmbar", "pairs.jsonl.gz", "label", True, "one of 1, 2, found True"),
        ("llmbar", "pairs.jsonl.gz", "label", [1], "one of 1, 2"),
        ("llmbar", "pairs.jsonl.gz", "input", None, "expected a text, found None"),
        ("llmbar", "pairs.jsonl.gz", "input", "  ", "the text is empty"),
        ("pandalm", "testset_3annotators.jsonl", "annotator2", "1", "one of 0, 1, 2"),
        ("pandalm", "testset_3annotators.jsonl", "cmp_key", "llama", "does not name two"),
        ("pandalm", "testset_3annotators.jsonl", "judges", {"x": "3"}, "'x' says '3'"),
        ("llmfao", "crowd-comparisons.csv.gz", "winner", "both", "'left', 'right', 'tie'"),
        ("llmfao", "crowd-comparisons.csv.gz", "left", "Adda", "the nearest is 'Ada'"),
        ("llmfao", "crowd-comparisons.csv.gz", "prompt", "99", "there is no turn llmfao/99"),
        ("vicuna", "gpt4_reviews.jsonl.gz", "score", [9], "a list of 2 numbers"),
        ("vicuna", "gpt4_reviews.jsonl.gz", "score", [10**400, 1], "a list of 2 numbers"),
        ("vicuna", "gpt4_reviews.jsonl.gz", "score", [11, 1], "not within 0.0 to 10.0"),
        ("vicuna", "gpt4_reviews.jsonl.gz", "answer1_id", "zz", "an unknown answer"),
        ("alpaca_eval", "annotations.jsonl", "preference", 3, "a number from 0 to 2"),
        ("alpaca_eval", "annotations.jsonl", "preference", float("nan"), "a number from 0 to 2"),
        ("alpaca_eval", "outputs.jsonl.gz", "outputs", {"m": 3}, "an object of texts"),
        ("prometheus", "mt_bench_eval.jsonl", "gpt4_score", [1, 2, 6], "not within 1.0 to 5.0"),
        ("prometheus", "mt_bench_eval.jsonl", "instruction", "Rate!", "lacks a part"),
    ],
)
def test_a_wrong_value_stops_or_is_counted(
    tmp_path: Path, name: str, file: str, field: str, value: Any, told: str
) -> None:
    files = small.SETS[name]()
    files[file][0] = {**files[file][0], field: value}
    folder = small.put(tmp_path / name, files)
    with pytest.raises(RecordError, match=told):
        LABELLED[name](folder)
    made = LABELLED[name](folder, "skip")
    assert any(skip.what == "row" for skip in made.skipped)


def test_a_repeated_row_is_counted_and_a_contradiction_stops(tmp_path: Path) -> None:
    rows = small.llmfao()["crowd-comparisons.csv.gz"]
    again = load(tmp_path / "1", "llmfao", **{"crowd-comparisons__csv__gz": [*rows, rows[0]]})
    assert skips(again)["repeats an earlier one"] == 1
    assert len(again.verdicts) == 16
    other = [*rows, {**rows[0], "winner": "right"}]
    with pytest.raises(RecordError, match="human:0 says two different things of Ada and Bo"):
        load(tmp_path / "2", "llmfao", **{"crowd-comparisons__csv__gz": other})


@pytest.mark.parametrize("name", small.SETS)
def test_mangled_rows_are_labels_or_one_clear_error(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    ends: Counter[str] = Counter()
    for round_ in range(25):
        files: dict[str, Any] = {}
        for file, rows in small.SETS[name]().items():
            damaged = [mangled(copy.deepcopy(row), rng) for row in rows]
            keep = ".csv" in file or rng.random() < 0.3
            files[file] = rows if keep else [*rows, *damaged]
        folder = small.put(tmp_path / str(round_) / name, files)
        for on_error in ("stop", "skip"):
            try:
                made = LABELLED[name](folder, on_error)
            except HandrailError as error:
                nul = ", a file with NUL" if "NUL" in error.problem else ""
                ends[f"{on_error}: {'no place' if not error.where else 'told'}{nul}"] += 1
                continue
            turns = {turn.id for turn in made.turns}
            assert made.verdicts or made.ratings
            assert all(v.turn in turns and v.a != v.b for v in made.verdicts)
            ends[on_error] += 1
    assert set(ends) <= {
        *("skip", "stop", "stop: told", "stop: told, a file with NUL"),
        "skip: told, a file with NUL",  # which may be UTF-16: nothing in it is trusted
    }
    assert ends["skip"] > 15
    assert ends["stop: told"] > 10


def test_real_counts() -> None:
    """Those of the data's README, and what the loaders leave out."""
    made = LABELLED["llmbar"](need("llmbar"))
    assert len(made.verdicts) == 885
    made = LABELLED["pandalm"](need("pandalm"))
    assert (len(made.turns), len(made.errors)) == (999, 25)
    assert said(made, "gpt3.5").count("TIE") == 38
    assert Counter(s.what for s in made.warnings for _ in range(s.count)) == {"text": 6}
    assert sum(s.count for s in made.skipped) == 54
    made = LABELLED["vicuna"](need("vicuna"))
    assert Counter(said(made, "human")) == {"A": 41, "B": 25, "TIE": 14}
    assert (len(said(made, "gpt4")), said(made, "gpt4").count("TIE")) == (1040, 100)
    made = LABELLED["prometheus"](need("prometheus"))
    assert Counter(r.value for r in made.ratings if "vicuna_eval" in r.turn) == {
        4: 489,
        5: 338,
        3: 80,
        2: 41,
        1: 12,
    }


def test_real_alpaca_eval_keeps_the_texts_that_were_judged_only() -> None:
    made = LABELLED["alpaca_eval"](need("alpaca_eval"))
    assert (len(made.verdicts), len(made.errors)) == (5627, 8)
    assert Counter(v.outcome for v in made.verdicts if v.judge == "gpt4")[Outcome.TIE] == 75
    texts = {(t.id, r.author): r.text for t in made.turns for r in t.replies}
    assert all(len(text) == made.lengths[key] for key, text in texts.items())
    assert sum(author == "text_davinci_003" for _, author in texts) == 31
    assert sum(author == "alpaca-7b" for _, author in texts) == 805


def test_real_llmfao_has_the_workers_and_models_that_it_says() -> None:
    made = LABELLED["llmfao"](need("llmfao"))
    people = [v for v in made.verdicts if v.judge.startswith("human:")]
    assert (len(people), len({v.judge for v in people})) == (8931, 124)
    assert len({name for v in people for name in (v.a, v.b)}) == 59  # of 70 in models.jsonl
    workers = Counter(Counter((v.turn, v.a, v.b) for v in people).values())
    assert workers == {5: 998, 4: 658, 3: 358, 2: 110, 1: 15}
    assert round(sum(v.outcome is Outcome.TIE for v in people) / len(people), 2) == 0.39


def test_llmbars_faireval_pairs_are_vicunas_human_labels_without_ties() -> None:
    """The README says so: two loaders of one source agree."""
    bar = LABELLED["llmbar"](need("llmbar"))
    vicuna = LABELLED["vicuna"](need("vicuna"))

    def by_texts(made: Labelled, verdicts: list[Verdict]) -> dict[frozenset[str], str]:
        texts = {(t.id, r.author): r.text for t in made.turns for r in t.replies}
        best = {Outcome.A: "a", Outcome.B: "b"}
        return {
            frozenset((texts[v.turn, v.a], texts[v.turn, v.b])): texts[
                v.turn, getattr(v, best[v.outcome])
            ]
            for v in verdicts
            if v.outcome is not Outcome.TIE
        }

    one = by_texts(bar, [v for v in bar.verdicts if "faireval" in v.turn])
    other = by_texts(vicuna, [v for v in vicuna.verdicts if v.judge == "human"])
    assert len(one) == len(other) == 66
    common = one.keys() & other.keys()
    assert len(common) > 50
    assert sum(one[key] == other[key] for key in common) == len(common)


def test_what_lies_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no such folder"):
        present(tmp_path / "none")
    with pytest.raises(RecordError, match="no labelled data set lies here"):
        present(tmp_path)
    small.put_all(tmp_path)
    assert present(tmp_path) == list(LABELLED)


def test_own_programs_may_have_judged_both_orders_and_failed(tmp_path: Path) -> None:
    folder = small.put_own(tmp_path / "own")
    told = {"turn": "t0", "a": "old", "b": "new", "dimension": "adherence", "judge": "bot"}
    ab = Verdict(**told, outcome=Outcome.A)
    ba = ab.model_copy(update={"order": "BA", "outcome": Outcome.BOTH})
    people = read_jsonl(folder / "verdicts.jsonl", Verdict).records
    write_jsonl(folder / "verdicts.jsonl", [*people, ab, ba, ab])
    lost = JudgeError(**{**told, "turn": "t1"}, problem="declined", kind="refusal")
    write_jsonl(folder / "verdicts.errors.jsonl", [lost])
    made = LABELLED["own"](folder)
    assert [v for v in made.verdicts if v.judge == "bot"] == [ab, ba]
    assert made.errors == (lost,)
    assert [(s.reason, s.count) for s in made.skipped] == [("repeats an earlier one", 1)]
    # The same order twice with two outcomes, or a person in two orders, is two different things.
    for odd in (ba.swap(), people[0].model_copy(update={"order": "BA"})):
        other = odd.model_copy(update={"outcome": Outcome.NEITHER})
        write_jsonl(folder / "verdicts.jsonl", [*people, ab, ba, other])
        with pytest.raises(RecordError, match="says two different things of"):
            LABELLED["own"](folder)
