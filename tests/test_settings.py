"""Settings are frozen: a new, changed or lost one is a decision, seen in the golden file.

`python tests/test_settings.py` writes the golden file again.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import handrail

SRC = Path(handrail.__file__).parent
GOLDEN = Path(__file__).parent / "golden" / "settings.json"
LIMIT = 25
# A flow's are those of a whole pipeline: data, annotation, training, replies, judge.
LIMITS = {"FlowSettings": 26, "QuickstartSettings": 26}


def settings_classes() -> dict[str, type]:
    """Every class of Handrail's whose name ends in Settings, by its full name."""
    found = {}
    for path in SRC.rglob("*.py"):
        if path.name == "__main__.py" or "Settings" not in path.read_text("utf-8"):
            continue
        stem = ".".join(("handrail", *path.relative_to(SRC).with_suffix("").parts))
        module = importlib.import_module(stem.removesuffix(".__init__"))
        for name, value in vars(module).items():
            if isinstance(value, type) and name.endswith("Settings") and _ours(value):
                found[f"{value.__module__}.{name}"] = value
    return found


def _ours(value: type) -> bool:
    return value.__module__.startswith("handrail.")


def fields(kind: type) -> dict[str, Any]:
    """Names and defaults of a settings class."""
    if issubclass(kind, BaseModel):
        return {
            name: "required"
            if field.is_required()
            else _plain(field.get_default(call_default_factory=True))
            for name, field in kind.model_fields.items()
        }
    assert dataclasses.is_dataclass(kind), f"{kind} is neither a dataclass nor a pydantic model"
    found = {}
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            found[field.name] = _plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = _plain(field.default_factory())
        else:
            found[field.name] = "required"
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    return json.loads(json.dumps(value, default=str))


def current() -> dict[str, dict[str, Any]]:
    return {name: fields(kind) for name, kind in sorted(settings_classes().items())}


def test_settings_are_as_frozen() -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    assert current() == golden, "if this is meant: python tests/test_settings.py, and tell users"


@pytest.mark.parametrize("name", sorted(settings_classes()))
def test_settings_are_few(name: str) -> None:
    limit = LIMITS.get(name.rpartition(".")[2], LIMIT)
    assert len(fields(settings_classes()[name])) <= limit


@pytest.mark.parametrize("name", sorted(settings_classes()))
def test_settings_are_immutable_and_refuse_the_unknown(name: str) -> None:
    kind = settings_classes()[name]
    if issubclass(kind, BaseModel):
        assert kind.model_config.get("frozen")
        assert kind.model_config.get("extra") == "forbid"
    else:
        assert kind.__dataclass_params__.frozen


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(current(), indent=1) + "\n", "utf-8")
