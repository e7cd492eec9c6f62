"""ABCD's guidelines as playbooks and its conversations."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest

from handrail.records import CheckResult, Message, RecordError
from handrail.sources import abcd
from tests.data import need


@pytest.fixture(scope="module")
def raw() -> Path:
    return need("abcd", "conversations_sample.jsonl")


def test_every_subflow_is_a_playbook_with_checks(raw: Path) -> None:
    guidelines = json.loads((raw.parent / "guidelines.json").read_text("utf-8"))
    ontology = json.loads((raw.parent / "ontology.json").read_text("utf-8"))
    books = abcd.playbooks(guidelines, ontology)
    rules = [g for b in books.values() for g in b.guardrails]
    checked = sum(g.check is not None for g in rules)
    print(f"{len(books)} subflows, {len(rules)} guardrails, {checked} with a check")
    assert len(books) == 55
    assert len(rules) == 310
    assert checked > 150
    stain = books["product_defect/return_stain"]
    assert "membership level" in " ".join(g.text for g in stain.guardrails)


def test_conversations_keep_what_the_agent_did_as_tool_messages(raw: Path) -> None:
    loaded = abcd.load(raw)
    assert len(loaded.records) == 20
    assert not loaded.skipped
    labelled = [c for c in loaded.records if c.tags["subflow"]]
    assert len(labelled) == 5
    assert {m.role for c in loaded.records for m in c.messages} == {"user", "assistant", "tool"}
    assert not any("<<" in m.content for c in loaded.records for m in c.messages)
    for conversation in loaded.records:
        roles = [m.role for m in conversation.messages]
        assert all(a != b for a, b in itertools.pairwise(roles))
        assert conversation.playbook is not None
    assert len({c.id for c in loaded.records}) == 20


def test_pull_up_account_comes_before_the_order(raw: Path) -> None:
    conversation = next(c for c in abcd.load(raw).records if c.tags["subflow"] == "return_size")
    assert conversation.playbook is not None
    rule = next(g.id for g in conversation.playbook.guardrails if g.family == "pull-up-account")
    context = (Message(role="user", content="I need to return a shirt"),)
    ask_order = conversation.playbook.results(context, "May I have your order ID please?")
    assert ask_order[rule] is CheckResult.BROKEN
    ask_both = conversation.playbook.results(context, "May I have your name and your order ID?")
    assert ask_both[rule] is CheckResult.KEPT


def test_a_subflow_without_guidelines_is_named(raw: Path, tmp_path: Path) -> None:
    for name in ("guidelines.json", "ontology.json"):
        shutil.copy(raw.parent / name, tmp_path / name)
    line = json.loads(raw.read_text("utf-8").splitlines()[0])
    line["subflow"] = "return_smell"
    path = tmp_path / "conversations_sample.jsonl"
    path.write_text(json.dumps(line) + "\n" + "{}\n", encoding="utf-8")
    with pytest.raises(RecordError, match="return_smell"):
        abcd.load(path)
    assert len(abcd.load(path, on_error="skip").skipped) == 2


def test_guidelines_missing_or_wrong(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / raw.name
    shutil.copy(raw, path)
    with pytest.raises(RecordError, match=r"guidelines\.json: there is no such file"):
        abcd.load(path)
    (tmp_path / "guidelines.json").write_text("[]")
    (tmp_path / "ontology.json").write_text("{}")
    with pytest.raises(RecordError, match="not ABCD's guidelines"):
        abcd.load(path)
