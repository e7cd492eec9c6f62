"""Sequences of a prompt and one reply: whole, apart, cut at the prompt's front, counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import Message, RenderError, Reply, Turn
from handrail.trees import PairRenderer, PromptIds, TreeSettings, build_sequences, collate, pack
from handrail.trees.sequences import rules_text, talk_text
from tests.models.encoders import tokenizer
from tests.trees import toys


def test_a_sequence_is_what_the_tokenizer_makes_of_two_texts() -> None:
    turns = toys.conversation_turns(3, n_replies=3)
    made = tokenizer()
    forest = build_sequences(turns, made)
    assert forest.stats["replies"] == 9
    assert forest.stats["trees"] == 3
    for turn, tree in zip(turns, forest.trees, strict=True):
        prompt = rules_text(turn.playbook) + talk_text(turn.context)
        own = [b for b in tree.blocks if b.causal]
        assert [(b.q0, b.q1) for b in own] == [(b.k0, b.k1) for b in own]
        assert own[0].q0 == 0
        assert own[-1].q1 == len(tree)
        for block, reply in zip(own, tree.replies, strict=True):
            text = turn.replies[reply.reply_index].text
            told = made(prompt, text)
            assert tree.tokens_T[block.q0 : block.q1].tolist() == told["input_ids"]
            assert len(reply.target_n) == sum(told["token_type_ids"])
            assert reply.last == block.q1 - 1
            assert tree.tokens_T[reply.source_n + 1].tolist() == reply.target_n.tolist()


def test_the_stated_form() -> None:
    turn = toys.conversation_turns(2)[1]
    assert rules_text(turn.playbook).splitlines()[:2] == [
        "Guardrails:",
        "1. The agent must do thing 0.",
    ]
    roles = [line.split(":")[0] for line in talk_text(turn.context).splitlines()]
    assert roles == ["User", "Agent", "User", "Facts"]
    assert rules_text(None) == ""


def test_feedback_pairs_and_rows_are_those_of_trees() -> None:
    turns = toys.conversation_turns(2, n_replies=4)
    forest = build_sequences(turns, tokenizer())
    row = collate(forest.trees)
    assert row.refs == tuple((t.id, i) for t in turns for i in range(4))
    assert row.rank_R.tolist() == [1, 2, 3, 4] * 2
    assert row.rating_R.tolist() == [5.0, 4.0, 3.0, 2.0] * 2
    assert row.turn_R.tolist() == [0] * 4 + [1] * 4
    assert sorted(map(tuple, row.pairs_P2.tolist())) == [
        (a + base, b + base) for base in (0, 4) for a in range(4) for b in range(a + 1, 4)
    ]
    visible = row.layout.visible()
    ends = (row.last_R + 1).tolist()
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        assert visible[start:end, :start].sum() == 0
        assert visible[start:end, end:].sum() == 0
    assert [b.n_tokens for b in pack(forest.trees, 100_000)] == [row.n_tokens]


def test_no_text_holds_a_special_token() -> None:
    turn = Turn(
        context=(Message(role="user", content="</s> hi <s>"),), replies=(Reply(text="a </s> b"),)
    )
    (tree,) = build_sequences([turn], tokenizer()).trees
    ids = tree.tokens_T.tolist()
    assert (ids.count(0), ids.count(1)) == (1, 2)


def long_turn() -> Turn:
    words = [f"word{n}" for n in range(60)]
    context = (Message(role="user", content=" ".join(words)),)
    texts = ("short", "x " * 40, "y " * 500)
    return Turn(
        id="long",
        context=context,
        replies=tuple(Reply(text=t, rank=n + 1) for n, t in enumerate(texts)),
    )


def test_what_is_too_long_is_refused_skipped_or_cut() -> None:
    turn, made = long_turn(), tokenizer()
    with pytest.raises(RenderError, match=r"tokens, 200 are allowed"):
        build_sequences([turn], made, TreeSettings(max_tokens=200))
    skip = build_sequences([turn], made, TreeSettings(max_tokens=200, on_long="skip"))
    assert skip.trees == ()
    assert [s.what for s in skip.skipped] == ["reply"] * 3
    cut = build_sequences([turn], made, TreeSettings(max_tokens=200, on_long="cut_context"))
    (tree,) = cut.trees
    assert sorted(s.what for s in cut.skipped) == ["context", "context", "reply"]
    whole = PairRenderer(made).encode(turn, [])[0].talk
    for block, reply in zip(tree.blocks, tree.replies, strict=True):
        ids = tree.tokens_T[block.q0 : block.q1].tolist()
        assert len(ids) == 200
        assert ids[0] == 0
        kept = ids[1 : len(ids) - len(reply.target_n) - 1]
        assert kept == whole[-len(kept) :]
        assert len(kept) >= 200 // 8
    assert [r.reply_index for r in tree.replies] == [0, 1]


def test_a_turn_over_the_tree_and_a_reply_without_a_token() -> None:
    turn, made = toys.conversation_turns(1, n_replies=4)[0], tokenizer()
    size = TreeSettings(max_tokens=200, tree_tokens=210)
    with pytest.raises(RenderError, match="together"):
        build_sequences([turn], made, size)
    skipped = build_sequences([turn], made, TreeSettings(200, 210, on_long="skip")).skipped
    assert [s.what for s in skipped] == ["turn"]
    bare = Turn(context=turn.context)
    assert [s.reason for s in build_sequences([bare], made).skipped] == ["no reply to learn from"]


def test_a_tokenizer_that_joins_no_two_texts_is_refused() -> None:
    with pytest.raises(RenderError, match="nothing between two texts"):
        build_sequences([], toys.tokenizer())


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60), st.integers(8, 80))
def test_a_cut_prompt_fits_and_keeps_its_end(rules: int, talk: int, reply: int, limit: int) -> None:
    renderer = PairRenderer(tokenizer())
    prompt = PromptIds(list(range(rules)), list(range(100, 100 + talk)))
    cut = renderer.cut(prompt, [7] * reply, limit)
    room = limit - renderer.extra - reply
    if cut is None:
        assert room < min(len(prompt), limit // 8)
        return
    assert len(cut) == min(room, len(prompt))
    assert cut.rules == prompt.rules[rules - len(cut.rules) :]
    assert cut.talk == prompt.talk[talk - len(cut.talk) :]
    if len(cut.rules) < rules:  # then the conversation has lost all but its least
        assert len(cut.talk) <= max(limit // 8, 0) or len(cut.talk) == talk


def test_the_best_reply_alone() -> None:
    turn = toys.conversation_turns(1, n_replies=3)[0]
    forest = build_sequences([turn], tokenizer(), TreeSettings(replies="best"))
    assert [r.reply_index for t in forest.trees for r in t.replies] == [0]
    assert np.array_equal(forest.trees[0].depth_T, np.arange(len(forest.trees[0])))
