"""`handrail reward eval` and `handrail.evaluate_reward`, as a user meets them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import handrail
from handrail.cli.group import invoke
from handrail.cli.rewarding.eval_text import left_out
from handrail.ranking import Resampling
from handrail.records import (
    HandrailError,
    JudgeError,
    Message,
    Outcome,
    RecordError,
    Reply,
    SettingError,
    Turn,
    Verdict,
    write_jsonl,
)
from handrail.rewards.evaluating.results import EvalSettings
from handrail.rewards.evaluating.scores import scored_reply
from tests.data import need
from tests.sources.labelled import small

QUICK = EvalSettings(how=Resampling(resamples=100))


def turns(n: int = 12, name: str = "t", **tags: str) -> list[Turn]:
    """Turns with a good long reply and a bad short one, rated 1 to 5."""
    return [
        Turn(
            id=f"{name}{i}",
            context=(Message(role="user", content=f"{name} question {i}"),),
            replies=(
                Reply(
                    text="A long and careful answer " * (1 + i % 3), author="x", rank=1, rating=5
                ),
                Reply(text="No idea", author="y", rank=2, rating=1 + i % 2, labels={"truth": 0.1}),
            ),
            tags={"scale": "1..5", **tags},
        )
        for i in range(n)
    ]


class Model:
    name = "mine"
    trained_with = "rating/logistic"

    def __init__(self, missing: str = "") -> None:
        self.missing = missing

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        return [float("nan") if r == self.missing else len(r) / 40 - 1 for r in replies]

    def probability(self, score: float) -> float:
        return 1 / (1 + 2.718281828**-score)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "test.jsonl"
    write_jsonl(path, turns(set="care"))
    return path


def run(*words: str | Path) -> int:
    return invoke(["reward", "eval", *map(str, words)])


def test_page_results_and_tables(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("length", "constant", "--data", data, "--resamples", "100", "--out", out) == 0
    said = capsys.readouterr().out
    assert re.search(r"rule:length +100\.0% .* 12 ", said)
    assert "rule:length has no rating errors: its score orders replies" in said
    assert "30 probes" in said
    assert "rule:length less rule:constant" in said
    page = (out / "report.html").read_text("utf-8")
    for title in (
        "Accuracy on pairs",
        "Errors of ratings",
        "Calibration of ratings",
        "Best of n, by rating",
        "Score and length",
        "How scores are distributed",
        "The four-reply probe",
    ):
        assert title in page
    assert "handrail reward eval length constant --data" in page
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["models"][0]["pairs"]["overall"]["estimate"] == 1.0
    assert results["models"][1]["ratings"]["errors"]["high"]["mse"]["estimate"] == 0.25


def test_three_prompts_give_wide_intervals_or_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "few.jsonl", turns()[:3])
    out = tmp_path / "out"
    assert run("shorter", "--data", tmp_path / "few.jsonl", "--out", out, "--no-probe", "-q") == 0
    said = capsys.readouterr().out
    assert "-1.00 (no interval)" in said  # its scores are the lengths: every draw says the same
    assert "nan" not in said
    (one,) = json.loads((out / "results.json").read_text("utf-8"))["models"]
    assert one["length"]["pearson"]["low"] is None
    assert one["length"]["pearson"]["clusters"] == 3
    found = one["best_of_n"][0]["steps"][0]["gain"]
    assert found["low"] is None or found["low"] < found["estimate"] < found["high"]


def test_json_is_the_only_thing_on_stdout(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("length", "--data", data, "--out", tmp_path / "o", "--no-probe", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["models"][0]["probe"] is None
    assert Path(summary["page"]).exists()


def test_a_scorer_of_ones_own_with_missing_scores() -> None:
    found = handrail.evaluate_reward(Model("No idea"), turns(), settings=QUICK, probe=False)
    (mine,) = found.models
    assert (mine.scale, mine.unscored, mine.pairs.unscored) == ("rating", 12, 12)
    assert (mine.pairs.overall.n, mine.kwise.unscored) == (0, 12)
    assert mine.ratings.unscored == 12  # type: ignore[union-attr]
    assert mine.ratings.errors["high"].mse.n == 12  # type: ignore[union-attr]


def test_what_is_left_out_is_told_once() -> None:
    first, second, *rest = turns()
    one = first.model_copy(update={"replies": first.replies[:1]})
    bare = [reply.model_copy(update={"rank": None, "rating": None}) for reply in second.replies]
    given = [one, second.model_copy(update={"replies": tuple(bare)}), *rest]
    found = handrail.evaluate_reward(Model("No idea"), given, settings=QUICK, probe=False)
    told = left_out(found)
    assert ("prompt", "fewer than two replies have feedback that orders them", 1) in told
    assert sum(skip.count for skip in found.skipped if skip.what == "prompt") == 1  # `one`
    assert ("order", "mine gave a reply of the prompt no score", len(rest)) in told


def test_several_files_are_several_sets_and_equal_turns_count_once(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", turns(4, "a"))
    write_jsonl(tmp_path / "b.jsonl", [*turns(3, "b"), *turns(1, "a")])
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    found = handrail.evaluate_reward("length", files, settings=QUICK, probe=False)
    assert found.sets == {"a": 4, "b": 3}
    assert [(s.what, s.reason) for s in found.skipped] == [("turn", "one of this id came before")]


def test_a_model_that_scores_no_probe_has_dashes_in_the_page(tmp_path: Path) -> None:
    made = handrail.world.feedback_turns(4, replies=4, noise=0.1, seed=3).turns
    write_jsonl(tmp_path / "care.jsonl", made)
    out = tmp_path / "out"
    assert run("length", "playbook", "--data", tmp_path / "care.jsonl", "--out", out, "-q") == 0
    found = json.loads((out / "results.json").read_text("utf-8"))["models"][1]["probe"]
    assert found["unscored"] == 30
    assert "full order, care" in (out / "report.html").read_text("utf-8")


def test_verdicts_of_a_judge_and_the_failed_ones_beside_them(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "said.jsonl"
    judged = [
        Verdict(turn=t.id, a="y", b="x", dimension="p", outcome=Outcome.B, order=o, judge="gpt")
        for t in turns()
        for o in ("AB", "BA")
    ]
    write_jsonl(path, judged)
    failed = JudgeError(turn="t1", a="y", b="x", dimension="p", judge="gpt", problem="no")
    write_jsonl(tmp_path / "said.errors.jsonl", [failed])
    found = handrail.evaluate_reward("length", data, verdicts=[path], settings=QUICK, probe=False)
    (agreed,) = found.models[0].agreement
    assert (agreed.judge, agreed.overall.same.value, agreed.overall.same.n) == ("gpt", 1.0, 12)
    assert [s.count for s in found.skipped if s.reason == "the judgement failed"] == [1]
    with pytest.raises(SettingError, match=r"no verdict is on 'q'\. Known: p"):
        handrail.evaluate_reward(
            "length", data, verdicts=[path], settings=EvalSettings(dimension="q")
        )


def test_labelled_sets_become_pairs_and_judges(tmp_path: Path) -> None:
    folder = small.put_all(tmp_path / "data")
    found = handrail.evaluate_reward(
        ["length", "random"], labelled=folder, sets=["llmbar", "pandalm"], settings=QUICK
    )
    assert set(found.sets) == {"llmbar", "pandalm"}
    first = found.models[0]
    assert set(first.pairs.by_set) == {"llmbar", "pandalm"}
    judges = [one.judge for one in first.agreement]
    assert judges[0] == "human"
    assert set(judges) >= {"human", "gpt3.5", "pandalm"}
    # Labels 1, 2, (0 1 2: level), 2: as in test_judge_eval; the empty reply is no pair.
    assert first.pairs.by_set["pandalm"].n == 2
    assert first.pairs.by_set["pandalm"].value == 0.5
    with pytest.raises(SettingError, match="there is no labelled set 'llmbor'"):
        handrail.evaluate_reward("length", labelled=folder, sets=["llmbor"])


def test_gold_by_label_and_by_a_scorer(data: Path) -> None:
    made = handrail.evaluate_reward(
        "shorter", data, gold="label:truth", settings=QUICK, probe=False
    )
    assert made.models[0].best_of_n[0].gold == "truth"
    assert made.models[0].best_of_n[0].steps == ()  # one reply of each turn has it
    made = handrail.evaluate_reward("shorter", data, gold=Model(), settings=QUICK, probe=False)
    (found,) = made.models[0].best_of_n
    assert (found.gold, found.steps[-1].n) == ("mine", 2)
    assert found.steps[-1].gain.high < 0
    with pytest.raises(SettingError, match=r"no reply has the label 'thruth'\. Known: truth"):
        handrail.evaluate_reward("shorter", data, gold="label:thruth")


@pytest.mark.parametrize(("gold", "near"), [("wrold", "world"), ("lenght", "length")])
def test_a_gold_spelt_wrongly_is_told(gold: str, near: str, data: Path) -> None:
    with pytest.raises(HandrailError, match=f"Did you mean '{near}'"):
        handrail.evaluate_reward("shorter", data, gold=gold, settings=QUICK, probe=False)


def test_the_worlds_truth_is_a_gold(tmp_path: Path) -> None:
    made = handrail.world.feedback_turns(6, replies=4, noise=0.1, seed=3).turns
    found = handrail.evaluate_reward("random", made, gold="world", settings=QUICK, probe=False)
    steps = found.models[0].best_of_n[0].steps
    assert steps[-1].oracle.value > steps[-1].random.value


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["length", "--data", "none.jsonl"], "none.jsonl"),
        (["./no-such-model"], "no-such-model"),
        (["rule:lenght"], "Did you mean 'length'"),
        (["length", "length"], "named twice"),
        (["length", "--scale", "lenght=rating"], "Models: rule:length"),
        (["length", "--scale", "rule:length=ratings"], "Did you mean 'rating'"),
        (["length", "--scale", "rating"], "Write MODEL=rating"),
        (["length", "--low", "0.9", "--high", "0.4"], "the lower one first"),
        (["length", "--bins", "1"], "no curve"),
        (["length", "--resamples", "1"], "100 or more"),
        (["length", "--no-probe"], "nothing to measure by"),
        (["length", "--labelled", "nowhere"], "no such folder"),
        (["length", "--gold", "label:x", "--data", "DATA"], "no reply has the label"),
    ],
)
def test_bad_input_is_one_error(
    words: list[str],
    told: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(data) if word == "DATA" else word for word in words]
    assert run(*words, "--out", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("Error:") == 1


def test_files_of_another_kind(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    for path in (tmp_path / "empty.jsonl", data):
        with pytest.raises(RecordError):
            handrail.evaluate_reward("length", data, verdicts=[path], settings=QUICK)
    (tmp_path / "file").write_text("x")
    assert run("length", "--data", data, "--out", tmp_path / "file") == 2


def test_a_model_without_any_score_is_an_error() -> None:
    class Silent(Model):
        def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
            return [float("nan")] * len(replies)

    with pytest.raises(HandrailError, match="no score for any of 24 replies"):
        handrail.evaluate_reward(Silent(), turns(), settings=QUICK, probe=False)


def test_a_bad_line_is_counted_by_choice(data: Path) -> None:
    with open(data, "a") as file:
        file.write("{}x\n")
    with pytest.raises(RecordError, match="line 13"):
        handrail.evaluate_reward("length", data, settings=QUICK)
    found = handrail.evaluate_reward("length", data, settings=QUICK, on_error="skip")
    assert len(found.skipped) == 1
    assert found.turns == 12


def test_length_on_llmbar_is_what_counting_says() -> None:
    """The longer output of LLMBar's pairs, counted by hand; equal lengths count half."""
    folder = need("llmbar").parent
    found = handrail.evaluate_reward(
        "length", labelled=folder, sets=["llmbar"], settings=QUICK, probe=False
    )
    right: dict[str, list[float]] = {}
    with gzip.open(need("llmbar", "pairs.jsonl.gz"), "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            a, b = len(row["output_1"]), len(row["output_2"])
            gap = (a - b) if row["label"] == 1 else (b - a)
            if min(len(row["output_1"].strip()), len(row["output_2"].strip())):
                right.setdefault(row["subset"], []).append(1.0 if gap > 0 else 0.5 * (gap == 0))
    pairs = found.models[0].pairs
    assert pairs.overall.n == sum(map(len, right.values()))
    for subset, marks in right.items():
        estimate = pairs.by_category["llmbar", subset]
        assert (estimate.n, estimate.value) == (len(marks), pytest.approx(sum(marks) / len(marks)))
    mean = sum(sum(m) / len(m) for m in right.values()) / len(right)
    assert pairs.subset_mean["llmbar"].value == pytest.approx(mean)


def test_a_file_of_scores_is_a_model_that_is_not_run(tmp_path: Path) -> None:
    made = [
        scored_reply(turn, i, 2.0 - 3 * i, "kept", "rating/logistic")
        for turn in turns()
        for i in range(2)
    ]
    write_jsonl(tmp_path / "scores.jsonl", made)
    found = handrail.evaluate_reward([tmp_path / "scores.jsonl", "length"], turns(), settings=QUICK)
    kept, length = found.models
    assert (kept.model, kept.scale, kept.pairs.overall.value) == ("kept", "rating", 1.0)
    assert kept.probe is None
    assert length.probe is not None
    high = kept.ratings.errors["high"].mae.value  # type: ignore[union-attr]
    assert high == pytest.approx(1 - 1 / (1 + 2.718281828**-2), abs=1e-6)
    assert ("probe", "kept is a file of scores, which holds none", 30) in left_out(found)
    with pytest.raises(RecordError, match="no score of a reply of turn 'other0'"):
        handrail.evaluate_reward(
            tmp_path / "scores.jsonl", turns(1, "other"), settings=QUICK, probe=False
        )
