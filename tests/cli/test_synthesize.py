"""`handrail synthesize` over real HTTP, the care world playing the language model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.cli.peek import record_text
from handrail.cli.synthesizing import Breaking, Finding
from handrail.records import Conversation, FailedPoint, Message, RecordError, RunError, Turn
from handrail.synthesis import KINDS
from handrail.world.serve import serving
from tests.data import need

TALKS = world.generate(6, seed=31)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as base:
        yield base


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handrail.write("talks.jsonl", TALKS)


def run(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    """The command's JSON; for a failure, its message."""
    done = invoke(["synthesize", *args, "--json", "-q"])
    out, err = capsys.readouterr()
    assert done == code, err
    return json.loads(out) if code == 0 else err


def asked(base: str) -> list[str]:
    return ["--model", "world", "--base-url", base, "--cache", "answers.sqlite"]


def test_from_conversations_to_pairs_in_one_go(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = ["--out", "pairs.jsonl", "--talks", "tagged.jsonl", "--playbook", "book.jsonl"]
    found = run(capsys, "both", "talks.jsonl", *outs, *asked(url))
    turns = handrail.read("pairs.jsonl").records
    talks = handrail.read("tagged.jsonl").records
    book = handrail.read("book.jsonl").records[0]
    assert len(turns) == found["replies"]["made"] > 10
    assert found["replies"]["points"] == found["replies"]["made"] + found["replies"]["failed"]
    assert sum(found["kinds"].values()) == len(turns)
    assert len(talks) == found["guardrails"]["with guardrails"]
    assert [g.id for g in book.guardrails] == [g["id"] for g in found["playbook"]]
    assert found["spent"]["requests"] == found["spent"]["questions"] - found["spent"]["cached"]
    assert {t.tags["break"] for t in turns} <= set(KINDS)
    kept = [g for names in json.loads(talks[0].tags["keeps"]).values() for g in names]
    assert record_text(talks[0]).count("    keeps: [") == len(kept) > 0
    assert f"guardrail: {turns[0].tags['guardrail']}" in record_text(turns[0])
    failed = handrail.read("pairs.failed.jsonl").records
    assert len(failed) == found["replies"]["failed"] > 0
    assert all(isinstance(f, FailedPoint) and f.reason for f in failed)


def test_the_stages_apart_give_what_both_give_and_a_second_run_is_free(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "both", "talks.jsonl", "--out", "pairs.jsonl", *asked(url))
    first = run(capsys, "guardrails", "talks.jsonl", "--out", "turns.jsonl", *asked(url))
    second = run(capsys, "replies", "turns.jsonl", "--out", "again.jsonl", *asked(url))
    assert Path("again.jsonl").read_bytes() == Path("pairs.jsonl").read_bytes()
    # Only what the model declined is asked again: no answer to it is kept.
    assert first["spent"]["requests"] == first["spent"]["failures"].get("refusal", 0)
    assert second["spent"]["requests"] == second["spent"]["failures"].get("refusal", 0)
    assert second["spent"]["cached"] > 50


def test_a_limit_takes_a_balanced_part_of_the_same_points(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "guardrails", "talks.jsonl", "--out", "turns.jsonl", *asked(url))
    few = run(capsys, "replies", "turns.jsonl", "--out", "few.jsonl", "--limit", "8", *asked(url))
    run(capsys, "replies", "turns.jsonl", "--out", "all.jsonl", *asked(url))
    assert few["replies"]["points"] == 8
    part = {t.id: t for t in handrail.read("few.jsonl").records}
    whole = {t.id: t for t in handrail.read("all.jsonl").records}
    same = [whole[i].replies[1].text == t.replies[1].text for i, t in part.items() if i in whole]
    assert sum(same) >= len(part) - 2  # a declined kind's stand-in depends on the others


def test_a_dry_run_asks_nothing_and_shows_the_first_question(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving() as base:
        plan = run(capsys, "both", "talks.jsonl", "--out", "x.jsonl", "--dry-run", *asked(base))
        assert invoke(["synthesize", "both", "talks.jsonl", "--out", "x.jsonl", "--dry-run",
                       *asked(base)]) == 0  # fmt: skip
    text = capsys.readouterr().out
    assert not Path("x.jsonl").exists()
    stages = {s["stage"]: s for s in plan["stages"]}
    assert (stages["guardrails"]["questions"], stages["guardrails"]["exact"]) == (6, True)
    assert not stages["break"]["exact"]
    assert plan["in_all"]["questions"] == sum(s["questions"] for s in plan["stages"])
    assert '"task": "guardrails"' in plan["first"][1]["content"]
    assert "The first question (guardrails@" in text
    assert TALKS[0].messages[0].content in text


def test_a_dry_run_knows_what_the_cache_holds(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "guardrails", "talks.jsonl", "--out", "turns.jsonl", *asked(url))
    run(capsys, "replies", "turns.jsonl", "--out", "pairs.jsonl", *asked(url))
    plan = run(capsys, "replies", "turns.jsonl", "--out", "pairs.jsonl", "--dry-run", *asked(url))
    stages = {s["stage"]: s for s in plan["stages"]}
    chosen = stages["judge chosen"]
    assert chosen["cached"] == chosen["questions"] > 10
    assert stages["break"]["cached"] > 0.5 * stages["break"]["questions"]


def test_an_endpoint_that_dies_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["guardrails", "talks.jsonl", "--out", "turns.jsonl"]
    with serving(die_after=25) as base:
        part = run(capsys, *command, "--retries", "0", *asked(base))
    assert not part["complete"]
    assert part["spent"]["failures"]["endpoint"] > 0
    with serving() as base:
        again = run(capsys, *command, *asked(base))
        free = run(capsys, *command, *asked(base))
    assert again["complete"]
    assert again["spent"]["cached"] >= 8
    assert again["guardrails"]["turns"] == len(handrail.read("turns.jsonl").records)
    assert again["guardrails"]["turns"] > part["guardrails"]["turns"]
    assert free["guardrails"] == again["guardrails"]


def test_a_limit_on_requests_writes_what_there_is_and_the_next_run_goes_on(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "guardrails", "talks.jsonl", "--out", "turns.jsonl", *asked(url))
    command = ["replies", "turns.jsonl", "--out", "part.jsonl", *asked(url)]
    points = len(handrail.read("turns.jsonl").records)
    none = run(capsys, *command, "--max-requests", "3", code=2)
    assert "Raise --max-requests or --max-cost" in none
    some = run(capsys, *command, "--max-requests", str(2 * points))
    assert 0 < some["replies"]["made"] < points
    assert some["left_out"]["point: the limit on requests or cost was reached"] > 0
    assert not some["complete"]
    assert invoke(["synthesize", *command, "--max-requests", "1"]) == 0
    text = capsys.readouterr().out
    assert "Not whole: " in text
    assert "The answers so far are kept in answers.sqlite" in text
    whole = run(capsys, *command)
    assert whole["complete"]
    assert whole["replies"]["made"] > some["replies"]["made"]


def test_another_model_may_judge_and_is_asked_with_the_same_options(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "guardrails", "talks.jsonl", "--out", "turns.jsonl", *asked(url))
    made = run(capsys, "replies", "turns.jsonl", "--out", "p.jsonl", "--judge", "model:world",
               "--limit", "5", *asked(url))  # fmt: skip
    assert made["judge"].startswith("model:world/assess@")
    assert made["judge_spent"]["questions"] >= 2 * made["replies"]["made"]
    assert made["replies"]["made"] > 0
    short = run(capsys, "replies", "turns.jsonl", "--out", "q.jsonl", "--judge", "model:world",
                "--limit", "8", "--max-requests", "12", *asked(url), "--no-cache")  # fmt: skip
    assert short["judge_spent"]["failures"]["limit"] > 0
    assert "limit" not in short["spent"]["failures"]
    assert short["complete"] is False


def test_replies_that_checks_mark_are_broken_and_judged_by_rules_or_the_oracle(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for judge in ("rules", "oracle"):
        made = run(capsys, "replies", "talks.jsonl", "--out", f"{judge}.jsonl", "--judge", judge,
                   "--kind", "omission", "--limit", "10", *asked(url))  # fmt: skip
        assert made["judge"] == judge
        for turn in handrail.read(f"{judge}.jsonl").records:
            assert turn.tags["guardrail"] in turn.replies[1].breaks
            results = turn.playbook.results(turn.context, turn.replies[1].text)
            assert results[turn.tags["guardrail"]] == "broken"


def test_given_playbooks_are_tagged_and_shared_ones_are_one(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "guardrails", "talks.jsonl", "--out", "given.jsonl", "--playbooks", "given",
        *asked(url))  # fmt: skip
    own = {t.id: t.playbook for t in TALKS}
    turns = handrail.read("given.jsonl").records
    assert all(t.playbook == own[t.conversation_id] for t in turns)
    run(capsys, "guardrails", "talks.jsonl", "--out", "shared.jsonl", "--playbooks", "shared",
        *asked(url))  # fmt: skip
    assert len({t.playbook.id for t in handrail.read("shared.jsonl").records}) == 1


def test_conversations_that_the_world_cannot_play_fail_openly(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    star = handrail.convert("star", need("star", "dev.jsonl.gz"))
    handrail.write("star.jsonl", star.records[:5])
    told = run(capsys, "both", "star.jsonl", "--out", "x.jsonl", *asked(url), code=2)
    assert "no turn was made" in told
    assert "no conversation of the care world (5 times" in told
    assert not Path("x.jsonl").exists()


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["guardrails", "none.jsonl", "--out", "x.jsonl"], "there is no such file"),
        (["guardrails", "empty.jsonl", "--out", "x.jsonl"], "the file is empty"),
        (["guardrails", "turns.jsonl", "--out", "x.jsonl"], "holds Turn records"),
        (["guardrails", "talks.jsonl", "--out", "talks.jsonl"], "would destroy it"),
        (["guardrails", "talks.jsonl", "--out", "x.csv"], "ends in '.csv'"),
        (["both", "talks.jsonl", "--out", "x.jsonl", "--talks", "x.jsonl"], "two outputs"),
        (["replies", "turns.jsonl", "--out", "x.jsonl"], "synthesize guardrails"),
        (["replies", "talks.jsonl", "--out", "x.jsonl", "--judge", "rule:length"], "compares"),
        (["preferences", "turns.jsonl", "--out", "x.jsonl"], "no turn has two different replies"),
        (["prompts", "turns.jsonl", "--out", "x.jsonl"], "no reply has a rating"),
        (["questions", "empty.jsonl", "--out", "x.jsonl"], "no list of domains"),
        (["questions", "d.yaml", "--out", "x.jsonl"], "Did you mean 'keywords'"),
        (["questions", "two.yaml", "--out", "x.jsonl"], "came before"),
        (["questions", "blank.yaml", "--out", "x.jsonl"], "'keywords.0': the text is empty"),
        (["questions", "word.yaml", "--out", "x.jsonl"], "Write a list of `domain: NAME`"),
    ],
)
def test_bad_input_is_one_clear_error_before_anything_is_asked(
    args: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.jsonl").write_text("")
    Path("d.yaml").write_text("- domain: a\n  keyword: [b]\n")
    Path("blank.yaml").write_text("- {domain: a, keywords: ['']}\n")
    Path("word.yaml").write_text("- {domain: a, keywords: b}\n")
    Path("two.yaml").write_text("- {domain: a, keywords: [b]}\n- {domain: a, keywords: [c]}\n")
    handrail.write("turns.jsonl", [Turn(context=(Message(role="user", content="Hi"),))])
    model = ["--model", "world", "--base-url", "http://127.0.0.1:9/v1", "--no-cache"]
    assert problem in run(capsys, *args, *model, code=2)
    assert not Path("x.jsonl").exists()


def test_prompts_and_labels_are_made_and_counted(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handrail.write("turns.jsonl", world.training_turns(3, seed=8))
    turns = handrail.read("turns.jsonl").records
    more = run(capsys, "paraphrase", "turns.jsonl", "--out", "more.jsonl", *asked(url))
    assert len(handrail.read("more.jsonl").records) == more["paraphrases"] > len(turns)
    classed = run(capsys, "classify", "turns.jsonl", "--out", "classed.jsonl", *asked(url))
    assert sum(classed[c] for c in handrail.synthesis.CATEGORIES) == len(turns)
    labelled = run(capsys, "preferences", "turns.jsonl", "--out", "l.jsonl", *asked(url))
    assert labelled["labelled"] + labelled["orders disagree"] == len(turns)
    assert labelled["agree_with_it"] >= 0.9 * labelled["had_feedback"]
    Path("d.yaml").write_text("- domain: baking\n  keywords: [yeast, salt]\n")
    written = run(capsys, "questions", "d.yaml", "--out", "q.jsonl", "--count", "2", *asked(url))
    assert written["questions"] == 4
    rated = [
        t.model_copy(update={"replies": (t.replies[0].model_copy(update={"rating": float(i)}),)})
        for i, t in enumerate(turns)
    ]
    handrail.write("rated.jsonl", rated)
    new = run(capsys, "prompts", "rated.jsonl", "--out", "p.jsonl", "--rounds", "2", "--count",
              "5", *asked(url))  # fmt: skip
    assert 0 < new["questions"] <= 10
    assert new["weak_domains"]


def test_the_position_bias_of_a_judge_costs_labels_not_truth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handrail.write("turns.jsonl", world.training_turns(4, seed=8))
    with serving(position_bias=0.6) as base:
        told = run(capsys, "preferences", "turns.jsonl", "--out", "l.jsonl", *asked(base))
    assert told["orders disagree"] > 0
    assert told["left_out"] == {"turn: the two orders disagree": told["orders disagree"]}
    assert told["agree_with_it"] >= 0.9 * told["had_feedback"]


def test_the_functions_do_what_the_commands_do(url: str) -> None:
    model = handrail.open_model("world", base_url=url)
    found, broken = handrail.synthesize.both(
        TALKS[:2], model, finding=Finding(at_most=3), breaking=Breaking(kinds=("wrong tone",))
    )
    assert broken is not None
    assert max(len(c.playbook.guardrails) for c in found.conversations if c.playbook) <= 3
    assert set(broken.kinds) == set(KINDS)
    same = handrail.synthesize.guardrails("talks.jsonl", model, limit=2, finding=Finding(at_most=3))
    assert same == found
    stranger = Conversation(messages=(Message(role="assistant", content="Hm."),))
    nothing, none = handrail.synthesize.both([stranger], model)
    assert (nothing.turns, none) == ((), None)
    handrail.write("turns.jsonl", found.turns)
    with pytest.raises(RecordError, match="Name a file of conversations"):
        handrail.synthesize.guardrails("turns.jsonl", model)


def test_a_run_that_makes_nothing_raises_with_its_reason() -> None:
    from handrail.asking import DirectModel
    from handrail.cli.synth_work import nothing_made
    from handrail.records import Skip

    with pytest.raises(RunError, match="no turn was made: turn: because"):
        nothing_made("turn", [Skip(what="turn", reason="because")], DirectModel(lambda m: "x"))
