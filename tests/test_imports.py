"""Every module can be imported, and what must start fast loads nothing heavy."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import handrail
from tests.cli.test_help import LINES

SRC = Path(handrail.__file__).parent
MODULES = sorted(
    ".".join(("handrail", *p.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")
    for p in SRC.rglob("*.py")
    if p.name != "__main__.py"
)
HEAVY = {"torch", "transformers", "peft", "accelerate", "numpy", "scipy", "pydantic", "rich"}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__, "a module says what it holds"


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `code`."""
    tail = "; import sys, json; tops = {m.split('.')[0] for m in sys.modules}"
    tail += "; print('\\n' + json.dumps(sorted(tops)))"
    out = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True
    ).stdout
    return set(json.loads(out.splitlines()[-1]))


def test_import_handrail_loads_nothing_heavy() -> None:
    assert not loaded_after("import handrail") & (HEAVY | {"click"})


def test_help_loads_nothing_heavy() -> None:
    """All of them in one process: what none of them has loaded, no single one loads."""
    lines = [[*line, "--help"] for line in [(), *LINES]]
    code = f"""
import json, sys
from handrail.cli.group import invoke
found = []
for line in {lines!r}:
    code = invoke(line)
    found.append((line, code, sorted({HEAVY!r} & {{m.split(".")[0] for m in sys.modules}})))
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [[line, 0, []] for line in lines]


@pytest.mark.parametrize(
    "package",
    [
        *("records", "world", "sources", "asking", "synthesis", "judges", "ranking", "reports"),
        "sampling.server",
    ],
)
def test_light_packages_load_no_torch(package: str) -> None:
    assert not loaded_after(f"import handrail.{package}") & {"torch", "transformers"}


def test_the_public_names_exist() -> None:
    for name in handrail.__all__:
        value = getattr(handrail, name)
        assert callable(value) or isinstance(value, ModuleType)  # of functions: `synthesize`
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        handrail.trian  # noqa: B018
