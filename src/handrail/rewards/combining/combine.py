"""One reward of several: a weighted mean of scores, less penalties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from handrail.records import (
    AskProgress,
    RecordError,
    Scorer,
    SettingError,
    Skip,
    Turn,
    as_rating,
    nearest,
    score_each,
    sigmoid,
)
from handrail.rewards.combining.moments import Moments, read_moments, write_moments
from handrail.rewards.combining.penalties import Penalty

As = Literal["score", "logit", "probability"]
Replies = Sequence[tuple[Turn, str]]


@dataclass(frozen=True)
class Part:
    """One score of a combined reward.

    Attributes:
        scorer: gives the score.
        weight: above 0; the weights of all parts are divided by their sum.
        reads: "score", as the model gives it; "logit", the same, and refused where it is none;
            "probability", as a model of ratings means it. A model that does not say what it was
            trained with is taken at the user's word: its scores are log-odds.
        name: in reports, other than that of every other part; by default the scorer's.
    """

    scorer: Scorer
    weight: float = 1.0
    reads: As = "score"
    name: str = ""

    def __post_init__(self) -> None:
        if not (self.weight > 0 and math.isfinite(self.weight)):
            raise SettingError(
                f"the weight {self.weight} of '{self.told}' is impossible",
                "Give a number above 0, or leave the part out",
            )
        if self.reads not in get_args(As):
            raise SettingError(
                f"a score cannot be read as '{self.reads}'", nearest(self.reads, get_args(As))
            )
        if self.reads == "logit" and self._trained == "rating/mse":
            raise SettingError(
                f"the score of '{self.told}' is a rating and no logit",
                "Read it as 'score' or 'probability', or name a model with a sigmoid",
            )
        self.read(0.0)  # a model of preferences refuses to be read as a probability

    @property
    def told(self) -> str:
        """The part's name."""
        return self.name or self.scorer.name

    @property
    def _trained(self) -> str:
        return getattr(self.scorer, "trained_with", "")

    def read(self, score: float) -> float:
        """A raw score as the combination uses it; NaN where it is no number."""
        if not math.isfinite(score):
            return math.nan
        if self.reads != "probability":
            return score
        if not self._trained:
            return sigmoid(score)
        own = getattr(self.scorer, "probability", None)
        return as_rating(score, self._trained, self.told) if own is None else float(own(score))


@dataclass(frozen=True)
class Decomposed:
    """Scores with what they are made of, each a list of one number per reply.

    `scores` are clipped sums of `weights[name] * parts[name]`, less `penalties[name]`. Parts are
    as they enter the mean: read as a logit or probability, and normalised.
    """

    scores: list[float]
    parts: dict[str, list[float]]
    penalties: dict[str, list[float]]
    weights: dict[str, float]


