"""Prompts that leave no room for a reply, found before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from handrail.records import RenderError, Skip, Turn
from handrail.trees import OnLong, Renderer, check_on_long
from handrail.trees.branches import fewest_dropped

_TOO_LONG = "its prompt and the longest reply take more than the model's positions"
_CUT = "its oldest messages left out to fit the model's positions"


@dataclass(frozen=True)
class Fit:
    """What `on_long` makes of some turns, which are known by their places in the list.

    Attributes:
        left_out: the turns that are not asked.
        dropped: by turn, how many of its oldest messages the model is not shown.
        skipped: both, for the report.
    """

    left_out: tuple[int, ...] = ()
    dropped: dict[int, int] = field(default_factory=dict)
    skipped: tuple[Skip, ...] = ()


def fit(
    turns: Sequence[Turn],
    renderer: Renderer,
    positions: int | None,
    reply_tokens: int,
    on_long: OnLong,
    *,
    what: str = "turn",
    budget: str = "max_tokens",
) -> Fit:
    """Find the turns whose prompt leaves no room for `reply_tokens` within the positions.

    Args:
        turns: the turns to ask.
        renderer: of the model's tokenizer.
        positions: how many tokens the model takes; None where it states no limit.
        reply_tokens: of the longest reply.
        on_long: "refuse" (an error), "skip" (left out), or "cut_context" (as few of its oldest
            messages left out as may be; a turn that is too long without any is left out).
        what: the name of a turn in errors and in the report.
        budget: the name of `reply_tokens` there.

    Raises:
        SettingError: there is no such `on_long`.
        RenderError: a prompt does not fit and `on_long` is "refuse", or none fits.
    """
    check_on_long(on_long)
    if positions is None:
        return Fit()
    limit = positions - reply_tokens
    sizes = [len(renderer.prompt_ids(turn)) for turn in turns]
    long = [n for n, size in enumerate(sizes) if size > limit]
    mend = f"lower {budget}, shorten the playbook or the conversations, or take another model"
    if long and on_long == "refuse":
        raise RenderError(
            f"{len(long)} of {len(turns)} {what}s leave no room for a reply: the prompt of the "
            f"first has {sizes[long[0]]} tokens; with {reply_tokens} for the reply this is more "
            f"than the model's {positions} positions",
            f"Set on_long to skip or cut_context, {mend}",
            f"turn {turns[long[0]].id}",
        )
    dropped: dict[int, int] = {}
    skips: list[Skip] = []
    for n in long:
        turn = turns[n]
        fits = fewest_dropped(turn, renderer, limit) if on_long == "cut_context" else None
        if fits is None:
            where = f"{turn.id} ({sizes[n]} tokens and {reply_tokens})"
            skips.append(Skip(what=what, reason=_TOO_LONG, where=where))
        else:
            dropped[n] = fits[0]
            where = f"{turn.id} ({fits[0]} of {len(turn.context)} messages)"
            skips.append(Skip(what=f"context of a {what}", reason=_CUT, where=where))
    left_out = tuple(n for n in long if n not in dropped)
    if left_out and len(left_out) == len(turns):
        raise RenderError(
            f"no {what} leaves room for {reply_tokens} tokens in the model's {positions} positions",
            mend[0].upper() + mend[1:],
        )
    return Fit(left_out, dropped, tuple(skips))
