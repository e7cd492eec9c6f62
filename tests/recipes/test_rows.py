"""Rows, trees and steps of a training from scratch, against the padded computation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recipes.conftest import TINY

from handrail import world
from handrail.models import ModelSettings, Policy, load_policy
from handrail.recipes.rows import AGENT, PLAYBOOK, TEXT, Row, Step, batch_of, encode, epoch_steps
from handrail.trees import Renderer

SHARED = world.WorldSettings(shared=3)


@pytest.fixture(scope="module")
def policy(tiny_model: Path) -> Policy:
    return load_policy(tiny_model, ModelSettings(device="cpu"))


@pytest.fixture(scope="module")
def rows(policy: Policy) -> list[Row]:
    renderer = Renderer(policy.tokenizer)
    return [encode(c, renderer) for c in world.generate(12, 3, SHARED)]


def test_a_row_tells_playbook_text_and_replies_apart(policy: Policy) -> None:
    renderer = Renderer(policy.tokenizer)
    talk = world.generate(1, 3)[0]
    row = encode(talk, renderer)
    assert len(row.ids) == len(row.kinds)
    assert talk.playbook is not None
    assert row.rules == tuple(g.text for g in talk.playbook.guardrails)
    replies = [m.content for m in talk.messages if m.role == "assistant"]
    alone = [t for reply in replies for t in renderer.reply_ids(reply)]
    assert of_kind(row, AGENT) == alone
    assert "guardrails" in renderer.tokenizer.decode(of_kind(row, PLAYBOOK))
    first = talk.messages[0].content
    assert first in renderer.tokenizer.decode(of_kind(row, PLAYBOOK))
    said = renderer.tokenizer.decode(of_kind(row, TEXT))
    assert all(m.content in said for m in talk.messages[2:] if m.role == "user")


def of_kind(row: Row, kind: int) -> list[int]:
    return [t for t, k in zip(row.ids, row.kinds, strict=True) if k == kind]


@pytest.mark.parametrize("least", [TEXT, AGENT])
def test_a_step_has_the_padded_computations_loss_and_gradient(
    least: int, policy: Policy, rows: list[Row]
) -> None:
    step = [[0, 1, 2], [3], [9, 10, 11]]
    batch = batch_of(rows, step, least)
    seen = sum(len(rows[i].ids) for tree in step for i in tree)
    head = len(of_kind(rows[0], PLAYBOOK))
    assert batch.n_tokens < seen - head, "two trees share a playbook"
    loss = -policy.logps(batch).mean()
    padded = _padded(policy, [rows[i] for tree in step for i in tree], least)
    assert loss.item() == pytest.approx(padded.item(), abs=1e-5)
    for got, want in zip(_gradients(policy, loss), _gradients(policy, padded), strict=True):
        assert (got - want).norm() <= 1e-4 * want.norm() + 1e-9


def _padded(policy: Policy, rows: Sequence[Row], least: int) -> torch.Tensor:
    """The slow, obvious way: every conversation a row of its own, padded on the right."""
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    kinds = torch.full((len(rows), width), -1)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        kinds[i, : len(row.ids)] = torch.tensor(row.kinds)
    logits = policy.causal_lm(input_ids=ids[:, :-1], use_cache=False).logits
    target = torch.where(kinds >= least, ids, -100)[:, 1:]
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def _gradients(policy: Policy, loss: torch.Tensor) -> list[torch.Tensor]:
    policy.model.zero_grad(set_to_none=True)
    loss.backward()
    return [p.grad.clone() for p in policy.parameters() if p.grad is not None]


made_rows = st.lists(
    st.builds(
        lambda book, tail: Row(
            f"{book}-{tail}", [100 + book] * 9 + [tail] * tail, [PLAYBOOK] * 9 + [AGENT] * tail,
            () if book == 0 else (str(book),),
        ),
        st.integers(0, 4),
        st.integers(1, 60),
    ),
    min_size=1,
    max_size=60,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(made_rows, st.integers(1, 5), st.integers(128, 300))
def test_every_row_is_in_exactly_one_step_and_no_tree_mixes_rules(
    rows: list[Row], share: int, room: int
) -> None:
    chosen = TINY.model_copy(update={"share": share, "tokens_per_step": room})
    steps = epoch_steps(rows, chosen, 0)
    assert sorted(i for step in steps for tree in step for i in tree) == list(range(len(rows)))
    for step in steps:
        assert batch_of(rows, step, AGENT).n_tokens <= room
        for tree in step:
            assert len(tree) <= (share if rows[tree[0]].rules else 1)
            assert len({rows[i].rules for i in tree}) == 1


def test_the_order_depends_on_seed_and_epoch_alone(rows: list[Row]) -> None:
    def order(epoch: int) -> list[Step]:
        return epoch_steps(rows, TINY, epoch)

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_a_row_longer_than_a_step_has_one_of_its_own(rows: list[Row]) -> None:
    steps = epoch_steps(rows, TINY.model_copy(update={"tokens_per_step": 128}), 0)
    assert sorted(step[0][0] for step in steps) == list(range(len(rows)))
    assert all(len(step) == len(step[0]) == 1 for step in steps)
