"""Next-action accuracy: is a generated reply the act that the human agent chose?

STAR's turns say which canonical act the human agent picked (`tags["action"]`, empty where the
reply was free text) and which acts the task's flow chart allows there (`tags["allowed"]`). A
generated reply is matched to the task's canonical replies by `Guide.match_action`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handrail.ranking import Estimate, Partition, Resampling
from handrail.records import Turn
from handrail.sources.star_flow import same_act
from handrail.sources.star_guide import Guide

HUMAN = "human agent"

# Means over 13 domains, each unseen in training, of the logs beside the code of Mehri and Eskenazi
# (2021): best_berts_output and best_sam_output of github.com/Shikib/schema_attention_model.
PUBLISHED = (
    "Published, for domains unseen in training, by classifying the next action (lookups included) "
    "over all of the release: 31.8% for the schema-guided BERT of STAR's authors, 58.0% for the "
    "Schema Attention Model (logs of Mehri and Eskenazi 2021). Another task on other turns: near, "
    "not equal."
)


@dataclass(frozen=True)
class ActScores:
    """One reply per turn, scored; NaN where a turn cannot tell.

    `right` is 1 where the reply's act is the human's, over turns where the human picked an act;
    `allowed` where the flow chart allows it, over turns of which the chart says anything;
    `matched` where the reply is any canonical act of the task.
    """

    right: tuple[float, ...]
    allowed: tuple[float, ...]
    matched: tuple[float, ...]


@dataclass(frozen=True)
class ActFigures:
    """The means of a system's `ActScores` over all seeds, with clustered intervals."""

    right: Estimate
    allowed: Estimate
    matched: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `summary.json`."""
        return {
            "accuracy": self.right.as_dict(),
            "allowed": self.allowed.as_dict(),
            "matched": self.matched.as_dict(),
        }


@dataclass(frozen=True)
class ActTable:
    """Figures by system, `HUMAN` first: what the matching makes of the human's own replies."""

    figures: dict[str, ActFigures]
    turns: int
    free_text: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `summary.json`."""
        return {
            "turns": self.turns,
            "free_text_turns": self.free_text,
            "systems": {name: one.as_dict() for name, one in self.figures.items()},
        }


def has_acts(turns: Sequence[Turn]) -> bool:
    """Whether the turns carry STAR's tags."""
    return any("action" in t.tags and "allowed" in t.tags for t in turns)


def score_acts(turns: Sequence[Turn], texts: Sequence[str], guide: Guide) -> ActScores:
    """Score one reply per turn.

    Acts that STAR calls by several names (all farewells, the departure) count as one. A turn
    without STAR's tags is unknown on all counts.
    """
    rows = [_score(turn, text, guide) for turn, text in zip(turns, texts, strict=True)]
    right, allowed, matched = zip(*rows, strict=True) if rows else ((), (), ())
    return ActScores(right, allowed, matched)


def _score(turn: Turn, text: str, guide: Guide) -> tuple[float, float, float]:
    if not {"action", "tasks"} <= set(turn.tags):
        return math.nan, math.nan, math.nan
    act = guide.match_action(text, turn.tags["tasks"].split(","))
    true = turn.tags["action"]
    right = float(act is not None and same_act(act) == same_act(true)) if true else math.nan
    said = turn.tags.get("allowed", "[]") != "[]"
    allowed = float(guide.allows(turn, text)) if said else math.nan
    return right, allowed, float(act is not None)


def act_table(
    turns: Sequence[Turn],
    texts: Mapping[str, Sequence[Sequence[str]]],
    guide: Guide,
    clusters: Sequence[str],
    how: Resampling,
) -> ActTable:
    """Figures of every system.

    Args:
        turns: the test turns; the first reply of each is the human's.
        texts: by system, for each seed one generated reply per turn.
        guide: the flow charts.
        clusters: the turns' conversations.
        how: of the intervals.
    """
    human = [t.replies[0].text if t.replies else "" for t in turns]
    figures = {}
    for name, runs in {HUMAN: [human], **texts}.items():
        scored = [score_acts(turns, one, guide) for one in runs]
        figures[name] = ActFigures(
            *(
                Partition.of([getattr(s, kind) for s in scored], [clusters] * len(scored)).estimate(
                    how
                )
                for kind in ("right", "allowed", "matched")
            )
        )
    free = sum(t.tags.get("action") == "" for t in turns)
    return ActTable(figures, len(turns), free)
