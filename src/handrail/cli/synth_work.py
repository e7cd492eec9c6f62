"""What all `synthesize` commands share: options, the estimate, where results go, what they tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from handrail.cli.console import Console, count, table
from handrail.cli.llm import llm_options
from handrail.cli.verb import on_error_option

if TYPE_CHECKING:
    from handrail.records import LanguageModel, Skip
    from handrail.sampling.server import Estimate
    from handrail.synthesis import Asking, Planned

F = TypeVar("F", bound=Callable[..., Any])
SHOWN = 8  # reasons that are told to a reader

_OPTIONS = (
    click.option(
        "--model",
        required=True,
        metavar="NAME",
        help="The language model, by its name at the endpoint; `world` is the care world, which "
        "plays one for its own conversations.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        help="Take the first N only, as a trial.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Ask nothing: say how many questions there would be, what they would cost, and show "
        "the first.",
    ),
)


def asking_options(function: F) -> F:
    """--model, --limit, --dry-run, --on-error and the options of asking a model (as `llm`)."""
    wrapped: Any = on_error_option(llm_options(function))
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    made: F = wrapped
    return made


def open_asking(console: Console, model: str, prompts: Path | None, llm: dict[str, Any]) -> Asking:
    """The model with its prompts; an interrupt then says what is kept."""
    from handrail.cli.llm import open_model
    from handrail.cli.synthesizing import asking_of

    opened = open_model(model, **llm)
    console.kept = (
        "No answers were kept: give --cache FILE to keep them."
        if opened.cache is None
        else f"The answers so far are kept in {opened.cache.path}; the same command goes on."
    )
    return asking_of(opened, prompts)


def opener(llm: dict[str, Any]) -> Callable[[str], LanguageModel]:
    """Opens further models (a judge) with the same options."""
    from functools import partial

    from handrail.cli.llm import open_model

    return partial(open_model, **llm)


def tell_plan(
    console: Console,
    planned: Sequence[Planned],
    model: LanguageModel,
    dry_run: bool,
    judge: Any = None,
) -> bool:
    """Say what will be asked, and what it will cost; True where that was all that was wanted.

    The questions of a `judge` that asks another model cost what that one costs.
    """
    other = getattr(judge, "model", model)
    stages = [
        (stage, estimate_of(other if stage.stage.startswith("judge") else model, stage.requests))
        for stage in planned
        if stage.requests
    ]
    whole = _sum([one for _, one in stages]) if stages else estimate_of(model, [])
    if not dry_run:
        about = "" if all(stage.exact for stage in planned) else "about "
        console.say(f"To ask: {about}{whole.text}")
        return False
    rows = [
        (
            stage.stage,
            f"{one.questions:,}" if stage.exact else f"about {one.questions:,}",
            f"{one.cached:,}",
            f"{one.prompt_tokens:,}",
            _cost(one),
        )
        for stage, one in stages
    ]
    head = ("stage", "questions", "in the cache", "prompt tokens", "cost")
    first = next((stage.requests[0] for stage, _ in stages), None)
    lines = [table(rows, head) if rows else "There is nothing to ask.", "", whole.text]
    if first is not None:
        about = f", {first.about}" if first.about else ""
        lines += ["", f"The first question ({first.label}{about}):"]
        lines += [line for m in first.messages for line in (f"--- {m.role} ---", m.content)]
    summary = {
        "dry_run": True,
        "stages": [
            {"stage": stage.stage, "exact": stage.exact, **_plain(one)} for stage, one in stages
        ],
        "in_all": _plain(whole),
        "first": [m.model_dump() for m in first.messages] if first is not None else [],
    }
    console.result(summary, "\n".join(lines))
    return True


def estimate_of(model: LanguageModel, requests: Sequence[Any]) -> Estimate:
    """What these questions would cost: the model's own estimate, or one without a cache."""
    from handrail.sampling.server import Endpoint, Prices, estimate

    if isinstance(model, Endpoint):
        return model.estimate(requests)
    return estimate(requests, Prices.read(), model.name)


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    """The stages together; no price is known where one stage has none."""
    from dataclasses import replace

    known = all(one.low is not None for one in estimates)
    return replace(
        estimates[0],
        questions=sum(one.questions for one in estimates),
        cached=sum(one.cached for one in estimates),
        prompt_tokens=sum(one.prompt_tokens for one in estimates),
        max_completion_tokens=sum(one.max_completion_tokens for one in estimates),
        low=sum(one.low or 0.0 for one in estimates) if known else None,
        high=sum(one.high or 0.0 for one in estimates) if known else None,
    )


