"""What every reward model offers: scores of replies, on its own kind of forest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from handrail.models.settings import ModelSettings
from handrail.models.trained import Trained
from handrail.records import AskProgress, Turn, as_rating
from handrail.trees import Forest, TreeBatch, TreeSettings

_NOTE = "handrail_reward"  # where the saved config says how the model was trained


class RewardModel(Trained):
    """One raw score per reply, more is better; it depends on prompt and reply alone.

    Attributes:
        name: as reports call it.
        kind: "causal" or "encoder".
    """

    kind: ClassVar[str]

    def __init__(
        self, model: nn.Module, tokenizer: Any, settings: ModelSettings, name: str
    ) -> None:
        super().__init__(model, tokenizer, settings)
        self.name = name

    @property
    def trained_with(self) -> str:
        """What it was last trained with, "" where nobody said; the saved config keeps it.

        The trainer sets it: "bradley_terry", "rating/logistic", "rating/sigmoid_mse", "rating/mse".
        """
        told = getattr(self.inner.config, _NOTE, None)
        return str(told.get("trained_with", "")) if isinstance(told, dict) else ""

    @trained_with.setter
    def trained_with(self, value: str) -> None:
        setattr(self.inner.config, _NOTE, {"trained_with": value})

    @abstractmethod
    def scores(self, batch: TreeBatch) -> Tensor:
        """Raw scores (R,), float32, of a row's replies; differentiable."""

    @abstractmethod
    def build(self, turns: Iterable[Turn], settings: TreeSettings | None = None) -> Forest:
        """The forest of turns that `scores` reads rows of."""

    @abstractmethod
    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        """One raw score per reply, in their order; NaN where one does not fit the model."""

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """One raw score per reply to a turn."""
        return self.score_all([(turn, reply) for reply in replies])

    def probability(self, score: float) -> float:
        """A raw score as a rating in 0..1, for models that learnt ratings.

        Raises:
            SettingError: the model learnt preferences, whose scores have no zero of their own.
        """
        return as_rating(score, self.trained_with, self.name)
