"""Imports go one way: a package imports only packages above it in the design's table."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "handrail"

BELOW_RECIPES = {
    "records": set(),
    "world": {"records"},
    "sources": {"records", "world"},
    "asking": {"records"},
    "trees": {"records"},
    "models": {"records", "trees"},
    "objectives": set(),
    "training": {"records", "trees", "models", "objectives"},
    "sampling": {"records", "asking", "trees", "models"},
    "synthesis": {"records", "asking"},
    "judges": {"records", "asking"},
    "ranking": {"records"},
    "rewards": {"records", "ranking"},
    "reports": {"records", "ranking"},
}
ALLOWED = BELOW_RECIPES | {
    "recipes": set(BELOW_RECIPES),
    "cli": {*BELOW_RECIPES, "recipes"},
}
# The parts of `rewards`, in their own order: what each may import of the others.
REWARDS = {
    "data": set(),
    "combining": set(),
    "measures": {"data"},
    "evaluating": {"data", "measures"},
}
# Packages that must load without the deep-learning stack.
LIGHT = (
    "records",
    "world",
    "sources",
    "asking",
    "synthesis",
    "judges",
    "ranking",
    "rewards",
    "reports",
)
# A part of a package that must, too: it may import these packages and, of its own, itself.
LIGHT_PART, ITS_OWN = "sampling/server", {"records", "asking"}
HEAVY = {"torch", "transformers", "peft", "accelerate", "safetensors"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Each imported module of a file (absolute name), with its line; those in functions too."""
    package = ("handrail", *path.relative_to(SRC).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (base, node.module) if part)
            if stem == "handrail":
                yield from ((node.lineno, f"handrail.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, stem


def files() -> list[Path]:
    return sorted(p for p in SRC.rglob("*.py") if p.parent != SRC)


def test_every_package_has_its_layer() -> None:
    packages = {p.name for p in SRC.iterdir() if (p / "__init__.py").exists()}
    assert packages <= set(ALLOWED), "a new package needs its row in the design's table and here"


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SRC)))
def test_no_arrow_points_up(path: Path) -> None:
    layer = path.relative_to(SRC).parts[0]
    wrong = []
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "handrail" and len(parts) > 1:
            target = parts[1]
            if target not in ("__version__", layer) and target not in ALLOWED[layer]:
                wrong.append(f"line {line}: {layer} imports {name}")
        elif layer in LIGHT and parts[0] in HEAVY:
            wrong.append(f"line {line}: {layer} imports {name}")
        elif layer == "objectives" and parts[0] not in {"torch", *sys.stdlib_module_names}:
            wrong.append(f"line {line}: objectives imports {name}")
    assert not wrong


REWARD_FILES = [p for p in files() if p.relative_to(SRC).parts[0] == "rewards"]


@pytest.mark.parametrize("path", REWARD_FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_the_parts_of_rewards_keep_their_order(path: Path) -> None:
    parts = path.relative_to(SRC).parts[1:]
    assert parts == ("__init__.py",) or parts[0] in REWARDS, "a file of rewards is in a part"
    for line, name in imports(path):
        target = name.split(".")
        if target[:2] == ["handrail", "rewards"]:
            assert len(target) > 2, f"line {line}: name the part, import handrail.rewards.PART"
            assert target[2] in {parts[0], *REWARDS[parts[0]]}, f"line {line}: imports {name}"


LIGHT_FILES = [p for p in files() if p.relative_to(SRC).as_posix().startswith(LIGHT_PART + "/")]


@pytest.mark.parametrize("path", LIGHT_FILES, ids=lambda p: p.name)
def test_the_part_that_asks_servers_stays_light(path: Path) -> None:
    own = "handrail." + LIGHT_PART.replace("/", ".")
    for line, name in imports(path):
        parts = name.split(".")
        light = parts[0] not in HEAVY if parts[0] != "handrail" else parts[1] in ITS_OWN
        assert light or name.startswith(own), f"line {line}: imports {name}"


def test_the_reader_of_imports_sees_every_form(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "judges"
    folder.mkdir()
    path = folder / "x.py"
    path.write_text(
        "import handrail.models\nfrom handrail import trees\nfrom handrail.world.oracle import O\n"
        "from . import rules\nfrom ..records import Turn\n\ndef f():\n    import torch.nn\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "SRC", tmp_path)
    assert [name for _, name in imports(path)] == [
        "handrail.models",
        "handrail.trees",
        "handrail.world.oracle",
        "handrail.judges",
        "handrail.records",
        "torch.nn",
    ]
