"""From turns to trees and rows: replies, sharing, what does not fit, indices."""

from __future__ import annotations

import pytest
import torch

from handrail.records import Message, RenderError, Reply, SettingError, Turn
from handrail.trees import Forest, Renderer, TreeSettings, build_trees, pack, shuffled
from tests.models.oracle import sequences
from tests.trees import toys

SHOWN = Renderer(toys.tokenizer())


def build(turns: list[Turn], **settings: object) -> Forest:
    return build_trees(turns, SHOWN, TreeSettings(**settings))  # type: ignore[arg-type]


def test_a_conversation_is_one_tree_and_every_reply_is_whole() -> None:
    turns = toys.conversation_turns(4, n_replies=3)
    forest = build(turns)
    (tree,) = forest.trees
    assert len(tree.replies) == 12
    found = iter(sequences(tree))
    for turn in turns:
        for reply in turn.replies:
            ids, n_prompt = next(found)
            assert ids[:n_prompt] == SHOWN.prompt_ids(turn)
            assert ids[n_prompt:] == SHOWN.reply_ids(reply.text)
    assert forest.stats["tokens"] == len(tree) < forest.stats["tokens_unshared"] / 5
    assert len(tree.pairs) == 4 * 3
    assert forest.skipped == ()


def test_conversations_under_one_playbook_share_a_tree_within_the_budget() -> None:
    turns = [t for seed in range(4) for t in toys.conversation_turns(2, seed=seed)]
    assert len(build(turns).trees) == 1
    alone = max(len(t) for s in range(4) for t in build(toys.conversation_turns(2, seed=s)).trees)
    forest = build(turns, tree_tokens=alone, max_tokens=alone)
    assert len(forest.trees) == 4
    assert forest.stats["splits"] == 0
    other = [t.model_copy(update={"playbook": None}) for t in turns]
    assert len(build(other).trees) == 4


def test_conversations_share_a_tree_of_at_most_share_turns() -> None:
    turns = [t for seed in range(6) for t in toys.conversation_turns(3, seed=seed)]
    sizes = {}
    for most in (0, 1, 3, 5, 6, 8, 100):
        forest = build(turns, share_turns=most)
        sizes[most] = [tree.n_turns for tree in forest.trees]
        assert sum(sizes[most]) == 18
        assert forest.stats["splits"] == 0
    assert sizes[0] == sizes[100] == [18]
    assert sizes[1] == sizes[3] == sizes[5] == [3] * 6  # a conversation is never divided for it
    assert sizes[6] == sizes[8] == [6] * 3


def test_a_conversation_over_the_tree_budget_is_split_by_turns() -> None:
    turns = toys.conversation_turns(6)
    longest = build(turns).stats["longest"]
    forest = build(turns, max_tokens=longest, tree_tokens=longest + 30)
    assert forest.stats["splits"] > 0
    assert all(len(t) <= longest + 30 for t in forest.trees)
    assert sum(len(t.replies) for t in forest.trees) == 12


def test_turns_may_come_in_any_order() -> None:
    turns = toys.conversation_turns(4)
    a, b = build(turns).trees[0], build(turns[::-1]).trees[0]
    assert len(a) == len(b)
    assert sorted(map(str, sequences(a))) == sorted(map(str, sequences(b)))


def test_what_is_too_long_is_refused_skipped_or_cut_and_counted() -> None:
    turns = toys.conversation_turns(4)
    limit = build(turns).stats["longest"] - 1
    with pytest.raises(RenderError, match="are allowed"):
        build(turns, max_tokens=limit)
    skipped = build(turns, max_tokens=limit, on_long="skip")
    assert skipped.stats["replies"] < 8
    assert {s.what for s in skipped.skipped} == {"reply"}
    assert len(skipped.skipped) == 8 - skipped.stats["replies"]
    cut = build(turns, max_tokens=limit, on_long="cut_context")
    assert cut.stats["replies"] == 8
    assert [s.what for s in cut.skipped] == ["context", "sharing"]
    assert cut.stats["longest"] <= limit
    assert "(1 of " in cut.skipped[0].where
    assert len({(s.what, s.reason) for s in skipped.skipped}) == 1  # so that they add up
    hopeless = build(turns, max_tokens=40, on_long="cut_context")
    assert hopeless.trees == ()
    assert len([s for s in hopeless.skipped if s.what == "reply"]) == 8


def test_best_replies_only_and_turns_without_one() -> None:
    turns = toys.conversation_turns(2)
    bad = Turn(context=(Message(role="user", content="x"),), replies=(_reply(desirable=False),))
    forest = build([*turns, bad, Turn(context=bad.context)], replies="best")
    assert forest.stats["replies"] == 2
    assert [s.what for s in forest.skipped] == ["turn", "turn"]
    batch = pack(forest.trees, 4096)[0]
    assert batch.best_R.all()
    assert len(batch.pairs_P2) == 0


def _reply(**kwargs: object) -> Reply:
    return Reply(text="no", **kwargs)  # type: ignore[arg-type]


