"""The trainer on reward models: they learn, go on where they were killed, and are kept whole."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from rewardtoys import OBJECTIVES, SEVERAL, TREES, forest, reward, turns
from safetensors.torch import load_file
from trainertoys import RUN, policy
from trainertoys import forest as policy_forest

from handrail.models import ModelSettings, load_reward, new_reward
from handrail.objectives import DPO, BradleyTerry, Rating
from handrail.records import Reply, RunError, SettingError
from handrail.training import read_metrics, train
from handrail.training.feedback import feedback_of
from handrail.training.plan import make_plan, tree_units
from handrail.trees import collate

LONG = RUN.model_copy(  # each step is on all of the data
    update={"epochs": 30, "batch_size": 100, "learning_rate": 1e-2, "checkpoint_every": 0}
)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("mode", ["full", "lora"])
def test_every_objective_learns_its_data(name: str, mode: str, tmp_path: Path) -> None:
    model = reward(tmp_path, mode)
    data, held = forest(model, 4), turns(3, seed=1)
    result = train(model, data, OBJECTIVES[name], LONG, tmp_path / "run")
    lines = read_metrics(result.metrics_path)
    first, last = lines[0], lines[-1]
    assert last["loss"] == result.loss < 0.7 * first["loss"]
    assert result.steps == 30
    assert result.tokens == 30 * data.stats["tokens"]
    if name == "bradley_terry":
        assert last["rewards/accuracy"] > 0.8
        assert last["rewards/margin"] > first["rewards/margin"]
    else:
        assert last["ratings/mae"] < first["ratings/mae"]
    ordered = pairs = 0
    for turn in held:  # of conversations that it has not seen
        scores = model.score(turn, [reply.text for reply in turn.replies])
        ordered += sum(scores[i] > scores[j] for i, j in turn.pairs())
        pairs += len(list(turn.pairs()))
    assert ordered > 0.7 * pairs
    assert model.trained_with == name
    again = load_reward(result.final_folder, ModelSettings(device="cpu"))
    assert (again.trained_with, again.name) == (name, "run")  # by its run
    one = held[0]
    texts = [reply.text for reply in one.replies]
    assert again.score(one, texts) == pytest.approx(model.score(one, texts), abs=1e-4)


@pytest.mark.parametrize("mode", ["full", "lora"])
@pytest.mark.parametrize("stop", [1, 3])
def test_stopped_and_started_again_it_is_the_same_run(mode: str, stop: int, tmp_path: Path) -> None:
    def run(out: Path, at: int | None = None):
        def watch(p) -> None:
            if p.phase == "train" and p.done == at:
                raise KeyboardInterrupt

        model = reward(tmp_path, mode, lora_dropout=0.2 if mode == "lora" else 0.0)
        data, seen = forest(model), forest(model, 2, seed=1)
        how = SEVERAL.model_copy(update={"checkpoint_every": 2})
        return train(model, data, BradleyTerry(), how, out, eval_forest=seen, progress=watch)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", stop)
    again = run(tmp_path / "parts")
    assert again.loss == whole.loss
    courses = [
        [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(r.metrics_path)]
        for r in (whole, again)
    ]
    assert courses[0] == courses[1]
    one, other = (load_file(r.final_folder / "model.safetensors") for r in (whole, again))
    assert one.keys() == other.keys()
    assert "score.weight" in one
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_a_finished_run_is_taken_as_it_is(mode: str, tmp_path: Path) -> None:
    trained, fresh = reward(tmp_path, mode), reward(tmp_path, mode)
    train(trained, forest(trained), Rating("mse"), RUN, tmp_path / "run")
    train(fresh, forest(fresh), Rating("mse"), RUN, tmp_path / "run")
    assert fresh.trained_with == "rating/mse"
    for one, two in zip(trained.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one, two)
    other = Rating("mse", penalty=0.5)
    with pytest.raises(RunError, match=r"objective\.penalty was 0\.02, is 0\.5"):
        train(fresh, forest(fresh), other, RUN, tmp_path / "run")


def test_pretraining_on_preferences_then_fine_tuning_on_ratings(tmp_path: Path) -> None:
    first = reward(tmp_path)
    done = train(first, forest(first), BradleyTerry(), RUN, tmp_path / "pmp")
    second = new_reward(done.final_folder, ModelSettings(mode="lora", lora_rank=4, device="cpu"))
    assert second.trained_with == "bradley_terry"
    turn = turns(1, seed=3)[0]
    texts = [reply.text for reply in turn.replies]
    assert second.score(turn, texts) == pytest.approx(first.score(turn, texts), abs=1e-5)
    tuned = train(second, forest(second), Rating(), RUN, tmp_path / "fine")
    assert load_reward(tuned.final_folder).trained_with == "rating/logistic"


def test_micro_batches_and_packing_change_no_step(tmp_path: Path) -> None:
    for name, objective in OBJECTIVES.items():
        ends = []
        for number, budget in enumerate((520, 2000)):
            model = reward(tmp_path)
            how = RUN.model_copy(update={"token_budget": budget, "epochs": 1})
            out = tmp_path / f"{name.replace('/', '-')}-{number}"
            result = train(model, forest(model), objective, how, out)
            ends.append((result, load_file(result.final_folder / "model.safetensors")))
        assert ends[0][0].loss == pytest.approx(ends[1][0].loss, rel=1e-4)
        for key, value in ends[0][1].items():
            torch.testing.assert_close(value, ends[1][1][key], rtol=1e-3, atol=1e-4)


def test_units_of_a_tree(tmp_path: Path) -> None:
    model = reward(tmp_path)
    made = turns(2)
    tied = tuple(reply.model_copy(update={"rank": 1}) for reply in made[0].replies)
    lone = (Reply(text="refund", rank=1, rating=0.4),)
    data = model.build(
        [
            made[0],  # three ranked and rated replies
            made[1].model_copy(update={"replies": tied}),  # ties: no pair, but three ratings
            made[2].model_copy(update={"replies": lone}),
        ],
        TREES,
    )
    assert [tree_units(t, BradleyTerry()) for t in data.trees] == [1, 0]
    assert [tree_units(t, Rating()) for t in data.trees] == [3, 4]
    assert [tree_units(t, DPO()) for t in data.trees] == [3, 0]
    plan = make_plan(data.trees, BradleyTerry(), RUN)
    (skip,) = plan.skipped
    assert "no pair of a better and a worse reply" in skip.reason
    assert [step.units for step in plan.steps] == [1, 1]
    bare = [t.model_copy(update={"replies": (Reply(text="a"), Reply(text="b"))}) for t in made]
    empty = model.build(bare, TREES)
    for objective, lacks in ((BradleyTerry(), "no pair of"), (Rating(), "no reply with a rating")):
        with pytest.raises(RunError, match=lacks):
            train(model, empty, objective, RUN, tmp_path / "run")


@pytest.mark.parametrize("objective", [BradleyTerry(), Rating()], ids=repr)
def test_weights_of_replies_reach_the_loss(objective, tmp_path: Path) -> None:
    """A turn whose replies weigh four times as much counts four times."""
    model = reward(tmp_path)
    made = turns(2)
    heavy = tuple(reply.model_copy(update={"weight": 4.0}) for reply in made[0].replies)
    forests = ([made[0].model_copy(update={"replies": heavy}), *made[1:]], made[:1], made[1:])
    batches = [collate(model.build(data, TREES).trees) for data in forests]
    assert batches[0].weight_R.tolist() == [4.0] * 3 + [1.0] * 6
    with torch.no_grad():
        both, first, rest = (
            objective(feedback_of(batch, scores_R=model.scores(batch))).value.item()
            for batch in batches
        )
    assert both == pytest.approx((4 * first + 2 * rest) / 6, rel=1e-5)


def test_objectives_and_models_that_do_not_go_together(tmp_path: Path) -> None:
    model = reward(tmp_path)
    with pytest.raises(SettingError, match="a reward model has none"):
        train(model, forest(model), DPO(), RUN, tmp_path / "run")
    with pytest.raises(SettingError, match="bradley_terry learns from a reward model's scores"):
        train(policy(), policy_forest(2), BradleyTerry(), RUN, tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_step_that_is_not_finite_is_kept(tmp_path: Path) -> None:
    model = reward(tmp_path)
    with torch.no_grad():
        model.inner.score.weight.fill_(math.nan)
    with pytest.raises(RunError, match="replies with a score that is not finite"):
        train(model, forest(model), Rating(), RUN, tmp_path / "run")
    lines = (tmp_path / "run" / "failed_batch.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    replies = [line for line in told if "reply_index" in line]
    assert replies
    assert all(line["score"] is None and "logp" not in line for line in replies)
    assert any("refund" in line["text"] for line in replies)
    assert not (tmp_path / "run" / "final").exists()
    assert model.trained_with == ""


def test_early_stopping_keeps_the_best_head(tmp_path: Path) -> None:
    model = reward(tmp_path)
    how = RUN.model_copy(update={"epochs": 12, "learning_rate": 0.05, "patience": 2})
    seen = forest(model, 2, seed=1)
    result = train(model, forest(model), BradleyTerry(), how, tmp_path / "run", eval_forest=seen)
    assert result.best_step is not None
    lines = read_metrics(result.metrics_path)
    best = next(line for line in lines if line["step"] == result.best_step)
    with torch.no_grad():
        batch = collate(seen.trees)
        again = BradleyTerry()(feedback_of(batch, scores_R=model.scores(batch))).value.item()
    assert again == pytest.approx(best["eval/loss"], rel=1e-4)
