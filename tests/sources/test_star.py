"""STAR: conversion, splits, and the faults of a raw file."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

from handrail.records import Conversation, RecordError
from handrail.sources import star
from handrail.sources.star_guide import Guide
from handrail.sources.star_lookup import lookup_text, outcome_of

DIALOGUE = {
    "dialogue_id": 1,
    "tasks": ["bank_balance"],
    "domains": ["bank"],
    "happy_path": True,
    "multi_task": False,
    "customer_scenario": "Ask for your balance.",
    "turns": [
        {"role": "customer", "text": "I am Jane Doe, my account is 85731890 and my PIN 1596."},
        {
            "role": "agent",
            "text": "Your current balance is 51 in credit.",
            "action": "bank_inform_balance",
            "action_options": ["bank_inform_balance", "ask_name"],
            "kb": {
                "api": "bank_balance",
                "constraints": [{"PIN": '"1596"'}],
                "item": {"APIName": "bank_balance", "BankName": "PNC", "BankBalance": 51},
                "total_items": -1,
            },
        },
    ],
    "customer_questionnaire": [{"question": "Good?", "answer": True}],
    "agent_questionnaire": [],
}


def _file(folder: Path, star_dev_path: Path, lines: list[str]) -> Path:
    shutil.copy(star_dev_path.parent / "guidelines.json", folder / "guidelines.json")
    path = folder / "train.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_converts_every_dialogue_with_playbook_and_labels(star_dev: list[Conversation]) -> None:
    assert len(star_dev) == 300
    assert len({c.id for c in star_dev}) == 300
    for conversation in star_dev:
        assert conversation.playbook is not None
        assert 4 <= len(conversation.playbook.guardrails) <= 9
        assert all(g.check is not None and g.family for g in conversation.playbook.guardrails)
        acts = json.loads(conversation.tags["acts"])
        assert len(acts) == sum(m.role == "assistant" for m in conversation.messages)
        assert conversation.tags["split"] == "dev"
        assert conversation.tags["happy_path"] in ("true", "false")
        json.loads(conversation.tags["customer_questionnaire"])
        json.loads(conversation.tags["agent_questionnaire"])


def test_lookup_comes_before_the_reply_that_used_it(tmp_path: Path, star_dev_path: Path) -> None:
    path = _file(tmp_path, star_dev_path, [json.dumps(DIALOGUE)])
    (conversation,) = star.load(path).records
    assert [m.role for m in conversation.messages] == ["user", "tool", "assistant"]
    assert conversation.messages[1].content == "[bank_balance] bank name: PNC; bank balance: 51"
    assert conversation.tags["split"] == "train"


def test_lookups_show_every_value_that_a_canonical_reply_states(
    star_dev: list[Conversation], guide: Guide
) -> None:
    """A number in a canonical reply stands in the context, so one that does not is invented."""
    grounded = stated = 0
    for conversation in star_dev:
        acts = json.loads(conversation.tags["acts"])
        number = 0
        for i, message in enumerate(conversation.messages):
            if message.role != "assistant":
                continue
            if acts[number]["action"] not in (None, "custom"):
                before = " ".join(m.content for m in conversation.messages[:i])
                for digits in re.findall(r"\d+", message.content):
                    stated += 1
                    grounded += digits in before
            number += 1
    print(f"stated values found in the context: {grounded} of {stated}")
    assert stated > 600
    assert grounded / stated >= 0.98


@pytest.mark.parametrize(
    ("task", "kb", "expected"),
    [
        ("bank_balance", {"api": "bank_balance", "item": {"BankBalance": 5}}, "found"),
        (
            "bank_balance",
            {"api": "bank_balance", "item": {"Message": "You must provide"}},
            "failed",
        ),
        ("weather", {"api": "weather", "item": None, "total_items": 0}, "nothing"),
        (
            "hotel_book",
            {
                "api": "hotel_book",
                "constraints": [{"RequestType": '"Check"'}],
                "item": {"Message": "Unavailable"},
            },
            "unavailable",
        ),
        (
            "hotel_book",
            {
                "api": "hotel_book",
                "constraints": [{"RequestType": '"Book"'}],
                "item": {"Message": "Reservation Confirmed"},
            },
            "booked",
        ),
    ],
)
def test_outcomes(guide: Guide, task: str, kb: dict, expected: str) -> None:
    assert outcome_of(guide.flows[task], kb) == expected


def test_lookup_text_is_readable() -> None:
    kb = {
        "api": "ride_book",
        "constraints": [{"RequestType": '"Check"'}],
        "item": {"APIName": "x", "AllowsChanges": False, "MinutesTillPickup": 29, "Note": None},
        "total_items": 3,
    }
    text = "[ride_book check] allows changes: no; minutes till pickup: 29; matches: 3"
    assert lookup_text(kb) == text


def test_split_by_task_has_no_task_in_common(star_dev: list[Conversation], guide: Guide) -> None:
    held_out = star.held_out_tasks(guide)
    assert held_out == star.held_out_tasks(guide)
    assert len(held_out) == 5
    train, test, mixed = star.split_by_task(star_dev, held_out)
    assert len(train) + len(test) + len(mixed) == len(star_dev)
    seen = {t for c in train for t in c.tags["tasks"].split(",")}
    unseen = {t for c in test for t in c.tags["tasks"].split(",")}
    assert not seen & unseen
    assert len(test) > 30
    assert mixed


def test_missing_guidelines_name_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(DIALOGUE))
    with pytest.raises(RecordError, match=r"guidelines\.json"):
        star.load(path)


def test_guidelines_are_read_again_when_another_file_has_their_name(
    tmp_path: Path, star_dev_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(star_dev_path.parent)
    star.guide_beside("dev.jsonl.gz")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError, match=r"no guidelines\.json"):
        star.guide_beside("dev.jsonl.gz")
    (tmp_path / "guidelines.json").write_text("{}")
    assert star.guide_beside("dev.jsonl.gz").tasks == ()
    (tmp_path / "guidelines.json").write_text("[1, 2]")
    with pytest.raises(RecordError, match="not STAR's guidelines"):
        star.guide_beside("dev.jsonl.gz")


def test_guidelines_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "guidelines.json").write_text('{"a": {"graph": {}}}')
    (tmp_path / "train.jsonl").write_text(json.dumps(DIALOGUE))
    with pytest.raises(RecordError, match="not STAR's guidelines"):
        star.load(tmp_path / "train.jsonl")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tasks": ["bank_blance"]}, "Did you mean 'bank_balance'"),
        ({"turns": [{"role": "robot", "text": "x"}]}, "role 'robot'"),
        ({"turns": [{"role": "customer", "text": "x"}]}, "assistant"),
        ({"turns": [{"role": "agent", "text": " "}]}, "empty"),
        ({"turns": [{"role": "agent"}]}, "'text' is missing"),
        ({"turns": 7}, "not a conversation of STAR"),
        ({"tasks": 7}, "not a conversation of STAR"),
    ],
)
def test_bad_dialogues_stop_or_are_counted(
    tmp_path: Path, star_dev_path: Path, change: dict, says: str
) -> None:
    bad = json.dumps({**DIALOGUE, **change})
    path = _file(tmp_path, star_dev_path, [json.dumps(DIALOGUE), bad])
    with pytest.raises(RecordError, match=r"line 2") as caught:
        star.load(path)
    assert says in str(caught.value)
    loaded = star.load(path, on_error="skip")
    assert len(loaded.records) == 1
    assert len(loaded.skipped) == 1


def test_a_file_cut_off_in_the_middle(tmp_path: Path, star_dev_path: Path) -> None:
    path = _file(tmp_path, star_dev_path, [])
    whole = star_dev_path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordError, match="cut off"):
        star.load(path)
    with pytest.raises(RecordError, match="no such file"):
        star.load(tmp_path / "absent.jsonl.gz", guidelines=tmp_path / "guidelines.json")
