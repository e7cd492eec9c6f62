"""The forms in which language models answer the tasks that make data (docs/prompts.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from handrail.asking import Form, JsonReading

Kind = Literal["omission", "forbidden act", "invented fact", "wrong tone"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Category = Literal["problem-solving", "fact-based", "reasoning", "open-ended", "creative"]
CATEGORIES: tuple[Category, ...] = get_args(Category)


def _text(value: Any) -> Any:
    """A number where a text is asked for: models write guardrail 1 as 1 as often as "1"."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Number = Annotated[str, BeforeValidator(_text)]  # a guardrail's number, as a text


class GuardrailsForm(Form):
    guardrails: list[str]


class Tag(Form):
    message: int
    guardrails: list[Number]


class TagsForm(Form):
    tags: list[Tag]


class TagCheck(Form):
    guardrail: Number
    follows: bool
    reason: str = ""


class TagCheckForm(Form):
    checks: list[TagCheck]


class MergeForm(Form):
    same: bool
    text: str = ""


class ViolateForm(Form):
    reply: str


class ParaphraseForm(Form):
    paraphrases: list[str] = Field(min_length=1)


class ClassifyForm(Form):
    reason: str = ""
    category: Category


class Question(Form):
    keyword: str
    question: str


class QuestionsForm(Form):
    questions: list[Question] = Field(min_length=1)


class ScoredQuestion(Form):
    domain: str
    question: str


class ScorePromptsForm(Form):
    weak_domains: list[str]
    patterns: list[str]
    questions: list[ScoredQuestion] = Field(min_length=1)


class PreferForm(Form):
    reason: str = ""
    preferred: Literal["a", "b"]


READINGS: dict[str, JsonReading] = {
    "guardrails": JsonReading(GuardrailsForm),
    "tags": JsonReading(TagsForm),
    "tag_check": JsonReading(TagCheckForm),
    "merge": JsonReading(MergeForm),
    "violate": JsonReading(ViolateForm),
    "paraphrase": JsonReading(ParaphraseForm),
    "classify": JsonReading(ClassifyForm),
    "questions": JsonReading(QuestionsForm),
    "score_prompts": JsonReading(ScorePromptsForm),
    "prefer": JsonReading(PreferForm),
}
