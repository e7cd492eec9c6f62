"""Every bash and python block of docs/synthesis.md runs, in order, in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blocks import BLOCK, run_block

PAGE = Path(__file__).parents[2] / "docs" / "synthesis.md"
FOUND = list(BLOCK.finditer(PAGE.read_text("utf-8")))
BLOCKS = [(m["kind"], m["code"]) for m in FOUND if m["mark"] != "skip"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synthesis")


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number: int, folder: Path) -> None:
    kind, code = BLOCKS[number]
    run_block(kind, code, folder)


def test_the_page_has_blocks() -> None:
    assert [kind for kind, _ in BLOCKS].count("bash") >= 4
