"""What an evaluation of reward models holds: its settings, each model's figures, differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

import handrail.rewards.measures as m
from handrail.ranking import Estimate, PairedDifference, Resampling
from handrail.ranking.estimates import DEFAULT
from handrail.records import SettingError, Skip, Turn
from handrail.rewards.data.ranges import Edges
from handrail.rewards.measures.calibration import check_bins
from handrail.rewards.measures.ratings import EDGES
from handrail.rewards.measures.scored import Reads


@dataclass(frozen=True)
class EvalSettings:
    """How reward models are measured.

    `label` is a reply's rating where it has none; `edges` part the ranges of ratings; `bins` are of
    calibration curves; scores within `margin` are a model's tie in agreement with a judge, whose
    verdicts are those on `dimension` (None: any).
    """

    label: str = "quality"
    edges: Edges = EDGES
    bins: int = 10
    margin: float = 0.0
    dimension: str | None = None
    how: Resampling = DEFAULT

    def __post_init__(self) -> None:
        check_bins(self.bins)
        if not self.margin >= 0:
            raise SettingError(f"the margin is {self.margin:g}", "Give 0 or more")


@dataclass(frozen=True)
class Material:
    """What models are measured by.

    `turns` have replies with feedback (ranks, ratings, desirability, labels); `labels` are judges'
    verdicts on their replies; `gold` are the truth's own values (a care world's quality, another
    model's scores), where there is one; `probes` are prompts with the four replies of the probe.
    `skipped` was left out, `warnings` was read all the same.
    """

    turns: tuple[Turn, ...]
    labels: tuple[m.Labels, ...] = ()
    gold: m.Gold | None = None
    probes: tuple[Turn, ...] = ()
    skipped: tuple[Skip, ...] = ()
    warnings: tuple[Skip, ...] = ()


@dataclass(frozen=True)
class ModelResult:
    """One model's figures. `points` are (characters, score, author) of replies to be drawn."""

    model: str
    scale: Reads
    replies: int
    unscored: int
    pairs: m.PairAccuracy
    kwise: m.KWise
    ratings: m.RatingErrors | m.NoRatings
    calibration: m.Calibration | m.NoCalibration
    best_of_n: tuple[m.BestOfN, ...]
    length: m.LengthBias
    distribution: m.Distribution
    agreement: tuple[m.Agreement, ...]
    probe: m.ProbeResult | None
    probe_scores: Mapping[str, tuple[float, ...]]
    points: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Compared:
    """Model a less model b on the same items: "pairs", or pairs that a judge decided."""

    a: str
    b: str
    on: str
    paired: PairedDifference


@dataclass(frozen=True)
class RewardEvaluation:
    """Reward models on the same turns."""

    models: tuple[ModelResult, ...]
    differences: tuple[Compared, ...]
    settings: EvalSettings
    sets: Mapping[str, int]
    prompts: int
    turns: int
    replies: int
    probes: tuple[Turn, ...]
    skipped: tuple[Skip, ...]
    warnings: tuple[Skip, ...]

    def summary(self) -> dict[str, Any]:
        """All figures as plain data, without the points of drawings."""
        made: dict[str, Any] = plain(self)
        made["probes"] = len(self.probes)
        for model in made["models"]:
            del model["points"]
            for one in model["agreement"]:
                del one["item_N"], one["clusters"]
        return made


def plain(one: Any) -> Any:
    """A frozen result as plain data for JSON: estimates with their intervals, NaN as None."""
    if isinstance(one, Estimate):
        return one.as_dict()
    if isinstance(one, Skip):
        return one.model_dump()
    if is_dataclass(one) and not isinstance(one, type):
        return {f.name: plain(getattr(one, f.name)) for f in fields(one)}
    if isinstance(one, Mapping):
        return {" / ".join(k) if isinstance(k, tuple) else str(k): plain(v) for k, v in one.items()}
    if isinstance(one, np.ndarray | list | tuple):
        return [plain(v) for v in one]
    if isinstance(one, Turn):
        return one.id
    return None if isinstance(one, float) and not math.isfinite(one) else one
