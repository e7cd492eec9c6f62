"""A training from scratch that is killed, fails, meets a full disk, another run or other data."""

from __future__ import annotations

import json
import math
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.holding import held
from tests.recipes.conftest import TINY
from tests.training.trainertoys import tokenizer
from transformers import AutoTokenizer, LlamaForCausalLM

from handrail import world
from handrail.cli.group import invoke
from handrail.models import Policy
from handrail.recipes import model_folder
from handrail.recipes.model_folder import ModelFolder
from handrail.recipes.pretrain import pretrain
from handrail.records import RunError
from handrail.training.checkpoint import written_aside

SETTINGS = TINY.model_copy(update={"checkpoint_seconds": 1e-9, "dtype": "float32"})
TALKS = world.generate(16, 7)
CLI = [f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.model_dump().items()]


def model_files(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in out.iterdir() if p.is_file() and p.name != ".lock"}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads add up in an order of their own: only one gives the same bits again."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "model"
    pretrain(TALKS, SETTINGS, out)
    return out


def stop_at(step: int):
    def watch(stage: str, done: float, total: float, note: str = "") -> None:
        if stage == "pretrain" and done == step:
            raise KeyboardInterrupt

    return watch


def stopped(out: Path, step: int = 3) -> None:
    """A training that was interrupted at a step, with a checkpoint of the one before."""
    with pytest.raises(KeyboardInterrupt):
        pretrain(TALKS, SETTINGS, out, stop_at(step))
    assert (out / "checkpoint" / "state.pt").exists()


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond `size` bytes of any file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_stopped_training_goes_on_to_the_same_files(finished: Path, tmp_path: Path) -> None:
    stopped(tmp_path, 2)
    stopped(tmp_path, 4)
    pretrain(TALKS, SETTINGS, tmp_path)
    assert model_files(tmp_path) == model_files(finished)
    assert not (tmp_path / "checkpoint").exists()


