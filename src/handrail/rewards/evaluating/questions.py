"""Questions for reward models: a prompt with a better and a worse reply, drawn by category."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handrail.ranking.estimates import Floats
from handrail.records import SettingError, Skip, Turn
from handrail.rewards.measures.scored import category_of, set_of

ALL = "all"  # the category of turns that name none


@dataclass(frozen=True)
class Question:
    """A prompt with two replies, `better` and `worse` by the data's feedback (indices)."""

    turn: Turn
    better: int
    worse: int
    category: str

    @property
    def replies(self) -> tuple[str, str]:
        """Both texts, the better one first."""
        return self.turn.replies[self.better].text, self.turn.replies[self.worse].text


@dataclass(frozen=True)
class Drawn:
    """The questions, in the order of their categories; `short`: categories with fewer than wanted.

    `skipped` counts the turns that could not be a question.
    """

    questions: tuple[Question, ...]
    short: Mapping[str, int]
    skipped: tuple[Skip, ...]


def draw_questions(turns: Sequence[Turn], per_category: int = 50, seed: int = 0) -> Drawn:
    """Draw questions from each category: one pair of replies of each prompt that is drawn.

    Prompts (equal contexts under equal playbooks are one) are drawn without replacement, then one
    of the prompt's pairs. What a category draws does not depend on the others.

    Raises:
        SettingError: `per_category` is below 1, or no turn has a better and a worse reply.
    """
    if per_category < 1:
        raise SettingError(f"{per_category} questions per category are none", "Give at least 1")
    found, skipped = _by_prompt(turns)
    if not found:
        raise SettingError(
            "no turn has a better and a worse reply",
            "Name a file whose replies have ranks, ratings or desirability that differ",
        )
    questions: list[Question] = []
    short: dict[str, int] = {}
    for category, prompts in found.items():
        rng = random.Random(f"{seed}/{category}")
        names = sorted(prompts)
        if len(names) < per_category:
            short[category] = len(names)
        drawn = set(rng.sample(names, min(per_category, len(names))))
        questions += [rng.choice(prompts[name]) for name in names if name in drawn]
    return Drawn(tuple(questions), short, skipped)


def _by_prompt(
    turns: Sequence[Turn],
) -> tuple[dict[str, dict[str, list[Question]]], tuple[Skip, ...]]:
    """Every pair by category and prompt, and the turns without any."""
    several = len({set_of(turn) for turn in turns}) > 1
    found: dict[str, dict[str, list[Question]]] = {}
    lost: Counter[str] = Counter()
    for turn in turns:
        pairs = [(i, j) for i, j in turn.pairs() if turn.replies[i].text != turn.replies[j].text]
        if not pairs:
            one = len(turn.replies) < 2
            lost["fewer than two replies" if one else "no reply is known to be better"] += 1
            continue
        names = [set_of(turn) if several or not category_of(turn) else "", category_of(turn)]
        category = ": ".join(name for name in names if name) or ALL
        prompts = found.setdefault(category, {})
        prompts.setdefault(_prompt(turn), []).extend(
            Question(turn, i, j, category) for i, j in pairs
        )
    skips = [Skip(what="turn", reason=reason, count=n) for reason, n in lost.items()]
    return found, tuple(skips)


def _prompt(turn: Turn) -> str:
    """What a reply answers: the playbook and the conversation so far."""
    if not turn.context:
        return turn.id
    book = "" if turn.playbook is None else turn.playbook.id
    return json.dumps([book, *((m.role, m.content) for m in turn.context)])


def matches_of(scores: Sequence[tuple[float, float]]) -> Floats:
    """What each (better, worse) pair of scores is worth: 1 a match, 0.5 a tie, 0; NaN: no score."""
    found = [
        math.nan
        if not (math.isfinite(better) and math.isfinite(worse))
        else 0.5 * ((better > worse) + (better >= worse))
        for better, worse in scores
    ]
    return np.array(found, dtype=np.float64)
