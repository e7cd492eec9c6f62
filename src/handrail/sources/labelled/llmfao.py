"""LLMFAO: a crowd's comparisons of language models, and GPT-3.5's and GPT-4's of the same pairs.

Ustalov, github.com/dustalov/llmfao (2023), data CC BY 4.0. `models.jsonl` names 70 models, of which
the comparisons hold 59.
"""

from __future__ import annotations

from functools import partial

from handrail.records import Outcome
from handrail.sources.labelled.fields import Fields
from handrail.sources.labelled.maker import Maker

SIDES = {"left": Outcome.A, "right": Outcome.B, "tie": Outcome.TIE}
PROGRAMS = {"gpt3.5": "gpt3-crowd-comparisons.csv", "gpt4": "gpt4-crowd-comparisons.csv"}


def fill(made: Maker) -> None:
    """One turn per prompt, with the replies of all models; the left one was shown first."""
    prompts: dict[int, tuple[str, str]] = {}
    replies: dict[int, dict[str, str]] = {}

    def prompt(row: Fields) -> None:
        prompts[row.number("id")] = row.text("text"), row.text("type")

    def result(row: Fields) -> None:
        replies.setdefault(row.number("prompt"), {})[row.text("name")] = row.text("result")

    def comparison(row: Fields, judge: str = "") -> None:
        turn = f"{made.name}/{row.number('prompt')}"
        outcome = row.one_of("winner", SIDES)
        by = judge or f"human:{row.text('worker')}"
        made.judged(turn, row.text("left"), row.text("right"), outcome, by)

    made.each("prompts.jsonl", prompt)
    made.each("results.jsonl", result)
    for key, (text, kind) in prompts.items():
        add = partial(made.turn, key, text, replies.get(key, {}), subset=kind)
        made.attempt(f"{made.name}, prompt {key}", add)
    made.each("crowd-comparisons.csv", comparison)
    for judge, file in PROGRAMS.items():
        made.each(file, partial(comparison, judge=judge))
