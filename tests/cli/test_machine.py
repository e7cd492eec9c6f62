"""What `doctor` says follows from its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from handrail import models
from handrail.cli import machine

DEVICE = {"device_memory_gb": 25.0}


def test_full_float32_states_are_16_bytes_a_parameter() -> None:
    assert machine.needed(1e9, "full", "float32", 0) == pytest.approx(16e9)
    assert machine.needed(1e9, "full", "bfloat16", 0) == pytest.approx(18e9)
    assert machine.needed(1e9, "lora", "bfloat16", 0) == pytest.approx(2e9, rel=0.1)


def test_activations_follow_the_shape() -> None:
    # P = 12 L d^2 with d = 128 L: L = 16, d = 2048 gives 0.805e9 parameters.
    size = 12 * 16 * 2048**2
    acts = machine.needed(size, "full", "float32", 1000) - machine.needed(
        size, "full", "float32", 0
    )
    assert acts == pytest.approx(17 * 4 * 1000 * 16 * 2048)


def test_the_largest_model_just_fits_and_lora_fits_more() -> None:
    rows, formula = machine.fits(DEVICE, 8192)
    room = 0.8 * 25e9
    by = {(r["mode"], r["dtype"]): r["parameters"] for r in rows}
    for (mode, dtype), size in by.items():
        assert machine.needed(size, mode, dtype, 8192) == pytest.approx(room, rel=1e-3)
    assert by["lora", "float32"] > by["full", "float32"]
    assert by["lora", "bfloat16"] > by["lora", "float32"]
    assert any("16 P" in line for line in formula)


@pytest.mark.parametrize(
    ("ratio", "native", "expected"),
    [
        (1.9, True, "bfloat16 is 1.9 times as fast; dtype=auto takes bfloat16"),
        (1.0, True, "bfloat16 gives no speed here; dtype=auto takes bfloat16"),
        (0.01, False, "bfloat16 is 100.0 times slower; dtype=auto takes float32"),
        (1.0, False, "bfloat16 gives no speed here; dtype=auto takes float32"),
        (0.5, True, "bfloat16 is 2.0 times slower: use dtype=float32"),
    ],
)
def test_the_advice_says_what_auto_takes(ratio: float, native: bool, expected: str) -> None:
    assert machine.advice(ratio, native).startswith(expected)


def test_a_product_that_would_take_too_long_is_timed_in_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    made = torch.ones

    def ones(rows: int, columns: int, **kind: Any) -> torch.Tensor:
        sizes.append(rows)
        return made(rows, columns, **kind)

    monkeypatch.setattr(torch, "ones", ones)
    assert machine._rate("float32", "cpu", 1e-7) > 0
    assert sizes == [256]
    assert machine._rate("float32", "cpu", 1.0) > 0
    assert sizes == [256, 256, 1024]


@pytest.mark.parametrize("native", [True, False])
def test_a_cpu_without_bfloat16_is_noted(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "native_bfloat16", lambda _device: native)
    monkeypatch.setattr(machine, "_rate", lambda dtype, *_: {"float32": 110.4}.get(dtype, 1.04))
    found = machine.doctor(8192)
    rates = found["speed"]
    assert (rates["float32_gflops"], rates["bfloat16_gflops"]) == (110, 1.0)
    assert rates["bfloat16_native"] is native
    noted = [note for note in found["notes"] if "no bfloat16 in hardware" in note]
    assert len(noted) == (0 if native else 1)


def test_the_machine_is_seen_as_it_is() -> None:
    found = machine.machine()
    total, free = machine.memory()
    assert 0 < free <= total
    assert found["cores"] >= 1
    assert found["threads"] >= 1


def test_versions_name_what_is_missing() -> None:
    found = machine.versions()
    assert found["torch"]
    assert set(machine.PACKAGES) <= set(found)
