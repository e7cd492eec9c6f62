"""Prompts that a model has no room for, found before anything is trained.

A system speaks only after all training, so a test prompt over the model's positions must be met
first: refused, left out, or shown without its oldest messages, as `on_long` says. The judge sees
the whole context in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from handrail.models import load_tokenizer
from handrail.recipes.corpus import Corpus
from handrail.recipes.flow import Trained, model_key, style_key
from handrail.recipes.retrieval import rank_sets
from handrail.recipes.run import Run, digest_records, read_json, write_json
from handrail.recipes.settings import FlowSettings
from handrail.records import RenderError, Skip, Turn
from handrail.trees import Renderer
from handrail.trees.branches import fewest_dropped

_MEND = "lower reply_tokens, shorten the playbook or the conversations, or take another model"


@dataclass(frozen=True)
class Fit:
    """What `on_long` makes of some turns.

    Attributes:
        left_out: ids of the turns that are not asked.
        dropped: by turn id, how many of its oldest messages the model is not shown.
        skipped: both, for the report.
    """

    left_out: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    skipped: tuple[Skip, ...] = ()


def fit_prompts(
    run: Run, settings: FlowSettings, corpus: Corpus, base: Trained, seed: int
) -> tuple[Corpus, tuple[Skip, ...]]:
    """The corpus with test and feedback turns that the model has room for.

    Every system reads what the base reads, so its tokenizer and positions decide. The room is for
    the prompt and `reply_tokens`.

    Returns:
        the corpus (what its test lost is in its `skipped`), and what this seed's feedback lost.

    Raises:
        RenderError: a prompt does not fit and `on_long` is "refuse", or none fits.
        RecordError: too few turns are left for `recall_turns`.
    """
    test = _stage(run, settings, base, corpus.test, ("test", "prompts"))
    feedback = Fit()
    if corpus.feedback:
        name = f"seed{seed}-prompts-feedback"
        feedback = _stage(run, settings, base, corpus.feedback, ("feedback", name))
    left = replace(
        corpus,
        test=tuple(t for t in corpus.test if t.id not in set(test.left_out)),
        feedback=tuple(t for t in corpus.feedback if t.id not in set(feedback.left_out)),
        dropped=test.dropped | feedback.dropped,
        skipped=(*corpus.skipped, *test.skipped),
    )
    if settings.recall_turns and test.left_out:
        rank_sets(left.test, settings.recall_turns)
    return left, feedback.skipped


def _stage(
    run: Run,
    settings: FlowSettings,
    base: Trained,
    turns: Sequence[Turn],
    names: tuple[str, str],
) -> Fit:
    """`fit` as a stage of the run. `names`: of the part of the corpus, and of the stage."""
    what, stage = names
    if run.frozen and not (run.folder / "stages" / stage).exists():
        return Fit()  # a run of before this was checked came to its end, so everything fitted
    inputs = {
        "model": model_key(str(base.model)),
        "turns": digest_records(turns),
        "reply_tokens": settings.reply_tokens,
        "on_long": settings.on_long,
        **style_key(settings),
    }

    def make(folder: Path) -> None:
        tokenizer, positions = load_tokenizer(base.model, settings.style)
        found = fit(turns, Renderer(tokenizer), positions, settings, what)
        kept: dict[str, Any] = {
            "left_out": found.left_out,
            "dropped": found.dropped,
            "skipped": [skip.model_dump() for skip in found.skipped],
        }
        write_json(folder / "prompts.json", kept)

    kept = read_json(run.stage(stage, inputs, make) / "prompts.json")
    skips = tuple(Skip(**one) for one in kept["skipped"])
    return Fit(tuple(kept["left_out"]), kept["dropped"], skips)


def fit(
    turns: Sequence[Turn],
    renderer: Renderer,
    positions: int | None,
    settings: FlowSettings,
    what: str,
) -> Fit:
    """Find the turns whose prompt leaves no room for `reply_tokens` within the positions.

    Args:
        turns: the turns to ask.
        renderer: of the model's tokenizer.
        positions: how many tokens the model takes; None where it states no limit.
        settings: `on_long` and `reply_tokens`.
        what: the turns' part of the corpus, in errors and in the report.

    Raises:
        RenderError: a prompt does not fit and `on_long` is "refuse", or none fits.
    """
    if positions is None:
        return Fit()
    limit = positions - settings.reply_tokens
    sizes = {turn.id: len(renderer.prompt_ids(turn)) for turn in turns}
    long = [turn for turn in turns if sizes[turn.id] > limit]
    if long and settings.on_long == "refuse":
        size = sizes[long[0].id]
        raise RenderError(
            f"{len(long)} of {len(turns)} {what} turns leave no room for a reply: the prompt of "
            f"the first has {size} tokens; with {settings.reply_tokens} for the reply this is more "
            f"than the model's {positions} positions",
            f"Set on_long to skip or cut_context, {_MEND}",
            f"turn {long[0].id}",
        )
    left_out: list[str] = []
    dropped: dict[str, int] = {}
    skips: list[Skip] = []
    for turn in long:
        fits = fewest_dropped(turn, renderer, limit) if settings.on_long == "cut_context" else None
        if fits is None:
            left_out.append(turn.id)
            reason = "its prompt and the longest reply take more than the model's positions"
            where = f"{turn.id} ({sizes[turn.id]} tokens and {settings.reply_tokens})"
            skips.append(Skip(what=f"{what} turn", reason=reason, where=where))
        else:
            dropped[turn.id] = fits[0]
            reason = "its oldest messages left out to fit the model's positions"
            where = f"{turn.id} ({fits[0]} of {len(turn.context)} messages)"
            skips.append(Skip(what=f"context of a {what} turn", reason=reason, where=where))
    if len(left_out) == len(turns):
        raise RenderError(
            f"no {what} turn leaves room for a reply of {settings.reply_tokens} tokens within the "
            f"model's {positions} positions",
            _MEND[0].upper() + _MEND[1:],
        )
    return Fit(tuple(left_out), dropped, tuple(skips))
