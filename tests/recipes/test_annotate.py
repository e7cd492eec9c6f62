"""A flow whose data a language model makes and judges, the care world playing it over HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from handrail import world
from handrail.recipes import QuickstartSettings, asked
from handrail.recipes.annotate import annotate
from handrail.recipes.flow1 import run_quickstart
from handrail.recipes.language import ANSWERS, FlowModel, check_options
from handrail.recipes.own import read_talks
from handrail.recipes.run import Run
from handrail.records import (
    Conversation,
    Failure,
    Guardrail,
    HandrailWarning,
    Message,
    Playbook,
    RecordError,
    SettingError,
    Turn,
    Verdict,
    read_jsonl,
    write_jsonl,
)

SMALL: dict[str, Any] = {
    "llm": "world",
    "train_points": 12,
    "test_turns": 4,
    "seeds": 1,
    "parallel": 1,
    "threads": 1,
    "reply_tokens": 16,
}


def talks(n: int, seed: int = 3, playbook: bool = False) -> list[Conversation]:
    made = world.generate(n, seed)
    return made if playbook else [c.model_copy(update={"playbook": None}) for c in made]


def test_a_flow_from_bare_conversations_to_its_report(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "talks.jsonl", talks(14))
    settings = QuickstartSettings(
        **SMALL, model=str(tiny_model), conversations=str(tmp_path / "talks.jsonl")
    )
    summary = run_quickstart(settings, tmp_path / "run")
    told = summary["language_model"]
    assert told["name"] == "world"
    counts = told["annotated"]["conversations"]
    assert counts["points"] == counts["pairs made"] + counts["points without a pair"]
    asked = {row["prompt"].split("@")[0] for row in told["answers"]}
    assert {"guardrails", "tags", "tag_check", "violate", "assess", "bins"} <= asked
    # The world plays the model without error, so its verdicts are the oracle's.
    right = told["against_the_oracle"]
    assert set(right) == {"adherence", "naturalness", "hallucination"}
    assert all(one["share"]["estimate"] == 1.0 and one["share"]["n"] > 0 for one in right.values())
    made = read_jsonl(tmp_path / "run" / "stages" / "annotated" / "turns.jsonl", Turn).records
    for turn in made:
        chosen, rejected = turn.replies
        assert chosen.keeps
        assert rejected.breaks
        assert not chosen.breaks
        assert "world with" in turn.provenance.made_by
        assert "violate@" in turn.provenance.made_by
    judged = tmp_path / "run" / "judged" / "seed0" / "verdicts.jsonl"
    verdicts = read_jsonl(judged, Verdict).records
    assert {v.order for v in verdicts} == {"AB", "BA"}
    assert all(v.judge.startswith("model:world/bins@") for v in verdicts)
    # How it bends to order and length is what slow counting gives.
    habits = {name: one["estimate"] for name, one in told["habits"].items()}
    decided = [v for v in verdicts if v.outcome in "AB"]
    assert habits["flip_rate"] == 0.0
    assert habits["tie_rate"] == pytest.approx(1 - len(decided) / len(verdicts))
    replies = tmp_path / "run" / "judged" / "seed0" / "replies.jsonl.gz"
    sizes = {
        (turn.provenance.parents[0], turn.tags["system"]): len(turn.replies[0].text)
        for turn in read_jsonl(replies, Turn).records
    }
    apart = [(v, sizes[v.turn, v.a] - sizes[v.turn, v.b]) for v in decided]
    longer = [(v.outcome == "A") == (by > 0) for v, by in apart if by]
    assert told["habits"]["length_preference"]["n"] == len(longer)
    if longer:
        assert habits["length_preference"] == pytest.approx(sum(longer) / len(longer))
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    for title in (
        "How the language model judges pairs",
        "What the language model was asked",
        "The language model against the oracle",
    ):
        assert title in page

    # The report again asks nothing: the judgements are a stage, and the answers are kept.
    before = (tmp_path / "run" / "report.html").read_bytes()

    def gone(*args: Any, **more: Any) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr("handrail.recipes.language.open_endpoint", gone)
    assert run_quickstart(settings, tmp_path / "run", frozen=True) == summary
    assert (tmp_path / "run" / "report.html").read_bytes() == before


def test_a_model_that_errs_is_seen_to(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Any] = []
    whole = asked.compare_systems
    monkeypatch.setattr(asked, "compare_systems", lambda *a: compared.append(a) or whole(*a))
    write_jsonl(tmp_path / "talks.jsonl", talks(40, playbook=True))
    llm = {"model": "world", "faults": {"wrong": 0.15, "refuse": 0.4}}
    settings = QuickstartSettings(
        **{**SMALL, "llm": llm},
        model=str(tiny_model),
        conversations=str(tmp_path / "talks.jsonl"),
    )
    told = run_quickstart(settings, tmp_path / "run")["language_model"]
    shares = [one["share"]["estimate"] for one in told["against_the_oracle"].values()]
    assert min(shares) < 1.0
    assert any("refusal" in what for what in told["failed_judgements"])
    assert len(compared) == 1  # the oracle's verdicts of the one seed, for page and summary both


def test_the_playbooks_of_conversations_are_used_as_they_are(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "talks.jsonl", talks(6, playbook=True))
    settings = QuickstartSettings(**SMALL, conversations=str(tmp_path / "talks.jsonl"))
    notes: list[str] = []
    given, made = annotate(
        Run(tmp_path / "run", lambda stage, done, total, note="": notes.append(note)), settings
    )
    # What it will take is told first.
    about = re.match(r"([\d,]+) requests, about [\d,]+ prompt tokens.*0.00 USD", notes[0])
    assert about is not None
    facts = json.loads((tmp_path / "run/stages/annotated/annotated.json").read_text("utf-8"))
    asked = facts["asked"]["requests"]
    assert asked / 2 < int(about[1].replace(",", "")) < asked * 2
    turns = read_jsonl(given.conversations, Turn).records
    books = {c.id: c.playbook for c in talks(6, playbook=True)}
    assert turns
    assert all(turn.playbook == books[turn.conversation_id] for turn in turns)
    assert "guardrails found" not in made[0].counts
    # What is annotated is kept: a second look makes no second one.
    run = Run(tmp_path / "run", frozen=True)
    assert annotate(run, settings) == (given, made)


def test_files_with_feedback_are_not_annotated(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "turns.jsonl", world.training_turns(4, 1))
    settings = QuickstartSettings(**SMALL, conversations=str(tmp_path / "turns.jsonl"))
    assert annotate(Run(tmp_path / "run"), settings) == (settings, [])
    assert annotate(Run(tmp_path / "run"), QuickstartSettings()) == (QuickstartSettings(), [])
    assert read_talks(str(tmp_path / "turns.jsonl")) == ([], [])


def test_playbooks_for_some_only_are_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "talks.jsonl", [*talks(1, 1, playbook=True), *talks(2, 2)])
    settings = QuickstartSettings(**SMALL, conversations=str(tmp_path / "talks.jsonl"))
    with pytest.raises(RecordError, match="2 of 3 conversations have no playbook"):
        annotate(Run(tmp_path / "run"), settings)


def test_conversations_that_the_model_finds_nothing_in_are_one_clear_error(tmp_path: Path) -> None:
    rule = Playbook(guardrails=(Guardrail(id="r", text="Speak of whales."),))
    said = (Message(role="user", content="Hi"), Message(role="assistant", content="Hello."))
    write_jsonl(tmp_path / "talks.jsonl", [Conversation(messages=said, playbook=rule)])
    settings = QuickstartSettings(**SMALL, conversations=str(tmp_path / "talks.jsonl"))
    with pytest.raises(RecordError) as caught:
        annotate(Run(tmp_path / "run"), settings)
    assert "keeps" in str(caught.value) or "follows" in str(caught.value)


def test_another_world_has_other_answers(tmp_path: Path) -> None:
    plain = FlowModel(QuickstartSettings(**SMALL), tmp_path)
    llm = {"model": "world", "faults": {"wrong": 0.5}}
    odd = QuickstartSettings(**{**SMALL, "llm": llm})
    assert plain._answers == tmp_path / ANSWERS
    assert FlowModel(odd, tmp_path)._answers != plain._answers
    assert plain.spent.requests == 0  # nothing is opened before the first question


@pytest.mark.parametrize(
    ("llm", "told"),
    [
        ({"base_url": "http://localhost:1/v1"}, "names no model"),
        ({"model": "openai:"}, "names no model"),
        ({"model": "world", "in_fligt": 3}, "Did you mean 'in_flight'"),
        ({"model": "world", "cache": "x"}, "there is no setting 'cache'"),
        ({"model": "world", "faults": 0.5}, "'faults' cannot be 0.5"),
        ({"model": "nobody", "max_cost": 1.0}, "no price for 'nobody'"),
        ({"model": "world", "prompts": "nowhere"}, "no folder nowhere"),
        ({"model": "world", "prices": "nowhere.yaml"}, "nowhere.yaml"),
    ],
)
def test_options_that_cannot_be_used_are_met_first(
    tmp_path: Path, llm: dict[str, Any], told: str
) -> None:
    with pytest.raises((SettingError, RecordError, ValueError), match=told):
        annotate(Run(tmp_path / "run"), QuickstartSettings(**{**SMALL, "llm": llm}))
    assert not (tmp_path / "run" / "stages").exists()


def test_a_prompt_that_cannot_be_used_is_met_before_the_first_question(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bins.jinja").write_text("--- user ---\n{% if %}")
    settings = QuickstartSettings(
        **{**SMALL, "llm": {"model": "world", "prompts": str(tmp_path / "mine")}}
    )
    with pytest.raises(SettingError, match=r"bins.jinja, line 2: the prompt cannot be used"):
        annotate(Run(tmp_path / "run"), settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "llm", [{"model": "gpt-x"}, {"model": "world", "base_url": "http://localhost:1/v1"}]
)
def test_only_the_world_errs_on_purpose(llm: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="errs on purpose"):
        check_options(QuickstartSettings(llm={**llm, "faults": {"wrong": 0.5}}))


def test_a_models_price_is_known_by_either_of_its_names(tmp_path: Path) -> None:
    names = [
        FlowModel(QuickstartSettings(llm={"model": model, "max_cost": 1.0}), tmp_path).name
        for model in ("gpt-4o-mini", "openai:gpt-4o-mini")
    ]
    assert set(names) == {"gpt-4o-mini"}
    check_options(QuickstartSettings(llm={"model": "openai:gpt-4o-mini", "max_cost": 1.0}))


def test_what_was_paid_for_stays_when_a_flow_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "talks.jsonl", talks(5))
    settings = QuickstartSettings(**SMALL, conversations=str(tmp_path / "talks.jsonl"))

    def stop(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("handrail.recipes.annotate.break_replies", stop)
        with pytest.raises(KeyboardInterrupt):
            annotate(Run(tmp_path / "run"), settings)
    kept = {prompt.split("@")[0] for prompt, *_ in FlowModel(settings, tmp_path / "run").kept()}
    assert {"guardrails", "tags", "tag_check"} <= kept
    annotate(Run(tmp_path / "run"), settings)
    facts = json.loads((tmp_path / "run/stages/annotated/annotated.json").read_text("utf-8"))
    assert facts["asked"]["cached"] >= 10  # stage 1 of five conversations was not asked again


def test_an_endpoint_that_dies_while_it_judges_is_asked_again_for_the_rest(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "talks.jsonl", talks(14))
    settings = QuickstartSettings(
        **SMALL, model=str(tiny_model), conversations=str(tmp_path / "talks.jsonl")
    )
    whole = FlowModel.ask

    def dying(self: FlowModel, requests: Any, progress: Any = None) -> list[Any]:
        if requests[0].task != "bins":
            return whole(self, requests, progress)
        dead = [Failure(kind="endpoint", problem="gone") for _ in requests[3:]]
        return [*whole(self, requests[:3], progress), *dead]

    with monkeypatch.context() as patched:
        patched.setattr(FlowModel, "ask", dying)
        with pytest.warns(HandrailWarning, match="asks for these again"):
            told = run_quickstart(settings, tmp_path / "run")
        failed = told["language_model"]["failed_judgements"]
        assert failed["two replies: endpoint"] > 0
    assert run_quickstart(settings, tmp_path / "run")["language_model"]["failed_judgements"] == {}
