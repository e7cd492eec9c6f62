"""Prompts that leave no room for a reply: refused, left out or cut, each counted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.trees import toys

from handrail import world
from handrail.records import RenderError, SettingError, Turn
from handrail.sampling import fit
from handrail.trees import Renderer

ROOM = 7
RENDERER = Renderer(toys.tokenizer())
TURNS = world.training_turns(12, 5)


def sizes(turns: Sequence[Turn]) -> list[int]:
    return [len(RENDERER.prompt_ids(turn)) for turn in turns]


def last_only(turns: Sequence[Turn]) -> list[Turn]:
    return [turn.model_copy(update={"context": turn.context[-1:]}) for turn in turns]


def test_a_cut_prompt_loses_as_few_messages_as_may_be_and_fits() -> None:
    positions = max(*sizes(last_only(TURNS)), sorted(sizes(TURNS))[3]) + ROOM
    found = fit(TURNS, RENDERER, positions, ROOM, "cut_context")
    assert not found.left_out
    assert len(found.skipped) == len(found.dropped) > 0
    for n, turn in enumerate(TURNS):
        # The slow way: one message after the other.
        lost, cut = 0, turn
        while sizes([cut])[0] > positions - ROOM:
            lost += 1
            cut = turn.model_copy(update={"context": turn.context[lost:]})
        assert found.dropped.get(n, 0) == lost


def test_long_prompts_are_left_out_with_their_sizes() -> None:
    positions = sorted(sizes(TURNS))[-3]
    found = fit(TURNS, RENDERER, positions, ROOM, "skip", what="test turn")
    long = [n for n, size in enumerate(sizes(TURNS)) if size + ROOM > positions]
    assert list(found.left_out) == long
    assert [skip.where for skip in found.skipped] == [
        f"{TURNS[n].id} ({sizes(TURNS)[n]} tokens and {ROOM})" for n in long
    ]
    assert {skip.what for skip in found.skipped} == {"test turn"}


def test_a_long_prompt_is_refused_by_its_turn_with_the_mend() -> None:
    positions = max(sizes(TURNS))
    with pytest.raises(RenderError, match=r"^turn \S+: \d+ of \d+ turns leave no room") as caught:
        fit(TURNS, RENDERER, positions, ROOM, "refuse")
    assert caught.value.mend.startswith("Set on_long to skip or cut_context, lower max_tokens, ")


def test_a_model_that_has_room_for_no_prompt_is_one_clear_error() -> None:
    for on_long in ("skip", "cut_context"):
        with pytest.raises(RenderError, match=r"no turn leaves room.*Lower reply_tokens"):
            fit(TURNS, RENDERER, 100, 96, on_long, budget="reply_tokens")  # type: ignore[arg-type]
    assert fit(TURNS, RENDERER, None, 96, "refuse").skipped == ()
    assert fit([], RENDERER, 100, 96, "skip").left_out == ()


def test_an_on_long_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingError, match=r"on_long is 'cut'\. Use 'refuse'"):
        fit(TURNS, RENDERER, None, ROOM, "cut")  # type: ignore[arg-type]
