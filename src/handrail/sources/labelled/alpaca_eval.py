"""AlpacaEval: GPT-4's preferences between systems and a reference system, on 805 instructions.

Li et al., "AlpacaEval: An Automatic Evaluator of Instruction-following Models" (2023); version 2
(Dubois et al., "Length-Controlled AlpacaEval", 2024) weighs its preferences. No label here is a
person's: `gpt4` stands for people, and tables say so.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from handrail.records import Outcome, Rating
from handrail.sources.labelled.fields import Fields
from handrail.sources.labelled.maker import Maker

ANNOTATORS = {"alpaca_eval_gpt4": "gpt4", "weighted_alpaca_eval_gpt4_turbo": "gpt4_turbo"}


def fill(made: Maker) -> None:
    """One turn per instruction. A text of another length than the one judged is left out."""
    about: dict[int, tuple[str, str, dict[str, str | None]]] = {}
    judged: list[tuple[int, str, str, str, float | None]] = []
    lengths: dict[int, dict[str, int]] = {}

    def output(row: Fields) -> None:
        told = row.text("instruction"), row.text("dataset"), row.texts("outputs")
        about[row.number("idx")] = told

    def annotation(row: Fields) -> None:
        key, value = row.number("idx"), row["preference"]
        a, b = row.text("generator_1"), row.text("generator_2")
        judge = row.one_of("annotator", ANNOTATORS)
        known = lengths.setdefault(key, {})
        known[a], known[b] = row.number("output_1_len"), row.number("output_2_len")
        judged.append((key, a, b, judge, None if value is None else row.between("preference", 2)))

    made.each("outputs.jsonl", output)
    made.each("annotations.jsonl", annotation)
    for key, (instruction, dataset, texts) in about.items():
        known = lengths.get(key, {})
        shown = _shown(made, texts, known)
        turn = partial(made.turn, key, instruction, shown, known, subset=dataset)
        made.attempt(f"{made.name}, idx {key}", turn)
    for key, a, b, judge, preference in judged:
        add = partial(_add, made, f"{made.name}/{key}", a, b, judge, preference)
        made.attempt(f"{made.name}, idx {key}", add)


def _shown(
    made: Maker, texts: dict[str, str | None], lengths: dict[str, int]
) -> dict[str, str | None]:
    """The texts but those that cannot be what was judged."""
    shown = {}
    for system, text in texts.items():
        if text is not None and len(text) != lengths.get(system, len(text)):
            made.skip("reply", f"{system}: not the text that was judged (its length is another)")
        else:
            shown[system] = text
    return shown


def _add(made: Maker, turn: str, a: str, b: str, judge: str, preference: float | None) -> None:
    """A preference from 1 (the first) to 2 (the second); 1.5 and 0 are draws, null is none.

    Version 2's are weights, kept as ratings of the second beside its verdict.
    """
    if preference is None:
        made.failed(turn, a, b, judge, "the annotator gave no preference")
        return
    worth = 0.5 if preference == 0 else preference - 1
    outcome = Outcome.A if worth < 0.5 else Outcome.B if worth > 0.5 else Outcome.TIE
    made.judged(turn, a, b, outcome, judge)
    if judge == "gpt4_turbo":
        made.rated(
            Rating(
                turn=turn,
                a=b,
                dimension=f"preferred to {a}",
                value=worth,
                low=0,
                high=1,
                judge=judge,
            )
        )


def leaderboard(folder: Path, file: str) -> dict[str, dict[str, float]]:
    """One of AlpacaEval's leaderboards: per system the columns that are numbers.

    Raises:
        RecordError: the file is not there, or has a row without a name.
    """
    made = Maker("alpaca_eval", "Apache-2.0", folder)
    systems: dict[str, dict[str, float]] = {}

    def system(row: Fields) -> None:
        systems[row.text("")] = row.figures()

    made.each(file, system)
    return systems
