"""Batched sampling with a cache equals the slow way: one prompt, no cache, token by token."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import (
    DynamicCache,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from handrail.models import ModelSettings, Policy, random_policy
from handrail.recipes.small_model import train_tokenizer
from handrail.records import Message, ModelError, SamplingParams, Turn
from handrail.sampling import LocalSampler
from handrail.sampling.cache import RoomyLayer, make_room
from handrail.sampling.local import _draw, _uniforms
from handrail.trees import Renderer

WORDS = ("hello my card was lost please block it and send a new one thank you goodbye").split()  # noqa: SIM905


def turns(n: int = 5) -> list[Turn]:
    rng = np.random.default_rng(3)
    out = []
    for i in range(n):
        text = " ".join(rng.choice(WORDS, size=3 + 4 * i))
        out.append(Turn(id=f"t{i}", context=(Message(role="user", content=text),)))
    return out


def talks() -> list[Turn]:
    """Turns of two conversations, each prompt the start of the next, and one of them twice."""
    rng = np.random.default_rng(4)
    out = []
    for name in ("a", "b"):
        context: tuple[Message, ...] = ()
        for i in range(4):
            for role in ("user", "assistant"):
                text = " ".join(rng.choice(WORDS, size=int(rng.integers(1, 9))))
                context += (Message(role=role, content=text),)
            out.append(Turn(id=f"{name}{i}", conversation_id=name, context=context[:-1]))
    twin = out[2].model_copy(update={"id": "twin"})
    return [*out[::2], twin, *out[1::2]]


@lru_cache(maxsize=8)
def policy(family: str, mode: str = "full") -> Policy:
    tokenizer = train_tokenizer([" ".join(WORDS)] * 4, 320)
    common = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    configs = {
        "llama": LlamaConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=1024, **common,
        ),
        "mistral": MistralConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=1024, sliding_window=48, **common,
        ),
        "qwen2": Qwen2Config(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=1024, **common,
        ),
        "gpt2": GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=1024, **common),
    }  # fmt: skip
    made = random_policy(configs[family], tokenizer, ModelSettings(mode=mode), seed=1)
    with torch.no_grad():  # sharper than random weights are, so that choices are not near-ties
        for parameter in made.causal_lm.parameters():
            parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
    return made


def slow(p: Policy, renderer: Renderer, turn: Turn, params: SamplingParams, k: int):
    """One reply: the whole sequence through the model again for every token."""
    ids, tokens, total = renderer.prompt_ids(turn), [], 0.0
    model = p.causal_lm
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    model.eval()
    u = _uniforms(params, turn.id, k)
    for step in range(params.max_tokens):
        with torch.no_grad():
            logits = model(torch.tensor([ids + tokens])).logits[0, -1].float()
        logps = torch.log_softmax(logits / (params.temperature or 1.0), -1)
        if params.temperature == 0:
            token = int(logps.argmax())
        else:
            token = int(_draw(logps.exp()[None], torch.tensor([u[step]]), params.top_p)[0])
        tokens.append(token)
        total += float(logps[token])
        if token in renderer.stop_ids:
            break
    model.set_attn_implementation(before)
    return tokens, total


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "gpt2"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_equals_the_slow_way(family: str, temperature: float, shared: bool) -> None:
    assert policy(family).attends_by_trees
    _equals_the_slow_way(policy(family), talks() if shared else turns(), temperature)


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2"])
def test_a_model_without_tree_attention_reads_its_prompts_one_by_one(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(policy(family)), "attends_by_trees", False)
    monkeypatch.setattr(Policy, "forward_tree", None)
    _equals_the_slow_way(policy(family), talks(), 1.0)


def _equals_the_slow_way(p: Policy, asked: list[Turn], temperature: float) -> None:
    renderer = Renderer(p.tokenizer)
    params = SamplingParams(n=2, temperature=temperature, top_p=0.95, max_tokens=12, seed=5)
    drawn = LocalSampler(p, renderer).sample(asked, params)
    for turn, samples in zip(asked, drawn, strict=True):
        assert len(samples) == 2
        for k, sample in enumerate(samples):
            tokens, total = slow(p, renderer, turn, params, k)
            assert sample.n_tokens == len(tokens)
            assert sample.text == renderer.decode(tokens)
            assert sample.logprob == pytest.approx(total, abs=2e-3)
            assert (sample.finish == "stop") == (tokens[-1] in renderer.stop_ids)


def test_what_prompts_share_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    p = policy("llama")
    renderer, sizes = Renderer(p.tokenizer), []
    whole = Policy.forward_tree

    def counted(self, batch, *args):
        sizes.append(batch.n_tokens)
        return whole(self, batch, *args)

    monkeypatch.setattr(Policy, "forward_tree", counted)
    LocalSampler(p, renderer).sample(talks(), SamplingParams(n=3, max_tokens=2))
    prompts = [renderer.prompt_ids(turn)[:-1] for turn in talks()]
    distinct = {tuple(ids[:k]) for ids in prompts for k in range(1, len(ids) + 1)}
    assert sizes == [len(distinct)]
    assert len(distinct) < 0.5 * sum(map(len, prompts))


@pytest.mark.parametrize("room", [1, 3, 16])
def test_a_cache_with_room_holds_what_transformers_own_does(room: int) -> None:
    torch.manual_seed(0)
    plain = DynamicCache()
    plain.update(torch.randn(3, 2, 5, 4), torch.randn(3, 2, 5, 4), 0)
    roomy = copy.deepcopy(plain)
    make_room(roomy, room)
    assert isinstance(roomy.layers[0], RoomyLayer)
    for step in range(9):
        if step == 4:
            rows = torch.tensor([0, 2])
            plain.batch_select_indices(rows)
            roomy.batch_select_indices(rows)
        one = torch.randn(3 if step < 4 else 2, 2, 1 + step % 2, 4)
        expected, got = plain.update(one, -one, 0), roomy.update(one, -one, 0)
        assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
        assert roomy.get_seq_length() == plain.get_seq_length()


def test_a_draw_does_not_depend_on_its_batch() -> None:
    p = policy("llama")
    renderer = Renderer(p.tokenizer)
    params = SamplingParams(n=3, temperature=0.9, max_tokens=10, seed=2)
    together = LocalSampler(p, renderer).sample(turns(), params)
    apart = LocalSampler(p, renderer, batch_tokens=1).sample(turns(), params)
    assert [[s.text for s in row] for row in together] == [[s.text for s in row] for row in apart]
    other = LocalSampler(p, renderer).sample(turns(), params.model_copy(update={"seed": 3}))
    assert [[s.text for s in row] for row in together] != [[s.text for s in row] for row in other]


def test_samples_of_one_prompt_differ_and_streaming_gives_the_first() -> None:
    p = policy("llama")
    sampler = LocalSampler(p, Renderer(p.tokenizer))
    params = SamplingParams(n=4, temperature=1.0, max_tokens=10, seed=1)
    turn = turns()[1]
    drawn = sampler.sample([turn], params)[0]
    assert len({s.text for s in drawn}) > 1
    pieces = list(sampler.stream(turn, params.model_copy(update={"n": 1})))
    assert "".join(pieces) == drawn[0].text
    assert len(pieces) > 1


class Scripted(LocalSampler):
    """A sampler whose model says given tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, tokens: list[int]) -> None:
        super().__init__(None, Renderer(tokenizer, style="guardrail"))
        self.tokens = tokens

    def _prompt(self, turn, max_tokens):
        return [0]

    @contextmanager
    def _generating(self):
        yield

    def _names(self, turns):
        return [turn.id for turn in turns]

    def _take(self, order, *rest):
        return [order.pop(0)]

    def _decode(self, prompts, names, rows, params):
        for token in self.tokens:
            rows[0].tokens.append(token)
            if token in self.renderer.stop_ids:
                rows[0].finish = "stop"
            yield


