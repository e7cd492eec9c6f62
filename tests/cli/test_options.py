"""Settings are listed with what their docstrings say of them, whole."""

from __future__ import annotations

import inspect
import re
from itertools import pairwise
from typing import Any

import pytest

from handrail.cli import options
from handrail.cli.api import list_recipes, recipe_settings, training_settings
from handrail.objectives import OBJECTIVES
from tests.test_settings import settings_classes

LISTED = {
    name: kind
    for name, kind in (settings_classes() | OBJECTIVES).items()
    if "Attributes:" in (kind.__doc__ or "")
}


def test_attributes_are_read_from_a_docstring() -> None:
    doc = """One line.

Attributes:
    a, b: of two,
        on two lines. Not c: this goes on, as the
        c: at the start of a line does.
    c:
        below its name.

Raises:
    x: not this.
"""
    assert options.attributes(doc) == {
        "a": "of two, on two lines. Not c: this goes on, as the c: at the start of a line does.",
        "b": "of two, on two lines. Not c: this goes on, as the c: at the start of a line does.",
        "c": "below its name.",
    }


@pytest.mark.parametrize("name", sorted(LISTED))
def test_each_meaning_is_the_whole_entry_of_its_name(name: str) -> None:
    kind = LISTED[name]
    rows = options.fields(kind)
    lines = inspect.cleandoc(kind.__doc__ or "").split("Attributes:\n")[1].split("\n\n")[0]
    # The starts of the entries: what stands four spaces in, between the texts.
    starts = [m.start() for m in re.finditer(r"^ {4}(?! )", lines, re.MULTILINE)]
    told = 0
    for a, b in pairwise([*starts, len(lines)]):
        heads, _, text = " ".join(lines[a:b].split()).partition(": ")
        for head in heads.split(", "):
            assert rows[head]["description"] == text
            assert text.endswith(".")
            told += 1
    assert told == len(rows), "every setting has an entry"


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_setting_says_what_it_is(recipe: str) -> None:
    rows = {row["name"]: row["description"] for row in recipe_settings(recipe)}
    assert rows["model"].startswith('"world" (packaged)')
    assert '"scratch"' in rows["model"]
    assert rows["learning_rates"].startswith("by objective (sft, ipo, kto_pair, kto, dpo)")
    assert rows["learning_rates"].endswith("under LoRA ten times as high but for sft.")
    assert all(text.endswith(".") for text in rows.values())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_training_setting_says_what_it_is(objective: str) -> None:
    rows: list[dict[str, Any]] = training_settings(objective)
    assert rows
    assert all(row["description"].endswith(".") for row in rows)
