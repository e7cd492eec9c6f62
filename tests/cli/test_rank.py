"""`handrail rank` and `handrail power`, by command and by API."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import handrail
from handrail.cli.group import invoke
from handrail.cli.ranking import METHODS
from handrail.ranking import Matches, PointsTable, Ratings, Resampling, bradley_terry
from handrail.records import (
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

SYSTEMS = {"base": 0.4, "sft": 0.6, "ipo": 0.8}
ASKED = (Message(role="user", content="Where is my parcel?"),)
QUICK = Resampling(resamples=100)


def verdicts() -> tuple[list[Verdict], list[JudgeError]]:
    """Two judges, both orders, 30 turns of 10 conversations, two dimensions; a few failures."""
    rng = np.random.default_rng(0)
    judged: list[Verdict] = []
    failed = []
    for i in range(30):
        for judge in ("ann", "bob"):
            good = {s: rng.random() < p for s, p in SYSTEMS.items()}
            for a, b in combinations(SYSTEMS, 2):
                names = {(1, 1): "BOTH", (0, 0): "NEITHER", (1, 0): "A", (0, 1): "B"}
                outcome = Outcome(names[int(good[a]), int(good[b])])
                for order in ("AB", "BA"):
                    common = {"turn": f"t{i}", "a": a, "b": b, "judge": judge, "order": order}
                    if i == 3 and judge == "bob" and (a, b) == ("base", "sft"):
                        failed.append(JudgeError(**common, dimension="adherence", problem="x"))
                        continue
                    judged.append(Verdict(**common, dimension="adherence", outcome=outcome))
                    judged.append(Verdict(**common, dimension="naturalness", outcome=Outcome.BOTH))
    return judged, failed


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    judged, failed = verdicts()
    write_jsonl("v.jsonl", judged)
    write_jsonl("v.errors.jsonl", failed)
    turns = [Turn(id=f"t{i}", conversation_id=f"c{i // 3}", context=ASKED) for i in range(30)]
    write_jsonl("test.jsonl", turns)
    rng = np.random.default_rng(1)
    for system in SYSTEMS:
        texts = ["x" * int(n) for n in rng.integers(20, 200, 30)]
        replies = [
            turn.model_copy(update={"replies": (Reply(text=text, author="model"),)})
            for turn, text in zip(turns, texts, strict=True)
        ]
        write_jsonl(f"{system}.jsonl", replies)
    return tmp_path


def summary(capsys: pytest.CaptureFixture[str], *args: str) -> dict:
    assert invoke([*args, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("method", ["bradley-terry", "elo", "win-rate", "borda", "ranked-pairs"])
def test_every_method_finds_the_order_and_counts_failures(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = summary(
        capsys, "rank", "v.jsonl", "--method", method, "--turns", "test.jsonl", "--rounds", "50"
    )
    systems = [one["system"] for one in told["ranking"]["systems"]]
    assert systems[0] == "ipo"
    assert set(systems) == set(SYSTEMS)
    assert told["dimension"] == "adherence"
    assert told["other_dimensions"] == ["naturalness"]
    assert told["errors"] == 2
    assert told["judges"] == {"ann": 180, "bob": 178}
    assert told["clustered"] is True
    assert told["win_rates"]["clusters"] == 10
    if method == "borda":
        assert told["skipped"][0]["count"] == 1  # bob's turn 3, of which a pair failed
        assert told["ranking"]["rankings"] == 59


def test_two_judges_are_two_ballots_and_two_orders_one() -> None:
    judged, _ = verdicts()
    ranked = handrail.rank(judged, how=QUICK)
    assert isinstance(ranked.result, Ratings)
    assert ranked.result.n == ranked.matrix.n == 30 * 2 * 3 - 1
    rows = [
        (v.a, v.b, {Outcome.A: 1.0, Outcome.B: 0.0}.get(v.outcome, 0.5))
        for v in judged
        if v.dimension == "adherence" and v.order == "AB"
    ]
    first, second, score = zip(*rows, strict=True)
    peer = bradley_terry(Matches.of(first, second, score), Resampling(0))
    told = {one.system: one.rating.value for one in ranked.result.rated}
    assert told == pytest.approx({one.system: one.rating.value for one in peer.rated})


@pytest.mark.usefixtures("work")
def test_length_control_takes_lengths_from_files_named_after_systems() -> None:
    files = [f"{system}.jsonl" for system in SYSTEMS]
    ranked = handrail.rank("v.jsonl", "length-controlled", turns=files, anchor="sft", how=QUICK)
    assert isinstance(ranked.result, dict)
    assert list(ranked.result) == ["ipo", "base"]
    one = ranked.result["ipo"]
    assert one.controlled.clusters == 10
    assert one.plain.value == pytest.approx(
        ranked.matrix.cells["ipo", "sft"].estimate.value, abs=0.02
    )
    assert ranked.summary()["ranking"]["systems"][0]["length_effect"] == one.length_effect
    short = [
        Turn(id="t1", replies=(Reply(text="abc", author="ipo"), Reply(text="a", author="sft")))
    ]
    with pytest.raises(RecordError, match="lengths of 'base' and 'sft'"):
        handrail.rank("v.jsonl", "length-controlled", turns=short, anchor="sft")


@pytest.mark.usefixtures("work")
def test_text_and_page(capsys: pytest.CaptureFixture[str], work: Path) -> None:
    args = ["rank", "v.jsonl", "--turns", "test.jsonl", "--rounds", "100", "--anchor", "sft"]
    assert invoke([*args, "--page", "page.html"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("358 verdicts on adherence (also there: naturalness; --dimension)")
    assert "Clearly above another:" in out
    assert "2 judgements failed and are in no figure" in out
    page = (work / "page.html").read_text("utf-8")
    assert "<h1>Ranking by adherence</h1>" in page
    assert "sft is held where it stands" in page
    assert "--anchor sft" in page
    assert "http" not in page.replace("http-equiv", "")
    for method in ("elo", "win-rate", "borda", "ranked-pairs"):
        assert invoke(["rank", "v.jsonl", "--method", method, "--page", f"{method}.html"]) == 0
        assert "Win rates of each pair" in (work / f"{method}.html").read_text("utf-8")
        assert "Each turn counts as independent" in capsys.readouterr().out


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["none.jsonl"], "there is no such file"),
        (["test.jsonl"], "holds Turn records"),
        (["v.errors.jsonl"], "no verdict to rank by (2 failed judgements)"),
        (["v.jsonl", "--dimension", "tone"], "no verdict is on the dimension 'tone'"),
        (["v.jsonl", "--anchor", "sftt"], "Did you mean 'sft'?"),
        (["v.jsonl", "--method", "length-controlled"], "needs a baseline"),
        (["v.jsonl", "--method", "borda", "--anchor", "sft"], "borda has no anchor"),
        (["v.jsonl", "--rule", "wins"], "is for win rates"),
        (["v.jsonl", "--turns", "other.jsonl"], "none of those that were judged"),
        (["v.jsonl", "--page", "v.jsonl"], "writing would destroy it"),
    ],
)
def test_bad_input_is_one_clear_error(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl("other.jsonl", [Turn(id="elsewhere", context=ASKED)])
    assert invoke(["rank", *args]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err


def test_api_refuses_what_it_cannot_use() -> None:
    judged, _ = verdicts()
    with pytest.raises(SettingError, match="unknown method 'borde'"):
        handrail.rank(judged, "borde")
    with pytest.raises(SettingError, match="unknown rule"):
        handrail.rank(judged, "win-rate", rule="all")
    with pytest.raises(SettingError, match="verdicts are files"):
        handrail.rank([1])  # type: ignore[list-item]
    half = [v for v in judged if (v.a, v.b) != ("base", "ipo") and v.judge == "ann"]
    with pytest.raises(RecordError, match="no judge decided every pair"):
        handrail.rank(half, "borda")
    points = handrail.rank(judged, "borda", how=QUICK).result
    assert isinstance(points, PointsTable)
    assert points.points[0].system == "ipo"


def test_systems_that_cannot_be_rated_are_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one_way = [
        Verdict(turn=f"t{i}", a="x", b="y", dimension="d", outcome=Outcome.A) for i in range(4)
    ]
    write_jsonl(tmp_path / "v.jsonl", one_way)
    assert invoke(["rank", str(tmp_path / "v.jsonl"), "--page", str(tmp_path / "p.html")]) == 0
    out = capsys.readouterr().out
    assert "No system can be rated" in out
    assert "x: it never lost, so it has no bound above" in out
    assert "y: it never won, so it has no bound below" in out
    assert "Not on this scale" in (tmp_path / "p.html").read_text("utf-8")


def test_an_anchor_that_cannot_be_rated_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    judged, _ = verdicts()
    judged += [v.model_copy(update={"b": "low", "outcome": Outcome.A}) for v in judged[:20]]
    write_jsonl(tmp_path / "v.jsonl", judged)
    assert invoke(["rank", str(tmp_path / "v.jsonl"), "--anchor", "low", "--rounds", "10"]) == 0
    out = capsys.readouterr().out
    assert "No system can be rated: the anchor 'low' is on no scale with others" in out
    assert "low: below the ranked systems" in out


@pytest.mark.parametrize("method", ["win-rate", "ranked-pairs"])
def test_groups_that_never_met_are_said(
    method: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    judged = [
        Verdict(turn=f"t{i}", a=a, b=b, dimension="d", outcome=Outcome("AB"[i % 3 == 0]))
        for i in range(9)
        for a, b in (("x", "y"), ("p", "q"))
    ]
    write_jsonl(tmp_path / "v.jsonl", judged)
    args = ["rank", str(tmp_path / "v.jsonl"), "--method", method, "--rounds", "20"]
    assert invoke([*args, "--page", str(tmp_path / "p.html")]) == 0
    assert "These groups never met" in capsys.readouterr().out
    assert "Never met, so not to be compared" in (tmp_path / "p.html").read_text("utf-8")
    assert invoke([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"] == [["x", "y"], ["p", "q"]]


def test_a_system_against_itself_is_no_comparison() -> None:
    judged, _ = verdicts()
    own = judged[0].model_copy(update={"b": judged[0].a})
    with_it, without = (handrail.rank(some, how=QUICK) for some in ([own, *judged], judged))
    assert with_it.result == without.result
    assert [skip.reason for skip in with_it.skipped] == ["it compares a system with itself"]
    with pytest.raises(RecordError, match="1 of a system against itself"):
        handrail.rank([own])


def test_power_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    told = summary(capsys, "power", "--difference", "0.1", "--discordance", "0.3")
    assert [row["items"] for row in told["rows"]] == [234, 312]
    told = summary(
        capsys,
        "power",
        "--difference",
        "0.1",
        "--ties",
        "0.4",
        "--per-cluster",
        "6",
        "--icc",
        "0.1",
    )
    assert told["design"]["design_effect"] == pytest.approx(1.5)
    assert told["rows"][0]["items"] == told["rows"][0]["clusters"] * 6
    assert invoke(["power", "--n", "150", "--ties", "0", "--difference", "0.2"]) == 0
    out = capsys.readouterr().out
    assert "150 items find the difference in 69% of cases" in out
    back = summary(capsys, "power", "--n", "150", "--baseline", "0.74")
    found = back["rows"][0]["difference"]
    plan = handrail.power(found, baseline=0.74, items=150)
    assert plan.chance == pytest.approx(0.8, abs=1e-3)
    none = summary(capsys, "power", "--n", "3", "--ties", "0.9")
    assert none["rows"][0]["difference"] is None


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], "nothing to plan"),
        (["--difference", "0.1"], "given in 0 ways"),
        (["--difference", "0.1", "--ties", "0.1", "--baseline", "0.5"], "given in 2 ways"),
        (["--difference", "0.1", "--ties", "0.1", "--correlation", "0.5"], "goes with --baseline"),
        (["--difference", "0", "--ties", "0.1"], "difference of 0"),
        (["--difference", "0.1", "--ties", "1"], "ties are a share"),
        (["--n", "0", "--ties", "0"], "one item or more"),
        (["--difference", "0.5", "--baseline", "0.74"], "between 0 and 1"),
        (["--difference", "0.1", "--ties", "0", "--icc", "3"], "intraclass"),
    ],
)
def test_bad_plans_are_one_clear_error(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["power", *args]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("method", METHODS)
def test_without_rounds_there_are_figures_and_no_intervals(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["rank", "v.jsonl", "--method", method, "--rounds", "0", "--page", "p.html"]
    if method == "length-controlled":
        args += ["--anchor", "sft", *(x for s in SYSTEMS for x in ("--turns", f"{s}.jsonl"))]
    assert invoke([*args]) == 0
    assert "nan" not in capsys.readouterr().out.replace("ann", "")
    told = summary(capsys, *args)
    assert told["ranking"]["systems"][0]["system"] == "ipo"
    assert all(cell["low"] is None for cell in told["win_rates"]["pairs"])
