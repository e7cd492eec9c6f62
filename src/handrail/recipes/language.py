"""A flow's language model: it marks and breaks guardrails, and judges, in any of its processes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.asking import Prompts
from handrail.judges import BinsJudge, ModelAssessor
from handrail.recipes.opening import WORLD, check_endpoint, model_name, open_endpoint
from handrail.recipes.run import digest
from handrail.recipes.settings import FlowSettings
from handrail.records import (
    Answer,
    AskProgress,
    Failure,
    JudgeError,
    Request,
    RunError,
    SettingError,
    Spent,
    Usage,
)

if TYPE_CHECKING:
    from handrail.sampling.server import Endpoint

# Prompts of a flow: those that annotate conversations, and the one that compares replies.
ANNOTATING = ("guardrails", "tags", "tag_check", "merge", "violate", "assess")
TASKS = (*ANNOTATING, "bins")
ANSWERS = "answers.sqlite"  # of a run, in its folder
_APART = ("model", "prices", "prompts", "faults")  # options that are not the endpoint's own
# What an endpoint refuses of one question, whenever it is asked.
_LASTING = re.compile(r"HTTP (?!408|409|425|429)4\d\d\b|the request cannot be sent")


def may_pass(failure: Failure | JudgeError) -> bool:
    """Whether another day may not have this failure: a limit, or an endpoint that did not work."""
    lasting = _LASTING.match(failure.problem) is not None
    return failure.kind == "limit" or (failure.kind == "endpoint" and not lasting)


def refuse_unasked(failures: Sequence[Failure | JudgeError], where: str = "") -> None:
    """Stop where questions were not asked, since what is made of the answers is trained on.

    A question that was asked and has no answer is another matter: it is counted.

    Raises:
        RunError: a limit was met, or the endpoint stopped answering.
    """
    unasked = [
        one
        for one in failures
        if one.kind == "limit" or (one.kind == "endpoint" and one.problem.startswith("not asked"))
    ]
    if unasked:
        raise RunError(
            f"{len(unasked):,} questions to the language model were not asked "
            f"({unasked[0].problem.removeprefix('not asked: ')})",
            "The answers that came are kept: raise the limit, or wait until the endpoint is back, "
            "and give the same `handrail run` command again",
            where,
        )


@dataclass(frozen=True)
class _Options:
    """How a flow's model is opened. `own` are the endpoint's own settings.

    `faults`, those of the care world, are None where it does not play the model.
    """

    model: str
    prices: str | None
    faults: Mapping[str, Any] | None
    own: dict[str, Any]

    @classmethod
    def of(cls, settings: FlowSettings) -> _Options:
        """The options of a flow that has a language model.

        Raises:
            SettingError: no name, or faults of another model than the world.
        """
        llm = settings.llm
        own = {key: value for key, value in llm.items() if key not in _APART}
        model, faults = model_name(llm["model"]), llm.get("faults")
        played = model == WORLD and own.get("base_url") is None
        if faults is not None and not played:
            raise SettingError("only the care world errs on purpose", "Leave out 'faults'")
        if not isinstance(faults or {}, Mapping):
            raise SettingError(f"'faults' cannot be {faults!r}", 'Write {"wrong": 0.1}')
        return cls(model, llm.get("prices"), (faults or {}) if played else None, own)


class FlowModel:
    """A `LanguageModel` that is opened with its first question.

    Its answers are kept in the run's folder: what was asked once is not asked again, neither after
    a stop nor by `handrail report`. A world that errs on purpose says so in its `name`: one that
    errs otherwise is another model.
    """

    def __init__(self, settings: FlowSettings, folder: Path, *, whole: bool = False) -> None:
        """`whole`: questions that were not asked are an error."""
        self._options = _Options.of(settings)
        self._folder, self._whole = folder, whole
        model, faults = self._options.model, self._options.faults or {}
        errs = ",".join(f"{name}={rate}" for name, rate in sorted(faults.items()))
        self.name = f"{model}:{errs}" if errs else model
        self._answers = folder / (f"answers-{digest(faults)}.sqlite" if faults else ANSWERS)
        self._opened: Endpoint | None = None

    @property
    def spent(self) -> Spent:
        """What this process asked so far."""
        return Spent() if self._opened is None else self._opened.spent

    def ask(
        self, requests: Sequence[Request], progress: AskProgress | None = None
    ) -> list[Answer | Failure]:
        """One answer or failure each, in the order asked.

        Raises:
            HandrailError: no question can be answered; or, where the answers must be `whole`, some
                were not asked.
        """
        answers = self._open().ask(requests, progress)
        if self._whole:
            refuse_unasked([a for a in answers if isinstance(a, Failure)], str(self._folder))
        return answers

    def estimate(self, requests: Sequence[Request]) -> str:
        """What these questions will take, about, in a line."""
        return self._open().estimate(requests).text

    def _open(self) -> Endpoint:
        if self._opened is None:
            how = self._options
            self._opened = open_endpoint(
                how.model, self._answers, how.prices, how.faults, **how.own
            )
        return self._opened

    def kept(self) -> list[tuple[str, int, Usage, float | None]]:
        """By prompt: how many answers the run's folder keeps, their tokens, their cost if known."""
        from handrail.sampling.server import AnswerCache, Prices

        price = Prices.read(self._options.prices).of(self._options.model)
        totals = AnswerCache(self._answers).totals()
        return [
            (prompt, n, usage, None if price is None else price.cost(usage))
            for prompt, (n, usage) in totals.items()
        ]


def check_options(settings: FlowSettings) -> None:
    """Refuse options of the language model that cannot be used, before anything is asked.

    Raises:
        HandrailError: an option or file that cannot be used.
    """
    options = _Options.of(settings)
    check_endpoint(options.model, options.prices, **options.own)
    Prompts(settings.llm.get("prompts"))


def prompts_of(settings: FlowSettings) -> Prompts:
    """The prompt files of a flow: the packaged ones, or the user's own in their place.

    Raises:
        SettingError: no such folder, or a file in it that is no prompt's or cannot be used.
    """
    prompts = Prompts(settings.llm.get("prompts"))
    for task in TASKS:  # before the first of them costs anything
        prompts[task].check()
    return prompts


def judges_of(settings: FlowSettings, folder: Path) -> tuple[ModelAssessor, BinsJudge]:
    """The flow's language model as the judge of single replies, and of pairs in four bins."""
    model, prompts = FlowModel(settings, folder), prompts_of(settings)
    return ModelAssessor(model, prompts), BinsJudge(model, prompts)