def said(tokenizer: PreTrainedTokenizerFast, tokens: list[int]) -> tuple[str, list[str]]:
    """The sampled text and the streamed pieces of one reply."""
    sampler, params = Scripted(tokenizer, tokens), SamplingParams(max_tokens=len(tokens) + 1)
    return sampler.sample(turns(1), params)[0][0].text, list(sampler.stream(turns(1)[0], params))


@lru_cache(maxsize=2)
def bytes_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """Byte-level, or SentencePiece-like: pieces, and single bytes for what they do not cover."""
    if kind == "byte-level":
        return train_tokenizer([" ".join(WORDS)] * 4, 320)
    pieces = ["<unk>", "</s>", *(f"<0x{n:02X}>" for n in range(256))]
    pieces += ["\u2581", *"abcdefghijklmnopqrstuvwxyz"]
    core = Tokenizer(
        models.BPE({p: n for n, p in enumerate(pieces)}, [], byte_fallback=True, unk_token="<unk>")
    )
    core.normalizer = normalizers.Replace(" ", "\u2581")
    core.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", unk_token="<unk>")


# Characters of one to four bytes; spaces of three bytes, which the ends of a reply lose.
TEXTS = [
    "a caf\u00e9 \u4f60\u597d",
    "ok \U0001f600\U0001f468\u200d\U0001f469 x",
    "a\n\n\u4f60 \u3000\u2003b",
]


