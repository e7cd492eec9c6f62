"""Prometheus: answers rated 1 to 5 by a rubric that the prompt of the judge holds.

Kim et al., "Prometheus: Inducing Fine-grained Evaluation Capability in Language Models" (2024). In
the evaluation files GPT-4 rated each answer three times: the rating here is the mean. The Feedback
Collection of the hub has one rating per answer (`orig_score`). No rating is a person's.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

from handrail.records import Message, RecordError, Reply
from handrail.sources.feedback.cells import LEAVE, Cells
from handrail.sources.feedback.maker import Maker, Table, user
from handrail.sources.feedback.options import Options
from handrail.sources.labelled.prometheus import judge_prompt

LOW, HIGH = 1.0, 5.0


class PrometheusOptions(Options):
    """Options of `prometheus`.

    Attributes:
        category: the tag `category` is the prompt's topic (writing, math, ...) or the rubric's
            criterion, by which figures are then given.
        rubric: where the criterion stands: only in the tag `rubric`, or also before the prompt, as
            a system message, for a reward that reads it.
    """

    category: Literal["topic", "rubric"] = "topic"
    rubric: Literal["tag", "prompt"] = "tag"


class _Asked(NamedTuple):
    """What answers that stand in one turn have in common."""

    prompt: str
    criterion: str
    topic: str
    question: str


def fill(made: Maker, table: Table, options: PrometheusOptions) -> None:
    """One turn per prompt and criterion, with all its answers and their ratings."""
    answers: dict[_Asked, list[tuple[Reply, str]]] = {}

    def answer(row: Cells) -> None:
        asked, reply = _collected(row) if row.has("orig_score") else _evaluated(row)
        answers.setdefault(asked, []).append((reply, row.row.where))

    def turn(asked: _Asked, rated: list[tuple[Reply, str]]) -> None:
        said = (Message(role="system", content=asked.criterion),)
        made.add(
            (*(said if options.rubric == "prompt" else ()), *user(asked.prompt)),
            [reply for reply, _ in rated],
            rated[0][1],
            conversation=f"{made.name}/{table.part}/{asked.question}" if asked.question else "",
            set=made.name,
            category=asked.topic if options.category == "topic" else asked.criterion,
            rubric=asked.criterion,
            split=table.split,
            scale=f"{LOW:g}..{HIGH:g}",
        )

    made.each(table, answer)
    for asked, rated in answers.items():
        made.attempt(rated[0][1], partial(turn, asked, rated))


def _evaluated(row: Cells) -> tuple[_Asked, Reply]:
    """A row of the evaluation files: the judge's prompt, and three scores."""
    told, scores = judge_prompt(row.text("instruction")), row.numbers("gpt4_score", 3)
    for score in scores:
        _check(score)
    asked = _Asked(told["instruction"], told["criterion"], row.text_or("category"), str(row["idx"]))
    rating = sum(scores) / len(scores)
    return asked, Reply(text=told["response"], author=row.text("response_source"), rating=rating)


def _collected(row: Cells) -> tuple[_Asked, Reply]:
    """A row of the Feedback Collection."""
    score = row.figure("orig_score")
    _check(score)
    asked = _Asked(row.words("orig_instruction"), row.words("orig_criteria"), "", "")
    return asked, Reply(text=row.words("orig_response"), rating=score)


def _check(score: float) -> None:
    if not LOW <= score <= HIGH:
        raise RecordError(f"a score of {score:g} is not from {LOW:g} to {HIGH:g}", LEAVE)
