"""Questions of Stack Exchange with several answers, ranked by what readers and askers said of them.

The rows of `HuggingFaceH4/stack-exchange-preferences`: `question` and `answers`, each answer with
its `text` and `pm_score`, the score of Askell et al. (2021) for preference-model pre-training. An
answer with `votes` (or `score`) and `accepted` (or `selected`) instead gets the score made of them.
"""

from __future__ import annotations

from pydantic import Field

from handrail.records import RecordError
from handrail.sources.feedback.cells import Cells
from handrail.sources.feedback.html_text import plain_text
from handrail.sources.feedback.maker import Maker, Table, ranked, ranks_of, user
from handrail.sources.feedback.options import Options
from handrail.sources.feedback.votes import pm_score, spread


class StackOptions(Options):
    """Options of `stack_exchange`.

    Attributes:
        min_gap: how much the best answer's score must be above the worst one's.
        max_replies: of more answers so many are kept, evenly over the ranking.
        plain: turn texts that are HTML into plain ones.
    """

    min_gap: int = Field(default=1, ge=1)
    max_replies: int | None = Field(default=None, ge=2)
    plain: bool = True


def fill(made: Maker, table: Table, options: StackOptions) -> None:
    """One turn per question with two answers or more that differ in their scores."""

    def question(row: Cells) -> None:
        where, found = row.row.where, [row.inner("answers", one) for one in row.list("answers")]
        texts = [_text(one.words("text"), options) for one in found]
        scores = [_score(one) for one in found]
        if len(found) < 2 or max(scores) - min(scores) < options.min_gap:
            made.skip("turn", f"no two answers differ by {options.min_gap} in score", where)
            return
        ranks = ranks_of(scores)
        kept = spread(ranks, options.max_replies)
        if len(kept) < len(ranks):
            made.skip("reply", "beyond max_replies", where, len(ranks) - len(kept))
        key = next((row.key(name) for name in ("qid", "question_id") if row.given(name)), "")
        made.add(
            user(_text(row.words("question"), options)),
            ranked([texts[i] for i in kept], ranks_of([scores[i] for i in kept])),
            where,
            key=f"{_site(row)}/{key}".strip("/") if key else "",
            set=made.name,
            category=_site(row),
            split=table.split,
        )

    made.each(table, question)


def _text(text: str, options: StackOptions) -> str:
    return plain_text(text) if options.plain else text


def _score(answer: Cells) -> int:
    """An answer's score: as given, or from its votes.

    Raises:
        RecordError: it has neither.
    """
    if answer.given("pm_score"):
        return int(answer.figure("pm_score"))
    votes = next((name for name in ("votes", "score") if answer.given(name)), "")
    if not votes:
        raise RecordError("an answer has neither 'pm_score' nor 'votes'", "Give it one of the two")
    accepted = answer.any_of("accepted", "selected", "is_accepted")
    return pm_score(answer.figure(votes), bool(answer.flag_or_none(accepted)))


def _site(row: Cells) -> str:
    """The site: from the first address of `metadata`, `https://cooking.stackexchange.com`."""
    for address in row.list("metadata") if row.given("metadata") else []:
        host = str(address).partition("://")[2].partition("/")[0]
        if host:
            return host.removesuffix(".com").removesuffix(".stackexchange")
    return ""
