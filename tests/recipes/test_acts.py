"""STAR's dialogues in the flows: next-action figures, parts by dialogue and by task, end to end."""

from __future__ import annotations

import gzip
import json
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.data import need
from tests.recipes.conftest import TINY

from handrail.ranking import Resampling
from handrail.recipes import RECIPES, flow, speaking, star
from handrail.recipes.acts import HUMAN, act_table, has_acts, score_acts
from handrail.recipes.corpus import Corpora
from handrail.recipes.flow2 import feedback_turns
from handrail.recipes.retrieval import rank_sets
from handrail.recipes.settings import FlowSettings
from handrail.recipes.small_model import PretrainSettings
from handrail.records import Conversation, RecordError, SettingError, Turn, write_jsonl
from handrail.records.store import raw_lines
from handrail.sources import registry
from handrail.sources.star import guide_beside, held_out_tasks
from handrail.sources.star_guide import Guide

SMALL: dict[str, Any] = {
    "model": "scratch",
    "train_points": 24,
    "feedback_points": 8,
    "test_turns": 30,
    "seeds": 1,
    "reply_tokens": 12,
    "threads": 1,
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty training and twelve dev dialogues of the raw files, the guidelines beside them."""
    folder = tmp_path_factory.mktemp("star")
    for name, n in (("train", 40), ("dev", 12)):
        lines = list(islice(raw_lines(need("star", f"{name}.jsonl.gz")), n))
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    (folder / "guidelines.json").write_bytes(need("star", "guidelines.json").read_bytes())
    return folder


@pytest.fixture(scope="module")
def guide(raw: Path) -> Guide:
    return guide_beside(raw / "dev.jsonl.gz")


@pytest.fixture(scope="module")
def talks(raw: Path) -> list[Conversation]:
    return list(registry.source("star")(raw / "dev.jsonl.gz").records)


@pytest.fixture(scope="module")
def dev(raw: Path, talks: list[Conversation]) -> list[Turn]:
    return registry.source("star").turns(talks, raw / "dev.jsonl.gz")


def test_human_replies_are_their_own_acts_and_other_acts_are_not(
    dev: list[Turn], guide: Guide
) -> None:
    human = score_acts(dev, [t.replies[0].text for t in dev], guide)
    known = [x for x in human.right if x == x]
    assert len(known) == sum(t.tags["action"] != "" for t in dev) < len(dev)
    assert sum(known) / len(known) > 0.8
    wrong = score_acts(dev, ["The moon is made of green cheese."] * len(dev), guide)
    assert not sum(x for x in wrong.right if x == x)
    assert not sum(wrong.matched)
    assert not sum(x for x in wrong.allowed if x == x)


def test_the_table_counts_free_text_and_clusters_by_dialogue(dev: list[Turn], guide: Guide) -> None:
    texts = {"echo": [[t.replies[0].text for t in dev], ["?"] * len(dev)]}
    names = [t.conversation_id for t in dev]
    table = act_table(dev, texts, guide, names, Resampling(resamples=100))
    assert list(table.figures) == [HUMAN, "echo"]
    assert table.free_text == sum(t.tags["action"] == "" for t in dev) > 0
    human, echo = table.figures[HUMAN].right, table.figures["echo"].right
    assert echo.value == pytest.approx(human.value / 2)
    assert echo.n == 2 * human.n == 2 * (len(dev) - table.free_text)
    assert echo.clusters <= len(set(names))
    plain = json.loads(json.dumps(table.as_dict()))
    assert plain["systems"]["echo"]["accuracy"]["estimate"] == pytest.approx(echo.value)
    assert has_acts(dev)
    assert not has_acts([t.model_copy(update={"tags": {}}) for t in dev])


def test_one_name_per_act(dev: list[Turn], guide: Guide) -> None:
    bye = next(t for t in dev if t.tags["action"].startswith("goodbye"))
    other = "goodbye_2" if bye.tags["action"] == "goodbye_1" else "goodbye_1"
    renamed = bye.model_copy(update={"tags": {**bye.tags, "action": other}})
    said = [bye.replies[0].text]
    assert score_acts([bye], said, guide).right == score_acts([renamed], said, guide).right


def test_raw_files_give_parts_whose_rejected_replies_come_from_training(raw: Path) -> None:
    settings = FlowSettings(
        conversations=str(raw / "train.jsonl.gz"),
        test_conversations=str(raw / "dev.jsonl.gz"),
        **SMALL,
    )
    corpus = Corpora(settings, feedback=True).of(0)
    assert {t.tags["split"] for t in corpus.test} == {"dev"}
    assert {t.tags["split"] for t in (*corpus.train, *corpus.feedback)} == {"train"}
    trained = {t.conversation_id for t in corpus.train}
    assert not trained & {t.conversation_id for t in corpus.feedback}
    assert trained <= {t.conversation_id for t in corpus.base}
    said = {t.replies[0].text for t in corpus.base}
    found = [r for t in corpus.test for r in t.replies[1:] if r.author != "offered"]
    assert found
    assert {r.text for r in found} <= said
    refused = [s for s in corpus.skipped if s.what == "rejected candidate"]
    assert sum(s.count for s in refused) > len(refused)
    assert Corpora(settings, feedback=True).of(1).base == corpus.base


def test_feedback_is_never_what_the_chart_allows(raw: Path, dev: list[Turn], guide: Guide) -> None:
    settings = FlowSettings(conversations=str(raw / "train.jsonl.gz"), **SMALL)
    corpus = Corpora(settings, feedback=True).of(0)
    assert corpus.allows is not None
    able = [t for t in dev if t.best() is not None]
    # What agents say at other turns, as a bot might: some of it is allowed here too.
    said = [t.replies[0] for t in (*able[7:], *able[:7])]
    kept, skips = feedback_turns(able, said, corpus.assessor, corpus.allows)
    assert kept
    assert not any(guide.allows(t, t.replies[1].text) for t in kept)
    assert {s.reason: s.count for s in skips}["the guidelines allow it here"] > 0
    assert not corpus.allows(able[0].model_copy(update={"tags": {}}), said[0].text)


def test_converted_records_give_the_same_as_the_raw_file(raw: Path, tmp_path: Path) -> None:
    loaded = registry.source("star")(raw / "train.jsonl.gz").records
    write_jsonl(tmp_path / "talks.jsonl", loaded)
    guidelines = str(raw / "guidelines.json")
    one = FlowSettings(conversations=str(raw / "train.jsonl.gz"), **SMALL)
    two = FlowSettings(conversations=str(tmp_path / "talks.jsonl"), guidelines=guidelines, **SMALL)
    assert Corpora(one).of(0).train == Corpora(two).of(0).train
    assert Corpora(one).of(0).test == Corpora(two).of(0).test


@pytest.mark.parametrize("kind", ["raw", "turns"])
def test_tasks_of_the_test_are_unseen_in_training(
    raw: Path, guide: Guide, tmp_path: Path, kind: str
) -> None:
    train = raw / "train.jsonl.gz"
    if kind == "turns":
        loaded = registry.source("star")(train).records
        write_jsonl(tmp_path / "turns.jsonl", registry.source("star").turns(loaded, train))
        train = tmp_path / "turns.jsonl"
    settings = FlowSettings(
        conversations=str(train), guidelines=str(raw / "guidelines.json"), split="task", **SMALL
    )
    corpus = Corpora(settings).of(0)
    unseen = set(held_out_tasks(guide))
    assert corpus.test
    for turn in corpus.test:
        assert set(turn.tags["tasks"].split(",")) <= unseen
    for turn in corpus.base:
        assert not set(turn.tags["tasks"].split(",")) & unseen
    assert any("mixes tasks" in s.reason for s in corpus.skipped)
    tested = [t for t in corpus.test if len(t.replies) > 1]
    assert tested


def test_a_split_by_task_without_tasks_is_one_clear_error(raw: Path, dev: list[Turn]) -> None:
    with pytest.raises(SettingError, match="no flow charts"):
        star.split_turns_by_task(dev, None, None)
    bare = [dev[0].model_copy(update={"tags": {}})]
    with pytest.raises(SettingError, match="the task of turn"):
        star.split_turns_by_task(bare, None, guide_beside(raw / "dev.jsonl.gz"))


def test_a_raw_file_without_guidelines_is_one_clear_error(raw: Path, tmp_path: Path) -> None:
    alone = tmp_path / "train.jsonl.gz"
    alone.write_bytes((raw / "train.jsonl.gz").read_bytes())
    with pytest.raises(RecordError, match=r"flow charts.*guidelines"):
        Corpora(FlowSettings(conversations=str(alone), **SMALL)).of(0)


def test_flow1_from_the_raw_files_to_the_report(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = TINY.model_copy(update={"vocabulary": 700, "positions": 8192})
    seen: list[Conversation] = []

    def tiny(talks: list[Conversation]) -> PretrainSettings:
        seen.extend(talks)
        return size

    monkeypatch.setattr(flow, "scratch_settings", tiny)
    # Twelve dialogues hold fewer than a hundred distinct replies.
    for module in (flow, speaking):
        monkeypatch.setattr(module, "rank_sets", partial(rank_sets, others=20))
    settings = FlowSettings(
        conversations=str(raw / "train.jsonl.gz"),
        test_conversations=str(raw / "dev.jsonl.gz"),
        recall_turns=3,
        **SMALL,
    )
    summary = RECIPES["flow1"].run(settings, tmp_path, lambda *a, **k: None)
    lines = [line for line in raw_lines(raw / "dev.jsonl.gz") if line.strip()]
    dev_ids = {json.loads(line)["dialogue_id"] for line in lines}
    assert seen
    assert not {t.id for t in seen} & {f"star-{i}" for i in dev_ids}
    systems = {r["system"] for r in summary["rates"]}
    assert set(summary["recall"]) == systems
    assert set(summary["next_action"]["systems"]) == systems | {HUMAN}
    for at in summary["recall"].values():
        assert at["1"]["n"] == 3
        assert at["1"]["estimate"] <= at["5"]["estimate"] <= at["10"]["estimate"]
    assert summary["next_action"]["systems"][HUMAN]["accuracy"]["estimate"] > 0.8
    page = (tmp_path / "report.html").read_text()
    for part in ("Next action", "Schema Attention Model", "recall@10", "The true reply among 100"):
        assert part in page
