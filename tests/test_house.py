"""The house's budgets, and nothing in the tree that only one machine has."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "handrail").rglob("*.py"))
FILE_LINES, FUNCTION_LINES, ARGUMENTS = 300, 60, 8

# Written in pieces, so that this file does not match itself.
ABSOLUTE = re.compile(
    r"(?<![\w.~-])/(" + "|".join(("work", "root", "tmp", "home", "farm")) + ")/[a-z]"
)
HOSTS = re.compile(r"pypi\." + r"org|python" + r"hosted|download\.py" + r"torch|/opt/" + "pypi")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_files_functions_and_argument_lists_are_short(path: Path) -> None:
    text = path.read_text("utf-8")
    over = []
    if len(text.splitlines()) > FILE_LINES:
        over.append(f"{len(text.splitlines())} lines in the file")
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES:
            over.append(f"{node.name}: {lines} lines")
        a = node.args
        names = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
        count = len([n for n in names if n not in ("self", "cls")])
        if count > ARGUMENTS:
            over.append(f"{node.name}: {count} arguments")
    assert not over


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name]


def test_tracked_files_name_no_place_of_one_machine() -> None:
    found = []
    for path in tracked():
        if not path.is_file() or path.suffix in (".png", ".safetensors", ".gz", ".parquet"):
            continue
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if ABSOLUTE.search(line) or HOSTS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert not found


def test_every_marker_has_a_test_and_every_make_target_a_marker() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]
    markers = {line.split(":")[0] for line in options["ini_options"]["markers"]}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert set(re.findall(r"\btest-([a-z]+)", makefile)) == markers
    tests = "\n".join(p.read_text("utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    used = set(re.findall(r"^@pytest\.mark\.(\w+)$", tests, re.MULTILINE))
    assert markers <= used
