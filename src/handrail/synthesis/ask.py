"""Asking the tasks that make data: a model, the prompts, and how each task's answer is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handrail.asking import Prompts
from handrail.records import (
    Answer,
    AskProgress,
    Failure,
    LanguageModel,
    Message,
    Provenance,
    Request,
    Skip,
)
from handrail.synthesis.forms import READINGS

# What shall differ from one draw to the next; every other task is asked at temperature 0.
TEMPERATURES = {"violate": 0.8, "paraphrase": 0.9, "questions": 1.0, "score_prompts": 1.0}
MAX_TOKENS = {"questions": 4096, "score_prompts": 8192, "tags": 2048, "tag_check": 2048}
Progress = Callable[[str, int, int], None]  # (stage, done, total)
NOT_ASKED = "the limit on requests or cost was reached"
UNANSWERED = ("endpoint", "limit")  # kinds of failure that are no answer of the model's


@dataclass(frozen=True)
class Asking:
    """A language model with the prompts that it is asked by.

    Attributes:
        model: any `LanguageModel`.
        prompts: the packaged ones, or a user's own in their place.
        temperatures: by task, where another than `TEMPERATURES` is wanted.
        max_tokens: the same for the length of an answer; 1024 where nothing is said.
        seed: goes with every request; None leaves the draw to the endpoint.
    """

    model: LanguageModel
    prompts: Prompts = field(default_factory=Prompts)
    temperatures: Mapping[str, float] = field(default_factory=dict)
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    seed: int | None = None

    def request(
        self,
        task: str,
        values: Mapping[str, Any],
        *,
        about: str = "",
        sample: int = 0,
        more: Sequence[Message] = (),
    ) -> Request:
        """One question; `more` are messages after the prompt's (what was wrong last time)."""
        prompt = self.prompts[task]
        return Request(
            task=task,
            version=prompt.version,
            messages=(*prompt.render(values), *more),
            reading=READINGS[task],
            max_tokens=self.max_tokens.get(task, MAX_TOKENS.get(task, 1024)),
            temperature=self.temperatures.get(task, TEMPERATURES.get(task, 0.0)),
            seed=self.seed,
            sample=sample,
            about=about,
        )

    def ask(
        self, requests: Sequence[Request], progress: AskProgress | None = None
    ) -> list[Answer | Failure]:
        """The model's answers, in the order asked; no call where there is nothing to ask."""
        return self.model.ask(requests, progress) if requests else []

    def made(self, before: Provenance, *tasks: str, parents: Sequence[str] = ()) -> Provenance:
        """Source and licence as they were; what it was now made with and from."""
        labels = ", ".join(self.prompts[task].label for task in tasks)
        return Provenance(
            source=before.source,
            licence=before.licence,
            made_by=f"{self.model.name} with {labels}",
            parents=tuple(parents),
        )


def failed(failure: Failure, what: str, where: str = "") -> Skip:
    """A question without a usable answer, as something left out."""
    reason = NOT_ASKED if failure.kind == "limit" else f"{failure.kind}: {failure.problem}"
    return Skip(what=what, reason=reason, where=where)


def by_reason(skips: Sequence[Skip]) -> dict[str, int]:
    """How often each reason was met, the most frequent first."""
    counts: Counter[str] = Counter()
    for skip in skips:
        counts[skip.reason] += skip.count
    return dict(counts.most_common())
