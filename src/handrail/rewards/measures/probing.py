"""The four-reply probe: a good reply, a bad one, one beside the matter, one without meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handrail.ranking import Estimate, Resampling, rate
from handrail.ranking.estimates import DEFAULT, Floats
from handrail.rewards.measures.scored import Scored

KINDS = ("best", "bad", "irrelevant", "meaningless")
TESTS = (
    "best > bad",
    "best > irrelevant",
    "best > meaningless",
    "best > each other",
    "bad > irrelevant",
    "bad > meaningless",
    "irrelevant > meaningless",
    "full order",
)


@dataclass(frozen=True)
class ProbeResult:
    """Share of the probes that a model passes, test by test; equal scores do not pass.

    `means` are the mean scores of the four kinds; `unscored` counts probes with a reply that has
    no score, which are in no figure. `by_category` is the full order's and "best > each other"'s
    pass rate per category of probes, also of one in which nothing was scored.
    """

    model: str
    passes: Mapping[str, Estimate]
    means: Mapping[str, float]
    by_category: Mapping[str, Mapping[str, Estimate]]
    unscored: int


def passed(score_4: Sequence[float] | Floats) -> dict[str, bool]:
    """Which tests four scores pass, in the order best, bad, irrelevant, meaningless."""
    best, bad, irrelevant, meaningless = score_4
    return {
        "best > bad": best > bad,
        "best > irrelevant": best > irrelevant,
        "best > meaningless": best > meaningless,
        "best > each other": best > max(bad, irrelevant, meaningless),
        "bad > irrelevant": bad > irrelevant,
        "bad > meaningless": bad > meaningless,
        "irrelevant > meaningless": irrelevant > meaningless,
        "full order": best > bad > irrelevant > meaningless,
    }


def probe(scored: Scored, how: Resampling = DEFAULT) -> ProbeResult:
    """Pass rates over probes, each a turn whose replies are authored by their kind (`KINDS`)."""
    rows: list[tuple[float, ...]] = []
    names, categories = [], []
    unscored = 0
    for turn, scores in zip(scored.turns, scored.scores, strict=True):
        by_kind = {r.author: s for r, s in zip(turn.replies, scores, strict=True)}
        row = tuple(by_kind[kind] for kind in KINDS)
        if not np.isfinite(row).all():
            unscored += 1
            continue
        rows.append(row)
        names.append(turn.id)
        categories.append(turn.tags.get("category", ""))
    results = [passed(row) for row in rows]

    def share(test: str, category: str | None = None) -> Estimate:
        kept = [i for i, c in enumerate(categories) if category in (None, c)]
        return rate([float(results[i][test]) for i in kept], [names[i] for i in kept], how)

    table = np.array(rows, np.float64).reshape(-1, 4)
    return ProbeResult(
        model=scored.model,
        passes={test: share(test) for test in TESTS},
        means={
            kind: float(table[:, k].mean()) if len(rows) else float("nan")
            for k, kind in enumerate(KINDS)
        },
        by_category={
            c: {test: share(test, c) for test in ("best > each other", "full order")}
            for c in dict.fromkeys(turn.tags.get("category", "") for turn in scored.turns)
        },
        unscored=unscored,
    )
