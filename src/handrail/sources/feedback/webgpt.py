"""WebGPT comparisons: two answers to a question, with scores that tell by how much one is better.

Nakano et al., "WebGPT: Browser-assisted question-answering with human feedback" (2021). On the hub
a row has `question`, `answer_0`, `score_0` (from -1 to 1, the other's with the opposite sign);
other copies have `prompt`, `answers` and `scores` that sum to 2. A tie is two equal ranks.
"""

from __future__ import annotations

from handrail.records import RecordError, Reply
from handrail.sources.feedback.cells import LEAVE, Cells
from handrail.sources.feedback.maker import Maker, Table, ranks_of, user
from handrail.sources.feedback.options import Options


class WebgptOptions(Options):
    """Options of `webgpt`.

    Attributes:
        ratings: also give each answer its score as a rating; the score is relative to the other
            answer of the pair, so as a rating of the answer alone it is noisy.
        ties: keep pairs of equal scores, at equal ranks; else they are left out and counted.
    """

    ratings: bool = False
    ties: bool = True


def fill(made: Maker, table: Table, options: WebgptOptions) -> None:
    """One turn per comparison; the tag `margin` is the scores' difference, 0 (a tie) to 1."""

    def comparison(row: Cells) -> None:
        prompt, category, answers, scores, low, high = _read(row)
        if not options.ties and scores[0] == scores[1]:
            made.skip("turn", "the two answers are tied", row.row.where)
            return
        replies = [
            Reply(text=text, rank=rank, rating=score if options.ratings else None)
            for text, rank, score in zip(answers, ranks_of(scores), scores, strict=True)
        ]
        made.add(
            user(prompt),
            replies,
            row.row.where,
            set=made.name,
            category=category,
            split=table.split,
            margin=f"{abs(scores[0] - scores[1]) / (high - low):g}",
            scale=f"{low:g}..{high:g}" if options.ratings else "",
        )

    made.each(table, comparison)


def _read(row: Cells) -> tuple[str, str, list[str], list[float], float, float]:
    """Prompt, category, answers, scores, and the lowest and highest score that can be.

    Raises:
        RecordError: a cell is missing, or scores are not those of one comparison.
    """
    if row.has("question") or row.has("answer_0"):
        question = row["question"]
        of = row.inner("question", question) if isinstance(question, dict) else None
        prompt = of.words("full_text") if of else row.words("question")
        category = of.text_or("dataset") if of else ""
        answers = [row.words("answer_0"), row.words("answer_1")]
        scores, low, high = [row.figure("score_0"), row.figure("score_1")], -1.0, 1.0
    else:
        prompt, category = row.words("prompt"), ""
        found = row.list("answers")
        if len(found) != 2:
            raise RecordError(f"field 'answers': expected 2 texts, found {len(found)}", LEAVE)
        held = row.inner("answers", {f"answers.{i}": text for i, text in enumerate(found)})
        answers = [held.words("answers.0"), held.words("answers.1")]
        scores, low, high = row.numbers("scores", 2), 0.0, 2.0
    if abs(sum(scores) - (low + high)) > 1e-6 or not all(low <= s <= high for s in scores):
        raise RecordError(
            f"the scores {scores[0]:g} and {scores[1]:g} are not two from {low:g} to {high:g} "
            f"that sum to {low + high:g}",
            LEAVE,
        )
    return prompt, category, answers, scores, low, high