@dataclass
class CombinedReward:
    """Weighted mean of scores, less penalties, within `clip` (a `BatchScorer`).

    Of two parts, a preference score weighted w and an absolute one weighted 1 - w, this is the
    combined reward of the thesis on human and synthetic feedback (section 5.4), whose PPO clips
    scores at 4 (its table 8). A reply that one part cannot score has no score (NaN); `missing`
    counts these by part.

    With `normalise`, a part's scores become standard deviations from the mean of all its scores so
    far (`Moments`): each call of `score_all` takes its scores in first and then scales them, so
    that they depend on the calls before and not on the order within one. `frozen` keeps the
    moments as they are, for evaluation; `save` and `restore` carry them over. Penalties are taken
    off as they are.
    """

    parts: Sequence[Part]
    penalties: Sequence[Penalty] = ()
    normalise: bool = False
    clip: float | None = None
    name: str = "combined"
    frozen: bool = False
    trained_with: ClassVar[str] = "combined"  # its scores claim an order
    moments: dict[str, Moments] = field(init=False)
    missing: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        if not self.parts:
            raise SettingError("a combined reward has no part", "Give at least one")
        if self.clip is not None and not self.clip > 0:
            raise SettingError(f"a clip at {self.clip} leaves nothing", "Give a number above 0")
        names = [part.told for part in self.parts] + [one.name for one in self.penalties]
        twice = [name for name, n in Counter(names).items() if n > 1]
        if twice:
            raise SettingError(f"two parts have the name '{twice[0]}'", "Give each its own 'name'")
        self.moments = {part.told: Moments() for part in self.parts}

    @classmethod
    def of_two(
        cls, preference: Scorer, absolute: Scorer, weight: float, reads: As = "logit"
    ) -> CombinedReward:
        """The thesis's combination: `weight` for the preference score, the rest for the absolute.

        It tried weights of .25, .375, .5, .625 and .75, and used logits.
        """
        if not 0 < weight < 1:
            raise SettingError(f"the weight {weight} is not between 0 and 1", "As in 0.625")
        return cls((Part(preference, weight), Part(absolute, 1 - weight, reads)))

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each part; they add up to 1."""
        total = math.fsum(part.weight for part in self.parts)
        return {part.told: part.weight / total for part in self.parts}

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """One score per reply."""
        return self.score_all([(turn, reply) for reply in replies])

    def score_all(self, replies: Replies, progress: AskProgress | None = None) -> list[float]:
        """One score per reply, in their order."""
        return self.parts_all(replies, progress).scores

    def parts_all(self, replies: Replies, progress: AskProgress | None = None) -> Decomposed:
        """The scores with what they are made of; it takes no longer than the scores alone."""
        parts: dict[str, list[float]] = {}
        for at, part in enumerate(self.parts):
            raw = score_each(part.scorer, replies, _shifted(progress, at, self.parts, replies))
            read = [part.read(score) for score in raw]
            self.missing[part.told] += sum(map(math.isnan, read))
            parts[part.told] = self._normalised(part.told, read)
        penalties = {
            one.name: [one.penalty(reply) for _, reply in replies] for one in self.penalties
        }
        weights = self.weights
        scores = [
            self._clipped(
                math.fsum(weights[name] * of_it[i] for name, of_it in parts.items())
                - math.fsum(of_it[i] for of_it in penalties.values())
            )
            for i in range(len(replies))
        ]
        return Decomposed(scores, parts, penalties, weights)

    def _normalised(self, name: str, scores: list[float]) -> list[float]:
        if not self.normalise:
            return scores
        if not self.frozen:
            self.moments[name].add(scores)
        return [self.moments[name].scaled(score) for score in scores]

    def _clipped(self, score: float) -> float:
        if self.clip is None or math.isnan(score):
            return score
        return max(-self.clip, min(self.clip, score))

    def skipped(self) -> list[Skip]:
        """The replies without a score so far, by the part that had none."""
        return [
            Skip(what="reply", reason=f"no score from '{name}' (too long?)", count=n)
            for name, n in self.missing.items()
            if n
        ]

    def save(self, path: str | Path) -> Path:
        """Write the moments, so that `restore` goes on from them.

        Raises:
            RunError: the file cannot be written.
        """
        return write_moments(path, self.moments)

    def restore(self, path: str | Path) -> None:
        """Take over the moments that `save` wrote.

        Raises:
            RecordError: the file cannot be read, or is of other parts.
        """
        held = read_moments(path)
        if set(held) != set(self.moments):
            raise RecordError(
                f"these moments are of {_named(held)}, and the parts are {_named(self.moments)}",
                "Name the file that this combination saved",
                str(path),
            )
        self.moments = {name: held[name] for name in self.moments}


def _named(names: Mapping[str, Any]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "no parts"


def _shifted(
    progress: AskProgress | None, at: int, parts: Sequence[Part], replies: Replies
) -> AskProgress | None:
    """Progress of part `at` as progress of all."""
    if progress is None:
        return None
    n = len(replies)
    return lambda done, total: progress(at * n + round(n * done / max(total, 1)), len(parts) * n)
