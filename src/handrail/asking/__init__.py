"""What language models are asked: prompt files, the forms of their answers, how these are read."""

from handrail.asking.direct import DirectModel
from handrail.asking.patterns import (
    BracketLetterReading,
    BracketRatingReading,
    Choice,
    LetterReading,
    Ranks,
    RanksReading,
    ResultReading,
    Score,
)
from handrail.asking.prompt import Prompt, Prompts, as_json, export_prompts, prompt_names
from handrail.asking.reading import Form, JsonReading, Text, TextReading, strict_schema
from handrail.asking.rounds import repair_messages

__all__ = [
    "BracketLetterReading",
    "BracketRatingReading",
    "Choice",
    "DirectModel",
    "Form",
    "JsonReading",
    "LetterReading",
    "Prompt",
    "Prompts",
    "Ranks",
    "RanksReading",
    "ResultReading",
    "Score",
    "Text",
    "TextReading",
    "as_json",
    "export_prompts",
    "prompt_names",
    "repair_messages",
    "strict_schema",
]
