"""Every bash and python block of docs/rewards.md runs, in order, in one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_readme import BLOCK

PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = [(m["kind"], m["code"]) for m in BLOCK.finditer(TEXT) if not m["mark"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rewards")


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number: int, folder: Path) -> None:
    kind, code = BLOCKS[number]
    scripts = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    line = ["bash", "-euo", "pipefail", "-c"] if kind == "bash" else [sys.executable, "-c"]
    done = subprocess.run(
        [*line, code], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    if "reward prepare" in code:
        # What the page shows under the command is what it prints, up to where it is cut.
        shown = TEXT.split(code, 1)[1].split("```text\n", 1)[1].split("```", 1)[0]
        for said in shown.splitlines():
            assert said.split(", ...")[0] in done.stdout


def test_the_page_has_blocks() -> None:
    assert {kind for kind, _ in BLOCKS} == {"bash", "python"}
