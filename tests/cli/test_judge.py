"""`handrail judge` with judges of all kinds; the language model is the care world's, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail.asking import DirectModel
from handrail.cli.group import invoke
from handrail.cli.judge_text import judged_text
from handrail.cli.judged import Judged
from handrail.cli.judges import PROTOCOLS, Material, make_judge, read_rubric
from handrail.judges import BinsJudge, RuleAssessor, RuleJudge, SafetyGrader
from handrail.ranking import compare_pairs, wilson
from handrail.records import (
    HandrailError,
    HandrailWarning,
    JudgeError,
    Message,
    Outcome,
    Reply,
    SettingError,
    Turn,
    Verdict,
)
from handrail.world import Oracle, training_turns
from handrail.world.serve import serving

Run = Callable[..., Judged]
TURNS = training_turns(20, seed=9)[:40]
SYSTEMS = {
    "chosen": [t.model_copy(update={"replies": t.replies[:1]}) for t in TURNS],
    "mixed": [t.model_copy(update={"replies": (t.replies[i % 2],)}) for i, t in enumerate(TURNS)],
}
RUBRIC = {"criterion": "Is it kind?", **{str(n): f"kind {n}" for n in range(1, 6)}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as base:
        yield base


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    """Judge the two systems by the played model, its answers kept in a file of the test."""

    def judged(**options: Any) -> Judged:
        llm = {"base_url": url, "cache": tmp_path / "answers.sqlite"} | options.pop("llm", {})
        replies = options.pop("replies", SYSTEMS)
        return handrail.judge(replies, judge="model:world", llm=llm, **options)

    return judged


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = tmp_path_factory.mktemp("replies")
    for name, turns in SYSTEMS.items():
        handrail.write(at / f"{name}.jsonl", turns)
    (at / "rubric.yaml").write_text("\n".join(f"{k}: {v}" for k, v in RUBRIC.items()), "utf-8")
    return {path.stem: path for path in at.iterdir()}


def outcomes(verdicts: tuple[Verdict, ...]) -> list[tuple[str, ...]]:
    return [(v.turn, v.a, v.b, v.dimension, v.order, v.outcome.value) for v in verdicts]


@pytest.mark.parametrize("protocol", ["bins", "assess"])
def test_over_http_it_says_what_the_oracle_says(run: Run, protocol: str) -> None:
    oracle = handrail.judge(SYSTEMS, judge="oracle")
    judged = run(protocol=protocol)
    assert len(judged.verdicts) == 240
    assert outcomes(judged.verdicts) == outcomes(oracle.verdicts)
    assert judged.judge.startswith(f"model:world/{protocol}@")
    assert judged.spent is not None
    assert judged.spent.questions == judged.spent.requests + judged.spent.cached
    assert judged.cost is not None
    assert judged.cost.questions == judged.spent.questions
    summary = judged.summary()
    for key in ("flip_rate", "tie_rate", "first_preference", "length_preference"):
        assert summary[key]["low"] <= summary[key]["estimate"] <= summary[key]["high"]
    assert summary["flip_rate"]["estimate"] == 0
    assert (summary["orders"], summary["failures"], summary["errors"]) == ("both", {}, 0)
    assert summary["spent"]["completion_tokens"] > 0
    assert bool(judged.rates) == (protocol == "assess")


def test_a_second_run_is_free_and_one_order_costs_half(run: Run) -> None:
    first = run()
    again = run()
    assert again.spent is not None
    assert again.spent.requests == 0
    assert outcomes(again.verdicts) == outcomes(first.verdicts)
    half = run(orders="random", dimensions=["adherence"])
    assert len(half.verdicts) == 40
    assert {v.dimension for v in half.verdicts} == {"adherence"}
    assert set(outcomes(half.verdicts)) < set(outcomes(first.verdicts))
    assert {v.order for v in half.verdicts} == {"AB", "BA"}
    summary = half.summary()
    assert summary["orders"] == "random"
    assert summary["flip_rate"]["n"] == 0


def near(count: int, n: int, rate: float) -> bool:
    """Whether a rate lies in the 99.9 % interval of what was counted."""
    seen = wilson(count, n, 0.999)
    return seen.low <= rate <= seen.high


def test_the_faults_that_were_put_in_are_the_ones_reported(tmp_path: Path) -> None:
    right = {
        row[:-1]: row[-1] for row in outcomes(handrail.judge(SYSTEMS, judge="oracle").verdicts)
    }
    with serving(position_bias=0.3, malformed=0.2, refuse=0.1, seed=3) as base:
        judged = handrail.judge(
            SYSTEMS,
            judge="model:world",
            llm={"base_url": base, "cache": tmp_path / "c.sqlite", "repairs": 0},
        )
    asked = len(judged.verdicts) + len(judged.errors)
    assert asked == 240
    kinds = judged.failures
    # Two of the five ways in which the world spoils JSON can still be read.
    assert near(kinds["refusal"], asked, 0.1)
    assert near(kinds["malformed"] + kinds["schema"], asked, 0.2 * 3 / 5)
    assert {e.kind for e in judged.errors} == {"refusal", "malformed", "schema"}
    for error in judged.errors:
        assert error.problem
        assert error.raw or error.kind == "refusal"  # which has a field of its own on the wire
        assert (error.a, error.b) == ("chosen", "mixed")
    # A verdict differs from the oracle's only where the first reply was preferred for its place.
    first = {"AB": "A", "BA": "B"}
    wrong = [row for row in outcomes(judged.verdicts) if row[-1] != right[row[:-1]]]
    assert all(row[-1] == first[row[-2]] for row in wrong)
    undecided = [row for row in outcomes(judged.verdicts) if right[row[:-1]] in ("BOTH", "NEITHER")]
    biased = sum(row[-1] == first[row[-2]] for row in undecided)
    assert near(biased, len(undecided), 0.3 / (1 - 0.1 - 0.2 * 3 / 5))
    assert judged.habits is not None
    assert judged.habits.first.low > 0.5
    assert judged.habits.flips.low > 0.2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_gives_its_figures(run: Run, protocol: str) -> None:
    extra = {"rubric": RUBRIC} if protocol == "rubric" else {}
    judged = run(protocol=protocol, **extra)
    summary = judged.summary()
    assert summary["errors"] == 0
    if protocol in ("mt-single", "rubric", "refusal", "safety"):
        assert (len(judged.ratings), len(judged.verdicts)) == (80, 0)
        assert {r.a for r in judged.ratings} == {"chosen", "mixed"}
        for row in summary["grades"]:
            low, high = row["scale"]
            assert low <= row["low"] <= row["estimate"] <= row["high"] <= high
            assert sum(row["counts"].values()) == row["n"] == 40
        assert [(d["a"], d["b"]) for d in summary["grade_differences"]] == [("chosen", "mixed")]
    else:
        assert judged.verdicts
        assert summary["win_rates"]
        assert len({w["rule"] for w in summary["win_rates"]}) == 1
        # Half of the replies are the same: asked by the bins, by others a tie for nothing.
        same = protocol in ("bins", "assess")
        assert judged.identical == (0 if same else 40)


def test_a_dry_run_says_the_size_and_asks_nothing(run: Run) -> None:
    told: list[str] = []
    judged = run(dry_run=True, tell=told.append)
    assert judged.verdicts == ()
    assert told == []
    assert judged.cost is not None
    assert judged.cost.questions == 240
    assert judged.cost.cached > 0  # two orders of equal replies are one question
    real = run(tell=told.append)
    assert told == [judged.cost.text]
    assert real.spent is not None
    assert real.spent.requests == judged.cost.questions - judged.cost.cached


def test_talks_of_two_turns_with_references(run: Run) -> None:
    def talk(name: str) -> list[Turn]:
        said = [("user", "What is 2 + 2?"), ("assistant", f"{name} says 4"), ("user", "And 3 + 3?")]
        context = tuple(Message(role=r, content=c) for r, c in said)  # type: ignore[arg-type]
        return [Turn(id="q1", context=context, replies=(Reply(text=f"{name} says 6"),))]

    replies = {name: talk(name) for name in ("x", "y")}
    judged = run(replies=replies, protocol="mt-pair", reference=talk("the teacher"))
    assert len(judged.verdicts) == 2
    graded = run(replies=replies, protocol="mt-single", reference=talk("the teacher"))
    assert len(graded.ratings) == 2
    with pytest.warns(HandrailWarning, match="at 1 turn a system replied in another conversation"):
        run(replies=replies, protocol="helpful")
    with pytest.raises(HandrailError, match="no reference for any of the 1 turn"):
        run(replies=replies, protocol="mt-pair", reference=TURNS)


def json_of(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    assert invoke(["judge", *args, "--json", "-q"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("orders", ["both", "random"])
def test_where_no_turn_has_two_replies_it_says_so_in_place_of_a_table(
    orders: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = list(enumerate(SYSTEMS["chosen"]))
    for n, name in enumerate(("even", "odd")):
        own = [t if i % 2 == n else t.model_copy(update={"replies": ()}) for i, t in turns]
        handrail.write(tmp_path / f"{name}.jsonl", own)
    paths = [str(tmp_path / "even.jsonl"), str(tmp_path / "odd.jsonl")]
    assert invoke(["judge", *paths, "--judge", "oracle", "--order", orders, "-q"]) == 0
    told = capsys.readouterr().out
    assert "No win rates: no two systems replied at the same turn" in told
    assert "win rate  " not in told
    assert "acceptable in" in told
    assert invoke(["judge", paths[0], "--judge", "oracle", "-q"]) == 0
    assert "win rate" not in capsys.readouterr().out.lower()


def test_where_every_comparison_failed_it_says_so() -> None:
    failed = JudgeError(turn="t", a="x", b="y", dimension="d", judge="j", problem="timeout")
    pairs = compare_pairs([failed])
    told = judged_text(Judged("j", 1, errors=(failed,), pairs=pairs))
    assert "No win rates: every comparison failed" in told


def test_the_command_writes_verdicts_and_what_failed_beside(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "v.jsonl"
    given = [str(files["chosen"]), str(files["mixed"])]
    with serving(refuse=0.3) as base:
        ask = ["--judge", "model:world", "--base-url", base, "--no-cache", "--out", str(out)]
        found = json_of(capsys, *given, *ask, "--dimensions", "adherence, naturalness")
    assert {w["dimension"] for w in found["win_rates"]} == {"adherence", "naturalness"}
    assert found["failures"] == {"refusal": found["errors"]}
    assert found["errors"] > 20
    assert found["verdicts_file"] == str(out)
    assert len(handrail.read(out).records) == found["verdicts"]
    errors = handrail.read(found["errors_file"]).records
    assert {e.kind for e in errors} == {"refusal"}
    assert "errors" in str(found["errors_file"])


def test_the_command_grades_and_shows_how_the_grades_fall(
    files: dict[str, Path], url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.jsonl"
    ask = ["--judge", "model:world", "--base-url", url, "--no-cache", "--out", str(out)]
    rubric = ["--protocol", "rubric", "--rubric", str(files["rubric"])]
    assert invoke(["judge", str(files["chosen"]), *ask, *rubric]) == 0
    shown, told = capsys.readouterr()
    assert "mean, 1 to 5 (95 %)" in shown
    assert "how often" in shown
    assert "40 requests" in told  # before the first question
    ratings = handrail.read(out).records
    assert len(ratings) == 40
    assert {(r.low, r.high, r.dimension) for r in ratings} == {(1.0, 5.0, "rubric")}
    assert handrail.check(out)["kind"] == "Rating"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--judge", "modle:x"], "unknown judge 'modle:x'"),
        (["--judge", "model:"], "unknown judge 'model:'"),
        (["--judge", "rule:lengt"], "Did you mean 'length'"),
        (["--judge", "oracle", "--protocol", "bins"], "'bins' is for language models"),
        (["--judge", "model:world", "--protocol", "rubric"], "needs a rubric"),
        (["--judge", "model:world", "--rubric", "r.yaml"], "a rubric is not shown"),
        (["--judge", "model:world", "--reference", "REPLIES"], "a reference is not shown"),
        (["--judge", "model:world", "--dimensions", "tone"], "does not judge 'tone'"),
        (["--judge", "rule:first", "--dimensions", "tone"], "does not judge 'tone'"),
        (["--judge", "model:world", "--out", "REPLIES"], "writing would destroy it"),
        (["--judge", "model:world", "--out", "v.csv"], "this name ends in '.csv'"),
        (["--judge", "reward:./absent"], "no such folder"),
        (["--judge", "model:world", "--prompts", "./absent"], "there is no folder absent"),
    ],
)
def test_bad_options_are_one_error_before_any_work(
    files: dict[str, Path], options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(files["chosen"]), str(files["mixed"])]
    asked = [given[0] if option == "REPLIES" else option for option in options]
    assert invoke(["judge", *given, *asked]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert problem in err
    assert err.count("\n") == 1


def test_what_compares_needs_two_systems(files: dict[str, Path], url: str) -> None:
    for judge in ("rule:length", "model:world"):
        with pytest.raises(SettingError, match="there is one"):
            handrail.judge(
                {"a": files["chosen"]}, judge=judge, llm={"base_url": url, "no_cache": True}
            )


def test_an_endpoint_that_dies_half_way_costs_no_answer_twice(tmp_path: Path) -> None:
    llm = {"cache": tmp_path / "answers.sqlite", "retries": 0}
    with serving(die_after=40) as base, pytest.warns(HandrailWarning, match="stopped answering"):
        half = handrail.judge(SYSTEMS, judge="model:world", llm={"base_url": base, **llm})
    assert set(half.failures) == {"endpoint"}
    assert 0 < len(half.verdicts) < 240
    assert len(half.verdicts) + len(half.errors) == 240
    with serving() as base:
        rest = handrail.judge(SYSTEMS, judge="model:world", llm={"base_url": base, **llm})
    assert (len(rest.verdicts), rest.errors) == (240, ())
    assert rest.spent is not None
    assert rest.spent.cached >= len(half.verdicts)
    assert set(outcomes(half.verdicts)) < set(outcomes(rest.verdicts))


def test_a_model_that_answers_nothing_is_an_error_and_no_result(run: Run, tmp_path: Path) -> None:
    with serving(refuse=1.0) as base, pytest.raises(HandrailError, match="not one judgement"):
        run(llm={"base_url": base, "cache": tmp_path / "other.sqlite"})


def test_judges_by_name(tmp_path: Path) -> None:
    rules = make_judge("rules")
    assert isinstance(rules, RuleAssessor)
    assert make_judge("rule:checks").name == "rule:checks"
    assert isinstance(make_judge("auto", turns=TURNS), Oracle)
    assert isinstance(make_judge("auto", turns=[Turn(id="x")]), RuleAssessor)
    assert make_judge("rule:random", material=Material(seed=7)) == RuleJudge("random", 7)
    with pytest.warns(HandrailWarning, match="knows the care world only"):
        make_judge("oracle", turns=[Turn(id="x")])
    with pytest.raises(SettingError, match=r"unknown protocol 'bin'\. Did you mean 'bins'"):
        make_judge("model:x", protocol="bin")
    (tmp_path / "r.json").write_text('{"criterion": "c", "1": "bad"}', "utf-8")
    with pytest.raises(SettingError, match=r"r\.json.*'2' has no text"):
        read_rubric(tmp_path / "r.json")


def test_rules_judge_pairs(files: dict[str, Path]) -> None:
    judged = handrail.judge({n: files[n] for n in SYSTEMS}, judge="rule:length")
    assert judged.habits is not None
    assert (judged.habits.longer.value, judged.habits.flips.value) == (1, 0)
    ties = sum(v.outcome is Outcome.TIE for v in judged.verdicts)
    assert judged.habits.ties.value == pytest.approx(ties / len(judged.verdicts))
    assert judged.spent is None


def test_judges_of_ones_own_are_taken_as_they_are(tmp_path: Path) -> None:
    said = DirectModel(lambda _messages: '{"reason": "\\ud800", "verdict": "a"}', "mine")
    judged = handrail.judge(SYSTEMS, judge=BinsJudge(said), dimensions=["naturalness"])
    assert judged.cost is None
    assert judged.spent is not None
    assert judged.spent.questions == len(judged.verdicts) == 80
    assert judged.habits is not None
    assert (judged.habits.first.value, judged.habits.flips.value) == (1, 1)
    assert judged.write(tmp_path / "v.jsonl") is None  # half a character is no reason to lose it
    assert len(handrail.read(tmp_path / "v.jsonl").records) == 80
    garbled = SafetyGrader(DirectModel(lambda _messages: "\ud800 [", "mine"))
    with pytest.raises(HandrailError, match="not one judgement came of it"):
        handrail.judge(SYSTEMS, judge=garbled)
    failing = BinsJudge(DirectModel(lambda m: "\ud800" if "fee" in m[-1].content else "", "mine"))
    with pytest.raises(HandrailError, match="not one judgement came of it"):
        handrail.judge(SYSTEMS, judge=failing)
