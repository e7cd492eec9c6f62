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
from handrail.records import Skip, Turn
from handrail.sampling import fit
from handrail.trees import Renderer


@dataclass(frozen=True)
class Kept:
    """What a stage keeps of what `on_long` makes of some turns.

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
    feedback = Kept()
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
) -> Kept:
    """`fit` as a stage of the run. `names`: of the part of the corpus, and of the stage."""
    what, stage = names
    if run.frozen and not (run.folder / "stages" / stage).exists():
        return Kept()  # a run of before this was checked came to its end, so everything fitted
    inputs = {
        "model": model_key(str(base.model)),
        "turns": digest_records(turns),
        "reply_tokens": settings.reply_tokens,
        "on_long": settings.on_long,
        **style_key(settings),
    }

    def make(folder: Path) -> None:
        tokenizer, positions = load_tokenizer(base.model, settings.style)
        found = fit(
            turns,
            Renderer(tokenizer),
            positions,
            settings.reply_tokens,
            settings.on_long,
            what=f"{what} turn",
            budget="reply_tokens",
        )
        kept: dict[str, Any] = {
            "left_out": [turns[n].id for n in found.left_out],
            "dropped": {turns[n].id: lost for n, lost in found.dropped.items()},
            "skipped": [skip.model_dump() for skip in found.skipped],
        }
        write_json(folder / "prompts.json", kept)

    kept = read_json(run.stage(stage, inputs, make) / "prompts.json")
    skips = tuple(Skip(**one) for one in kept["skipped"])
    return Kept(tuple(kept["left_out"]), kept["dropped"], skips)
