"""What a flow does where its language model was not asked all: nothing half is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.recipes.test_annotate import SMALL, talks

from handrail.judges import BinsJudge, ModelAssessor
from handrail.recipes import QuickstartSettings
from handrail.recipes.annotate import annotate
from handrail.recipes.corpus import Corpus
from handrail.recipes.flow2 import _pairs
from handrail.recipes.judging import judge_seed
from handrail.recipes.language import FlowModel, may_pass, refuse_unasked
from handrail.recipes.run import Run
from handrail.records import (
    Answer,
    Failure,
    JudgeError,
    Reply,
    RunError,
    Turn,
    read_jsonl,
    write_jsonl,
)
from handrail.world import training_turns

HERE: dict[str, Any] = {"llm": "world", "threads": 1}
ERRING: dict[str, Any] = {"llm": {"model": "world", "faults": {"position_bias": 1.0}}, "threads": 1}


def dead_after(count: int, problem: str = "not asked: gone", kind: Any = "endpoint") -> Any:
    """`FlowModel.ask`'s endpoint with answers to the first `count` questions of a call."""

    class Dying:
        def __init__(self, whole: Any) -> None:
            self.whole = whole
            self.spent, self.estimate = whole.spent, whole.estimate

        def ask(self, requests: Any, progress: Any = None) -> list[Answer | Failure]:
            lost = [Failure(kind=kind, problem=problem) for _ in requests[count:]]
            return [*self.whole.ask(requests[:count], progress), *lost]

    return Dying


def opened(monkeypatch: pytest.MonkeyPatch, dying: Any) -> None:
    from handrail.recipes import language

    whole = language.open_endpoint
    monkeypatch.setattr(language, "open_endpoint", lambda *args, **own: dying(whole(*args, **own)))


def test_conversations_that_were_not_all_asked_about_are_no_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "talks.jsonl", talks(6))
    settings = QuickstartSettings(**SMALL, conversations=str(tmp_path / "talks.jsonl"))
    with monkeypatch.context() as patched:
        opened(patched, dead_after(2))
        with pytest.raises(RunError, match=r"4 questions .* not asked \(gone\).*answers that came"):
            annotate(Run(tmp_path / "run"), settings)
    assert not (tmp_path / "run" / "stages" / "annotated").exists()
    kept = {
        prompt.split("@")[0]: n for prompt, n, *_ in FlowModel(settings, tmp_path / "run").kept()
    }
    assert kept == {"guardrails": 2}
    # The same again goes on, and makes what it would have made at once.
    again = annotate(Run(tmp_path / "run"), settings)[0]
    once = annotate(Run(tmp_path / "other"), settings)[0]
    one, other = (read_jsonl(made.conversations, Turn).records for made in (again, once))
    assert one == other


def test_a_question_that_the_endpoint_never_answers_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "talks.jsonl", talks(6))
    settings = QuickstartSettings(**SMALL, conversations=str(tmp_path / "talks.jsonl"))
    opened(monkeypatch, dead_after(3, "HTTP 400: too long"))
    _, (made,) = annotate(Run(tmp_path / "run"), settings)
    assert sum(skip.count for skip in made.skipped if "HTTP 400" in skip.reason) > 0


@pytest.mark.parametrize(
    ("kind", "problem", "passing", "unasked"),
    [
        ("limit", "the limit on requests or cost was reached", True, True),
        ("endpoint", "not asked: HTTP 503", True, True),
        ("endpoint", "HTTP 503: down", True, False),
        ("endpoint", "HTTP 429: slow down", True, False),
        ("endpoint", "HTTP 400: too long", False, False),
        ("endpoint", "HTTP 422", False, False),
        ("endpoint", "no reply within 120 s", True, False),
        ("refusal", "it declines to answer", False, False),
        ("malformed", "it is empty", False, False),
    ],
)
def test_which_failures_another_day_may_not_have(
    kind: Any, problem: str, passing: bool, unasked: bool
) -> None:
    failure = Failure(kind=kind, problem=problem)
    error = JudgeError(turn="t", a="", b="", dimension="any", kind=kind, problem=problem)
    assert may_pass(failure) == may_pass(error) == passing
    if unasked:
        with pytest.raises(RunError, match="1 questions"):
            refuse_unasked([failure])
    else:
        refuse_unasked([failure, error])


def corpus_of(given: dict[str, Any], folder: Path, turns: list[Turn]) -> Corpus:
    model = FlowModel(QuickstartSettings(**given), folder)
    return Corpus(
        name="x",
        train=(),
        feedback=tuple(turns),
        test=tuple(turns),
        assessor=ModelAssessor(model),
        judge=BinsJudge(model),
    )


def test_a_world_that_errs_otherwise_judges_again(tmp_path: Path) -> None:
    turns = training_turns(2, seed=9)[:3]
    replies = {
        name: [t.replies[place] for t in turns] for place, name in enumerate(("chosen", "rejected"))
    }
    run = Run(tmp_path / "run")
    told = (lambda done, total: None,) * 2
    for given, flips in ((HERE, False), (ERRING, True), (HERE, False)):
        corpus = corpus_of(given, run.folder, turns)
        judged = judge_seed(run, corpus, replies, [("chosen", "rejected")], 0, told)
        adherence = [v for v in judged.verdicts if v.dimension == "adherence"]
        assert len(adherence) == 6
        assert (len({str(getattr(v, "outcome", "")) for v in adherence}) > 1) == flips


def test_pairs_of_a_bots_own_replies_hang_on_all_that_decides_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = training_turns(3, seed=9)[:4]
    answers = [Reply(text=t.replies[-1].text + " Well.", author="bot") for t in turns]
    run = Run(tmp_path / "run")
    with monkeypatch.context() as patched:
        opened(patched, dead_after(1))
        with pytest.raises(RunError, match="were not asked"):
            _pairs(run, corpus_of(HERE, run.folder, turns), answers, {}, 0)
    assert not (tmp_path / "run" / "stages" / "seed0-pairs").exists()
    corpus = corpus_of(HERE, run.folder, turns)
    whole, _ = _pairs(run, corpus, answers, {}, 0)
    rejected = {turn.replies[1].text for turn in whole}
    place, *_, last = (i for i, answer in enumerate(answers) if answer.text in rejected)
    cut, skips = _pairs(run, corpus, answers, {place: "cut off"}, 0)
    assert run.made.count("seed0-pairs") == 2
    assert len(cut) == len(whole) - 1
    assert ("cut off", 1) in [(s.reason, s.count) for s in skips]
    bold = replace(corpus, allows=lambda turn, text: turn.id == turns[last].id)
    assert len(_pairs(run, bold, answers, {}, 0)[0]) == len(whole) - 1
