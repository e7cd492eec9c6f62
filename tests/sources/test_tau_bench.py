"""tau-bench's policies as playbooks and its runs as conversations."""

from __future__ import annotations

from pathlib import Path

import pytest

from handrail.records import CheckResult, Message, RecordError
from handrail.sources import tau_bench
from tests.data import need


@pytest.mark.parametrize(
    ("name", "rules", "words"),
    [
        ("policy_airline.txt", 26, "obtain explicit user confirmation"),
        ("policy_retail.txt", 32, "authenticate the user identity"),
    ],
)
def test_every_bullet_of_a_policy_is_a_guardrail(name: str, rules: int, words: str) -> None:
    path = need("tau_bench", name)
    playbook = tau_bench.policy(path)
    bullets = sum(line.startswith("- ") for line in path.read_text("utf-8").splitlines())
    assert len(playbook.guardrails) == bullets == rules
    assert any(words in g.text for g in playbook.guardrails)
    assert any(g.check is not None for g in playbook.guardrails)


def test_sub_bullets_stay_with_their_rule() -> None:
    playbook = tau_bench.policy(need("tau_bench", "policy_airline.txt"))
    flight = next(g for g in playbook.guardrails if g.text.startswith("Each flight has"))
    assert 'If the status is "flying"' in flight.text


def test_refund_time_is_checked() -> None:
    playbook = tau_bench.policy(need("tau_bench", "policy_airline.txt"))
    rule = next(g.id for g in playbook.guardrails if "5 to 7 business days" in g.text)
    context = (Message(role="user", content="When do I get my money?"),)
    right = "Your refund arrives in 5 to 7 business days."
    assert playbook.results(context, right)[rule] is CheckResult.KEPT
    assert playbook.results(context, "The refund takes 14 days.")[rule] is CheckResult.BROKEN
    assert playbook.results(context, "Hello!")[rule] is CheckResult.NOT_APPLICABLE


def test_trajectories_keep_calls_answers_and_reward() -> None:
    loaded = tau_bench.load(need("tau_bench", "gpt4o_airline_trajectories.jsonl.gz"))
    assert len(loaded.records) == 200
    assert not loaded.skipped
    assert sum(c.tags["reward"] == "1.0" for c in loaded.records) == 84
    assert len({c.tags["task_id"] for c in loaded.records}) == 50
    first = loaded.records[0]
    tool = next(m for m in first.messages if m.role == "tool")
    assert tool.content.startswith("[get_user_details user_id: mia_li_3668] {")
    everything = [m.content for c in loaded.records for m in c.messages]
    assert not any("###STOP###" in text for text in everything)
    assert not any(m.role == "system" for c in loaded.records for m in c.messages)
    assert sum(m.role == "tool" for c in loaded.records for m in c.messages) == 1164


@pytest.mark.parametrize(("name", "count"), [("airline", 19), ("retail", 69)])
def test_few_shot_displays(name: str, count: int) -> None:
    loaded = tau_bench.load(need("tau_bench", f"few_shot_{name}.jsonl.gz"))
    assert len(loaded.records) == count
    assert not any(m.content == "None" for c in loaded.records for m in c.messages)


def test_a_policy_without_bullets(tmp_path: Path) -> None:
    path = tmp_path / "policy_airline.txt"
    path.write_text("Be kind.")
    with pytest.raises(RecordError, match="no guardrails"):
        tau_bench.policy(path)
    path.write_bytes(b"- caf\xe9")
    with pytest.raises(RecordError, match="byte 5 is not UTF-8"):
        tau_bench.policy(path)
