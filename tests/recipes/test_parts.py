"""Parts of a corpus: whole conversations, as many turns as asked, none both taught and tested."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from handrail import world
from handrail.recipes import flow
from handrail.recipes.corpus import Corpora
from handrail.recipes.parts import drawn, talk_of
from handrail.recipes.run import Run
from handrail.recipes.settings import SCRATCH, FlowSettings
from handrail.records import Conversation, Message, RecordError, Turn, write_jsonl


def unnamed(turn: Turn) -> Turn:
    """The turn without its conversation's name."""
    return turn.model_copy(update={"conversation_id": ""})


def settings(folder: Path, turns: list, **given: object) -> FlowSettings:
    """Settings of one file with these records."""
    write_jsonl(folder / "turns.jsonl", turns)
    return FlowSettings(conversations=str(folder / "turns.jsonl"), **given)  # type: ignore[arg-type]


def test_turns_that_name_no_conversation_are_drawn_one_by_one(tmp_path: Path) -> None:
    turns = [unnamed(t) for t in world.training_turns(150, 3)]
    given = settings(tmp_path, turns, train_points=50, test_turns=20, feedback_points=30)
    corpus = Corpora(given, feedback=True).of(0)
    assert len(corpus.train) == 50
    assert len(corpus.feedback) == 30
    assert len(corpus.test) == 20
    beyond = {s.what: s.count for s in corpus.skipped if s.reason.startswith("beyond")}
    assert set(beyond) == {"train turn", "feedback turn", "test turn"}
    assert sum(beyond.values()) > 100


def test_turns_of_one_prompt_stay_together() -> None:
    turns = [unnamed(t) for t in world.training_turns(10, 3)]
    again = [t.model_copy(update={"id": f"again-{t.id}"}) for t in turns]
    assert [talk_of(t) for t in turns] == [talk_of(t) for t in again]
    got = drawn([*turns, *again], 3, seed=1)
    assert len(got) == 4
    assert len({talk_of(t) for t in got}) == 2
    opening = turns[0].model_copy(update={"context": ()})
    assert talk_of(opening) == opening.id


@pytest.mark.parametrize("kind", ["turns", "conversations"])
def test_a_conversation_under_two_ids_is_not_taught_and_tested(tmp_path: Path, kind: str) -> None:
    def twice(record: Turn | Conversation) -> list:
        names = {"id": f"again-{record.id}"}
        if isinstance(record, Turn):
            names["conversation_id"] = f"again-{record.conversation_id}"
        return [record, record.model_copy(update=names)]

    made = world.training_turns(60, 3) if kind == "turns" else world.generate(60, 3)
    records = [copy for record in made for copy in twice(record)]
    given = settings(tmp_path, records, train_points=9999, test_turns=9999, feedback_points=9999)
    corpus = Corpora(given, feedback=True).of(0)
    parts = [
        {(t.context, t.replies[0].text) for t in part}
        for part in (corpus.train, corpus.feedback, corpus.test)
    ]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts))
    lost = {s.what: s.count for s in corpus.skipped if "under another id" in s.reason}
    assert set(lost) == {"train turn", "feedback turn"}
    whole = Corpora(given, feedback=True).of(1)
    assert whole.test == corpus.test


def test_one_conversation_under_many_ids_is_one_clear_error(tmp_path: Path) -> None:
    talk = world.generate(1, 3)[0]
    same = [talk.model_copy(update={"id": f"talk-{n}"}) for n in range(30)]
    with pytest.raises(RecordError, match="every conversation of the train part") as caught:
        Corpora(settings(tmp_path, same)).of(0)
    assert "Give each conversation once" in str(caught.value)


def test_rules_of_ranked_turns_apply_by_the_checks(tmp_path: Path) -> None:
    turns = []
    for number, turn in enumerate(world.training_turns(80, 3)):
        bare = tuple(r.model_copy(update={"keeps": (), "breaks": ()}) for r in turn.replies)
        turns.append(turn if number % 10 == 0 else turn.model_copy(update={"replies": bare}))
    graded = Corpora(settings(tmp_path, world.training_turns(80, 3), test_turns=9999)).of(0)
    corpus = Corpora(settings(tmp_path, turns, test_turns=9999)).of(0)
    assert {t.id for t in corpus.test} == {t.id for t in graded.test}
    assert len(corpus.test) > 20


def test_turns_to_which_no_check_applies_are_not_tested_on(tmp_path: Path) -> None:
    turns = []
    for turn in world.training_turns(80, 3):
        context = (Message(role="user", content="Hm."),)
        bare = tuple(r.model_copy(update={"keeps": (), "breaks": ()}) for r in turn.replies)
        rules = [g for g in turn.playbook.guardrails if g.check and g.check.when.user][:1]
        if rules and int(turn.id[-1], 16) % 2:
            book = turn.playbook.model_copy(update={"guardrails": tuple(rules)})
            turn = turn.model_copy(update={"context": context, "playbook": book})
        turns.append(turn.model_copy(update={"replies": bare}))
    corpus = Corpora(settings(tmp_path, turns, test_turns=9999)).of(0)
    assert not any(t.context and t.context[-1].content == "Hm." for t in corpus.test)
    (lost,) = (s.count for s in corpus.skipped if s.reason == "no guardrail applies to it")
    assert lost > 0


def test_a_model_from_scratch_is_made_once_for_all_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def pretrain(talks: list[Conversation], size: object, folder: Path, progress: object) -> None:
        made.append(len(talks))
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}", "utf-8")

    monkeypatch.setattr(flow, "pretrain", pretrain)
    given = FlowSettings(model=SCRATCH, train_points=20, test_turns=8, seeds=2)
    corpora = Corpora(given)
    assert corpora.of(0).train != corpora.of(1).train
    first = flow.base_system(Run(tmp_path), given, corpora.of(0))
    again = flow.base_system(Run(tmp_path), given, Corpora(given).of(1))
    kept = flow.base_system(Run(tmp_path, frozen=True), given, corpora.of(0))
    assert first.model == again.model == kept.model
    assert len(made) == 1
    named = dataclasses.replace(corpora.of(0), base=())
    assert corpora.of(0).base
    assert Corpora(FlowSettings(train_points=20, test_turns=8)).of(0).base == named.base
