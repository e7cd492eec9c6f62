"""LLMBar: pairs of outputs with one agreed label and no ties, to judge judges by.

Zeng et al., "Evaluating Large Language Models at Evaluating Instruction Following" (2024). Four of
the eight subsets are adversarial: the worse output is the more pleasing one. The `processed_`
subsets hold human labels of MT-Bench, FairEval and LLMEval2 without their ties.
"""

from __future__ import annotations

from handrail.records import Outcome
from handrail.sources.labelled.fields import Fields
from handrail.sources.labelled.maker import Maker


def fill(made: Maker) -> None:
    """One turn per pair; which system wrote what is not in the data."""

    def pair(row: Fields) -> None:
        subset, prompt = row.text("subset"), row.text("input")
        outcome = row.one_of("label", {1: Outcome.A, 2: Outcome.B})
        outputs = {"output_1": row.text("output_1"), "output_2": row.text("output_2")}
        if outputs["output_1"] == outputs["output_2"]:
            made.warn("pair", "two equal outputs, one of them labelled as the better")
        key = f"{subset}/{row.number('idx')}"
        turn = made.turn(key, prompt, outputs, cluster=prompt, subset=subset)
        made.judged(turn, "output_1", "output_2", outcome, "human")

    made.each("pairs.jsonl", pair)
