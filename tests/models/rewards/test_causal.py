"""Scores on token trees are those of the padded computation, and depend on nothing else."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification

from handrail.models import ModelSettings, load_reward, new_reward
from handrail.models.rewards.rows import Pair, rows_of
from handrail.records import ModelError, RenderError
from handrail.trees import TreeSettings, collate, pack
from tests.models.configs import configs
from tests.models.oracle import relative, sequences
from tests.models.rewards.toys import alone, base, padded_scores, pairs, reward
from tests.trees import toys

SCORE, GRADIENT = 1e-5, 1e-4
TURNS = [*toys.conversation_turns(3, seed=1, n_replies=3), *toys.conversation_turns(2, seed=2)]


@pytest.mark.parametrize("keep_scores_mb", [0, 64])
@pytest.mark.parametrize("name", configs())
def test_scores_and_gradients_equal_the_padded_computation(
    name: str, keep_scores_mb: int, tmp_path: Path
) -> None:
    model = reward(tmp_path / "lm", name, keep_scores_mb=keep_scores_mb)
    trees = model.build(TURNS).trees
    plain = AutoModelForSequenceClassification.from_pretrained(
        model.save(tmp_path / "rm"), attn_implementation="eager"
    ).eval()
    fast_R = model.scores(collate(trees))
    slow_R = torch.cat([padded_scores(plain, tree, plain.config.pad_token_id) for tree in trees])
    assert fast_R.shape == (13,)
    assert fast_R.std() > 0.01
    assert (fast_R - slow_R).abs().max() < SCORE
    weight_R = torch.linspace(-1, 1, len(fast_R))
    (fast_R * weight_R).sum().backward()
    (slow_R * weight_R).sum().backward()
    theirs = dict(plain.named_parameters())
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        if theirs[key].grad.norm() > 1e-3:
            assert relative(parameter.grad, theirs[key].grad) < GRADIENT, key


@pytest.mark.parametrize("name", ["llama-grouped-heads", "gpt2", "qwen2", "mistral-window"])
def test_a_score_depends_on_its_prompt_and_reply_alone(name: str, tmp_path: Path) -> None:
    """250 random batches of each model: which replies, in which order, in rows of which size."""
    model = reward(tmp_path / "lm", name)
    everything = pairs()
    expected = alone(model, everything)
    assert len({round(score, 4) for score in expected}) > 0.6 * len(everything)
    rng = random.Random(name)
    worst = 0.0
    for _ in range(250):
        chosen = rng.sample(range(len(everything)), rng.randint(1, 5))
        chosen += rng.choices(chosen, k=rng.randint(0, 2))  # some of them twice
        model.row_tokens = rng.choice([1, 300, 4096, 4096])
        scores = model.score_all([everything[n] for n in chosen])
        worst = max([worst, *(abs(a - expected[n]) for a, n in zip(scores, chosen, strict=True))])
    print(f"{name}: at most {worst:.1e} apart")
    assert worst < SCORE


def test_trees_in_training_give_the_same_scores_however_they_are_packed(tmp_path: Path) -> None:
    model = reward(tmp_path / "lm")
    expected = dict(zip(_names(TURNS), alone(model, _pairs(TURNS)), strict=True))
    rng = random.Random(0)
    for _ in range(40):
        turns = rng.sample(TURNS, len(TURNS))
        forest = model.build(turns, TreeSettings(share_turns=rng.randint(1, 5)))
        for batch in pack(forest.trees, 8192, rng.choice([1, 700, 8192])):
            with torch.no_grad():
                given = model.scores(batch).tolist()
            for name, score in zip(batch.refs, given, strict=True):
                assert abs(score - expected[name]) < SCORE


def _names(turns):
    return [(turn.id, n) for turn in turns for n in range(len(turn.replies))]


def _pairs(turns):
    return [(turn, reply.text) for turn in turns for reply in turn.replies]


def test_replies_that_begin_alike_and_equal_replies(tmp_path: Path) -> None:
    """A reply that is the beginning of another ends in the middle of its way, and is read there."""
    model = reward(tmp_path / "lm", tokenizer=toys.tokenizer(eos="a"))  # the end is a plain letter
    turn = toys.conversation_turns(1)[0]
    given = [(turn, text) for text in ("x", "xab", "x", "xa", "xabab")]
    forest = model.build([turn.model_copy(update={"replies": turn.replies[:1]})])
    assert model.score_all(given) == pytest.approx(alone(model, given), abs=SCORE)
    assert len(forest.trees) == 1


IDS = st.lists(st.integers(5, 7), min_size=1, max_size=12).map(tuple)


@settings(max_examples=200)
@given(st.lists(st.tuples(IDS, IDS), max_size=12), st.integers(1, 60))
def test_rows_hold_every_pair_once(
    made: list[tuple[tuple[int, ...], ...]], row_tokens: int
) -> None:
    given = [Pair(prompt, reply, place) for place, (prompt, reply) in enumerate(made)]
    seen = []
    for members, batch in rows_of(given, row_tokens):
        assert batch.n_tokens <= max(row_tokens, max(map(len, members)))
        for pair, last in zip(members, batch.last_R.tolist(), strict=True):
            layout = batch.layout
            above = layout.visible()[last].nonzero()[:, 0]
            above = above[layout.depth_T[above].argsort()]
            assert tuple(batch.input_ids_T[above].tolist()) == pair.prompt + pair.reply
            seen.append(pair.place)
    assert sorted(seen) == list(range(len(given)))


def test_a_prompt_runs_once_for_all_its_replies(tmp_path: Path) -> None:
    model = reward(tmp_path / "lm")
    turn = toys.conversation_turns(2, words=40)[1]
    given = model._pairs([(turn, f"reply {n}") for n in range(8)])
    ((_, batch),) = rows_of(given, 4096)
    assert batch.n_tokens < len(given[0].prompt) + sum(len(pair.reply) for pair in given)


def test_what_does_not_fit_has_no_score_and_changes_no_other(tmp_path: Path) -> None:
    folder = base(tmp_path / "lm", max_position_embeddings=600)

    model = new_reward(folder, ModelSettings(device="cpu"))
    turn = toys.conversation_turns(1)[0]
    told: list[tuple[int, int]] = []
    scores = model.score_all(
        [(turn, "yes"), (turn, "far too long " * 300), (turn, "no")],
        lambda done, total: told.append((done, total)),
    )
    assert math.isnan(scores[1])
    assert [scores[0], scores[2]] == pytest.approx(model.score(turn, ["yes", "no"]), abs=SCORE)
    assert told[-1] == (2, 2)
    assert model.score_all([]) == []
    assert model.model.training


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("pad", [None, "</s>", "<pad>"])
def test_transformers_gives_these_scores_on_padded_batches(
    pad: str | None, left: bool, tmp_path: Path
) -> None:
    """Also where the tokenizer has no padding of its own, or pads with the end of every reply."""
    model = reward(tmp_path / "lm", tokenizer=toys.tokenizer(pad=pad))
    saved = model.save(tmp_path / "rm")
    plain = AutoModelForSequenceClassification.from_pretrained(saved).eval()
    end = model.renderer.stop_ids[0]
    padding = plain.config.pad_token_id
    assert padding not in (None, end)
    assert load_reward(saved).tokenizer.pad_token_id == padding
    tree = model.build(TURNS[:3]).trees[0]
    assert len({len(ids) for ids, _ in sequences(tree)}) > 1
    with torch.no_grad():
        theirs = padded_scores(plain, tree, padding, left)
        assert (model.scores(collate([tree])) - theirs).abs().max() < SCORE


def test_naming_a_padding_changes_no_token(tmp_path: Path) -> None:
    text = "hello <s> world </s> a"
    before = toys.tokenizer(pad="</s>")(text)["input_ids"]
    model = reward(tmp_path / "lm", tokenizer=toys.tokenizer(pad="</s>"))
    assert model.tokenizer(text)["input_ids"] == before
    assert load_reward(model.save(tmp_path / "rm")).tokenizer(text)["input_ids"] == before


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_bfloat16_has_a_head_in_float32(mode: str, tmp_path: Path) -> None:
    """Scores within 0.05 of float32's where these spread over more than 1."""
    made = reward(tmp_path / "lm", "qwen3")
    with torch.no_grad():
        made.inner.score.weight.mul_(1.001)  # values that bfloat16 would round
    saved = made.save(tmp_path / "rm")

    narrow = load_reward(saved, ModelSettings(mode=mode, dtype="bfloat16", device="cpu"))
    batch = collate(made.build(TURNS).trees)
    scores_R = narrow.scores(batch)
    assert scores_R.dtype == torch.float32
    scores_R.sum().backward()
    for name, parameter in narrow.named_parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32, name
    frozen = {p.dtype for p in narrow.inner.base_model.parameters() if not p.requires_grad}
    assert frozen == ({torch.bfloat16} if mode == "lora" else set())
    (head,) = (p for name, p in narrow.named_parameters() if "score" in name)
    assert torch.equal(head, made.inner.score.weight)
    with torch.no_grad():
        expected_R = made.scores(batch)
    assert expected_R.max() - expected_R.min() > 1
    assert (scores_R - expected_R).abs().max() < 0.05
    again = load_reward(narrow.save(tmp_path / "again"))
    assert torch.equal(again.inner.score.weight, head)


def test_a_conversation_longer_than_the_model_is_one_error(tmp_path: Path) -> None:

    model = new_reward(base(tmp_path / "lm", max_position_embeddings=100), ModelSettings())
    with pytest.raises(RenderError, match="100 are allowed"):
        model.build(TURNS)
    with pytest.raises(ModelError, match="has 100 positions"):
        model.scores(collate(model.build(TURNS, TreeSettings()).trees))
