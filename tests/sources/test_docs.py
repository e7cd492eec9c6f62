"""The pages on records and sources: their examples are read, their Python runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import handrail.records as records
from handrail.records import Reply, Turn, read_jsonl, write_jsonl
from handrail.sources.grading import CheckAssessor
from handrail.sources.rejected import Candidate
from handrail.sources.rules import load_playbook
from tests.data import need

DOCS = Path(__file__).parents[2] / "docs"


def _blocks(page: str, language: str) -> list[tuple[str, str]]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^```{language} ?(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("kind", "example"), _blocks("records.md", "json"))
def test_every_example_of_a_record_is_one(tmp_path: Path, kind: str, example: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(" ".join(example.split()) + "\n", encoding="utf-8")
    (record,) = read_jsonl(path, getattr(records, kind)).records
    write_jsonl(path, [record])
    assert read_jsonl(path, type(record)).records == [record]


def test_every_kind_of_record_has_an_example() -> None:
    kinds = {kind for kind, _ in _blocks("records.md", "json")}
    assert kinds == {
        "Conversation", "Playbook", "Turn", "Assessment", "Verdict", "JudgeError", "Rating", "Skip",
        "FailedPoint",
    }  # fmt: skip


def test_every_field_of_a_check_is_explained() -> None:
    text = (DOCS / "records.md").read_text("utf-8")
    for name in [*records.Check.model_fields, *records.When.model_fields]:
        assert f"`{name}`" in text, name


def test_the_python_of_the_page_on_records_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl("turns.jsonl", [Turn(replies=(Reply(text="Hi"),))])
    ((_, code),) = _blocks("records.md", "python")
    exec(compile(code, "records.md", "exec"), {})
    assert (tmp_path / "again.jsonl.gz").exists()


def test_the_python_of_the_page_on_sources_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    raw = need("star", "dev.jsonl.gz")
    shutil.copy(raw.parent / "guidelines.json", tmp_path / "guidelines.json")
    lines = gzip.decompress(raw.read_bytes()).split(b"\n")[:6]
    (tmp_path / "dev.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (tmp_path / "rules.yaml").write_text(_blocks("sources.md", "yaml")[0][1], encoding="utf-8")
    (tmp_path / "calls.csv").write_text(
        "call,who,said,time\n1,caller,Hi,2024-05-01 10:00\n1,desk,Hello,2024-05-01 10:01\n"
    )
    shutil.copy(need("oasst", "en_100_trees.jsonl.gz"), tmp_path / "trees.jsonl.gz")
    monkeypatch.chdir(tmp_path)
    from handrail.sources import star

    scope: dict[str, Any] = {
        "text": "Thank you and goodbye.",
        "assessor": CheckAssessor(),
        "guide": star.guide_beside(raw),
    }
    for _, code in _blocks("sources.md", "python"):
        if "add_rejected" in code:
            scope["turn"] = scope["turns"][0]
        exec(compile(code, "sources.md", "exec"), scope)
    assert scope["turns"]
    assert scope["imported"].records[0].playbook is not None
    assert len(scope["turns_again"].records) > 5
    assert {t.tags["set"] for t in scope["best_threads"]} == {"oasst"}
    assert scope["left_out"]["turn", "not on a thread of best-ranked replies"] > 50
    assert Candidate in scope.values()
    assert load_playbook("rules.yaml")["no-pin"].check is not None
