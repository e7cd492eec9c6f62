"""Every bash and python block of the README runs, in order, in one folder.

A comment before a block says when it does not: `<!-- skip: why -->` never, `<!-- slow: why -->`
only under `make test-slow`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.blocks import BLOCK, run_block

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


@dataclass(frozen=True)
class Block:
    number: int
    kind: str
    code: str
    mark: str
    why: str


def blocks(text: str) -> list[Block]:
    return [
        Block(i, m["kind"], m["code"], m["mark"] or "", m["why"] or "")
        for i, m in enumerate(BLOCK.finditer(text), 1)
    ]


def cases() -> list[object]:
    marks = {"slow": pytest.mark.slow, "": ()}
    return [
        pytest.param(
            b,
            id=f"block{b.number}-{b.kind}",
            marks=pytest.mark.skip(reason=b.why) if b.mark == "skip" else marks[b.mark],
        )
        for b in blocks(README.read_text("utf-8"))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("block", cases())
def test_block(block: Block, folder: Path) -> None:
    run_block(block.kind, block.code, folder)


def test_every_fence_is_a_block_or_has_another_language() -> None:
    text = README.read_text("utf-8")
    fences = re.findall(r"^```(\w*)$", text, re.MULTILINE)[::2]
    assert all(fences), "every fence names its language"
    assert len(blocks(text)) == sum(kind in ("bash", "python") for kind in fences)


def test_links_and_pictures_exist() -> None:
    text = README.read_text("utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert targets
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing
