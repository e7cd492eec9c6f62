"""Train, generate, judge, chat: from a file to a judged model, by command and by API."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.records import (
    HandrailWarning,
    Provenance,
    RecordError,
    SettingError,
    Turn,
    read_jsonl,
    write_jsonl,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights and a tokenizer of the world's words."""
    from handrail.recipes.pretrain import PretrainSettings, new_model, train_tokenizer

    sizes = PretrainSettings(
        vocabulary=600,
        layers=2,
        width=32,
        heads=4,
        kv_heads=2,
        intermediate=64,
        copying=False,
    )
    texts = [m.content for c in world.generate(20, 0) for m in c.messages]
    tokenizer = train_tokenizer(texts, sizes.vocabulary)
    folder = tmp_path_factory.mktemp("model") / "small"
    new_model(sizes, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl("turns.jsonl", world.training_turns(4, 1))
    write_jsonl("test.jsonl", world.training_turns(2, 2))
    return tmp_path


def summary(capsys: pytest.CaptureFixture[str], *args: str) -> dict:
    assert invoke([*args, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("work")
def test_from_turns_to_verdicts_by_commands(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--set", "max_steps=2", "--quiet"]
    sft = summary(
        capsys,
        "train",
        "turns.jsonl",
        "--objective",
        "sft",
        "--model",
        str(model),
        "--out",
        "sft",
        *few,
    )
    assert sft["steps"] == 2
    assert Path(sft["metrics"]).exists()
    ipo = summary(capsys, "train", "turns.jsonl", "--model", sft["model"], "--out", "ipo", *few)
    assert ipo["pairs"] == sum(
        1 for t in read_jsonl("turns.jsonl", Turn).records for _ in t.pairs()
    )
    for name in ("sft", "ipo"):
        made = summary(
            capsys, "generate", "--model", f"{name}/final", "--turns", "test.jsonl",
            "--out", f"{name}.jsonl", "--max-tokens", "12",
        )  # fmt: skip
        assert made["model"] == name
        assert made["replies"] + made["skipped"] == made["turns"]
    judged = summary(capsys, "judge", "sft.jsonl", "ipo.jsonl", "--out", "verdicts.jsonl")
    assert {r["system"] for r in judged["rates"]} == {"sft", "ipo"}
    assert {w["dimension"] for w in judged["win_rates"]} >= {"adherence"}
    for figure in (*judged["rates"], *judged["win_rates"]):
        assert figure["low"] <= figure["estimate"] <= figure["high"]
        assert figure["n"] > 0
    assert (judged["judge"], judged["judge_because"]) == (
        "oracle",
        "every turn is the care world's",
    )
    assert handrail.read("verdicts.jsonl").records[0].judge == "oracle"


@pytest.mark.usefixtures("work")
def test_bad_lines_stop_a_training_and_a_draw_or_are_counted(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Path("test.jsonl").read_text()
    Path("test.jsonl").write_text('{"contxt": []}\n' + good + "{broken\n")
    train = ["train", "test.jsonl", "--model", str(model), "--out", "x", "--set", "max_steps=1"]
    draw = ["generate", "--model", str(model), "--turns", "test.jsonl", "--out", "said.jsonl"]
    for line in (train, [*draw, "--max-tokens", "4"]):
        assert invoke([*line, "--quiet"]) == 2
        assert "test.jsonl, line 1: field 'contxt'" in capsys.readouterr().err
        found = summary(capsys, *line, "--on-error", "skip", "--quiet")
        assert found["turns"] == len(good.splitlines())
        assert found["skipped"] >= 2
        assert sum("contxt" in reason for reason in found["skipped_reasons"]) == 1


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("fault", ["layers", "cut", "tokens", "encoder"])
def test_a_faulty_model_folder_is_one_error(
    model: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model, "bad")
    config, tokens = Path("bad/config.json"), Path("bad/tokenizer.json")
    if fault == "layers":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 6}))
    elif fault == "encoder":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "bert"}))
    elif fault == "tokens":
        data = json.loads(tokens.read_text())
        data["added_tokens"] += [data["added_tokens"][0] | {"id": 9999, "content": "<more>"}]
        tokens.write_text(json.dumps(data))
    else:
        weights = Path("bad/model.safetensors")
        weights.write_bytes(weights.read_bytes()[:1000])
    draw = ["generate", "--model", "bad", "--turns", "test.jsonl", "--out", "said.jsonl", "--quiet"]
    assert invoke(draw) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("bad") >= 1
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1
    assert not Path("said.jsonl").exists()


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--temperature", "-1"], "'temperature' cannot be -1.0. Input should be"),
        (["--temperature", "nan"], "'temperature' cannot be nan. Input should be"),
        (["--temperature", "inf"], "'temperature' cannot be inf. Give a finite number"),
        (["--max-tokens", "0"], "'max_tokens' cannot be 0. Input should be"),
    ],
)
def test_options_that_cannot_be_are_one_error(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = ["generate", "--turns", "test.jsonl", "--out", "said.jsonl"]
    for line in (draw, ["chat"]):
        assert invoke([*line, "--model", "none", *options]) == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert told.startswith(f"Error: {problem}")
    assert invoke([*draw, "--n", "0"]) == 2
    assert "'n' cannot be 0" in capsys.readouterr().err
    with pytest.raises(SettingError, match="'n' cannot be True"):
        handrail.generate("test.jsonl", n=True)


@pytest.mark.usefixtures("work")
def test_the_same_by_the_api(model: Path) -> None:
    fitted = handrail.train(
        "turns.jsonl", "kto", model=model, out="kto", settings={"max_steps": 1, "mode": "lora"}
    )
    assert fitted.result.steps == 1
    sampler = handrail.load(fitted.model)
    made = handrail.generate("test.jsonl", sampler, n=2, max_tokens=8)
    assert all(len(turn.replies) <= 2 for turn in made.turns)
    spoken = handrail.read("test.jsonl").records
    judged = handrail.judge({"people": spoken, "kto": made.turns}, judge="rules")
    people = next(r for r in judged.rates if r.system == "people" and r.dimension == "adherence")
    assert people.estimate.value == 1.0
    assert any("replies after a turn's first" in skip.what for skip in judged.skipped)


@pytest.mark.usefixtures("work")
def test_equal_seeds_give_equal_replies_whatever_the_batches(model: Path) -> None:
    sampler = handrail.load(model)
    whole = handrail.generate("test.jsonl", sampler, seed=3, max_tokens=8)
    sampler.batch_tokens = 1
    parts = handrail.generate("test.jsonl", sampler, seed=3, max_tokens=8)
    assert [t.replies for t in whole.turns] == [t.replies for t in parts.turns]


@pytest.mark.usefixtures("work")
def test_a_draw_shows_progress_from_the_start(model: Path) -> None:
    told: list[tuple[str, float, float]] = []
    made = handrail.generate(
        "test.jsonl", model, n=2, max_tokens=8, progress=lambda *p: told.append(p)
    )
    size = len(made.turns)
    assert told[0] == ("generate", 0, size)
    assert told[-1] == ("generate", size, size)
    assert len(told) > 8, "at every token, in one batch"
    done = [p[1] for p in told]
    assert done == sorted(done)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"lerning_rate": 1}, "Did you mean 'learning_rate'"),
        ({"learning_rate": "fast"}, "'learning_rate' cannot be 'fast'"),
        ({"replies": "best"}, "follows from the objective"),
        ({"mode": "half"}, "mode"),
        ({"device": "tpu"}, "device 'tpu' cannot be used here"),
        ({"epochs": True}, "'epochs' cannot be True"),
        ({"beta": float("inf")}, "'beta' cannot be inf"),
    ],
)
def test_settings_that_cannot_be_are_refused(model: Path, settings: dict, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        handrail.train("turns.jsonl", model=model, settings=settings)


@pytest.mark.usefixtures("work")
def test_an_objective_needs_what_it_learns_from(model: Path) -> None:
    write_jsonl("talks.jsonl", world.generate(2, 0))
    with pytest.raises(RecordError, match="no turn has a better and a worse reply"):
        handrail.train("talks.jsonl", "ipo", model=model, out="x")
    with pytest.raises(SettingError, match="Did you mean 'kto_pair'"):
        handrail.train("turns.jsonl", "kto_pairs", model=model, out="x")


def test_a_small_model_learns_at_the_worlds_rates_and_a_large_one_at_the_papers() -> None:
    from handrail.cli.fit_settings import resolve
    from handrail.recipes.settings import WORLD_RATES

    small = resolve("ipo", {}, 512, 1_000_000)["training"]
    assert small.rate_for("ipo") == WORLD_RATES["ipo"]
    assert resolve("ipo", {}, 512, 7_000_000_000)["training"].rate_for("ipo") == 2e-6
    lora = resolve("ipo", {"mode": "lora"}, 512, 7_000_000_000)["training"]
    assert lora.rate_for("ipo") == pytest.approx(2e-5)
    assert resolve("ipo", {"learning_rate": 3e-5}, 512, 1)["training"].rate_for("ipo") == 3e-5
    trees = resolve("ipo", {"token_budget": 4096}, 512, 1)["trees"]
    assert (trees.max_tokens, trees.tree_tokens) == (512, 4096)


@pytest.mark.usefixtures("work")
def test_systems_without_a_turn_in_common_are_refused() -> None:
    mine = handrail.read("test.jsonl").records
    other = handrail.read("turns.jsonl").records
    with pytest.raises(RecordError, match="matched by turn id"):
        handrail.judge({"a": mine, "b": other})


@pytest.mark.usefixtures("work")
def test_what_cannot_be_judged_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    turns = handrail.read("test.jsonl").records
    write_jsonl("none.jsonl", [t.model_copy(update={"replies": ()}) for t in turns])
    write_jsonl("one.jsonl", [turns[0].model_copy(update={"replies": ()})])
    write_jsonl("free.jsonl", [t.model_copy(update={"playbook": None}) for t in turns])
    for line, problem in (
        (["none.jsonl"], f"nothing to judge: no reply ({len(turns)} times; every"),
        (["free.jsonl", "--judge", "rules"], "nothing to judge: rule checks cannot judge"),
        (["one.jsonl"], "nothing to judge: no reply (1 time; every turn is the care world's)"),
        (["one.jsonl", "--judge", "rules"], "nothing to judge: no reply (1 time)."),
        (["test.jsonl", "--out", "v.jsonl"], "v.jsonl: there are no verdicts to write"),
    ):
        assert invoke(["judge", *line, "--quiet"]) == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert problem in told
    with pytest.raises(SettingError, match="no verdicts to write"):
        handrail.judge({"people": turns}).write("v.jsonl")
    assert not Path("v.jsonl").exists()


def _foreign(turns: list[Turn]) -> list[Turn]:
    """The turns as another data set's, by their provenance."""
    return [t.model_copy(update={"provenance": Provenance(source="mine")}) for t in turns]


@pytest.mark.usefixtures("work")
def test_the_oracle_judges_by_default_only_what_the_care_world_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = handrail.read("test.jsonl").records
    write_jsonl("mine.jsonl", _foreign(turns))
    write_jsonl("mixed.jsonl", [*turns[1:], *_foreign(turns[:1])])
    every = {"adherence", "naturalness", "hallucination"}
    for file, judge, dimensions, foreign in (
        ("test.jsonl", "oracle", every, 0),
        ("mine.jsonl", "rules", {"adherence"}, len(turns)),
        ("mixed.jsonl", "rules", {"adherence"}, 1),
    ):
        found = summary(capsys, "judge", file, "--quiet")
        assert found["judge"] == judge
        assert {rate["dimension"] for rate in found["rates"]} == dimensions
        because = f"{foreign} of {len(turns)} turns not made" if foreign else "every turn is"
        assert found["judge_because"].startswith(because)
        assert invoke(["judge", file]) == 0
        said = capsys.readouterr()
        assert f"judge: {judge} ({because}" in said.out
        assert "Warning" not in said.err


@pytest.mark.usefixtures("work")
def test_the_oracle_is_warned_of_on_turns_that_are_not_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = _foreign(handrail.read("test.jsonl").records)
    write_jsonl("mine.jsonl", turns)
    assert invoke(["judge", "mine.jsonl", "--judge", "oracle"]) == 0
    out, err = capsys.readouterr()
    assert "judge: oracle\n" in out
    assert f"Warning: the oracle knows the care world only ({len(turns)} of" in err
    for judge in ("oracle", world.Oracle()):
        with pytest.warns(HandrailWarning, match="--judge rules"):
            assert handrail.judge({"mine": turns}, judge=judge).why == ""
    with pytest.raises(SettingError, match=r"unknown judge 'orakle'\. Did you mean 'oracle'"):
        handrail.judge({"mine": turns}, judge="orakle")


@pytest.mark.usefixtures("work")
def test_verdicts_that_were_written_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    turns = handrail.read("test.jsonl").records
    write_jsonl("none.jsonl", [t.model_copy(update={"replies": ()}) for t in turns])
    assert invoke(["judge", "test.jsonl", "none.jsonl", "--out", "v.jsonl", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "\n0 verdicts: v.jsonl\n" in out
    assert "Failed judgements: v.errors.jsonl" in out


@pytest.mark.usefixtures("work")
def test_a_talk_over_a_pipe(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["chat", "--model", str(model), "--max-tokens", "6", "--quiet"]
    monkeypatch.setattr(
        "sys.stdin", io.StringIO("Hello\n\n/facts Balance 5\nMy balance?\n/save t.jsonl\n")
    )
    assert invoke(line) == 0
    out = capsys.readouterr().out
    assert "Guardrails in force:" in out
    assert out.count("Agent:") == 2
    assert "2 replies" in out
    talk = handrail.read("t.jsonl").records[0]
    assert [m.role for m in talk.messages if m.role in ("user", "tool")] == ["user", "tool", "user"]
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n/quit\nnot said\n"))
    found = summary(capsys, *line)
    assert found["replies"] == 1


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("json_wanted", [False, True])
def test_a_talk_that_cannot_be_saved_there_goes_on(
    model: Path,
    json_wanted: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("file").write_text("in the way")
    said = "Hello\n/save file/t.jsonl\n/save .\n/save a\0b\nAnd you?\n/save t.jsonl\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    line = ["chat", "--model", str(model), "--max-tokens", "6", *["--json"] * json_wanted]
    assert invoke(line) == 0
    out, err = capsys.readouterr()
    assert err.count("Not saved; the talk goes on.") == 3
    assert "Traceback" not in err
    if json_wanted:
        assert json.loads(out)["replies"] == 2
    asked = [m.content for m in handrail.read("t.jsonl").records[0].messages if m.role == "user"]
    assert asked[-2:] == ["Hello", "And you?"]


@pytest.mark.usefixtures("work")
def test_world_commands(capsys: pytest.CaptureFixture[str]) -> None:
    talks = summary(capsys, "world", "generate", "--conversations", "3", "--out", "w.jsonl")
    assert talks["conversations"] == 3
    assert handrail.read("w.jsonl").records == world.generate(3, 0)
    found = summary(capsys, "world", "check", "--conversations", "5")
    assert found["wrong"] == []
    assert found["chosen_kept"] == found["turns"] > 0
    shown = summary(capsys, "world", "show", "--seed", "0", "--index", "2")
    assert shown["id"] == handrail.read("w.jsonl").records[2].id


@pytest.mark.usefixtures("work")
def test_the_base_model_is_built_from_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = ["layers=1", "width=16", "heads=2", "kv_heads=1", "intermediate=32", "vocabulary=400"]
    sizes.append("copying=false")  # too small for it
    args = [word for size in sizes for word in ("--set", size)]
    made = summary(capsys, "world", "pretrain", "--out", "base", "--conversations", "6", *args)
    assert made["parameters"] > 0
    assert handrail.load("base").policy.max_positions == 2048
