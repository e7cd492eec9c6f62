"""Ratings in 0..1 from several labels that annotators gave, each with its weight.

Absolute reward models learn one number per reply. Open Assistant's replies carry several labels,
each a degree in 0..1; a weighted sum makes one of them (RLHF thesis, section 5.3.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from handrail.records import Reply, SettingError, Turn
from handrail.records.errors import nearest_name
from handrail.records.store import OnError
from handrail.rewards.data.rated import Rated, rate_each

Scaling = Literal["affine", "raw"]

# The thesis's weights w2 and w3, as it gives them, and its choice in the end: quality alone.
PRESETS: dict[str, dict[str, float]] = {
    "quality": {"quality": 1.0},
    "w2": {
        "violence": -0.05,
        "creativity": 0.15,
        "helpfulness": 0.25,
        "humor": 0.05,
        "toxicity": -0.1,
        "quality": 0.4,
    },
    "w3": {
        "violence": 0.0,
        "creativity": 0.15,
        "helpfulness": 0.35,
        "humor": 0.0,
        "toxicity": -0.1,
        "quality": 0.4,
    },
}


@dataclass(frozen=True)
class LabelWeights:
    """How labels make one rating: their sum, each times its weight.

    `scaling` "affine" maps the sum from its smallest and largest possible value (the sum of the
    negative weights, that of the positive ones) to 0 and 1, so that every rating is valid and
    `quality` alone is itself. "raw" leaves the sum as it is, as the thesis seems to: w2 then
    reaches from -0.15 to 0.85. A label with weight 0 need not be there.
    """

    weights: Mapping[str, float]
    name: str = "own weights"
    scaling: Scaling = "affine"

    def __post_init__(self) -> None:
        if self.scaling not in ("affine", "raw"):
            raise SettingError(f"unknown scaling '{self.scaling}'", "Give affine or raw")
        for label, weight in self.weights.items():
            if not _finite(weight):
                raise SettingError(
                    f"the weight of '{label}' is {weight!r}, which is no finite number",
                    "Write lines of `label: number`",
                )
        if not self.needed:
            raise SettingError("no label has a weight", "Give at least one label a weight")

    @property
    def needed(self) -> tuple[str, ...]:
        """The labels that count: those with a weight other than 0."""
        return tuple(label for label, weight in self.weights.items() if weight)

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest sum that labels in 0..1 can have."""
        values = self.weights.values()
        return math.fsum(w for w in values if w < 0), math.fsum(w for w in values if w > 0)

    def rating(self, labels: Mapping[str, float]) -> float:
        """The rating of a reply with these labels, which must hold all that are `needed`."""
        total = math.fsum(self.weights[label] * labels[label] for label in self.needed)
        if self.scaling == "raw":
            return total
        low, high = self.bounds
        return min(1.0, max(0.0, (total - low) / (high - low)))  # rounding may leave 0..1


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def label_weights(
    weights: str | Mapping[str, float] | LabelWeights, scaling: Scaling = "affine"
) -> LabelWeights:
    """A preset by name ("quality", "w2", "w3"), or a mapping from label to weight.

    Raises:
        SettingError: an unknown preset, no weight, or one that is no finite number.
    """
    if isinstance(weights, LabelWeights):
        return weights
    if isinstance(weights, str):
        if weights not in PRESETS:
            raise SettingError(
                f"there are no label weights '{weights}'",
                f"Known are {', '.join(PRESETS)}; or name a YAML file with lines of "
                "`label: number` (in Python: a mapping)",
            )
        return LabelWeights(PRESETS[weights], weights, scaling)
    return LabelWeights(dict(weights), scaling=scaling)


def rate_by_labels(
    turns: Iterable[Turn],
    weights: str | Mapping[str, float] | LabelWeights = "quality",
    *,
    scaling: Scaling = "affine",
    on_error: OnError = "stop",
) -> Rated:
    """The turns with each reply's rating made of its labels; whatever rating it had is gone.

    Args:
        turns: with `Reply.labels`.
        weights: a preset, a mapping, or `LabelWeights` (which bring their own scaling).
        scaling: "affine" brings sums to 0..1; "raw" leaves them, and one outside 0..1 is a fault.
        on_error: a reply that lacks a label: "stop", or "skip" leaves it without a rating
            (never with 0) and counts it.

    Raises:
        SettingError: weights that cannot be, or name a label that no reply has.
        RecordError: a reply lacks a label, or its raw sum is no valid rating; names the first.
    """
    listed, how = list(turns), label_weights(weights, scaling)
    known = {name for turn in listed for reply in turn.replies for name in reply.labels}
    for label in how.needed:
        if label not in known:
            raise SettingError(
                f"no reply has a label '{label}', which the weights name",
                "The data has no labels" if not known else f"In the data {_known(label, known)}",
            )

    def rating(_turn: Turn, reply: Reply) -> float | str:
        lacks = [label for label in how.needed if label not in reply.labels]
        if lacks:
            return f"the reply has no label {', '.join(map(repr, lacks))}"
        value = how.rating(reply.labels)
        return value if 0 <= value <= 1 else f"the weighted sum {value:.4g} is not within 0 to 1"

    found = rate_each(listed, rating, on_error)
    told = "" if how.scaling == "affine" else ", the sum as it is"
    found.how = f"from labels by {how.name}{told}"
    return found


def _known(label: str, known: set[str]) -> str:
    return nearest_name(label, known) if len(known) > 12 else f"are {', '.join(sorted(known))}"
