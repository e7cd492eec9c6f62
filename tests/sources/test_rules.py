"""Playbook files: rule texts or whole guardrails, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from handrail.records import RecordError
from handrail.sources.rules import load_playbook


def test_texts_guardrails_and_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(
        '{"guardrails": ["Be polite.", {"id": "pin", "text": "Never ask for the PIN.",'
        ' "family": "secrets", "check": {"forbid": ["your PIN"]}}]}'
    )
    playbook = load_playbook(path)
    assert [g.id for g in playbook.guardrails] == ["rule-1", "pin"]
    assert playbook["pin"].check is not None
    listed = tmp_path / "rules.yml"
    listed.write_text("- Be polite.\n- id: pin\n  text: Never ask for the PIN.\n")
    assert [g.text for g in load_playbook(listed).guardrails] == [
        "Be polite.",
        "Never ask for the PIN.",
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.json", "[]", "has no guardrails"),
        ("r.json", "{}", "no list 'guardrails'"),
        ("r.json", "7", "expected a list of rules, found int"),
        ("r.json", "[7]", r"rule 1: expected a text or an object, found int"),
        ("r.json", '[""]', "rule 1: field 'text'"),
        ("r.json", '[{"id": "a"}]', "field 'text' is missing"),
        ("r.json", '[{"text": "a", "chek": {}}]', "Did you mean 'check'"),
        (
            "r.json",
            '[{"text": "a", "check": {"requires": ["b"]}}]',
            "field 'check': there is no field 'requires'; the nearest is 'require'",
        ),
        ("r.json", '[{"text": "a", "check": {"forbid": ["("]}}]', r"'\(' does not compile"),
        ("r.json", '[{"text": "a", "id": "x"}, {"text": "b", "id": "x"}]', "two guardrails"),
        ("r.json", "[", "this is not JSON"),
        ("r.yaml", "- [", "this is not YAML"),
        ("r.yaml", "", "expected a list of rules, found NoneType"),
    ],
)
def test_one_clear_error_each(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(RecordError, match=says) as caught:
        load_playbook(path)
    assert name in str(caught.value)
    assert caught.value.mend


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        load_playbook(tmp_path / "absent.json")
