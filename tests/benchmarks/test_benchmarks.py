"""The benchmark: exact data, operations counted right, whole comparisons at the least size."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def renderer(module: Any) -> Any:
    from handrail.trees import Renderer

    return Renderer(module("prepare").make_tokenizer(512), style="guardrail")


def test_conversation_has_exact_lengths_and_grows(module: Any, renderer: Any) -> None:
    shapes = module("shapes")
    turns = shapes.make_turns("conversation", renderer, shapes.Words(500, 1), 2, 4)
    assert len(turns) == 8
    for n, turn in enumerate(turns[:4]):
        prompt = renderer.prompt_ids(turn)
        assert len(prompt) == 300 + 60 * (n + 1) + 110 * n
        assert [len(renderer.reply_ids(r.text)) for r in turn.replies] == [110, 90]
        assert list(turn.pairs()) == [(0, 1)]
    first, second = renderer.prompt_ids(turns[0]), renderer.prompt_ids(turns[1])
    said = renderer.reply_ids(turns[0].replies[0].text)
    assert second[: len(first) + len(said)] == first + said


def test_other_shapes_have_the_promised_lengths(module: Any, renderer: Any) -> None:
    shapes = module("shapes")
    words = shapes.Words(500, 1)
    lengths = [
        len(renderer.prompt_ids(t))
        for t in shapes.make_turns("long_prompt", renderer, words, 60, 1)
    ]
    assert min(lengths) >= 300
    assert max(lengths) <= 900
    assert 540 < sorted(lengths)[30] < 660
    for turn in shapes.make_turns("short_prompt", renderer, words, 9, 1):
        assert 50 <= len(renderer.prompt_ids(turn)) <= 70
    for turn in shapes.make_turns("k4", renderer, words, 3, 1):
        assert len(renderer.prompt_ids(turn)) == 120
        assert len(list(turn.pairs())) == 6


def test_trl_rows_hold_the_same_tokens(module: Any, renderer: Any) -> None:
    shapes, prepare = module("shapes"), module("prepare")
    tokenizer = renderer.tokenizer
    turns = shapes.make_turns("conversation", renderer, shapes.Words(500, 1), 1, 3)
    rows = prepare.pair_rows(turns, prepare.Texts(tokenizer, renderer))
    for turn, row in zip(turns, rows, strict=True):
        ids = tokenizer(row["prompt"] + row["chosen"], add_special_tokens=False)["input_ids"]
        assert ids == renderer.prompt_ids(turn) + renderer.reply_ids(turn.replies[0].text)
    whole = prepare.sft_rows(turns, renderer)
    assert len(whole) == 1
    assert len(whole[0]["input_ids"]) == 300 + 3 * 170
    assert sum(x != -100 for x in whole[0]["labels"]) == 3 * 110
    single = prepare.turn_rows(turns, renderer)
    assert [len(row["input_ids"]) for row in single] == [300 + 170, 300 + 340, 300 + 510]
    assert [sum(x != -100 for x in row["labels"]) for row in single] == [110] * 3
    assert single[-1]["input_ids"] == whole[0]["input_ids"]


@pytest.mark.parametrize("family", ["llama", "grouped", "gpt2"])
def test_bound_counts_what_torch_counts(family: str, module: Any) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    bound, shapes, prepare = module("bound"), module("shapes"), module("prepare")
    size = {
        "llama": shapes.SIZES["T"],
        "grouped": shapes.Size(2, 32, 4, 64, 256, 2, key_heads=2, tied=True),
        "gpt2": shapes.Size(2, 32, 2, 128, 256, 2, family="gpt2", tied=True, positions=64),
    }[family]
    model = prepare.make_model(size, 0)
    model.set_attn_implementation("eager")
    n = 48
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.arange(n)[None], attention_mask=torch.ones(1, n))
    counted = counter.get_total_flops()
    rotary = 2 * (size.width // size.heads // 2) * n  # positions times frequencies, not a weight
    assert abs(bound.flops(size, n, n * n, n) / 3 - counted) <= rotary
    attended = sum(before + 1 for before in range(100, 107))
    assert bound.attention_products(7, 100) == attended
    # Scores: nothing is spared where every token is read, and below the last layer.
    one, two = (dataclasses.replace(size, layers=n) for n in (1, 2))
    assert bound.scoring(one, 0, [1, 1], 1) == bound.flops(one, 2, 2, 0)
    attended = (1 + 2 + 3) + (4 + 5) + (4 + 5 + 6 + 7)
    whole = bound.flops(one, 9, attended, 0)
    more = bound.scoring(two, 3, [2, 4], 1) - bound.scoring(one, 3, [2, 4], 1)
    assert more == pytest.approx(whole)
    assert bound.scoring(one, 3, [2, 4], 1) < whole


def test_a_pass_is_at_least_five_steps(module: Any) -> None:
    work, train = module("work"), module("train")

    def units(*options: str) -> tuple[int, int]:
        args = train.parse(list(options))
        turns = int(args.turns)
        found = work.units_of(args, turns)
        return found, work.rows_of(args, found, turns) // work.trl_batch(args)

    assert units() == (4, 5)
    assert units("--size", "M") == (2, 5)
    assert units("--turns", "20", "--trl-batch", "4") == (1, 5)
    assert units("--objective", "sft") == (5, 5)
    assert units("--objective", "sft", "--trl-examples", "turn") == (4, 5)
    assert units("--objective", "kto") == (4, 10)
    assert units("--shape", "k4") == (8, 6)
    assert units("--shape", "long_prompt") == (40, 5)
    assert units("--units", "8") == (8, 10)


def test_sft_on_whole_conversations_warms_up_on_all_of_them(module: Any, tmp_path: Path) -> None:
    work, train = module("work"), module("train")
    sft = work.job_of(train.parse(["--objective", "sft"]), tmp_path, "trl")
    dpo = work.job_of(train.parse([]), tmp_path, "trl")
    assert (sft.warm_steps, dpo.warm_steps) == (0, 1)


def test_the_update_is_made_on_few_turns(module: Any) -> None:
    agree, train = module("agree"), module("train")

    def turns(*options: str) -> tuple[str, ...]:
        return tuple(agree.update_turns(train.parse(list(options)), 5, 10))

    assert turns() == ("c0-t0", "c0-t1", "c0-t2")
    assert len(turns("--objective", "sft")) == 10, "one example of TRL's is all of them"
    assert len(turns("--objective", "sft", "--trl-examples", "turn")) == 3
    assert turns("--shape", "short_prompt") == ("p0", "p1", "p2")
    assert turns("--shape", "k4") == ("p0",)


def test_sides_that_update_differently_are_refused(
    module: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    agree = module("agree")
    before, lengths = {"a/0": -50.0, "a/1": -40.0}, {"a/0": 10, "a/1": 10}
    ours = {"before": before, "after": {"a/0": -49.0, "a/1": -41.0}, "lengths": lengths}
    near = {"before": before, "after": {"a/0": -49.01, "a/1": -41.0}}
    found = agree.update_agreement(ours, near, "float32")
    assert found["update_replies"] == 2
    assert found["update_moved"] == pytest.approx(0.1)
    assert found["update_diff"] == pytest.approx(0.001)
    together = {"before": {"a/0+a/1": -90.0}, "after": {"a/0+a/1": -90.0}}
    for wrong in (
        {"before": before, "after": before},  # no update
        {"before": before, "after": {"a/0": -48.0, "a/1": -42.0}},  # twice the rate
        {"before": before, "after": {"a/0": -51.0, "a/1": -39.0}},  # the other way
    ):
        with pytest.raises(SystemExit):
            agree.update_agreement(ours, wrong, "float32")
        assert "disagree about what one update does" in capsys.readouterr().err
    with pytest.raises(SystemExit):  # nothing moved, so nothing was compared
        agree.update_agreement(ours | {"after": before}, together, "float32")


LEAST = ("--size", "T", "--rounds", "1", "--handrail-epochs", "1", "--trl-batch", "2")


@pytest.mark.slow
def test_ranked_replies_are_compared_at_the_least_size(run: Any) -> None:
    pytest.importorskip("trl")
    line = run("train.py", *LEAST, "--shape", "k4", "--units", "1")
    assert line["pairs"] == 6
    assert line["handrail"]["epoch_tokens"] * 3 == line["trl"]["epoch_tokens"] == 1800
    assert line["agreement"]["replies_compared"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full", "lora"])
def test_reward_models_are_compared_at_the_least_size(mode: str, run: Any) -> None:
    pytest.importorskip("trl")
    options = ("--shape", "k4", "--objective", "bradley_terry", "--units", "1", "--mode", mode)
    line = run("train.py", *LEAST, *options)
    assert line["pairs"] == 6
    assert line["handrail"]["epoch_tokens"] * 3 == line["trl"]["epoch_tokens"] == 1800
    assert line["handrail"]["computed_tokens"] == 720
    assert line["agreement"]["replies_compared"] == line["agreement"]["update_replies"] == 4
    assert line["agreement"]["logp_per_token_diff"] < 1e-5
    assert line["agreement"]["update_moved"] > 0


@pytest.mark.slow
def test_scoring_is_compared_at_the_least_size(run: Any) -> None:
    line = run("score.py", "--size", "T", "--pairs", "16", "--rounds", "1")
    assert line["score_ratio"] > 0
    assert line["score_diff"] < 1e-5
    assert (line["prompt"], line["replies"], line["pairs"]) == (600, 8, 16)


def test_training_from_scratch_is_compared_at_the_least_size(run_here: Any) -> None:
    line = run_here("pretrain.py", "--conversations", "8", "--rounds", "1")
    assert 0.5 < line["computed"] < 0.9, "playbooks are shared"
    assert line["ratio"] > 0
    assert line["conversations"] == 8


def test_sampling_is_compared_at_the_least_size(run_here: Any) -> None:
    line = run_here("sample.py", "--turns", "8", "--rounds", "1", "--samples", "2")
    assert line["turns"] >= 8
    assert line["greedy_differ"] == 0
    assert line["ratio"] > 0


MORE = ("sft", "sft by turn", "kto lora")
OBJECTIVES = ["dpo", *(pytest.param(x, marks=pytest.mark.slow) for x in MORE)]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_whole_comparison_at_the_least_size(objective: str, run: Any) -> None:
    pytest.importorskip("trl")
    options = {
        "dpo": ["--row-tokens", "1", "--trl-micro", "1"],
        "sft": ["--objective", "sft"],
        "sft by turn": ["--objective", "sft", "--trl-examples", "turn"],
        "kto lora": ["--objective", "kto", "--mode", "lora", "--checkpointing"],
    }[objective]
    line = run("train.py", *LEAST, *options, "--turns", "2", "--units", "2")
    sft = objective.startswith("sft")
    for side in ("handrail", "trl"):
        assert line[side]["pairs_per_s"] > 0
        assert line[side]["peak_rss_mb"] > 50
        assert line[side]["epoch_tokens"] == (440 if sft else 800)
        parts = line[side]["memory_mb"]
        assert sum(parts.values()) == pytest.approx(line[side]["peak_rss_mb"], abs=1)
        assert parts["optimizer"] == pytest.approx(2 * parts["gradients"], abs=0.2)
    assert line["ratio"] > 0
    assert line["memory_ratio"] > 0
    assert line["agreement"]["logp_per_token_diff"] < 1e-4
    assert line["agreement"]["replies_compared"] == (4 if sft else 8)
    assert line["agreement"]["update_replies"] in (2, 4)
    assert line["agreement"]["update_moved"] > 0
    assert line["versions"]["trl"] == "1.16.0"
    assert line["threads"] == 1
    assert line["machine"]["cores"] >= 1
    asked = {"dpo": 1, "kto lora": 8192}.get(objective, 1536)  # KTO takes a step in one row
    assert line["handrail"]["row_tokens"] == asked
    if objective == "dpo":  # two conversations of 300 + 2 * 170 tokens and 2 * 90 rejected ones
        assert line["handrail"]["micro_batch_tokens"] == 820
        assert line["handrail"]["computed_tokens"] == 1640
    if objective == "sft":
        assert line["trl"]["computed_tokens"] == 1280


@pytest.mark.slow
@pytest.mark.parametrize("side", ["handrail", "trl"])
def test_profile_at_the_least_size(side: str, module: Any, run: Any) -> None:
    pytest.importorskip("trl")
    kinds = module("op_kinds")
    least = ("--size", "T", "--trl-batch", "2", "--turns", "2", "--units", "1")
    line = run("profile_step.py", *least, "--side", side)
    assert line["side"] == side
    assert set(line["profile"]["shares"]) == {*kinds.KINDS, kinds.ELSE}
    assert sum(line["profile"]["shares"].values()) == pytest.approx(1, abs=1e-3)
    for kind in ("matrix products", "attention", "optimizer"):
        assert line["profile"]["shares"][kind] > 0
    assert len(line["profile"]["others"]) == kinds.TOP
    # One tree of 820 tokens; TRL: prompts of 360 and 530, chosen 110, rejected filled up to that.
    assert line["tokens_per_pair"] == (410 if side == "handrail" else 1280)
    assert line["profile"]["operator_seconds"] > 0
    assert line["memory_mb"]["parameters"] > 0


def test_operators_are_of_one_kind_and_exist(module: Any) -> None:
    import torch

    kinds = module("op_kinds")
    names = [name for found in kinds.KINDS.values() for name in found]
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(torch.ops.aten, name.removeprefix("aten::").rstrip()), name
    shares, others = kinds.shares(
        [("aten::mm", 3.0), ("aten::bmm", 1.0), ("Optimizer.step#AdamW.step", 1.0)]
        + [(f"aten::copy_{n}", 1.0) for n in range(7)]
    )
    assert (shares["matrix products"], shares["attention"]) == (0.25, pytest.approx(1 / 12))
    assert shares["optimizer"] == pytest.approx(1 / 12)
    assert shares[kinds.ELSE] == pytest.approx(7 / 12)
    assert len(others) == kinds.TOP


def test_ceiling_at_the_least_size(run_here: Any) -> None:
    line = run_here("bound.py", "--sizes", "T", "--dtype", "float32")
    assert line["gflops"] > 0
    assert line["best_product"].count("x") == 2
    assert line["foreign_cores"] >= 0
    assert line["bound_pairs_per_s"]["k4"] > 0


def test_commit_names_the_code_of_this_folder_alone(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = module("common")

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("common.py", "results.jsonl"):
        (folder / name).write_text("1\n")
    monkeypatch.setattr(common, "HERE", folder)
    assert common.commit() is None, "outside git"
    git("init", "-q")
    git("add", "benchmarks/results.jsonl")
    git("commit", "-qm", "figures")
    assert common.commit() is None, "a copy that the repository does not know"
    git("add", "benchmarks")
    git("commit", "-qm", "code")
    clean = common.commit()
    assert clean
    assert clean.isalnum()
    (folder / "results.jsonl").write_text("2\n")
    assert common.commit() == clean, "new figures are no new code"
    (folder / "common.py").write_text("2\n")
    assert common.commit() == f"{clean}+changes"


def test_gpu_sizes_have_the_parameters_of_their_models(module: Any) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    shapes, prepare = module("shapes"), module("prepare")
    counts = {}
    for name in shapes.GPU_SIZES:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(prepare.make_config(shapes.SIZES[name]))
        counts[name] = sum(p.numel() for p in model.parameters())
        deepest = 300 + 20 * 170
        assert model.config.max_position_embeddings >= deepest
    # GPT-2 medium has 354,823,168 with 1,024 positions; Llama 3.2 1B has 1,235,814,400.
    assert counts == {"gpt2-medium": 354_823_168 + 3072 * 1024, "llama-1b": 1_235_814_400}


def test_a_device_that_is_not_there_is_one_clear_error(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for script in ("train", "profile_step", "bound", "all"):
        monkeypatch.setattr("sys.argv", [f"{script}.py", "--device", "cuda"])
        with pytest.raises(SystemExit) as ended:
            module(script).main()
        assert ended.value.code == 2
        assert "torch sees no CUDA device here" in capsys.readouterr().err


def test_both_sides_see_no_gpu_or_one(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = module("common").environment
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert environment(1, tmp_path)["CUDA_VISIBLE_DEVICES"] == ""
    assert environment(1, tmp_path, "cuda")["CUDA_VISIBLE_DEVICES"] == "0"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert environment(1, tmp_path, "cuda")["CUDA_VISIBLE_DEVICES"] == "3"


def test_help_states_the_rule_of_steps(module: Any) -> None:
    folder = Path(module("train").__file__).parent
    done = subprocess.run(
        [sys.executable, str(folder / "train.py"), "--help"], capture_output=True, text=True
    )
    assert "as few as make 5 steps of --trl-batch" in done.stdout
    assert "5 conversations and steps" in done.stdout
