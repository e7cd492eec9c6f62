"""A flow's language model: it marks and breaks guardrails, and judges, in any of its processes."""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.asking import Prompts
from handrail.judges import BinsJudge, ModelAssessor
from handrail.recipes.run import digest
from handrail.recipes.settings import FlowSettings
from handrail.records import Answer, AskProgress, Failure, Request, SettingError, Spent, Usage

if TYPE_CHECKING:
    from handrail.sampling.server import Endpoint, EndpointSettings, Prices

WORLD = "world"  # the care world plays the model
ANSWERS = "answers.sqlite"  # of a run, in its folder
_APART = ("prices", "prompts", "faults")  # options that are not the endpoint's own


class FlowModel:
    """A `LanguageModel` that is opened with its first question.

    Its answers are kept in the run's folder: what was asked once is not asked again, neither after
    a stop nor by `handrail report`.
    """

    def __init__(self, settings: FlowSettings, folder: Path) -> None:
        self._options = dict(settings.llm)
        self.name = str(self._options.pop("model")).removeprefix("openai:")
        # A world that errs otherwise is another model.
        faults = self._options.get("faults")
        self._answers = folder / (f"answers-{digest(faults)}.sqlite" if faults else ANSWERS)
        self._opened: Endpoint | None = None

    @property
    def spent(self) -> Spent:
        """What this process asked so far."""
        return Spent() if self._opened is None else self._opened.spent

    def ask(
        self, requests: Sequence[Request], progress: AskProgress | None = None
    ) -> list[Answer | Failure]:
        """One answer or failure each, in the order asked."""
        if self._opened is None:
            self._opened = open_endpoint(self.name, self._options, self._answers)
        return self._opened.ask(requests, progress)

    def kept(self) -> list[tuple[str, int, Usage, float | None]]:
        """By prompt: how many answers the run's folder keeps, their tokens, their cost if known."""
        from handrail.sampling.server import AnswerCache, Prices

        price = Prices.read(self._options.get("prices")).of(self.name)
        totals = AnswerCache(self._answers).totals()
        return [
            (prompt, n, usage, None if price is None else price.cost(usage))
            for prompt, (n, usage) in totals.items()
        ]


def open_endpoint(name: str, options: Mapping[str, Any], answers: Path) -> Endpoint:
    """The endpoint of a model by name; the care world's server is started for `world`.

    Raises:
        HandrailError: an option or file that cannot be used.
    """
    from handrail.sampling.server import AnswerCache, Endpoint

    settings, prices = check_options(name, options)
    if name == WORLD and settings.base_url is None:
        from handrail.world.serve import serving

        stack = ExitStack()
        url = stack.enter_context(serving(**options.get("faults", {})))
        atexit.register(stack.close)
        settings = settings.model_copy(update={"base_url": url})
    return Endpoint(settings, AnswerCache(answers), prices)


def check_options(name: str, options: Mapping[str, Any]) -> tuple[EndpointSettings, Prices]:
    """The options as settings of the endpoint, and the prices, before anything is asked.

    Raises:
        HandrailError: an option or file that cannot be used.
    """
    from handrail.sampling.server import Endpoint, EndpointSettings, Prices

    own = {key: value for key, value in options.items() if key not in _APART}
    if "faults" in options and (name != WORLD or "base_url" in own):
        raise SettingError("only the care world errs on purpose", "Leave out 'faults'")
    settings = EndpointSettings.of(model=name, **own)
    prices = Prices.read(options.get("prices"))
    Endpoint(settings, None, prices)  # refuses a limit without a price
    Prompts(options.get("prompts"))
    return settings, prices


def prompts_of(settings: FlowSettings) -> Prompts:
    """The prompt files of a flow: the packaged ones, or the user's own in their place.

    Raises:
        SettingError: no such folder, or a file in it that is no prompt's.
    """
    return Prompts(settings.llm.get("prompts"))


def judges_of(settings: FlowSettings, folder: Path) -> tuple[ModelAssessor, BinsJudge]:
    """The flow's language model as the judge of single replies, and of pairs in four bins."""
    model, prompts = FlowModel(settings, folder), prompts_of(settings)
    return ModelAssessor(model, prompts), BinsJudge(model, prompts)
