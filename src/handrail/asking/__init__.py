"""What language models are asked: prompt files, the forms of their answers, how these are read."""

from handrail.asking.direct import DirectModel
from handrail.asking.prompt import Prompt, Prompts, as_json, prompt_names
from handrail.asking.reading import Form, JsonReading, Text, TextReading, strict_schema
from handrail.asking.rounds import repair_messages

__all__ = [
    "DirectModel",
    "Form",
    "JsonReading",
    "Prompt",
    "Prompts",
    "Text",
    "TextReading",
    "as_json",
    "prompt_names",
    "repair_messages",
    "strict_schema",
]