def test_a_whole_model_stays_until_the_new_one_is_whole(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    shutil.copytree(finished, out)
    before = model_files(out)
    other = SETTINGS.model_copy(update={"vocabulary": 500, "seed": 1})
    for step in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            pretrain(TALKS, other, out, stop_at(step))
        assert model_files(out) == before
    pretrain(TALKS, other, out)
    assert model_files(out).keys() == before.keys()
    assert len(AutoTokenizer.from_pretrained(out)) == 500
    assert load_file(out / "model.safetensors")["model.embed_tokens.weight"].shape[0] == 500


@pytest.mark.parametrize("moved", range(8))
def test_a_kill_while_the_new_model_moves_up_never_mixes_two_models(
    moved: int, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and tokenizer are of one training, or there are no weights; and it is made good."""
    out, old = tmp_path / "model", tmp_path / "old"
    pretrain(TALKS[:4], SETTINGS.model_copy(update={"vocabulary": 400}), old)
    shutil.copytree(old, out)
    replace, calls = model_folder.os.replace, []

    class Killed(BaseException):
        pass

    def dying(source: Any, target: Any) -> None:
        if Path(source).parent.name == "model" and Path(target).parent == out:
            calls.append(source)
            if len(calls) > moved:
                raise Killed
        replace(source, target)

    monkeypatch.setattr(model_folder.os, "replace", dying)
    killed = False
    try:
        pretrain(TALKS, SETTINGS, out)
    except Killed:
        killed = True
    assert killed == (moved < len(model_files(finished)))
    now = model_files(out)
    if "model.safetensors" in now:
        assert now in (model_files(old), model_files(finished))
    monkeypatch.undo()
    pretrain(TALKS, SETTINGS, out)
    assert model_files(out) == model_files(finished)


def test_a_loss_that_is_not_finite_stops_with_its_step(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ModelFolder.save

    def save_and_spoil(self: ModelFolder, policy: Policy, opts: Any, step: int, log: Any) -> None:
        plain(self, policy, opts, step, log)
        if step == 2:
            with torch.no_grad():
                policy.causal_lm.get_input_embeddings().weight[40:, 1] = math.nan

    monkeypatch.setattr(ModelFolder, "save", save_and_spoil)
    with pytest.raises(RunError, match=r"step 3: the loss is nan .*failed_batch\.jsonl") as caught:
        pretrain(TALKS, SETTINGS, tmp_path)
    assert "muon_lr" in caught.value.mend
    lines = [json.loads(x) for x in (tmp_path / "failed_batch.jsonl").read_text().splitlines()]
    assert lines
    known = {c.id: c for c in TALKS}
    for line in lines:
        assert (line["step"], line["loss"]) == (3, None)
        assert line["trained_tokens"] > 0
        first = next(m.content for m in known[line["conversation_id"]].messages)
        assert first in line["text"]
        assert line["tokens"]
    assert not (tmp_path / "model.safetensors").exists()
    # The checkpoint of the step before is whole, and the next start takes the step away.
    monkeypatch.undo()
    pretrain(TALKS, SETTINGS, tmp_path)
    assert model_files(tmp_path) == model_files(finished)


def test_a_gradient_that_is_not_finite_stops_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda *given: clip(*given) * float("inf")
    )
    with pytest.raises(RunError, match=r"step 1: the gradient's norm is inf \(0 of \d+ "):
        pretrain(TALKS, SETTINGS, tmp_path)


@pytest.mark.parametrize("what", ["checkpoint", "weights", "tokenizer"])
def test_a_full_disk_is_one_clear_error_and_leaves_the_old_model_whole(
    what: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    shutil.copytree(finished, out)
    before = model_files(out)
    if what != "checkpoint":  # let the writing before it pass
        monkeypatch.setattr(ModelFolder, "save", lambda *given: None)
    if what == "tokenizer":
        monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", lambda *given, **more: None)
    other = SETTINGS.model_copy(update={"seed": 1})
    with (
        no_file_above(4096),
        pytest.raises(RunError, match=r"could not be written .*File too large.*Free some space"),
    ):
        pretrain(TALKS, other, out)
    assert model_files(out) == before
    monkeypatch.undo()
    pretrain(TALKS, other, out)
    assert model_files(out).keys() == before.keys()


def test_a_full_disk_under_a_tokenizer_is_the_trainers_clear_error_too(tmp_path: Path) -> None:
    known = tokenizer()
    with (
        no_file_above(1000),
        pytest.raises(RunError, match=r"could not be written \(File too large\)"),
        written_aside(tmp_path / "final") as folder,
    ):
        known.save_pretrained(folder)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Exception, match="another fault"), written_aside(tmp_path / "final"):
        raise Exception("another fault")


def test_two_trainings_in_one_folder_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(tmp_path) as pid:
        with pytest.raises(RunError, match=f"another run .*process {pid}"):
            pretrain(TALKS, SETTINGS, tmp_path)
        assert invoke(["world", "pretrain", "--out", str(tmp_path), "--conversations", "9"]) == 2
    assert f"another run works in this folder (process {pid})" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("settings", "talks", "says"),
    [
        ({"width": 48}, TALKS, "settings.width was 32, is 48"),
        ({"vocabulary": 500}, TALKS, "settings.vocabulary was 600, is 500"),
        ({"muon_lr": 0.5}, TALKS, "settings.muon_lr was 0.008, is 0.5"),
        ({}, TALKS[1:], "the data changed"),
        ({}, world.generate(16, 8), "the data changed"),
    ],
)
def test_another_trainings_checkpoint_is_refused(
    settings: dict[str, Any], talks: list[Any], says: str, finished: Path, tmp_path: Path
) -> None:
    stopped(tmp_path)
    with pytest.raises(RunError, match=says) as caught:
        pretrain(talks, SETTINGS.model_copy(update=settings), tmp_path)
    assert f"Remove {tmp_path / 'checkpoint'} to start over" in caught.value.mend
    # Neither that nor how often a checkpoint is written changes what the right start comes to.
    pretrain(TALKS, SETTINGS.model_copy(update={"checkpoint_seconds": 60}), tmp_path)
    now = model_files(tmp_path)
    assert now["model.safetensors"] == model_files(finished)["model.safetensors"]


@pytest.mark.parametrize("content", [b"", b"PK", None])
def test_a_damaged_checkpoint_is_named(content: bytes | None, tmp_path: Path) -> None:
    stopped(tmp_path)
    state = tmp_path / "checkpoint" / "state.pt"
    state.write_bytes(state.read_bytes()[:5000] if content is None else content)
    with pytest.raises(RunError, match=r"state\.pt: this checkpoint cannot be read") as caught:
        pretrain(TALKS, SETTINGS, tmp_path)
    assert f"Remove {tmp_path / 'checkpoint'}" in caught.value.mend


def test_a_checkpoint_that_vanishes_is_made_anew(finished: Path, tmp_path: Path) -> None:
    def vanish(stage: str, done: float, total: float, note: str = "") -> None:
        if stage == "pretrain":
            shutil.rmtree(tmp_path / "checkpoint", ignore_errors=True)

    pretrain(TALKS, SETTINGS, tmp_path, vanish)
    assert model_files(tmp_path) == model_files(finished)


def test_a_folder_that_vanishes_for_good_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    plain = ModelFolder.save

    def save(self: ModelFolder, *given: Any) -> None:
        shutil.rmtree(out)
        out.write_text("a file now")
        plain(self, *given)

    monkeypatch.setattr(ModelFolder, "save", save)
    assert invoke(["world", "pretrain", "--out", str(out), "--conversations", "9", *CLI]) == 2
    told = capsys.readouterr().err
    assert "could not be written" in told
    assert "defect" not in told