@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("kind", ["byte-level", "byte-fallback"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_stream_is_the_sampled_text_wherever_it_ends(text: str, kind: str, stop: bool) -> None:
    tokenizer = bytes_tokenizer(kind)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    broken = 0
    for end in range(len(ids) + 1):
        tokens = ids[:end] + [tokenizer.eos_token_id] * stop
        sampled, pieces = said(tokenizer, tokens)
        assert "".join(pieces) == sampled
        assert all(pieces)
        broken += sampled.endswith("\ufffd")
    assert sampled == text
    assert broken > 3  # replies that end within a character, which both show as U+FFFD
    assert len(pieces) >= 3


@pytest.mark.parametrize("kind", ["byte-level", "byte-fallback"])
def test_a_stream_of_any_bytes_is_the_sampled_text(kind: str) -> None:
    tokenizer = bytes_tokenizer(kind)
    rng = np.random.default_rng(7)
    alphabet = [*"ab \n\u4f60\u3000", "\U0001f600"]
    for _ in range(150):
        ids = tokenizer("".join(rng.choice(alphabet, 6)), add_special_tokens=False)["input_ids"]
        tokens = [t for t in ids if rng.random() > 0.2]  # bytes lost: invalid in the middle too
        sampled, pieces = said(tokenizer, tokens)
        assert "".join(pieces) == sampled


def test_a_tokenizer_that_joins_words_streams_what_it_samples() -> None:
    words = {
        w: n for n, w in enumerate(["[UNK]", "[END]", "we", "do", "n", "'", "t", "'t", ".", "go"])
    }
    core = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="[UNK]",
        eos_token="[END]",
        clean_up_tokenization_spaces=True,
    )
    rng = np.random.default_rng(3)
    joined = 0
    for _ in range(100):
        tokens = [int(t) for t in rng.choice(range(2, len(words)), 7)]
        sampled, pieces = said(tokenizer, tokens)
        assert "".join(pieces) == sampled
        joined += sampled.count(" ") < len(tokens) - 1
    assert joined > 50


def test_the_model_is_as_it_was_after_sampling_and_lora_samples_too() -> None:
    p = policy("llama", "lora")
    p.model.train()
    before = p.causal_lm.config._attn_implementation
    LocalSampler(p, Renderer(p.tokenizer)).sample(turns(2), SamplingParams(max_tokens=3))
    assert p.model.training
    assert p.causal_lm.config._attn_implementation == before


def test_a_prompt_that_does_not_fit_is_one_clear_error() -> None:
    p = policy("gpt2")
    long = Turn(id="long", context=(Message(role="user", content="card " * 1200),))
    with pytest.raises(ModelError, match=r"turn 'long' has \d+ tokens.*1024 positions"):
        LocalSampler(p, Renderer(p.tokenizer)).sample([long], SamplingParams())


@pytest.mark.parametrize("size", [9, 300])
def test_nucleus_draw_against_a_slow_version(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sorts: list[int] = []
    whole = torch.Tensor.sort
    monkeypatch.setattr(
        torch.Tensor, "sort", lambda self, *a, **k: sorts.append(len(self)) or whole(self, *a, **k)
    )
    for number in range(200):
        # Every fourth is so flat that its first tokens do not hold the mass.
        probs = rng.dirichlet(np.full(size, 50.0 if number % 4 == 0 else 0.02))
        u, top_p = rng.random(), rng.choice([0.3, 0.8, 1.0])
        order = np.argsort(-probs, kind="stable")
        kept, mass = [], 0.0
        for i in order:
            if mass >= top_p:
                break
            kept.append(i)
            mass += probs[i]
        cut, expected = u * mass, kept[-1]
        seen = 0.0
        for i in kept:
            seen += probs[i]
            if seen > cut:
                expected = i
                break
        drawn = _draw(torch.tensor(probs)[None], torch.tensor([u]), float(top_p))
        assert int(drawn[0]) == expected
    assert len(sorts) == 0 if size == 9 else 20 < len(sorts) < 60
    flat, steep = torch.full((300,), 1 / 300), torch.eye(300)[7]
    both = _draw(torch.stack([flat, steep]), torch.tensor([0.999, 0.5]), 1.0)
    assert both[1] == 7


def test_frequencies_follow_the_distribution() -> None:
    probs = torch.tensor([[0.5, 0.3, 0.2]]).expand(4000, 3)
    u = torch.tensor(np.random.default_rng(1).random(4000))
    counts = torch.bincount(_draw(probs, u, 1.0), minlength=3) / 4000
    assert torch.allclose(counts, torch.tensor([0.5, 0.3, 0.2]), atol=0.03)


def test_progress_is_told_at_every_token_and_changes_nothing() -> None:
    p = policy("llama")
    params = SamplingParams(n=2, temperature=1.0, max_tokens=8, seed=5)
    told: list[tuple[int, int]] = []
    sampler = LocalSampler(p, Renderer(p.tokenizer), batch_tokens=1)
    watched = sampler.sample(turns(), params, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert sorted(set(told)) == [(n, 5) for n in range(6)]
    assert told.count((0, 5)) > 1, "while the first prompt is answered"
    assert watched == sampler.sample(turns(), params)
    whole = LocalSampler(p, Renderer(p.tokenizer)).sample(turns(), params)
    for a, b in zip(watched, whole, strict=True):  # whatever shares the batch
        assert [s.text for s in a] == [s.text for s in b]