def _cost(one: Estimate) -> str:
    if one.low is None or one.high is None:
        return "no price"
    return f"{one.low:.2f} to {one.high:.2f} {one.currency}"


def _plain(one: Estimate) -> dict[str, Any]:
    return {
        "questions": one.questions,
        "cached": one.cached,
        "prompt_tokens": one.prompt_tokens,
        "max_completion_tokens": one.max_completion_tokens,
        "low": one.low,
        "high": one.high,
        "currency": one.currency,
    }


def tell(
    console: Console,
    summary: dict[str, Any],
    lines: list[str],
    skipped: Sequence[Skip],
    model: LanguageModel,
    judge: Any = None,
) -> None:
    """Print counts, what was left out by reason, what it cost, and whether all was asked.

    A `judge` that asks another model has its own cost, which is told too.
    """
    from handrail.cli.llm import spent_lines, spent_summary
    from handrail.synthesis.ask import UNANSWERED

    reasons = reasons_of(skipped)
    other = getattr(judge, "model", model)
    asked = [model] if other is model else [model, other]
    missing = sum(one.spent.failures.get(kind, 0) for one in asked for kind in UNANSWERED)
    summary |= {
        "left_out": reasons,
        "complete": not missing,
        "spent": spent_summary(model.spent),
    }
    lines += left_out_lines(reasons)
    lines += ["", *spent_lines(model.spent)]
    if other is not model:
        summary["judge_spent"] = spent_summary(other.spent)
        lines += ["The judge:", *(f"  {line}" for line in spent_lines(other.spent))]
    if missing:
        lines.append(
            f"Not whole: {count(missing, 'question')} met the limit or an endpoint that failed. "
            f"{console.kept}"
        )
    console.result(summary, "\n".join(lines))


def reasons_of(skipped: Sequence[Skip]) -> dict[str, int]:
    """How often each thing was left out for each reason, the most frequent first."""
    counts: dict[str, int] = {}
    for skip in skipped:
        key = f"{skip.what}: {skip.reason}"
        counts[key] = counts.get(key, 0) + skip.count
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def left_out_lines(reasons: Mapping[str, int]) -> list[str]:
    """Lines on what was left out, the most frequent reasons first."""
    if not reasons:
        return []
    shown = list(reasons.items())[:SHOWN]
    lines = ["", f"Left out: {sum(reasons.values()):,}", *(f"  {n:,} x {why}" for why, n in shown)]
    rest = len(reasons) - len(shown)
    return [*lines, f"  ... and {count(rest, 'more reason')}"] if rest else lines


def nothing_made(what: str, skipped: Sequence[Skip], model: LanguageModel, kept: str = "") -> None:
    """Raise the error for a run that made nothing: its most frequent reason, what it cost.

    `kept` ends the mend: where more is to be read.

    Raises:
        RunError: always.
    """
    from handrail.records import RunError
    from handrail.synthesis.ask import NOT_ASKED

    reason, often = next(iter(reasons_of(skipped).items()), ("the model gave nothing", 1))
    asked = count(model.spent.requests, "request")
    mend = "Look at the first question with --dry-run, or try another model"
    if NOT_ASKED in reason:
        mend = "Raise --max-requests or --max-cost"
    elif "the judge" in reason:
        mend = "Take another judge (--judge)"
    raise RunError(
        f"no {what} was made: {reason.rstrip('.')} ({count(often, 'time')}, {asked})",
        f"{mend}{kept}",
    )
