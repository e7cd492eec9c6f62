"""Vicuna's evaluation: 80 questions, GPT-4's scores of pairs of answers, 80 human verdicts.

Chiang et al., "Vicuna: An Open-Source Chatbot" (2023); the human verdicts on GPT-3.5 against
Vicuna 13B are those of Wang et al., "Large Language Models are not Fair Evaluators" (2023).
"""

from __future__ import annotations

from functools import partial

from handrail.records import Outcome, RecordError
from handrail.sources.labelled.fields import Fields
from handrail.sources.labelled.maker import Maker

SIDES = {"CHATGPT": "gpt35", "VICUNA13B": "vicuna-13b", "TIE": ""}
SCORES = (0.0, 10.0)  # 1 to 10 were asked for; four answers were given 0


def fill(made: Maker) -> None:
    """One turn per question with the answers of all systems, each named after its file."""
    questions: dict[int, tuple[str, str]] = {}
    answers: dict[int, dict[str, str]] = {}
    systems: dict[str, str] = {}

    def question(row: Fields) -> None:
        questions[row.number("question_id")] = row.text("text"), row.text("category")

    def answer(row: Fields) -> None:
        system = _system(row.text("file"))
        systems[row.text("answer_id")] = system
        answers.setdefault(row.number("question_id"), {})[system] = row.text("text")

    def human(row: Fields) -> None:
        a, b = _system(row.text("answer1_file")), _system(row.text("answer2_file"))
        better = row.one_of("human_label", SIDES)
        if better not in (a, b, ""):
            raise RecordError(f"'{better}' is neither '{a}' nor '{b}'", made.mend)
        outcome = {a: Outcome.A, b: Outcome.B}.get(better, Outcome.TIE)
        made.judged(f"{made.name}/{row.number('question_id')}", a, b, outcome, "human")

    def review(row: Fields) -> None:
        turn = f"{made.name}/{row.number('question_id')}"
        scores, why = row.numbers("score", 2), row.text("text")
        a, b = (systems.get(row.text(f"answer{i}_id"), "an unknown answer") for i in (1, 2))
        made.scored(turn, (a, b), scores, SCORES, "gpt4", why)

    made.each("questions.jsonl", question)
    made.each("answers.jsonl", answer)
    for key, (text, category) in questions.items():
        add = partial(made.turn, key, text, answers.get(key, {}), subset=category)
        made.attempt(f"{made.name}, question {key}", add)
    made.each("human_labels_gpt35_vs_vicuna13b.jsonl", human)
    made.each("gpt4_reviews.jsonl", review)


def _system(file: str) -> str:
    return file.removeprefix("answer_")
