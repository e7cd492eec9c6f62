"""Loading and saving: what there is, what there is not, and what is to be done about it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from transformers import BertConfig

from handrail.models import (
    ModelSettings,
    count_parameters,
    hub,
    load_policy,
    load_tokenizer,
    random_policy,
)
from handrail.records import HandrailWarning, ModelError, SettingError
from handrail.trees import Renderer, build_trees, collate
from tests.models.configs import configs
from tests.trees import toys

BATCH = collate(build_trees(toys.conversation_turns(2), Renderer(toys.tokenizer())).trees)


@pytest.mark.parametrize("name", ["llama-grouped-heads", "llama-tied", "gpt2"])
def test_what_was_saved_is_loaded(name: str, tmp_path: Path) -> None:
    policy = random_policy(configs()[name], toys.tokenizer(toys.CHATML, "<|im_end|>"))
    folder = policy.save(tmp_path / "model")
    assert list(folder.glob("*.safetensors"))
    assert "handrail" not in (folder / "config.json").read_text()
    again = load_policy(folder)
    assert torch.equal(again.logps(BATCH), policy.logps(BATCH))
    assert again.tokenizer.chat_template == toys.CHATML
    assert len(again.parameters()) == len(policy.parameters())


def test_a_tokenizer_is_read_without_the_weights(tmp_path: Path) -> None:
    folder = random_policy(configs()["gpt2"], toys.tokenizer()).save(tmp_path / "model")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    tokenizer, positions = load_tokenizer(folder, style="chat")
    assert positions == configs()["gpt2"].max_position_embeddings
    assert tokenizer.get_vocab() == toys.tokenizer().get_vocab()
    assert tokenizer.init_kwargs["handrail_style"] == "chat"
    with pytest.raises(ModelError, match="could not be loaded"):
        load_policy(folder)


@pytest.mark.parametrize("name", ["llama-tied", "gpt2"])
def test_parameters_are_counted_without_the_weights(name: str, tmp_path: Path) -> None:
    policy = random_policy(configs()[name], toys.tokenizer())
    folder = policy.save(tmp_path / "model")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    assert count_parameters(folder) == sum(p.numel() for p in policy.model.parameters())
    with pytest.raises(ModelError, match="no such folder"):
        count_parameters(tmp_path / "none")


def test_adapters_are_saved_merged_and_the_model_stays(tmp_path: Path) -> None:
    folder = random_policy(configs()["llama"], toys.tokenizer()).save(tmp_path / "base")
    policy = load_policy(folder, ModelSettings(mode="lora", lora_rank=2))
    with torch.no_grad():
        for p in policy.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    before = policy.logps(BATCH)
    merged = load_policy(policy.save(tmp_path / "merged"))
    assert torch.equal(policy.logps(BATCH), before)
    assert (merged.logps(BATCH) - before).abs().max() < 1e-4
    assert (load_policy(folder).logps(BATCH) - before).abs().max() > 0.01
    adapter = policy.save_adapter(tmp_path / "adapter")
    assert (adapter / "adapter_model.safetensors").is_file()
    with pytest.raises(ModelError, match="an adapter alone"):
        load_policy(adapter)
    with pytest.raises(ModelError, match="no adapter"):
        merged.save_adapter(tmp_path / "x")


def test_missing_models(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="there is no such folder"):
        load_policy(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no model"):
        load_policy(tmp_path / "empty")
    with pytest.raises(ModelError, match="could not be loaded") as caught:
        load_policy("no-such-owner/no-such-model")
    assert "HF_HUB_OFFLINE is set" in caught.value.mend
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    with pytest.raises(ModelError, match="could not be loaded"):
        load_policy(tmp_path / "broken")


def test_the_folder_of_a_run_is_told_from_its_model(tmp_path: Path) -> None:
    run = tmp_path / "sft"
    random_policy(configs()["llama"], toys.tokenizer()).save(run / "final")
    for config in (None, {"objective": "sft", "model": "world"}):
        if config is not None:
            (run / "config.json").write_text(json.dumps(config))
        for load in (load_policy, load_tokenizer, count_parameters):
            with pytest.raises(ModelError) as caught:
                load(run)
            place = run / "final"
            told = f"{run}: this is a run's folder, not a model's. Its model is '{place}'"
            assert str(caught.value) == told
    assert load_policy(run / "final").max_positions


def test_the_folder_of_a_recipe_is_told_from_its_models(tmp_path: Path) -> None:
    names = ("m1-sft", "m2-sft", "ipo", "dpo")
    for place in ("base/model", *(f"seed0-{name}/training/final" for name in names)):
        (tmp_path / "stages" / place).mkdir(parents=True)
        (tmp_path / "stages" / place / "config.json").write_text("{}")
    (tmp_path / "config.json").write_text('{"recipe": "flow1"}')
    with pytest.raises(ModelError, match="run's folder, not a model's") as caught:
        load_policy(tmp_path)
    stages = tmp_path / "stages"
    assert caught.value.mend == (
        f"Its models are '{stages / 'base' / 'model'}', '{stages}/seed0-dpo/training/final', "
        f"'{stages}/seed0-ipo/training/final' and 2 more"
    )


@pytest.mark.parametrize("config", ["{}", "[]", '{"hidden_size": 32}'])
def test_a_config_without_a_model_type_is_one_clear_error(config: str, tmp_path: Path) -> None:
    folder = tmp_path / "gpt2"  # transformers would take the type from this name
    folder.mkdir()
    (folder / "config.json").write_text(config)
    with pytest.raises(ModelError, match=r"gpt2: its config\.json has no 'model_type'.*Name the"):
        load_policy(folder)


def test_a_folder_without_a_tokenizer_is_told_in_whole_sentences(tmp_path: Path) -> None:
    folder = random_policy(configs()["llama"], toys.tokenizer()).save(tmp_path / "model")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"could not be loaded \(.*\.\)") as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value)


@pytest.fixture
def online(tmp_path: Path, monkeypatch: Any) -> Iterator[Any]:
    """A hub of our own: `answer` is how it treats a request; what was asked is in `asked`."""
    fake = SimpleNamespace(asked=[], answer=lambda handler: handler.send_error(404))

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            fake.asked.append(self.path)
            fake.answer(self)

        do_GET = do_HEAD

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield fake
    server.shutdown()
    server.server_close()


def at(endpoint: str, monkeypatch: Any) -> None:
    """Make this the hub, as HF_ENDPOINT does in a new process."""
    path = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + path)


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_no_hub_and_no_cached_copy_is_one_quick_error(online: Any, monkeypatch: Any) -> None:
    at(closed_port(), monkeypatch)
    monkeypatch.setattr(time, "sleep", lambda s: pytest.fail(f"the client waits {s} s"))
    with pytest.raises(
        ModelError, match=r"cannot be reached \(.*refused.*not in the cache"
    ) as caught:
        load_policy("some-owner/some-model")
    assert "HF_ENDPOINT" in caught.value.mend
    assert online.asked == []


def test_a_hub_that_never_answers_is_one_quick_error(online: Any, monkeypatch: Any) -> None:
    release = threading.Event()
    online.answer = lambda handler: release.wait(60)
    monkeypatch.setattr(hub, "WAIT_S", 0.3)
    begun = time.monotonic()
    with pytest.raises(ModelError, match=r"cannot be reached \(no answer within"):
        load_policy("some-owner/some-model")
    assert time.monotonic() - begun < 20
    release.set()


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_hub_that_answers_is_left_to_the_loader(online: Any, status: int) -> None:
    online.answer = lambda handler: handler.send_error(status)
    assert hub.found("some-owner/some-model") == "some-owner/some-model"
    assert online.asked == ["/some-owner/some-model/resolve/main/config.json"]
    assert hub.found("no name at all") == "no name at all"


def test_a_cached_model_is_loaded_where_the_hub_is_silent(
    online: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    saved = random_policy(configs()["llama"], toys.tokenizer())
    commit = "0" * 40
    home = tmp_path / "cache" / "models--some-owner--some-model"
    saved.save(home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    at(closed_port(), monkeypatch)
    monkeypatch.setattr(time, "sleep", lambda s: pytest.fail(f"the client waits {s} s"))
    with pytest.warns(HandrailWarning, match="'some-owner/some-model' is loaded from the cache"):
        policy = load_policy("some-owner/some-model")
    assert torch.equal(policy.logps(BATCH), saved.logps(BATCH))
    (home / "snapshots" / commit / "model.safetensors").unlink()
    with (
        pytest.warns(HandrailWarning),
        pytest.raises(ModelError, match="could not be loaded"),
    ):
        load_policy("some-owner/some-model")


def change(folder: Path, **values: Any) -> None:
    """Set values in a folder's config."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"model_type": "vit"}, "of the type 'vit', not a causal"),
        ({"model_type": "bert"}, "of the type 'bert' with an encoder"),
        ({"model_type": "roberta"}, "of the type 'roberta' with an encoder"),
        ({"model_type": "bart", "is_encoder_decoder": True}, "of the type 'bart' with an encoder"),
    ],
)
def test_a_model_that_is_no_causal_language_model(
    values: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    toys.tokenizer().save_pretrained(tmp_path)
    BertConfig(hidden_size=32).save_pretrained(tmp_path)
    change(tmp_path, **values)
    for load in (load_policy, load_tokenizer):
        with pytest.raises(ModelError, match=problem):
            load(tmp_path)


def test_a_bert_that_says_it_is_a_decoder_is_one(tmp_path: Path) -> None:
    toys.tokenizer().save_pretrained(tmp_path)
    BertConfig(is_decoder=True, max_position_embeddings=99).save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path)[1] == 99


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"num_hidden_layers": 5}, r"the weights lack: 'model\.layers\.3\.\S+' and 17 more"),
        ({"intermediate_size": 100}, "the weights hold in another shape: .* and 8 more"),
        ({"tie_word_embeddings": False}, "the weights lack: 'lm_head.weight'\\. Check"),
        ({"hidden_size": "big"}, "'hidden_size' expected int, got str"),
        ({"hidden_act": "nope"}, "KeyError: 'nope'"),
    ],
)
def test_a_config_that_does_not_fit_the_weights(
    values: dict[str, Any], problem: str, tmp_path: Path, caplog: Any
) -> None:
    folder = random_policy(configs()["llama-tied"], toys.tokenizer()).save(tmp_path / "model")
    change(folder, **values)
    with pytest.raises(ModelError, match=problem) as caught:
        load_policy(folder)
    assert str(caught.value).startswith(str(folder))
    assert "LOAD REPORT" not in caplog.text