def test_mismatched_replies_are_anothers_and_repeatable() -> None:
    turns = [t for seed in range(3) for t in toys.conversation_turns(2, seed=seed)]
    one, two = (build(turns, mismatched=True, seed=3) for _ in range(2))
    texts = {t.id: {r.text for r in t.replies} for t in turns}
    every = {r.text for t in turns for r in t.replies}
    seen = 0
    for tree in one.trees:
        for reply in tree.replies:
            if reply.mismatched:
                text = SHOWN.decode(reply.target_n.tolist())
                assert text in every - texts[reply.turn_id]
                assert reply.reply_index == -1
                assert not reply.best
                seen += 1
    assert seen == one.stats["mismatched"] == len(turns)
    assert [t.tokens_T.tolist() for t in one.trees] == [t.tokens_T.tolist() for t in two.trees]
    other = build(turns, mismatched=True, seed=4)
    assert [t.tokens_T.tolist() for t in one.trees] != [t.tokens_T.tolist() for t in other.trees]
    alone = build(turns[:1], mismatched=True)
    assert alone.stats["mismatched"] == 0
    assert [s.what for s in alone.skipped] == ["mismatched reply"]


def test_rows_hold_whole_trees_within_the_budget() -> None:
    turns = [t for seed in range(5) for t in toys.conversation_turns(2, seed=seed)]
    trees = build([t.model_copy(update={"playbook": None}) for t in turns]).trees
    budget = max(map(len, trees)) * 2
    rows = pack(trees, budget)
    assert 1 < len(rows) < len(trees)
    assert all(r.n_tokens <= budget for r in rows)
    assert [t for r in rows for t in r.input_ids_T.tolist()] == [
        i for t in trees for i in t.tokens_T.tolist()
    ]
    with pytest.raises(RenderError, match="a batch holds 10"):
        pack(trees, 10)


def test_rows_are_full_at_row_tokens_and_a_larger_tree_is_alone() -> None:
    turns = [t for seed in range(5) for t in toys.conversation_turns(2, seed=seed)]
    trees = build([t.model_copy(update={"playbook": None}) for t in turns]).trees
    budget = max(map(len, trees))
    room = max(len(t) for t in trees if len(t) < budget)
    rows = pack(trees, budget, room)
    assert [i for r in rows for i in r.input_ids_T.tolist()] == [
        i for t in trees for i in t.tokens_T.tolist()
    ]
    assert all(r.n_tokens <= room or len(r.layout.trees) == 1 for r in rows)
    assert any(r.n_tokens > room for r in rows)
    alone = pack(trees, budget, 1)
    assert [r.n_tokens for r in alone] == [len(t) for t in trees]
    assert len(pack(trees, budget, 10 * budget)) == len(pack(trees, budget))
    with pytest.raises(RenderError, match=f"a batch holds {budget - 1}"):
        pack(trees, budget - 1, 1)


def test_indices_of_a_row() -> None:
    turns = [t for seed in range(2) for t in toys.conversation_turns(2, seed=seed)]
    forest = build([t.model_copy(update={"playbook": None}) for t in turns])
    (row,) = pack(forest.trees, 10_000)
    assert row.refs == tuple((t.id, n) for t in turns for n in range(2))
    assert row.turn_R.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert row.pairs_P2.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert row.desirable_R.tolist() == [1, 0] * 4
    assert row.rank_R.tolist() == [1, 2] * 4
    assert row.rating_R.tolist() == [5.0, 4.0] * 4
    assert row.best_R.tolist() == [True, False] * 4
    assert torch.equal(torch.bincount(row.reply_N), row.length_R)
    for n, (turn_id, index) in enumerate(row.refs):
        turn = next(t for t in turns if t.id == turn_id)
        ids = SHOWN.reply_ids(turn.replies[index].text)
        own = row.reply_N == n
        assert row.target_N[own].tolist() == ids
        assert row.input_ids_T[row.last_R[n]] == ids[-1]
        places = row.logit_positions_L[row.source_N[own]]
        assert row.input_ids_T[places[1:]].tolist() == ids[:-1]
    assert torch.equal(row.logit_positions_L.unique(), row.logit_positions_L)
    moved = row.to("cpu")
    assert torch.equal(moved.layout.enter_T, row.layout.enter_T)


def test_shuffling_is_repeatable_and_loses_nothing() -> None:
    trees = build(toys.conversation_turns(2)).trees * 6
    assert [id(t) for t in shuffled(trees, 1)] == [id(t) for t in shuffled(trees, 1)]
    assert len(shuffled(trees, 1, epoch=2)) == 6


@pytest.mark.parametrize(
    "settings",
    [
        {"on_long": "cut"},
        {"share_turns": -1},
        {"replies": "some"},
        {"max_tokens": 1},
        {"tree_tokens": 10},
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        TreeSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("on_long", ["refuse", "skip", "cut_context"])
def test_a_turn_whose_replies_fit_only_one_by_one(on_long: str) -> None:
    shown = Renderer(toys.tokenizer())
    turn = toys.conversation_turns(4)[-1]
    prompt = len(shown.prompt_ids(turn))
    sizes = [len(shown.reply_ids(r.text)) for r in turn.replies]
    budget = prompt + max(sizes)
    settings = TreeSettings(max_tokens=budget, tree_tokens=budget, on_long=on_long)  # type: ignore[arg-type]
    if on_long == "refuse":
        with pytest.raises(RenderError, match=r"together take more.*token_budget"):
            build_trees([turn], shown, settings)
        return
    forest = build_trees([turn], shown, settings)
    assert forest.skipped
    assert all(len(tree) <= budget for tree in forest.trees)
    assert bool(forest.trees) == (on_long == "cut_context")
    pack(forest.trees, budget)  # what is left can be trained
