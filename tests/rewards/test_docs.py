"""Every bash and python block of docs/rewards.md runs, in order, in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blocks import BLOCK, run_block

PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = [(m["kind"], m["code"]) for m in BLOCK.finditer(TEXT) if not m["mark"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rewards")


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, code = BLOCKS[number]
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))  # scores are kept in it
    printed = run_block(kind, code, folder)
    if "reward prepare" in code:
        # What the page shows under the command is what it prints, up to where it is cut.
        shown = TEXT.split(code, 1)[1].split("```text\n", 1)[1].split("```", 1)[0]
        for said in shown.splitlines():
            assert said.split(", ...")[0] in printed


def test_the_page_has_blocks() -> None:
    assert {kind for kind, _ in BLOCKS} == {"bash", "python"}
