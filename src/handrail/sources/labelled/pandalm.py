"""PandaLM's test set: pairs with three annotators each, and two programs' verdicts on them.

Wang et al., "PandaLM: An Automatic Evaluation Benchmark for LLM Instruction Tuning Optimization"
(2024).
"""

from __future__ import annotations

from handrail.records import Outcome, RecordError
from handrail.sources.labelled.fields import Fields
from handrail.sources.labelled.maker import Maker

PEOPLE = {0: Outcome.TIE, 1: Outcome.A, 2: Outcome.B}
PROGRAMS: dict[object, Outcome | None] = {
    **dict.fromkeys((0, "Tie"), Outcome.TIE),
    **dict.fromkeys((1, "1"), Outcome.A),
    **dict.fromkeys((2, "2"), Outcome.B),
    "garbage": None,
}
NAMES = {"pandalm-7b": "pandalm", "gpt-3.5-turbo": "gpt3.5"}


def fill(made: Maker) -> None:
    """One turn per pair: a system's response to a prompt is not the same in all pairs."""

    def pair(row: Fields) -> None:
        prompt = "\n\n".join(t for t in (row.text("instruction"), row.text("input")) if t.strip())
        a, _, b = row.text("cmp_key").partition("_")
        if not a or not b or a == b:
            raise RecordError(f"'{row.text('cmp_key')}' does not name two systems", made.mend)
        people = [row.one_of(f"annotator{i}", PEOPLE) for i in (1, 2, 3)]
        said, reasons = row.object("judges"), row.object("judge_reasons")
        replies = {a: row.text("response1"), b: row.text("response2")}
        key = row.number("idx")
        turn = made.turn(key, prompt, replies, cluster=prompt, subset=row.text("cmp_key"))
        for i, outcome in enumerate(people, start=1):
            made.judged(turn, a, b, outcome, f"human:{i}")
        for program, verdict in said.items():
            name, why = NAMES.get(program, program), str(reasons.get(program) or "")
            if isinstance(verdict, bool) or verdict not in PROGRAMS:
                raise RecordError(f"'{program}' says {verdict!r}", made.mend)
            told = PROGRAMS[verdict]
            if told is None:
                made.failed(turn, a, b, name, f"no verdict ('{verdict}')", why)
            else:
                made.judged(turn, a, b, told, name, why)

    made.each("testset_3annotators.jsonl", pair)
