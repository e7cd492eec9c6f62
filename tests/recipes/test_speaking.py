"""What is told while systems speak, rank and are judged; what no figure could be made of."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.trees import toys

from handrail import world
from handrail.models import ModelSettings, load_policy
from handrail.recipes import RECIPES
from handrail.recipes.flow import Trained, begin, load_trained, train_system
from handrail.recipes.likelihood import likelihood
from handrail.recipes.retrieval import rank_sets, true_ranks
from handrail.recipes.run import Run
from handrail.recipes.settings import FlowSettings, QuickstartSettings
from handrail.recipes.systems import BASE, PAPER_RATES, System
from handrail.records import write_jsonl
from handrail.trees import Renderer, TreeSettings, build_trees, pack


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[Any, Renderer]:
    policy = load_policy(str(tiny_model), ModelSettings(dtype="float32"))
    return policy, Renderer(policy.tokenizer)


def test_unscored_are_the_turns_with_a_reply_left_out(loaded: tuple[Any, Renderer]) -> None:
    policy, renderer = loaded
    turns = world.training_turns(12, 3)
    sizes = []
    for turn in turns:  # the distinct beginnings of its replies are the tokens of its tree
        rows = [[*renderer.prompt_ids(turn), *renderer.reply_ids(r.text)] for r in turn.replies]
        sizes.append(len({tuple(row[:n]) for row in rows for n in range(1, len(row) + 1)}))
    budget = sorted(sizes)[len(sizes) // 2]
    told: list[tuple[int, int]] = []
    found = likelihood(policy, renderer, turns, budget, lambda *a: told.append(a))
    assert found["unscored"] == sum(size > budget for size in sizes) > 0
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert likelihood(policy, renderer, turns, max(sizes))["unscored"] == 0


def test_nats_and_preferences_are_those_of_each_reply_alone(loaded: tuple[Any, Renderer]) -> None:
    """The oracle: every prompt and reply by itself through the model, no tree, no packing."""
    policy, renderer = loaded
    turns = world.training_turns(8, 5)
    found = likelihood(policy, renderer, turns, 4096)
    assert found["unscored"] == 0
    slow: dict[str, tuple[float, int]] = {}
    wins = []
    for turn in turns:
        prompt, nats = renderer.prompt_ids(turn), []
        for reply in turn.replies:
            ids = [*prompt, *renderer.reply_ids(reply.text)]
            with torch.no_grad():
                logps = policy.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
            own = [logps[i - 1, ids[i]].item() for i in range(len(prompt), len(ids))]
            nats.append((-sum(own), len(own)))
        best = turn.best()
        assert best is not None
        slow[turn.id] = nats[best]
        wins += [
            (turn.id, float(nats[better][0] < nats[worse][0])) for better, worse in turn.pairs()
        ]
    assert sorted(found["best_turns"]) == sorted(slow)
    for name, nat, tokens in zip(found["best_turns"], found["nats"], found["tokens"], strict=True):
        assert nat == pytest.approx(slow[name][0], abs=1e-3)
        assert tokens == slow[name][1]
    assert sorted(zip(found["preference_turns"], found["preference"], strict=True)) == sorted(wins)


def test_notes_about_sharing_are_not_unscored(loaded: tuple[Any, Renderer]) -> None:
    policy, _ = loaded
    renderer = Renderer(toys.tokenizer(toys.REWRITING, "<|im_end|>"))
    turns = toys.conversation_turns(4)
    assert build_trees(turns, renderer, TreeSettings(on_long="skip")).skipped
    assert likelihood(policy, renderer, turns, 2048)["unscored"] == 0


def test_progress_of_ranks(loaded: tuple[Any, Renderer]) -> None:
    sets = rank_sets(world.training_turns(14, 3), 4, others=12)
    told: list[tuple[int, int]] = []
    watched = true_ranks(*loaded, sets, 2048, lambda *a: told.append(a))
    assert watched == true_ranks(*loaded, sets, 2048)
    assert len(told) > 2
    assert told[-1] == (4 * 13, 4 * 13)


def test_a_run_tells_how_far_it_is_and_counts_what_is_in_no_figure(
    tiny_model: Path, tmp_path: Path
) -> None:
    turns = world.training_turns(40, 3)
    # One test turn with a reply over the budget: it is asked, but not scored.
    test = world.training_turns(4, 7)
    better, *worse = test[0].replies
    test[0] = test[0].model_copy(
        update={"replies": (better.model_copy(update={"text": "hello " * 3000}), *worse)}
    )
    write_jsonl(tmp_path / "turns.jsonl", turns)
    write_jsonl(tmp_path / "test.jsonl", test)
    told: dict[str, list[tuple[float, float]]] = {}
    settings = QuickstartSettings(
        model=str(tiny_model),
        conversations=str(tmp_path / "turns.jsonl"),
        test_conversations=str(tmp_path / "test.jsonl"),
        train_points=8,
        test_turns=100,
        reply_tokens=12,
        threads=1,
        seeds=1,
        learning_rates={"sft": 1e-3, "ipo": 1e-4},
    )
    summary = RECIPES["quickstart"].run(
        settings,
        tmp_path / "run",
        lambda stage, done, total, note="": told.setdefault(stage, []).append((done, total)),
    )
    long = [one for one in summary["left_out"] if "Written replies" in one["reason"]]
    assert [(one["what"], one["count"]) for one in long] == [("test turn", 1)]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "not in Written replies" in page
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["left_out"]
    systems, dimensions, orders = 3, 1, 2  # checks tell adherence alone
    for stage, each in (("judge", systems), ("compare", dimensions * orders)):
        assert told[stage][-1] == (each * len(test), each * len(test))
    assert told["base speaks (seed 0)"][-1] == (len(test), len(test))


def test_under_lora_a_system_speaks_with_its_adapter(tiny_model: Path, tmp_path: Path) -> None:
    turns = world.training_turns(8, 5)
    settings = FlowSettings(
        model=str(tiny_model),
        mode="lora",
        dtype="float32",  # in which the two ways to the same weights agree
        threads=1,
        learning_rates=dict.fromkeys(PAPER_RATES, 1e-2),
    )
    settings = begin(Run(tmp_path), "flow1", settings)
    base = Trained(BASE, tiny_model, None, ())
    system = System("SFT", "sft", BASE)
    one = train_system(Run(tmp_path), settings, system, turns, base, 0)
    assert one.adapter is not None
    batch = pack(
        build_trees(turns, Renderer(load_trained(base, settings)[0].tokenizer)).trees, 8192
    )[0]

    def logps(system: Trained) -> torch.Tensor:
        policy, _ = load_trained(system, settings)
        policy.model.eval()
        with torch.no_grad():
            return policy.logps(batch)

    merged = dataclasses.replace(one, adapter=None)
    assert (logps(one) - logps(merged)).abs().max() < 1e-4
    assert (logps(one) - logps(base)).abs().max() > 0.01
    saved = load_file(one.adapter / "adapter_model.safetensors")
    silent = {name: 0 * value for name, value in saved.items()}
    save_file(silent, one.adapter / "adapter_model.safetensors")
    assert (logps(one) - logps(base)).abs().max() < 1e-6  # it is the adapter that speaks
