"""The contract of labelled sources: what a loader must give, or it stops."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handrail.records import RecordError, RunError
from handrail.sources.labelled import LABELLED, Labelled, LabelledSource
from handrail.sources.labelled.maker import Maker
from handrail.sources.labelled.nouns import is_by
from handrail.sources.labelled.registry import check_contract
from tests.sources.labelled import small

PAGE = (Path(__file__).parents[3] / "docs" / "judge-eval.md").read_text("utf-8")


@pytest.fixture
def good(tmp_path: Path) -> Labelled:
    return LABELLED["pandalm"](small.put(tmp_path / "pandalm", small.pandalm()))


def test_what_the_loaders_give_keeps_the_contract(tmp_path: Path) -> None:
    data = small.put_all(tmp_path)
    for name, source in LABELLED.items():
        made = source(data / name)
        check_contract(made, source.by)
        assert made.name == name
        assert any(is_by(judge, source.by) for judge in made.judges())
        assert source.lies_in(data / name)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda m: [m], "gave list, not Labelled"),
        (lambda m: replace(m, turns=(*m.turns, m.turns[0])), "among its turns, or twice"),
        (lambda m: replace(m, turns=m.turns[1:]), "a label of no turn"),
        (lambda m: replace(m, lengths={}), "tells no length of"),
        (lambda m: replace(m, skipped=("one",)), "counted a str as skipped"),
    ],
)
def test_a_loader_that_gives_something_else_stops(
    good: Labelled, spoil: Callable[[Labelled], Any], told: str
) -> None:
    with pytest.raises(RunError, match=told):
        check_contract(spoil(good), "human")


def test_labels_by_nobody_who_counts_stop(good: Labelled) -> None:
    programs = tuple(v for v in good.verdicts if v.judge == "pandalm")
    with pytest.raises(RecordError, match="no label is by 'human'"):
        check_contract(replace(good, verdicts=programs), "human")


def test_a_source_is_checked_at_the_door(tmp_path: Path) -> None:
    def fill(made: Maker) -> None:
        made.turn("1", "Hello?", {"a": "one", "b": "two"})

    source = LabelledSource("mine", "", "", ("x.jsonl",), fill)
    with pytest.raises(RecordError, match="no label is by 'human'"):
        source(tmp_path)


def test_the_page_names_every_file_and_its_example_runs(tmp_path: Path) -> None:
    for name, source in LABELLED.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
        assert all(file in row for file in source.files)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    space: dict[str, Any] = {}
    exec(block, space)
    rows = [
        {"id": i, "question": "?", "ours": "a", "theirs": "b", "better": better, "who": "ann"}
        for i, better in enumerate(("ours", "theirs", ""))
    ]
    small.put(tmp_path, {"pairs.jsonl": rows})
    made = LabelledSource("mine", "", "", ("pairs.jsonl",), space["fill"])(tmp_path)
    assert [str(v.outcome) for v in made.verdicts] == ["A", "B", "TIE"]
    assert made.verdicts[0].judge == "human:ann"


def test_who_is_who() -> None:
    assert is_by("human:58", "human")
    assert is_by("human", "human")
    assert not is_by("humanoid", "human")
    assert not is_by("gpt4_turbo", "gpt4")
