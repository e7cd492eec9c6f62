"""The style of the prompts: chosen by command and by API, remembered by a model's folder."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

import handrail
from handrail import world
from handrail.cli.group import invoke
from handrail.records import RenderError, write_jsonl
from tests.trees import toys

FORGETFUL = (  # the cue that is asked with is not in what is trained
    "{% for m in messages %}{{ m['content'] + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Answer now: ' }}{% endif %}"
)


def folder_of(path: Path, template: str) -> Path:
    """A model with random weights and a chat template, which states no style."""
    tokenizer = toys.tokenizer(template, "<|im_end|>")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One with a template that serves, one with a broken template."""
    home = tmp_path_factory.mktemp("models")
    return folder_of(home / "good", toys.CHATML), folder_of(home / "broken", FORGETFUL)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl("turns.jsonl", world.training_turns(3, 1)[:6])
    return tmp_path


def stated(folder: str | Path) -> Any:
    return json.loads((Path(folder) / "tokenizer_config.json").read_text()).get("handrail_style")


GENERATE = ["generate", "--turns", "turns.jsonl", "--out", "made.jsonl", "--max-tokens", "3", "-q"]
TRAIN = ["train", "turns.jsonl", "--objective", "sft", "--out", "sft", "-q"]
RUN = ["run", "quickstart", "--out", "r", "-q", "--set", "train_points=8", "--set", "test_turns=2"]
RUN += ["--set", "reply_tokens=4", "--set", "threads=1"]


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("line", [GENERATE, TRAIN, RUN, ["chat", "-q"]], ids=lambda a: a[0])
def test_a_broken_template_is_one_error_whose_mend_works(
    line: list[str],
    models: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = [*line, "--model", str(models[1])]
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n"))
    assert invoke(line) == 2
    error = capsys.readouterr().err
    assert "not a prefix of prompt + reply" in error
    option = ["--style", "guardrail"] if line[0] in ("generate", "chat") else []
    option = option or ["--set", "style=guardrail"]
    assert " ".join(option) in error
    more = ["--max-tokens", "3"] if line[0] == "chat" else []
    more = more or (["--set", "max_steps=1"] if line[0] == "train" else [])
    assert invoke([*line, *option, *more]) == 0, capsys.readouterr().err


@pytest.mark.usefixtures("work")
def test_a_trained_folder_remembers_its_style(
    models: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    good = models[0]
    assert stated(good) is None
    line = [*TRAIN, "--model", str(good), "--set", "max_steps=1"]
    assert invoke([*line, "--set", "style=guardrail"]) == 0, capsys.readouterr().err
    assert stated("sft/final") == "guardrail"
    about = json.loads(Path("sft/config.json").read_text())
    assert about["settings"]["model"]["style"] == "guardrail"
    assert handrail.load("sft/final").renderer.style == "guardrail"
    assert handrail.load("sft/final", style="chat").renderer.style == "chat"
    assert handrail.load(good).renderer.style == "chat"
    fitted = handrail.train(
        "turns.jsonl", "sft", model="sft/final", out="b", settings={"max_steps": 1, "mode": "lora"}
    )
    assert stated(fitted.model) == "guardrail"  # nobody said otherwise


@pytest.mark.usefixtures("work")
def test_generate_and_chat_take_the_style(models: tuple[Path, Path]) -> None:
    good = models[0]
    for style in ("guardrail", "chat"):
        assert invoke([*GENERATE, "--model", str(good), "--style", style]) == 0
        made = handrail.read("made.jsonl").records
        sampler = handrail.load(good, style=style)  # type: ignore[arg-type]
        again = handrail.generate("turns.jsonl", sampler, max_tokens=3)
        assert [t.replies for t in made] == [t.replies for t in again.turns]
        talk = handrail.chat(good, style=style)  # type: ignore[arg-type]
        assert talk.model.renderer.style == style  # type: ignore[attr-defined]


@pytest.mark.usefixtures("work")
def test_a_run_trains_and_speaks_in_its_style(models: tuple[Path, Path]) -> None:
    line = [*RUN, "--model", str(models[0]), "--set", "style=guardrail"]
    assert invoke(line) == 0
    for stage in ("seed0-m1-sft", "seed0-sft-ipo"):
        assert stated(Path("r/stages") / stage / "training/final") == "guardrail"
    assert json.loads(Path("r/config.json").read_text())["settings"]["style"] == "guardrail"


@pytest.mark.usefixtures("work")
def test_a_style_that_is_none_is_refused(
    models: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*TRAIN, "--model", str(models[0]), "--set", "style=chatt"]) == 2
    assert "'guardrail' or 'chat'" in capsys.readouterr().err
    folder = shutil.copytree(models[0], tmp_path / "odd")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["handrail_style"] = "verse"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(RenderError, match="states the style 'verse'"):
        handrail.load(folder)
