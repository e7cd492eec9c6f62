"""Prometheus: answers rated 1 to 5 by a rubric, three times each by GPT-4.

Kim et al., "Prometheus: Inducing Fine-grained Evaluation Capability in Language Models" (2024).
No label here is a person's: GPT-4's three ratings stand for people, and tables say so.
"""

from __future__ import annotations

import json
import re
from functools import partial

from handrail.records import Message, Rating, RecordError
from handrail.sources.labelled.fields import Fields
from handrail.sources.labelled.maker import Maker

FILES = ("vicuna_eval", "mt_bench_eval")
_PARTS = re.compile(
    r"###The instruction to evaluate:\n(?P<instruction>.*?)\n+###Response to evaluate:\n"
    r"(?P<response>.*?)\n+###Reference Answer \(Score 5\):\n(?P<reference>.*?)\n+"
    r"###Score Rubrics:\n\[(?P<criterion>.*?)\]\n(?P<levels>.*?)\n+###Feedback:",
    re.DOTALL,
)
_LEVEL = re.compile(r"^Score ([1-5]): (.*)$", re.MULTILINE)


def fill(made: Maker) -> None:
    """One turn per answer; the tags `rubric` (JSON) and `reference` hold what it is rated by."""
    for file in FILES:
        made.each(f"{file}.jsonl", partial(_answer, made, file))


def _answer(made: Maker, subset: str, row: Fields) -> None:
    part = judge_prompt(row.text("instruction"), made.mend)
    levels = dict(_LEVEL.findall(part["levels"]))
    system, key = row.text("response_source"), f"{subset}/{row.number('idx')}"
    scores, feedback = row.numbers("gpt4_score", 3), row["gpt4_feedback"]
    if not isinstance(feedback, list) or len(feedback) != 3:
        raise RecordError("field 'gpt4_feedback': expected a list of 3 texts", made.mend)
    rubric = json.dumps({"criterion": part["criterion"], **levels}, ensure_ascii=False)
    turn = made.turn(
        f"{key}/{system}",
        [Message(role="user", content=part["instruction"])],
        {system: part["response"]},
        cluster=key,
        subset=subset,
        rubric=rubric,
        reference=part["reference"],
    )
    for i, (score, why) in enumerate(zip(scores, feedback, strict=True), start=1):
        made.rated(
            Rating(
                turn=turn,
                a=system,
                dimension="rubric",
                value=score,
                low=1,
                high=5,
                judge=f"gpt4:{i}",
                rationale=str(why),
            )
        )


def judge_prompt(text: str, mend: str = "Mend the row or leave it out") -> re.Match[str]:
    """The parts of a judge's prompt: instruction, response, reference, criterion, levels.

    Raises:
        RecordError: one is missing, or there are not five levels; `mend` says what to do.
    """
    part = _PARTS.search(text)
    if part is None or len(dict(_LEVEL.findall(part["levels"]))) != 5:
        raise RecordError("field 'instruction' lacks a part of the judge's prompt", mend)
    return part
