"""dtype=auto takes bfloat16 where the device computes it natively, and nowhere else."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from handrail.models import ModelSettings, native_bfloat16, random_policy, resolve_dtype
from handrail.models import device as module
from handrail.records import HandrailWarning, SettingError
from tests.models.configs import configs
from tests.trees import toys


@pytest.fixture(autouse=True)
def _warn_anew() -> Iterator[None]:
    module._warn_of_emulation.cache_clear()
    yield
    module._warn_of_emulation.cache_clear()


def cpu(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(module, "_native_on_cpu", lambda: native)


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_follows_the_device_and_a_policy_says_what_it_became(
    native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu(monkeypatch, native)
    settings = ModelSettings(dtype="auto", device="cpu")
    policy = random_policy(configs()["llama"], toys.tokenizer(), settings)
    assert policy.settings.dtype == resolve_dtype("auto", "cpu") == expected
    assert policy.device.type == "cpu"
    with policy.precision():
        assert torch.is_autocast_enabled("cpu") is native


@pytest.mark.parametrize("native", [True, False])
def test_an_explicit_type_is_kept(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu(monkeypatch, native)
    assert resolve_dtype("float32", "cpu") == "float32"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert [resolve_dtype("bfloat16", "cpu") for _ in range(3)] == ["bfloat16"] * 3
    texts = [str(one.message) for one in told if one.category is HandrailWarning]
    assert len(texts) == (0 if native else 1)
    for text in texts:
        for part in ("this CPU has no bfloat16", "times slower", "dtype=auto"):
            assert part in text


@pytest.mark.parametrize(
    ("machine", "one_dnn", "flags", "expected"),
    [
        ("x86_64", False, (True, True), False),  # torch was told not to use what the CPU has
        ("x86_64", True, (False, False), False),  # AVX-512 alone: oneDNN converts
        ("x86_64", True, (True, False), True),
        ("x86_64", True, (False, True), True),
        ("aarch64", True, (False, False), True),
        ("aarch64", False, (False, False), False),
    ],
)
def test_a_cpu_is_native_by_its_instructions_and_torchs_use_of_them(
    machine: str,
    one_dnn: bool,
    flags: tuple[bool, bool],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: one_dnn)
    for name, flag in zip(
        ("_is_avx512_bf16_supported", "_is_amx_tile_supported"), flags, strict=True
    ):
        monkeypatch.setattr(torch.cpu, name, lambda flag=flag: flag, raising=False)
    assert native_bfloat16("cpu") is expected


def test_a_torch_without_these_names_takes_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert native_bfloat16("cpu") is False


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists()
    or platform.machine() != "x86_64"
    or "ONEDNN_MAX_CPU_ISA" in os.environ,
    reason="the flags of an x86 CPU are read from Linux",
)
def test_this_cpu_is_seen_as_linux_sees_it() -> None:
    flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    assert native_bfloat16("cpu") is ("avx512_bf16" in flags or "amx_bf16" in flags)


def test_a_device_of_which_nothing_is_known_takes_float32() -> None:
    assert resolve_dtype("auto", "meta") == "float32"


@pytest.mark.parametrize("device", ["tpu", "CUDA", "", "cuda:99", "xpu", "hpu"])
def test_a_device_that_is_not_there_is_one_error(device: str) -> None:
    settings = ModelSettings(device=device)
    with pytest.raises(SettingError, match=f"device '{device}' cannot be used here") as caught:
        random_policy(configs()["llama"], toys.tokenizer(), settings)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.gpu
def test_cuda_is_native_by_its_compute_capability() -> None:
    expected = torch.cuda.get_device_capability(0)[0] >= 8
    assert native_bfloat16() is native_bfloat16("cuda:0") is expected
