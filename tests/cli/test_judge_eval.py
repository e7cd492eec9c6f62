"""`handrail judge-eval` and its functions: small sets by hand, the real ones by slow counting."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.asking import DirectModel
from handrail.cli import judge_tables
from handrail.cli.group import invoke
from handrail.cli.judge_raters import rater
from handrail.cli.judge_reproduction import lines_of
from handrail.judges import HelpfulJudge, RewardJudge
from handrail.ranking.estimates import Estimate, Resampling
from handrail.records import (
    HandrailError,
    JudgeError,
    Message,
    SettingError,
    Turn,
    Verdict,
    read_jsonl,
)
from handrail.world.serve import serving
from tests.data import need
from tests.sources.labelled import small

QUICK = Resampling(resamples=100)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.put_all(tmp_path_factory.mktemp("data"))


def last(messages: Sequence[Message]) -> str:
    return messages[-1].content


def test_rules_and_recorded_judges_by_hand(data: Path) -> None:
    judges = ("rule:length", "recorded:gpt3.5", "recorded:pandalm")
    made = handrail.judge_eval(data, judges, ["pandalm", "llmfao", "prometheus"], how=QUICK)
    pandalm, llmfao, prometheus = made.sets
    # Labels 1, 2, (0 1 2: any with a third), 2; the second reply is longer, and of the last empty.
    assert pandalm.people is not None
    assert (pandalm.people.items, pandalm.shown, pandalm.people.labels) == (4, 3, 12)
    assert pandalm.scores["rule:length"].agreement.value == pytest.approx((0 + 1 + 1 / 3) / 3)
    # pandalm said 1, 2, 0, 2; gpt3.5 said 1, tie, nothing, 2.
    assert pandalm.scores["recorded:pandalm"].agreement.value == pytest.approx((3 + 1 / 3) / 4)
    gpt = pandalm.scores["recorded:gpt3.5"]
    assert gpt.agreement.value == pytest.approx(2 / 3)
    assert (gpt.failures, gpt.unjudged, gpt.flips.n) == ({"malformed": 1}, 1, 0)
    # Labellers left out: 1, then (1 1/2 1/2)-like halves; alike: 1, 1/3, 0, 1.
    assert pandalm.people.pairwise.value == pytest.approx((1 + 1 / 3 + 0 + 1) / 4)
    # llmfao: left, tie+right, tie+left, right; gpt3.5 always says left.
    assert llmfao.scores["recorded:gpt3.5"].agreement.value == pytest.approx((1 + 0 + 0.5 + 0) / 4)
    assert "recorded:pandalm" not in llmfao.scores
    assert prometheus.people is None
    assert prometheus.ratings == 8
    assert set(prometheus.graders) == {"rule:length"}
    assert prometheus.graders["rule:length"].error is None
    assert prometheus.other_ratings is not None
    assert prometheus.other_ratings.items == 24
    # Each asked comparison twice: pandalm's 3, and llmfao's 3 of 4 with both texts.
    assert (len(made.verdicts), len(made.errors)) == (2 * 3 + 2 * 3, 0)
    assert {v.order for v in made.verdicts} == {"AB", "BA"}


def test_a_judge_is_not_measured_by_its_own_labels(data: Path) -> None:
    with pytest.raises(SettingError, match="Recorded: recorded:gpt4_turbo"):
        handrail.judge_eval(data, ["recorded:gpt4"], ["alpaca_eval"], how=QUICK)
    both = handrail.judge_eval(data, ["recorded:gpt4"], ["alpaca_eval", "vicuna"], how=QUICK)
    assert both.sets[0].scores == {}
    assert both.sets[1].scores["recorded:gpt4"].agreement.value == pytest.approx(2 / 3)
    row = next(x for x in judge_tables.lines_of(both)[1].splitlines() if "recorded" in x)
    assert row.split() == ["recorded:gpt4", "-", "66.7"]


def test_a_language_model_is_asked_in_both_orders_and_may_fail(data: Path) -> None:
    asked: list[str] = []

    def reply(messages: Sequence[Message]) -> str:
        asked.append(last(messages))
        return "I cannot say." if "Question 1" in asked[-1] else "A"

    judge = HelpfulJudge(DirectModel(reply, repairs=0))
    made = handrail.judge_eval(data, [judge], ["llmbar"], how=QUICK)
    (one,) = made.sets
    score = one.scores[judge.name]
    # Six pairs: one with an empty output, one with two equal outputs (a tie without asking).
    assert one.shown == 5
    assert len(asked) == 8
    assert sum(score.failures.values()) == 4  # both pairs of Question 1, in both orders
    assert score.unjudged == 2
    assert score.first.value > 0.5
    assert score.flips.value == pytest.approx(2 / 3)
    assert len(made.errors) == 4
    assert {(e.a, e.b) for e in made.errors} == {("output_1", "output_2")}
    assert one.spent[judge.name].questions == 8
    assert made.summary()["sets"]["llmbar"]["spent"][judge.name]["cost"] is None
    assert one.problems[judge.name]
    text = "\n".join(judge_tables.lines_of(made))
    assert f"{judge.name}: failed, most often: {one.problems[judge.name]}" in text
    assert "8 questions" in text


def test_ratings_are_asked_for_by_each_replys_own_rubric(data: Path) -> None:
    asked: list[str] = []

    def reply(messages: Sequence[Message]) -> str:
        asked.append(last(messages))
        return "Feedback: long enough. [RESULT] 4"

    judge = HelpfulJudge(DirectModel(reply))
    made = handrail.judge_eval(data, [judge], ["prometheus"], limit=5, how=QUICK)
    score = made.sets[0].graders[judge.name]
    assert (score.items, score.unrated, len(asked)) == (5, 0, 5)
    assert all("Is it right?" in text and "Best." in text and "Hardly." in text for text in asked)
    assert score.error is not None


def test_a_rating_that_failed_is_no_number(data: Path) -> None:
    judge = HelpfulJudge(DirectModel(lambda messages: "no idea", repairs=0))
    made = handrail.judge_eval(data, [judge], ["prometheus"], how=QUICK)
    score = made.sets[0].graders[judge.name]
    assert (score.unrated, score.pearson.n) == (8, 0)
    assert len(made.errors) == 8
    assert {e.a for e in made.errors} == {"x", "y"}


class Lengths:
    """A reward model that likes words and knows nothing of the last two replies."""

    name = "lengths"

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        known = "mt_bench_eval/3" not in turn.id
        return [float(len(reply)) if known else float("nan") for reply in replies]


def test_a_reward_models_scores_order_replies(data: Path) -> None:
    judge = RewardJudge(Lengths())
    made = handrail.judge_eval(data, [judge, "rule:length"], ["prometheus", "vicuna"], how=QUICK)
    ours, rule = made.sets[0].graders[judge.name], made.sets[0].graders["rule:length"]
    assert (ours.items, ours.unrated, rule.unrated, ours.error) == (8, 2, 0, None)
    assert [e.turn for e in made.errors] == [f"prometheus/mt_bench_eval/3/{s}" for s in "xy"]
    assert "no number" in made.sets[0].problems[judge.name]
    both = made.sets[1].scores
    assert both[judge.name].agreement.value == both["rule:length"].agreement.value


def test_a_model_over_http(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openai")
    pytest.importorskip("uvicorn")
    line = ["judge-eval", "--data", str(data), "--sets", "vicuna,prometheus", "--judge"]
    assert invoke([*line, "model:world", "--limit", "2", "--json", "-q"]) == 0
    sets = json.loads(capsys.readouterr().out)["sets"]
    assert sets["vicuna"]["judges"]["model:world"]["agreement"]["n"] == 2
    assert sets["vicuna"]["judges"]["model:world"]["failures"] == {}
    assert sets["vicuna"]["spent"]["model:world"]["requests"] == 4
    assert sets["prometheus"]["graders"]["model:world"]["unrated"] == 0
    assert sets["prometheus"]["spent"]["model:world"]["requests"] == 2


def test_what_will_be_asked_is_told_before(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = ["--sets", "llmbar,vicuna,prometheus"]
    line = ["judge-eval", "--data", str(data), *sets, "--cache", str(tmp_path / "a.sqlite")]
    with serving() as url:
        ask = [*line, "--judge", "model:world", "--judge", "rule:length", "--base-url", url]
        assert invoke([*ask, "--dry-run", "--json", "-q"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["sets"] == {}
        (told,) = found["estimates"].values()
        assert invoke([*ask, "--json"]) == 0
        done = capsys.readouterr()
        asked = json.loads(done.out)
        assert asked["estimates"]["model:world"] == told
        spent = [one["spent"]["model:world"] for one in asked["sets"].values()]
        assert told["questions"] == sum(one["questions"] for one in spent) > 20
        assert told["prompt_tokens"] == sum(one["prompt_tokens"] for one in spent)
        assert f"model:world: {told['questions']:,} requests, about" in done.err
        assert invoke([*ask, "--dry-run", "-q"]) == 0
        assert "nothing to ask: all" in capsys.readouterr().out
    assert invoke([*line, "--judge", "rule:length", "--dry-run", "-q"]) == 0
    assert capsys.readouterr().out == "no language model is asked\n"


def test_own_labels_are_judged_on_their_own_dimension(data: Path) -> None:
    made = handrail.judge_eval(data, ["rule:length", "rule:shorter"], ["own"], how=QUICK)
    (one,) = made.sets
    assert one.people is not None
    assert (one.people.items, one.people.labels, one.prompts) == (2, 6, 2)
    assert one.scores["rule:shorter"].agreement.value == pytest.approx((1 / 3 + 1) / 2)
    assert {v.dimension for v in made.verdicts} == {"adherence"}


def test_a_limit_draws_the_same_comparisons_for_all(data: Path) -> None:
    judges = ("rule:length", "recorded:pandalm")
    made = handrail.judge_eval(data, judges, ["pandalm"], limit=2, how=QUICK)
    again = handrail.judge_eval(data, judges, ["pandalm"], limit=2, how=QUICK)
    assert made.summary() == again.summary()
    assert made.verdicts == again.verdicts
    assert [s.items for s in made.sets[0].scores.values()] == [2, 2]
    assert len(made.verdicts) == 4


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"judges": []}, "there is no judge to measure"),
        ({"judges": ["rule:lenght"]}, "Did you mean 'length'"),
        ({"judges": ["recorded:"]}, "names nobody"),
        ({"judges": ["recorded:claude"]}, "no set holds verdicts of 'claude'"),
        ({"sets": ["llmba"]}, "Did you mean 'llmbar'"),
        ({"sets": []}, "no data set is named"),
        ({"limit": 0}, "the limit is 0"),
        ({"protocol": "rubric"}, "does not compare two replies"),
        ({"protocol": "bins", "judges": ["model:world"]}, "none of llmbar's prompts has any"),
        ({"protocol": "assess", "judges": ["model:world"]}, "none of llmbar's prompts has any"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_error(
    data: Path, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(HandrailError, match=told):
        handrail.judge_eval(data, **{"judges": ["rule:length"], "sets": ["llmbar"], **given})


def test_two_judges_of_one_name_are_refused() -> None:
    one, other = (HelpfulJudge(DirectModel(lambda messages: "A")) for _ in range(2))
    with pytest.raises(SettingError, match="two judges have the name"):
        handrail.judge_eval("nowhere", [one, other])


def test_the_command_writes_verdicts_and_failures(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "said.jsonl"
    line = ["judge-eval", "--data", str(data), "--judge", "rule:length", "--judge", "rules"]
    assert invoke([*line, "--sets", "llmbar, vicuna", "--out", str(out), "--json", "-q"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert list(summary["sets"]) == ["llmbar", "vicuna"]
    bar = summary["sets"]["llmbar"]
    assert bar["judges"]["rule:length"]["agreement"]["estimate"] == pytest.approx(0.4)
    assert bar["judges"]["rules"]["failures"] == {"other": 10}
    assert bar["agreement_by_subset"]["rule:length"]["natural"]["n"] == 2
    assert bar["people"]["left_out"]["estimate"] is None
    assert summary["verdicts_file"] == str(out)
    kept = read_jsonl(out, Verdict).records
    assert len(kept) == 2 * (5 + 3)
    assert {v.judge for v in kept} == {"rule:length"}
    failed = read_jsonl(summary["errors_file"], JudgeError).records
    assert len(failed) == 16
    assert "no check" in failed[0].problem


def test_the_command_shows_tables(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["judge-eval", "--data", str(data), "--judge", "rule:first", "-q"]) == 0
    out = capsys.readouterr().out
    first = out.splitlines()
    assert first[1].split() == [
        *("agreement", "llmbar", "pandalm", "llmfao", "vicuna", "alpaca_eval*", "own")
    ]
    assert first[2].startswith("rule:first")
    assert "* no people's labels: alpaca_eval's by gpt4" in out
    assert "== prometheus: 8 rated replies, 4 prompts; labels by gpt4 (not people)" in out
    assert "left out: 1 x reply, null: judges are not shown" in out
    assert all(len(line) < 200 for line in first)


def test_a_bad_row_stops_or_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = small.llmbar()["pairs.jsonl.gz"]
    small.put(tmp_path / "llmbar", {"pairs.jsonl": [*rows, {**rows[0], "label": 3}]})
    line = ["judge-eval", "--data", str(tmp_path), "-q"]
    assert invoke(line) == 2
    err = capsys.readouterr().err
    assert "pairs.jsonl, line 7: field 'label': expected one of 1, 2, found 3" in err
    assert invoke([*line, "--on-error", "skip"]) == 0
    assert "left out: 1 x row, field 'label'" in capsys.readouterr().out


def test_reproducing_takes_no_judges(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["judge-eval", "--data", str(data), "--reproduce", "alpaca_eval", "-q"]
    assert invoke([*line, "--sets", "llmbar"]) == 2
    assert "computes from the labels alone" in capsys.readouterr().err
    assert invoke(line) == 0
    out = capsys.readouterr().out
    assert "v1 m win_rate" in out
    with pytest.raises(SettingError, match="'llmbar' cannot be reproduced"):
        handrail.judge_reproduce(data, "llmbar")


def test_a_figure_without_an_interval_says_so() -> None:
    nan = float("nan")
    assert judge_tables.interval(Estimate(0.5, nan, nan, 9, "kappa"), False) == "0.50 (no interval)"
    assert judge_tables.interval(Estimate(0.5, 0.25, 1.0, 9, "share")) == "50.0 (25.0 to 100.0)"


def test_small_win_rates_by_hand(data: Path) -> None:
    made = handrail.judge_reproduce(data, "alpaca_eval")
    found = {row["what"]: row for row in made["figures"]}
    assert found["v1 m win_rate"]["ours"] == pytest.approx(100 * (1 + 0 + 0.5) / 3)
    assert found["v1 m standard_error"]["ours"] == pytest.approx(100 * 0.5 / 3**0.5)
    assert found["v1 m win_rate"]["difference"] == pytest.approx(0)
    assert found["v2 m win_rate"]["ours"] == pytest.approx(100 * (0.25 + 0.75 + 0.5 + 0) / 4)
    assert found["v1 m n_draws"]["published"] is None  # not in this leaderboard


def test_figures_that_the_data_does_not_give_are_empty(data: Path, tmp_path: Path) -> None:
    made = handrail.judge_reproduce(data, "llmfao")
    found = {row["what"]: row for row in made["figures"]}
    assert found["strength of GPT 4"]["ours"] is None
    assert found["strength of GPT 4"]["difference"] is None
    json.dumps(made, allow_nan=False)
    assert "strength of GPT 4" in "\n".join(lines_of(made))
    rows = [{**row, "judges": {}} for row in small.pandalm()["testset_3annotators.jsonl"]]
    small.put(tmp_path / "pandalm", {"testset_3annotators.jsonl": rows})
    made = handrail.judge_reproduce(tmp_path, "pandalm")
    assert made["figures"][0]["ours"] == 2
    assert made["figures"][-1]["ours"] is None


def test_the_names_of_raters() -> None:
    assert rater("rule:first").grade is None
    assert rater("rule:length").grade is not None
    assert rater("recorded:x").recorded == "x"


# The real data.


def rows_of(*parts: str) -> list[dict[str, Any]]:
    with gzip.open(need(*parts), "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


def test_real_rule_length_is_what_slow_counting_gives() -> None:
    """LLMBar's and PandaLM's raw rows, counted anew."""
    folder = need("llmbar").parent
    need("pandalm")
    made = handrail.judge_eval(folder, ["rule:length"], ["llmbar", "pandalm"], how=QUICK)
    right = []
    for row in rows_of("llmbar", "pairs.jsonl.gz"):
        one, two = len(row["output_1"]), len(row["output_2"])
        if row["output_1"].strip() and row["output_2"].strip():
            right.append((row["label"] == 1 and one > two) or (row["label"] == 2 and two > one))
    assert made.sets[0].scores["rule:length"].agreement.value == sum(right) / len(right)
    right = []
    for row in rows_of("pandalm", "testset_3annotators.jsonl.gz"):
        one, two = (str(row[f"response{i}"]) for i in (1, 2))
        votes = [row[f"annotator{i}"] for i in (1, 2, 3)]
        if one.strip() and two.strip():
            verdict = 1 if len(one) > len(two) else 2 if len(two) > len(one) else 0
            right.append(votes.count(verdict) >= 2)  # no item has three different labels
    score = made.sets[1].scores["rule:length"]
    assert score.agreement.value == pytest.approx(sum(right) / len(right))
    assert score.agreement.n == len(right) == 945


def test_real_alpaca_eval_is_its_leaderboard_to_the_last_digit() -> None:
    made = handrail.judge_reproduce(need("alpaca_eval").parent, "alpaca_eval")
    board = [row for row in made["figures"] if "prefers" not in row["what"]]
    assert len(board) == 7 * 6
    assert all(abs(row["difference"]) < 1e-9 for row in board)
    longer = {row["what"]: row for row in made["figures"]}["v1 all prefers the longer"]
    assert longer["ours"] == pytest.approx(0.7304, abs=5e-5)
    assert longer["published"] == pytest.approx(0.6831, abs=5e-5)


def test_real_pandalm_is_as_its_readme_says() -> None:
    made = handrail.judge_reproduce(need("pandalm").parent, "pandalm")
    found = {row["what"]: row for row in made["figures"]}
    assert found["all three annotators say the same"]["ours"] == 879
    for what, row in found.items():
        if what.startswith("Cohen's kappa"):
            assert round(row["ours"], 2) == row["published"]
        if what.startswith("majority label"):
            assert row["difference"] == 0
    assert found["gpt3.5 verdicts"]["ours"] == 974
    assert found["pandalm accuracy"]["ours"] == pytest.approx(667 / 999)
    assert "Krippendorff" in "\n".join(lines_of(made))


def test_real_llmfao_is_its_published_ranking() -> None:
    made = handrail.judge_reproduce(need("llmfao").parent, "llmfao")
    found = {row["what"]: row for row in made["figures"]}
    assert found["models compared"]["ours"] == len(made["ranking"]) == 59
    strengths = [row for what, row in found.items() if what.startswith("strength")]
    assert len(strengths) == 10
    assert all(abs(row["difference"]) < 5e-6 for row in strengths)
    ranks = [row for what, row in found.items() if what.startswith("rank correlation")]
    assert len(ranks) == 3
    assert all(abs(row["difference"]) < 1e-6 for row in ranks)
    first = made["ranking"][0]
    assert (first["system"], first["rank"]) == ("GPT 4", 1)
    assert first["low"] < first["estimate"] < first["high"]
