"""`handrail.judge`: replies of several systems at the same turns, to verdicts and win rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from handrail.cli.alignment import Given, Table, note_contexts, references, table
from handrail.cli.judge_work import Comparing, Grading, Progress, Work
from handrail.cli.judged import Judged
from handrail.cli.judged import errors_beside as errors_beside
from handrail.cli.judges import (
    AnyJudge,
    Material,
    check_protocol,
    make_judge,
    read_rubric,
    warn_foreign,
    why_auto,
)
from handrail.judges import AssessorJudge, Orders, checked_rubric
from handrail.records import Grader, LanguageModel, SettingError, nearest

_REFERENCED = ("mt-pair", "mt-single", "rubric")


class Asking(TypedDict, total=False):
    """What some judges take. See `judge`."""

    reference: Given
    rubric: str | Path | Mapping[str, str]
    seed: int
    margin: float
    prompts: str | Path
    llm: Mapping[str, Any]
    tell: Callable[[str], None]
    dry_run: bool


def judge(
    replies: Mapping[str, Given],
    turns: Given | None = None,
    *,
    judge: str | AnyJudge = "auto",
    protocol: str | None = None,
    orders: Literal["both", "random"] = "both",
    dimensions: Sequence[str] | None = None,
    progress: Progress | None = None,
    **more: Unpack[Asking],
) -> Judged:
    """Judge each system's first reply at each turn: alone, or against each other system's.

    Args:
        replies: system name to its turns with replies (what `generate` makes), or their file, or
            what `handrail.turns` read of it.
        turns: the turns that count, with context and playbook; by default the first system's.
        judge: "oracle" (the care world's: all three dimensions), "rules" (the executable checks of
            each turn's playbook: adherence only), "auto" (the oracle where the provenance of every
            turn says that it is the care world's, else the rules), "rule:NAME", "model:NAME" (a
            language model), "reward:PATH" (a reward model), or any judge, assessor or grader.
        protocol: how a language model judges: "bins" (the default), "assess", "helpful",
            "leaderboard", "mt-pair" for pairs; "mt-single", "rubric", "refusal", "safety" for
            single replies.
        orders: show each pair in both orders, or in one that is drawn per turn.
        dimensions: judge on these only; by default on all that the judge knows.
        progress: called as (stage, done, total).
        **more: reference, turns (or their file) whose replies are reference answers. rubric, a
            file or mapping of "criterion" and "1" to "5". seed (0), of the drawn order and of
            rule:random. margin (0), within which two rewards tie. prompts, a folder of prompt
            files. llm, how the endpoint is reached and what may be spent, as `open_model` takes
            it. tell, called with one line on size and cost before the first question. dry_run,
            ask nothing and give that estimate (`cost`).

    Warns with a `HandrailWarning` where the oracle is asked for and turns are not the care
    world's, and where replies were given in other conversations than the judge is shown.

    Raises:
        HandrailError: unknown judge, protocol or dimension, no replies, systems without a turn in
            common, or not one reply that the judge can judge.
    """
    if orders not in ("both", "random"):
        raise SettingError(f"unknown orders '{orders}'", nearest(orders, ("both", "random")))
    check_options(judge, protocol, more)
    what = table(replies, turns)
    made, why = _made(judge, protocol or "bins", what, more)
    model = _model_of(made)
    shown = Orders(orders == "both", more.get("seed", 0))
    work: Work = Grading(what, made) if isinstance(made, Grader) else Comparing(what, made, shown)
    work.choose(dimensions)
    note_contexts(what, work.shows_own)
    base = Judged(made.name, len(what.turns), why, orders, skipped=what.skipped)
    if model is None:
        found = {} if more.get("dry_run") else work.judged(progress or _quiet, why)
        return replace(base, **found)
    try:
        return _asked(work, model, base, progress or _quiet, more)
    finally:
        if isinstance(judge, str) and hasattr(model, "close"):
            model.close()  # it was opened here


def _asked(
    work: Work, model: LanguageModel, base: Judged, progress: Progress, more: Asking
) -> Judged:
    """What came of asking a language model, and what it cost."""
    before = model.spent
    cost = model.estimate(work.requests()) if hasattr(model, "estimate") else None
    if more.get("dry_run"):
        return replace(base, cost=cost)
    if cost is not None:
        more.get("tell", _quiet)(cost.text)
    found = work.judged(progress, base.why)
    return replace(base, **found, cost=cost, spent=model.spent.since(before))


def check_options(judge: str | AnyJudge, protocol: str | None, more: Asking) -> None:
    """Refuse options that the judge would not heed.

    Raises:
        SettingError: an unknown protocol, or one for a judge that is no language model; a
            reference or rubric that the protocol does not show.
    """
    if protocol is not None:
        check_protocol(protocol)
    asks = isinstance(judge, str) and judge.startswith("model:")
    if protocol is not None and not asks:
        raise SettingError(
            f"the protocol '{protocol}' is for language models", "Name one: --judge model:NAME"
        )
    for name, known in (("reference", _REFERENCED), ("rubric", ("rubric",))):
        if more.get(name) is not None and (protocol or "bins") not in known:
            raise SettingError(
                f"a {name} is not shown to this judge",
                f"Leave it out, or use the protocol {' or '.join(known)}",
            )


def _made(judge: str | AnyJudge, protocol: str, what: Table, more: Asking) -> tuple[AnyJudge, str]:
    """The judge, and why it is this one where it was not named."""
    from handrail.asking import Prompts
    from handrail.cli import llm
    from handrail.world import Oracle

    if not isinstance(judge, str):
        if isinstance(judge, Oracle):
            warn_foreign(what.turns)
        return judge, ""
    rubric = more.get("rubric")
    given = more.get("reference")
    material = Material(
        references=None if given is None else references(given, what.turns),
        rubric=read_rubric(rubric)
        if isinstance(rubric, str | Path)
        else rubric and checked_rubric(rubric),
        seed=more.get("seed", 0),
        margin=more.get("margin", 0.0),
    )
    made = make_judge(
        judge,
        protocol=protocol,
        open_model=lambda name: llm.open_model(name, **more.get("llm", {})),
        prompts=Prompts(more.get("prompts")),
        turns=what.turns,
        material=material,
    )
    return made, why_auto(judge, what.turns)


def _model_of(judge: AnyJudge) -> LanguageModel | None:
    """The language model that a judge asks; None for others."""
    inner = judge.assessor if isinstance(judge, AssessorJudge) else judge
    model = getattr(inner, "model", None)
    return model if isinstance(model, LanguageModel) else None


def _quiet(*_: Any) -> None:
    return None