def test_weights_without_a_place_are_told(tmp_path: Path) -> None:
    folder = random_policy(configs()["llama"], toys.tokenizer()).save(tmp_path / "model")
    change(folder, num_hidden_layers=1)
    with pytest.warns(HandrailWarning, match=r"left out: 'model\.layers\.1\.\S+' and 17 more"):
        assert load_policy(folder).causal_lm.config.num_hidden_layers == 1


@pytest.mark.parametrize("kept", [0, 4, 5000])
def test_weights_that_were_cut_off(kept: int, tmp_path: Path) -> None:
    folder = random_policy(configs()["llama"], toys.tokenizer()).save(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"could not be loaded .*SafetensorError"):
        load_policy(folder)


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    folder = random_policy(configs()["llama"], toys.tokenizer()).save(tmp_path / "model")
    (folder / "tokenizer.json").write_text("[]")
    with pytest.raises(ModelError, match=r"could not be loaded .*TypeError"):
        load_policy(folder)


def test_a_tokenizer_with_more_tokens_than_the_embedding(tmp_path: Path) -> None:
    folder = random_policy(configs()["llama"], toys.tokenizer()).save(tmp_path / "model")
    tokenizer = toys.tokenizer()
    tokenizer.add_tokens([f"<{i}>" for i in range(402 - len(tokenizer))])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="up to 401, the model's embedding has 400 rows"):
        load_policy(folder)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"mode": "lorra"}, "Did you mean 'lora'"),
        ({"dtype": "bf16"}, "Did you mean 'bfloat16'"),
        ({"lora_rank": 0}, "at least 1"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        ModelSettings(**settings)


def test_unknown_adapter_targets() -> None:
    with pytest.raises(ModelError, match="lora_targets='wings'"):
        random_policy(
            configs()["llama"], toys.tokenizer(), ModelSettings(mode="lora", lora_targets="wings")
        )


def test_random_policies_are_repeatable_and_leave_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    a, b = (random_policy(configs()["llama"], toys.tokenizer(), seed=5) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(a.logps(BATCH), b.logps(BATCH))
