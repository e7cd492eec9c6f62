"""Every command has its function in `handrail`, and docs/api.md says which."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import handrail
from handrail.records import errors
from tests.cli.test_help import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
ROWS = re.findall(r"^\| `handrail (.+?)` \| (`handrail.+`) \|$", PAGE, re.MULTILINE)
BLOCKS = re.findall(r"(?:<!-- skip: [^>]+ -->\n)?```python\n.*?```", PAGE, re.DOTALL)


def test_every_command_and_every_list_has_its_function() -> None:
    named = {tuple(word for word in line.split() if not word.startswith("--")) for line, _ in ROWS}
    assert named == set(COMMANDS)
    wanted = {
        (*path, option)
        for path, command in COMMANDS.items()
        for param in command.params
        if isinstance(param, click.Option)
        for option in param.opts
        if option.startswith("--list") or (path, option) == (("data", "convert"), "--turns")
    }
    assert {tuple(line.split()) for line, _ in ROWS if "--" in line} == wanted


@pytest.mark.parametrize(("line", "functions"), ROWS, ids=[line for line, _ in ROWS])
def test_the_functions_are_public_and_say_what_they_do(line: str, functions: str) -> None:
    for name in re.findall(r"`handrail\.([\w.]+)`", functions):
        first, _, rest = name.partition(".")
        holder = getattr(handrail, first)
        assert first in handrail.__all__ or first in handrail.PACKAGES
        function = getattr(holder, rest) if rest else holder
        assert callable(function), line
        assert function.__doc__


def test_the_pages_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = [b for b in BLOCKS if b.startswith("```")]
    assert len(blocks) == 2
    for block in blocks:
        exec(block.removeprefix("```python\n").removesuffix("```"), {})
    out = capsys.readouterr().out
    assert out.startswith("there is no such folder Check the path to the model\n")
    assert "Playbook:" in out
    assert "\n[]\n" in out
    assert "learning_rate None" in out


def test_settings_from_a_file_and_the_listings_agree(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("epochs: 2\nbeta: 0.2\n")
    known = {row["name"] for row in handrail.training_settings("ipo")}
    assert set(handrail.read_config(tmp_path / "s.yaml")) <= known
    assert "flow1" in handrail.list_recipes()
    assert {"seeds", "betas"} <= {row["name"] for row in handrail.recipe_settings("flow1")}


def test_every_error_is_public_and_caught_as_one() -> None:
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert kinds == set(handrail.ERRORS)
    for name in kinds:
        assert getattr(handrail, name) is getattr(errors, name)
        assert f"`{name}`" in PAGE
    caught = {name for name in kinds if issubclass(getattr(handrail, name), handrail.HandrailError)}
    assert kinds - caught == {"HandrailWarning"}
    with pytest.raises(handrail.HandrailError):
        handrail.train([])
