"""Replies to a few prompts with the score that each system gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handrail.reports.html import Safe, figure, tag
from handrail.reports.numbers import compact


@dataclass(frozen=True)
class ScoredReplies:
    """One prompt: replies as (kind, text, scores), the scores in the order of the systems."""

    prompt: str
    replies: Sequence[tuple[str, str, Sequence[float]]]


@dataclass(frozen=True)
class ReplyScores:
    """A table of prompts with their replies; systems in columns."""

    examples: Sequence[ScoredReplies]
    systems: Sequence[str]
    title: str
    note: str = ""

    def html(self) -> Safe:
        """The table; nothing without examples."""
        if not self.examples:
            return Safe("")
        columns = ("Reply", "", *self.systems)
        head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in columns)))
        bodies = [self._body(one, len(columns)) for one in self.examples]
        inside = tag("div", tag("table", head, *bodies, class_="scored"), class_="scroll")
        return figure(inside, self.title, self.note, quiet=True)

    def _body(self, one: ScoredReplies, width: int) -> Safe:
        rows = [tag("tr", tag("th", one.prompt, colspan=width, scope="rowgroup", class_="group"))]
        for kind, text, scores in one.replies:
            cells = (tag("td", compact(score)) for score in scores)
            rows.append(tag("tr", tag("th", kind, scope="row"), tag("td", text), *cells))
        return tag("tbody", *rows)
