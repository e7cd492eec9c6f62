"""Pairs with people's labels: LLMBar's, and the four answers of QA-Feedback."""

from __future__ import annotations

from functools import partial
from itertools import combinations

from handrail.records import Message, RecordError
from handrail.sources.feedback.cells import LEAVE, Cells
from handrail.sources.feedback.maker import Maker, Table, ranked, ranks_of, user
from handrail.sources.feedback.options import Options

PAIRS = tuple(combinations(range(4), 2))


def llmbar(made: Maker, table: Table, options: object) -> None:
    """LLMBar: one turn per pair; the subset is its category.

    Zeng et al., "Evaluating Large Language Models at Evaluating Instruction Following" (2024).
    """

    def pair(row: Cells) -> None:
        texts = row.words("output_1"), row.words("output_2")
        ranks = row.one_of("label", {1: (1, 2), 2: (2, 1)})
        if texts[0] == texts[1]:
            made.skip("turn", "the two outputs are the same", row.row.where)
            return
        made.add(
            user(row.words("input")),
            ranked(texts, ranks),
            row.row.where,
            key=f"{row.text('subset')}/{row.number('idx')}",
            set=made.name,
            category=row.text("subset"),
        )

    made.each(table, pair)


class QaOptions(Options):
    """Options of `fine_grained_rlhf`.

    Attributes:
        passages: put the passages that the answers were written from into the prompt, as a tool's
            message.
        ties: keep pairs of which neither is preferred, at equal ranks.
        join: one turn with the four answers where the six comparisons make one ranking; the others
            are turns of a pair each.
    """

    passages: bool = True
    ties: bool = True
    join: bool = True


def fine_grained_rlhf(made: Maker, table: Table, options: QaOptions) -> None:
    """QA-Feedback: four answers, and which of each two is preferred.

    Wu et al., "Fine-Grained Human Feedback Gives Better Rewards for Language Model Training"
    (2023). `preference` is of the pairs 1-2, 1-3, 1-4, 2-3, 2-4, 3-4: 1 the first, 2 the second, 0
    neither.
    """

    def question(row: Cells) -> None:
        where, asked = row.row.where, row.words("question")
        answers = [row.words(f"prediction {i}") for i in (1, 2, 3, 4)]
        preferred = row.numbers("preference", len(PAIRS))
        if not set(preferred) <= {0, 1, 2}:
            raise RecordError("field 'preference': expected 0, 1 or 2 of each pair", LEAVE)
        context = [Message(role="user", content=asked), *_passages(row, options)]
        add = partial(made.add, context, where=where, set=made.name, split=table.split)
        ranks = _ranking(preferred)
        if options.join and ranks is not None and max(ranks) > 1:
            add(ranked(answers, ranks))
            return
        if options.join:
            made.warn("turn", "its comparisons make no one ranking: a turn per pair", where)
        for (i, j), said in zip(PAIRS, preferred, strict=True):
            if said == 0 and not options.ties:
                made.skip("turn", "neither answer is preferred", where)
                continue
            two = {0: (1, 1), 1: (1, 2), 2: (2, 1)}[int(said)]
            add(ranked((answers[i], answers[j]), two))

    made.each(table, question)


def _ranking(preferred: list[float]) -> list[int] | None:
    """The ranks that agree with all six comparisons, ties too; None where there are none."""
    won = [0.0] * 4
    for (i, j), said in zip(PAIRS, preferred, strict=True):
        won[i] += said == 1
        won[j] += said == 2
        won[i] += 0.5 * (said == 0)
        won[j] += 0.5 * (said == 0)
    ranks = ranks_of(won)
    for (i, j), said in zip(PAIRS, preferred, strict=True):
        if said != (0 if ranks[i] == ranks[j] else 1 if ranks[i] < ranks[j] else 2):
            return None
    return ranks


def _passages(row: Cells, options: QaOptions) -> list[Message]:
    """The passages as one message, a paragraph each: title, then sentences."""
    if not options.passages:
        return []
    texts = []
    for passage in row.list("passages"):
        if not isinstance(passage, list) or not all(isinstance(part, str) for part in passage):
            raise RecordError("field 'passages': expected lists of texts", LEAVE)
        texts.append("\n".join(part for part in passage if part.strip()))
    text = "\n\n".join(texts)
    return [Message(role="tool", content=text)] if text.strip() else []
