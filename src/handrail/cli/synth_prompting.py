"""Prompts and labels by language models, as functions: the small ones of `handrail.synthesize`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.asking import Prompts
from handrail.cli.files import as_turns
from handrail.records import LanguageModel, Loaded, Turn

if TYPE_CHECKING:
    from handrail.synthesis import Asking, Domain, Made, Preferred, Scored

Turns = str | Path | Iterable[Turn] | Loaded[Any]
Model = str | LanguageModel
Progress = Callable[[str, int, int], None]  # (stage, done, total)


def paraphrases(
    turns: Turns,
    model: Model = "world",
    *,
    count: int = 2,
    prompts: str | Path | Prompts | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """The turns again, what the user says in `count` other words; replies and feedback stay."""
    from handrail.synthesis import paraphrase

    read = as_turns(turns).records[:limit]
    return paraphrase(read, asking_of(model, prompts), count, progress or _quiet)


def classes(
    turns: Turns,
    model: Model = "world",
    *,
    prompts: str | Path | Prompts | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """The turns with the tag "category": what their prompts ask for, one of five classes."""
    from handrail.synthesis import classify

    return classify(as_turns(turns).records[:limit], asking_of(model, prompts), progress or _quiet)


def questions(
    domains: str | Path | Sequence[Domain],
    model: Model = "world",
    *,
    count: int = 5,
    prompts: str | Path | Prompts | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """Prompts: `count` questions about each keyword of each domain (or of a file of domains)."""
    from handrail.cli.synth_domains import read_domains
    from handrail.synthesis import write_questions

    read = read_domains(domains) if isinstance(domains, str | Path) else list(domains)
    return write_questions(
        read[:limit], asking_of(model, prompts), count, progress=progress or _quiet
    )


def score_prompts(
    turns: Turns,
    model: Model = "world",
    *,
    tag: str = "domain",
    rounds: int = 40,
    per_domain: int = 15,
    count: int = 50,
    prompts: str | Path | Prompts | None = None,
    progress: Progress | None = None,
) -> Scored:
    """New prompts for the domains in which rated replies score low.

    Args:
        turns: with a rating of their first reply and a tag that names the domain, or their file.
        model: a language model or its name.
        tag: the tag that holds the domain.
        rounds: so often examples are drawn and shown.
        per_domain: examples of each domain, each round.
        count: prompts to write each round.
        prompts: a folder of prompts that go before the packaged ones.
        progress: called as (stage, done, total).
    """
    from handrail.synthesis import score_draws, scored_examples, write_score_prompts

    examples = scored_examples(as_turns(turns).records, tag)
    draws = score_draws(examples, rounds, per_domain, 0)
    return write_score_prompts(draws, asking_of(model, prompts), count, progress or _quiet)


def preferences(
    turns: Turns,
    model: Model = "world",
    *,
    principles: Sequence[str] = (),
    seed: int = 0,
    prompts: str | Path | Prompts | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Preferred:
    """The turns with two replies ranked by a model's preference, where both orders agree.

    `principles` are drawn from per turn; none: `handrail.synthesis.PRINCIPLES`.
    """
    from handrail.synthesis import PRINCIPLES, label_preferences

    return label_preferences(
        as_turns(turns).records[:limit],
        asking_of(model, prompts),
        tuple(principles) or PRINCIPLES,
        seed,
        progress or _quiet,
    )


def asking_of(model: Model, prompts: str | Path | Prompts | None) -> Asking:
    """The model, opened where it is a name, with its prompts."""
    from handrail.cli.llm import open_model
    from handrail.synthesis import Asking

    opened = open_model(model) if isinstance(model, str) else model
    return Asking(opened, prompts if isinstance(prompts, Prompts) else Prompts(prompts))


def _quiet(stage: str, done: int, total: int) -> None:
    pass
