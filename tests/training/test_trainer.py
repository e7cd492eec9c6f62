"""The trainer: it learns, evaluates, stops, reports, and refuses with one clear error."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from pathlib import Path

import pytest
import torch
from tests.holding import held
from trainertoys import RUN, forest, policy
from transformers import AutoModelForCausalLM

from handrail.models import ModelSettings, Policy, load_policy
from handrail.models.adapters import merged_state
from handrail.models.load import wrap
from handrail.objectives import DPO, IPO, KTO, OBJECTIVES, SFT
from handrail.records import ModelError, RunError, SettingError
from handrail.training import Progress, read_metrics, train
from handrail.training import checkpoint as ckpt
from handrail.training.metrics import MetricsLog
from handrail.trees import pack

FOREST = forest()
EVAL = forest(2, seed=1)


def settings(**changes):
    return RUN.model_copy(update=changes)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
@pytest.mark.parametrize("mode", ["full", "lora"])
def test_every_objective_learns_its_data(name: str, mode: str, tmp_path: Path) -> None:
    many = settings(epochs=4, learning_rate=5e-3, schedule="constant", checkpoint_every=100)
    result = train(policy(mode), FOREST, OBJECTIVES[name](), many, tmp_path)
    lines = read_metrics(result.metrics_path)
    assert [line["step"] for line in lines] == list(range(1, result.steps + 1))
    assert lines[-1]["loss"] == result.loss < 0.95 * lines[0]["loss"]
    if name != "sft":
        assert lines[-1]["rewards/chosen"] > lines[-1]["rewards/rejected"]
    assert result.tokens == 4 * FOREST.stats["tokens"] == lines[-1]["tokens"]
    assert {"epoch", "units", "lr", "grad_norm", "seconds"} <= lines[0].keys()
    assert lines[-1]["epoch"] == 4.0


def test_the_final_model_is_the_trained_one(tmp_path: Path) -> None:
    for mode in ("full", "lora"):
        made = policy(mode)
        result = train(made, FOREST, IPO(), settings(), tmp_path / mode)
        made.model.eval()
        ids = torch.arange(20)[None]
        again = AutoModelForCausalLM.from_pretrained(result.final_folder)(ids).logits
        attention = made.causal_lm.config._attn_implementation
        made.causal_lm.set_attn_implementation("sdpa")
        torch.testing.assert_close(made.causal_lm(ids).logits, again, rtol=1e-4, atol=1e-5)
        made.causal_lm.set_attn_implementation(attention)
        assert load_policy(result.final_folder).tokenizer.eos_token == "</s>"
        assert not (tmp_path / mode / "checkpoints").exists()


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_the_policy_holds_the_trained_weights_of_a_finished_run(mode: str, tmp_path: Path) -> None:
    trained, fresh = policy(mode), policy(mode)
    start = [p.detach().clone() for p in fresh.parameters()]
    train(trained, FOREST, IPO(), settings(), tmp_path)
    train(fresh, FOREST, IPO(), settings(), tmp_path)
    pairs = zip(trained.parameters(), fresh.parameters(), start, strict=True)
    moved = False
    for one, two, before in pairs:
        assert torch.equal(one, two)
        moved = moved or not torch.equal(two, before)
    assert moved
    if mode == "lora":
        shutil.rmtree(tmp_path / "adapter")
        with pytest.raises(ModelError, match="the trained adapter is missing"):
            train(policy(mode), FOREST, IPO(), settings(), tmp_path)


def test_adapters_of_a_small_update_in_bfloat16_are_kept_whole(tmp_path: Path) -> None:
    """An update of under half a step of bfloat16 is in the files, and comes back from them."""
    base = policy()
    with torch.no_grad():  # as stored: every weight is one that bfloat16 holds
        for p in base.parameters():
            p.copy_(p.bfloat16().float())
    base.save(tmp_path / "base")

    def lora(where: str = "base") -> Policy:
        how = ModelSettings(mode="lora", dtype="bfloat16", lora_rank=4, device="cpu")
        return load_policy(tmp_path / where, how)

    made = lora()
    few = settings(learning_rate=1e-5, epochs=1)
    result = train(made, FOREST, IPO(), few, tmp_path / "run")
    state = merged_state(made.model)
    written = load_policy(result.final_folder).model.state_dict()
    start = load_policy(tmp_path / "base").model.state_dict()
    update = lost = 0.0
    for name, value in state.items():
        assert torch.equal(written[name], value.float())
        update += float((value.float() - start[name].float()).abs().sum())
        lost += float((value.bfloat16().float() - value.float()).abs().sum())
    assert lost > 0.5 * update > 0  # what bfloat16 weights would have rounded away
    config = json.loads((result.final_folder / "config.json").read_text("utf-8"))
    assert config["dtype"] == "float32"
    again = lora()
    again.restore(tmp_path / "run" / "adapter")
    batch = pack(FOREST.trees, 4096)[0]
    for one in (made, again):
        one.model.eval()
    with torch.no_grad():
        assert torch.equal(made.logps(batch), again.logps(batch))
    other = wrap(
        policy().model,
        made.tokenizer,
        ModelSettings(mode="lora", lora_rank=2, device="cpu"),
    )
    with pytest.raises(ModelError, match="another rank"):
        other.restore(tmp_path / "run" / "adapter")


def test_a_finished_run_is_returned_as_it_is(tmp_path: Path) -> None:
    first = train(policy(), FOREST, SFT(), settings(), tmp_path)
    before = first.metrics_path.read_bytes()
    told: list[Progress] = []
    again = train(policy(), FOREST, SFT(), settings(), tmp_path, progress=told.append)
    assert again == first
    assert not told
    assert first.metrics_path.read_bytes() == before
    fresh = train(
        policy(), FOREST, SFT(), settings(seed=4), tmp_path, resume=False, progress=told.append
    )
    assert len(told) == fresh.steps


def test_one_seed_gives_one_run(tmp_path: Path) -> None:
    def losses(folder: str, **changes) -> list[float]:
        made = train(policy(), FOREST, DPO(), settings(**changes), tmp_path / folder)
        return [line["loss"] for line in read_metrics(made.metrics_path)]

    one = losses("a")
    assert losses("b") == one
    assert losses("c", seed=9) != one
    torch.testing.assert_close(
        torch.tensor(losses("d", token_budget=500)), torch.tensor(one), rtol=1e-3, atol=1e-4
    )


def test_progress_tells_phase_and_time_left(tmp_path: Path) -> None:
    told: list[Progress] = []
    result = train(policy(), FOREST, DPO(), settings(), tmp_path, progress=told.append)
    reference = [p for p in told if p.phase == "reference"]
    steps = [p for p in told if p.phase == "train"]
    assert [p.done for p in reference] == list(range(1, reference[-1].total + 1))
    assert [p.done for p in steps] == list(range(1, result.steps + 1))
    assert steps[0].eta_seconds > 0 == steps[-1].eta_seconds
    assert steps[-1].metrics["loss"] == result.loss


def test_evaluation_stops_the_run_and_keeps_the_best(tmp_path: Path) -> None:
    wild = settings(epochs=20, learning_rate=0.05, schedule="constant", patience=2)
    made = policy()
    result = train(made, FOREST, SFT(), wild, tmp_path, eval_forest=EVAL)
    evaluated = {
        line["step"]: line["eval/loss"]
        for line in read_metrics(result.metrics_path)
        if "eval/loss" in line
    }
    assert result.stopped_early
    assert result.best_loss == min(evaluated.values()) == evaluated[result.best_step]
    assert result.steps == max(evaluated) > result.best_step
    best = load_policy(result.final_folder)
    at_best = settings(epochs=20, learning_rate=1e-30, schedule="constant", max_steps=1)
    check = train(best, FOREST, SFT(), at_best.model_copy(update={"eval_every": 1}),
                  tmp_path / "check", eval_forest=EVAL)  # fmt: skip
    assert check.best_loss == pytest.approx(result.best_loss, rel=1e-5)
    with pytest.raises(SettingError, match="patience needs evaluations"):
        train(policy(), FOREST, SFT(), wild, tmp_path / "x")


def test_what_is_left_out_is_reported(tmp_path: Path) -> None:
    trees = list(FOREST.trees)
    bare = type(trees[0])(**{**vars(trees[0]), "pairs": ()})
    mixed = type(FOREST)((bare, *trees[1:]), FOREST.skipped, FOREST.stats)
    result = train(policy(), mixed, DPO(), settings(), tmp_path)
    assert [s.reason for s in result.skipped] == ["no pair of a better and a worse reply"]


def test_a_loss_that_is_not_finite_stops_with_its_batch(tmp_path: Path) -> None:
    made = policy()
    with torch.no_grad():
        embedding = made.causal_lm.get_input_embeddings().weight
        embedding[FOREST.trees[3].replies[0].target_n[0]] = math.nan
    with pytest.raises(
        RunError, match=r"step 1: the loss is nan .*failed_batch.jsonl; no checkpoint was made\."
    ):
        train(made, FOREST, SFT(), settings(batch_size=100), tmp_path)
    lines = [json.loads(x) for x in (tmp_path / "failed_batch.jsonl").read_text().splitlines()]
    replies = [line for line in lines if "turn_id" in line]
    bad = [r for r in replies if r["logp"] is None]
    assert bad
    assert len(replies) == sum(len(t.replies) for t in FOREST.trees)
    assert any(r["turn_id"] == FOREST.trees[3].replies[0].turn_id for r in bad)
    assert all(r["tokens"] and isinstance(r["text"], str) for r in replies)
    assert not (tmp_path / "final").exists()


def test_a_loss_that_is_not_finite_names_the_newest_checkpoint(tmp_path: Path) -> None:
    made = policy()

    def spoil(progress: Progress) -> None:
        if progress.phase == "train" and progress.done == 2:
            with torch.no_grad():
                made.causal_lm.get_input_embeddings().weight.fill_(math.nan)

    with pytest.raises(RunError, match="step 3: the loss is nan") as caught:
        train(made, FOREST, SFT(), settings(checkpoint_every=1), tmp_path, progress=spoil)
    newest = tmp_path / "checkpoints" / "step-00000002"
    assert newest.is_dir()
    assert f"; the newest checkpoint, {newest}, is whole. " in str(caught.value)


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    with held(tmp_path) as pid, pytest.raises(RunError, match=f"another run .*process {pid}"):
        train(policy(), FOREST, SFT(), settings(), tmp_path)
    assert train(policy(), FOREST, SFT(), settings(max_steps=1), tmp_path).steps == 1


def stopped_run(out: Path, objective=None, after: int = 3) -> None:
    """A run that was interrupted after some steps, each with a checkpoint."""

    def stop(p: Progress) -> None:
        if p.phase == "train" and p.done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(policy(), FOREST, objective or DPO(), settings(), out, progress=stop)


def assert_says_how_to_start_over(error: RunError) -> None:
    """In words that are true on the command line and in Python."""
    for words in ("remove the run's folder", "--out", "in Python resume=False"):
        assert words in error.mend


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ({"settings": {"learning_rate": 0.5}}, "settings.learning_rate was 0.001, is 0.5"),
        ({"settings": {"epochs": 3, "seed": 9}}, "epochs was 2, is 3; settings.seed was 3, is 9"),
        ({"objective": DPO(beta=0.7)}, "objective.beta was 0.1, is 0.7"),
        ({"objective": IPO()}, "objective.name was 'dpo', is 'ipo'"),
        ({"forest": forest(7)}, "the data changed"),
        ({"model": policy(seed=5)}, "the model changed"),
    ],
)
def test_a_checkpoint_of_another_start_is_refused(start: dict, says: str, tmp_path: Path) -> None:
    stopped_run(tmp_path)
    arguments = {"model": policy(), "forest": FOREST, "objective": DPO()} | {
        k: v for k, v in start.items() if k != "settings"
    }
    with pytest.raises(RunError, match=says) as caught:
        train(**arguments, settings=settings(**start.get("settings", {})), out_dir=tmp_path)
    assert_says_how_to_start_over(caught.value)
    harmless = settings(keep_checkpoints=1, checkpoint_every=2, drop_checkpoints=False)
    assert train(policy(), FOREST, DPO(), harmless, tmp_path).steps == 8
    assert [p.name for p in ckpt.checkpoints(tmp_path)] == ["step-00000008"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    stopped_run(tmp_path)
    newest = ckpt.checkpoints(tmp_path)[-1]
    weights = newest / ckpt.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(RunError, match=r"cannot be read .*Remove its folder") as error:
        train(policy(), FOREST, DPO(), settings(), tmp_path)
    assert newest.name in str(error.value)
    assert_says_how_to_start_over(error.value)
    (tmp_path / "metrics.jsonl").write_text("")
    newest.rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="metrics end before") as error:
        train(policy(), FOREST, DPO(), settings(), tmp_path)
    assert_says_how_to_start_over(error.value)


@pytest.mark.parametrize("failing", ["save_file", "replace", "fsync"])
def test_a_full_disk_leaves_the_checkpoint_before(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(policy(), FOREST, DPO(), settings(), tmp_path / "whole")
    stopped_run(tmp_path / "out", after=2)
    before = {p: p.read_bytes() for p in (tmp_path / "out/checkpoints").rglob("*") if p.is_file()}

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(ckpt if failing == "save_file" else ckpt.os, failing, full)
        with pytest.raises(RunError, match=r"No space left on device.*Free some space"):
            train(policy(), FOREST, DPO(), settings(), tmp_path / "out")
    after = {p: p.read_bytes() for p in (tmp_path / "out/checkpoints").rglob("*") if p.is_file()}
    assert after == before
    resumed = train(policy(), FOREST, DPO(), settings(), tmp_path / "out")
    assert resumed.loss == whole.loss


def test_a_shared_reference_is_computed_once(tmp_path: Path) -> None:
    shared = settings(reference_dir=str(tmp_path / "reference"))
    for name, objective in (("dpo", DPO()), ("kto", KTO())):
        told: list[Progress] = []
        train(policy(), FOREST, objective, shared, tmp_path / name, progress=told.append)
        assert any(p.phase == "reference" for p in told) == (name == "dpo")
    assert len(list((tmp_path / "reference").glob("*.safetensors"))) == 1


def test_trackers(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"trackers|tracker"):
        train(policy(), FOREST, SFT(), settings(trackers=("tensorbord",)), tmp_path)


def test_what_is_not_finite_is_null_in_the_metrics(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "m.jsonl", 0) as log:
        log.write({"step": 1, "eval/loss": math.nan, "h": math.inf})
    assert read_metrics(tmp_path / "m.jsonl") == [{"step": 1, "eval/loss": None, "h": None}]
    (tmp_path / "m.jsonl").open("a").write('{"step": 2, "lo')
    assert len(read_metrics(tmp_path / "m.jsonl")) == 1
