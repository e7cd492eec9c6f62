"""dtype=auto of a flow: what the machine is fast in, then what the run's folder began with."""

from __future__ import annotations

from pathlib import Path

import pytest

from handrail.models import device
from handrail.recipes.flow import begin
from handrail.recipes.run import Run, read_json
from handrail.recipes.settings import FlowSettings


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A machine that has bfloat16 while `native` is true."""
    found = {"native": True}
    monkeypatch.setattr(device, "native_bfloat16", lambda _where: found["native"])
    return found


def begun(folder: Path, dtype: str = "auto", *, frozen: bool = False) -> str:
    """The dtype that a flow gets in this folder; as in config.json where it is written."""
    settings = begin(Run(folder, frozen=frozen), "flow1", FlowSettings(dtype=dtype, threads=1))
    if not frozen:
        assert read_json(folder / "config.json")["settings"] == settings.model_dump(mode="json")
    return settings.dtype


def test_a_new_folder_gets_what_the_machine_is_fast_in(
    machine: dict[str, bool], tmp_path: Path
) -> None:
    assert begun(tmp_path / "a") == "bfloat16"
    machine["native"] = False
    assert begun(tmp_path / "b") == "float32"


def test_a_folder_keeps_its_dtype_on_another_machine(
    machine: dict[str, bool], tmp_path: Path
) -> None:
    begun(tmp_path / "fast")
    machine["native"] = False
    begun(tmp_path / "slow")
    assert begun(tmp_path / "fast") == begun(tmp_path / "fast", frozen=True) == "bfloat16"
    machine["native"] = True
    assert begun(tmp_path / "slow") == "float32"


def test_an_explicit_dtype_wins_over_the_folders(machine: dict[str, bool], tmp_path: Path) -> None:
    assert begun(tmp_path) == "bfloat16"
    assert begun(tmp_path, "float32") == "float32"
    assert begun(tmp_path) == "float32"


@pytest.mark.parametrize("text", ["", "[]", '{"settings": {"dtype": "int3"}}'])
def test_a_config_that_says_no_dtype_is_a_new_folder(
    text: str, machine: dict[str, bool], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(text)
    assert begun(tmp_path) == "bfloat16"
