"""Which of several reward models to take: matches with what people preferred, by category.

The layout is that of table 1 of "Always-On-Policy Prompts for Efficient RLHF": from each category
so many questions are drawn, each with a better and a worse reply, and a match is a model that
scores the better one higher.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handrail.ranking.estimates import (
    DEFAULT,
    Estimate,
    Floats,
    Partition,
    Resampling,
    wilson,
)
from handrail.records import SettingError
from handrail.rewards.evaluating.costs import Cost
from handrail.rewards.evaluating.questions import Question, matches_of
from handrail.rewards.measures.scored import prompt_of


@dataclass(frozen=True)
class MatchTable:
    """Matches of each model in each category, with total and average rows.

    Shapes: `matches_CM` (categories, models), `asked_C` how many questions a category has.
    """

    categories: tuple[str, ...]
    models: tuple[str, ...]
    matches_CM: Floats
    asked_C: Floats

    @property
    def totals_M(self) -> Floats:
        """Matches of all questions: "No. of matches"."""
        return self.matches_CM.sum(0)

    @property
    def averages_M(self) -> Floats:
        """Matches of a category on average: "Avg. matches"."""
        return self.matches_CM.mean(0)

    @property
    def per_category(self) -> int | None:
        """How many questions each category has; None where they differ."""
        return int(self.asked_C[0]) if len(set(self.asked_C)) == 1 else None


@dataclass(frozen=True)
class Candidate:
    """One model's figures over the questions that all models scored.

    `share` is of matches, ties counting half. `p_best`: in what share of bootstrap replicates it
    has the most matches. `behind`: how far its share is behind the best model's, paired by
    question, at a level that holds for all candidates together. `unscored` questions were left
    out for every model. A `floor` knows nothing of quality (length, chance).
    """

    name: str
    share: Estimate
    categories: Mapping[str, Estimate]
    ties: int
    unscored: int
    p_best: float
    behind: Estimate
    cost: Cost
    floor: bool = False

    @property
    def tied(self) -> bool:
        """Whether it cannot be told apart from the best."""
        return not self.behind.low > 0


@dataclass(frozen=True)
class Selection:
    """Models compared; `best` has the most matches, `recommended` is the cheapest not told apart.

    `left_out` questions had no score from at least one model.
    """

    table: MatchTable
    candidates: tuple[Candidate, ...]
    best: Candidate
    recommended: Candidate
    left_out: int

    @property
    def tied(self) -> tuple[Candidate, ...]:
        """The best and those that cannot be told apart from it."""
        return tuple(one for one in self.candidates if one.tied)


def select(
    models: Sequence[str],
    questions: Sequence[Question],
    scores: Sequence[Sequence[tuple[float, float]]],
    costs: Sequence[Cost] = (),
    floors: Collection[str] = (),
    how: Resampling = DEFAULT,
) -> Selection:
    """Compare models by their matches and recommend one.

    Questions that a model gave no score are left out for all, so that all are compared on the same
    ones. The bootstrap draws conversations (`prompt_of`). The intervals of how far a model is
    behind the best are Bonferroni's: together they hold at `how.level`, so that a model is rarely
    called worse that is not. Of the models that cannot be told apart from the best the cheapest is
    recommended, if it is far below the best in cost (`Cost.far_below`); a floor only where there
    is nothing else.

    Args:
        models: their names.
        questions: what was asked.
        scores: for each model its scores of the (better, worse) reply of each question.
        costs: what each model costs.
        floors: names of those that only show what a model has to beat.
        how: settings of the bootstrap.

    Raises:
        SettingError: a model scored no question, or no question was scored by all.
    """
    matches_NM = np.stack([matches_of(of_model) for of_model in scores], axis=1)
    scored_NM = np.isfinite(matches_NM)
    kept_N = np.asarray(scored_NM.all(1))
    if not kept_N.any():
        empty = [name for name, n in zip(models, scored_NM.sum(0), strict=True) if not n]
        told = f"'{empty[0]}' scored no question" if empty else "no question was scored by all"
        raise SettingError(f"{told}, so nothing can be compared", "Leave out a model")
    kept = [question for question, keep in zip(questions, kept_N, strict=True) if keep]
    given = list(costs) or [Cost()] * len(models)
    compared = _compare(models, kept, matches_NM[kept_N], given, how)
    lost_M = (~scored_NM).sum(0)
    ties_M = (matches_NM[kept_N] == 0.5).sum(0)
    candidates = tuple(
        replace(one, unscored=int(lost), ties=int(ties), floor=one.name in floors)
        for one, lost, ties in zip(compared, lost_M, ties_M, strict=True)
    )
    best = candidates[int(np.argmax([one.share.value for one in candidates]))]
    recommended = _recommended(candidates, best)
    table = _table(models, kept, matches_NM[kept_N])
    return Selection(table, candidates, best, recommended, int((~kept_N).sum()))


def _recommended(candidates: Sequence[Candidate], best: Candidate) -> Candidate:
    """The cheapest that ties, where it is cheaper than the best by far; else the best."""
    able = [one for one in candidates if one.tied and not one.floor]
    if not able:
        return best
    first = best if best in able else max(able, key=lambda one: one.share.value)
    cheaper = [one for one in able if one.cost.far_below(first.cost)]
    return min(cheaper, key=lambda one: one.cost.order) if cheaper else first


def _table(models: Sequence[str], questions: Sequence[Question], matches_NM: Floats) -> MatchTable:
    categories = tuple(dict.fromkeys(question.category for question in questions))
    of_N = np.array([categories.index(question.category) for question in questions])
    rows = [matches_NM[of_N == c].sum(0) for c in range(len(categories))]
    asked = np.bincount(of_N, minlength=len(categories)).astype(np.float64)
    return MatchTable(categories, tuple(models), np.stack(rows), asked)


def _compare(
    models: Sequence[str],
    questions: Sequence[Question],
    matches_NM: Floats,
    costs: Sequence[Cost],
    how: Resampling,
) -> list[Candidate]:
    prompts = [prompt_of(question.turn) for question in questions]
    table = _table(models, questions, matches_NM)
    numbers = {prompt: n for n, prompt in enumerate(prompts)}
    prompts_N = np.array([numbers[prompt] for prompt in prompts])
    of_N = np.array([question.category for question in questions])
    best = int(np.argmax(matches_NM.mean(0)))
    p_best_M = probability_best(matches_NM, prompts, how)
    together = replace(how, level=1 - (1 - how.level) / max(len(models) - 1, 1))
    made = []
    for m, name in enumerate(models):
        gap = Partition.of([matches_NM[:, best] - matches_NM[:, m]], [prompts])
        made.append(
            Candidate(
                name=name,
                share=Partition.of([matches_NM[:, m]], [prompts]).estimate(how),
                categories={
                    c: _cell(matches_NM[of_N == c, m], prompts_N[of_N == c], how)
                    for c in table.categories
                },
                ties=0,
                unscored=0,
                p_best=float(p_best_M[m]),
                behind=gap.estimate(together, signed=True),
                cost=costs[m],
            )
        )
    return made


def _cell(matches_n: Floats, prompts_n: NDArray[np.int64], how: Resampling) -> Estimate:
    """A category's share: Wilson's interval, or the bootstrap's over conversations of several."""
    if len(np.unique(prompts_n)) == len(prompts_n):
        return wilson(float(matches_n.sum()), len(matches_n), how.level)
    return Partition.of([matches_n], [prompts_n.tolist()]).estimate(how)


def probability_best(
    matches_NM: Floats, prompts: Sequence[str], how: Resampling = DEFAULT
) -> Floats:
    """In what share of bootstrap replicates each model has the most matches, shape (M,).

    All models see the same replicates (of whole prompts), so that what is hard for all of them
    does not count. Models that share the first place share the replicate. This is the bootstrap's
    estimate of the probability that the model is truly the best of them.
    """
    parts = [Partition.of([column], [prompts]) for column in matches_NM.T]
    if parts[0].counts_SC.shape[1] == 1:
        replicates_RM = matches_NM.mean(0, keepdims=True)
    else:
        replicates_RM = np.stack([part.replicates(how) for part in parts], axis=1)
    top_RM = replicates_RM >= replicates_RM.max(1, keepdims=True) - 1e-12
    return (top_RM / top_RM.sum(1, keepdims=True)).mean(0)
