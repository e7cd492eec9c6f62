"""Replies of a model behind an endpoint, behind the protocol `Sampler`."""

from __future__ import annotations

from collections.abc import Sequence

from handrail.asking import Prompts, show
from handrail.records import (
    Answer,
    AskProgress,
    Failure,
    LanguageModel,
    Request,
    Sample,
    SamplingParams,
    Turn,
)
from handrail.sampling.server.endpoint import Endpoint
from handrail.sampling.server.prices import Estimate
from handrail.sampling.server.reading import CutText


class ServerSampler:
    """Draws replies with the prompt `reply`; each draw of a turn is a question of its own.

    `failures` holds the draws of the last call that gave no reply, with the ids of their turns;
    they are missing from the lists.
    """

    def __init__(
        self, model: LanguageModel, prompts: Prompts | None = None, name: str = ""
    ) -> None:
        self.model, self.name = model, name or model.name
        self._prompt = (prompts or Prompts())["reply"]
        self.failures: list[tuple[str, Failure]] = []

    def sample(
        self,
        turns: Sequence[Turn],
        params: SamplingParams,
        progress: AskProgress | None = None,
    ) -> list[list[Sample]]:
        """`params.n` replies to each turn, fewer where draws failed."""
        requests = self.requests(turns, params)
        answers = iter(self.model.ask(requests, progress))
        drawn = [[next(answers) for _ in range(params.n)] for _ in turns]
        self.failures = [
            (turn.id, one)
            for turn, row in zip(turns, drawn, strict=True)
            for one in row
            if isinstance(one, Failure)
        ]
        return [[_sample(one) for one in row if isinstance(one, Answer)] for row in drawn]

    def estimate(self, turns: Sequence[Turn], params: SamplingParams) -> Estimate | None:
        """What `sample` would take, about; None for a model without prices."""
        if not isinstance(self.model, Endpoint):
            return None
        return self.model.estimate(self.requests(turns, params))

    def requests(self, turns: Sequence[Turn], params: SamplingParams) -> list[Request]:
        """What `sample` asks: for each turn `params.n` draws."""
        return [
            Request(
                task=self._prompt.name,
                version=self._prompt.version,
                messages=messages,
                reading=CutText(),
                max_tokens=params.max_tokens,
                temperature=params.temperature,
                top_p=params.top_p,
                seed=params.seed,
                sample=draw,
                about=turn.id,
            )
            for turn in turns
            for messages in [self._prompt.render(show.turn(turn))]
            for draw in range(params.n)
        ]


def _sample(answer: Answer) -> Sample:
    return Sample(
        text=answer.data.text,
        finish="length" if answer.finish == "length" else "stop",
        n_tokens=answer.usage.completion_tokens,
    )
