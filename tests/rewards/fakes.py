"""Scorers of known scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from handrail.records import AskProgress, Message, SettingError, Turn, sigmoid


@dataclass
class Table:
    """Gives each reply the score that a table holds; NaN for others. Counts what it scored."""

    scores: Mapping[str, float]
    name: str = "table"
    asked: list[str] = field(default_factory=list)

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        self.asked += replies
        return [self.scores.get(reply, float("nan")) for reply in replies]


@dataclass
class Batched(Table):
    """The same, many at once."""

    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        scores = self.score(Turn(), [reply for _, reply in replies])
        if progress is not None:
            progress(len(replies), len(replies))
        return scores


@dataclass
class Trained(Batched):
    """The same, of a model that says what it was trained with."""

    trained_with: str = "rating/logistic"

    def probability(self, score: float) -> float:
        if self.trained_with == "bradley_terry":
            raise SettingError(f"the scores of '{self.name}' are no ratings")
        return score if self.trained_with == "rating/mse" else sigmoid(score)


def turn(text: str = "Hi", **more: object) -> Turn:
    return Turn(context=(Message(role="user", content=text),), **more)
