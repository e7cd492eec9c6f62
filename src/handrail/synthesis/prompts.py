"""Prompts made and sorted by a language model: paraphrases, classes, questions on keywords.

A prompt is a `Turn` whose context ends with what the user says; one that is made here has no
replies yet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from handrail.records import Answer, Message, Provenance, Request, Skip, Turn
from handrail.records.types import Noun
from handrail.synthesis.ask import Asking, Progress, failed
from handrail.synthesis.forms import CATEGORIES
from handrail.synthesis.merging import normal

QUIET: Progress = lambda stage, done, total: None  # noqa: E731
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


class Domain(Noun):
    """A field of questions: its name, keywords to ask about, and rules of its style."""

    domain: str = Field(min_length=1)
    keywords: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """Prompts that were made or marked, with counts and what was left out."""

    turns: tuple[Turn, ...]
    counts: dict[str, int] = field(default_factory=dict)
    skipped: tuple[Skip, ...] = ()


def asked_text(turn: Turn) -> str:
    """What the user said since the assistant's last reply."""
    texts: list[str] = []
    for message in reversed(turn.context):
        if message.role == "assistant":
            break
        if message.role == "user":
            texts.append(message.content)
    return "\n".join(reversed(texts))


def paraphrase(
    turns: Sequence[Turn], asking: Asking, count: int = 2, progress: Progress = QUIET
) -> Made:
    """The turns again, the user's newest message in other words; replies and feedback stay.

    A paraphrase that changes a number, or says the same as the text or another paraphrase, is
    dropped and counted. The new turns' ids are the old one's with `~1`, `~2`.
    """
    able = [t for t in turns if asked_text(t)]
    skipped = [
        Skip(what="turn", reason="the user says nothing in it", where=t.id)
        for t in turns
        if not asked_text(t)
    ]
    newest = [_newest(t) for t in able]
    texts = [t.context[i].content for t, i in zip(able, newest, strict=True)]
    answers = asking.ask(
        paraphrase_requests(turns, asking, count),
        lambda done, total: progress("paraphrase", done, total),
    )
    made: list[Turn] = []
    for turn, i, text, answer in zip(able, newest, texts, answers, strict=True):
        if not isinstance(answer, Answer):
            skipped.append(failed(answer, "turn", turn.id))
            continue
        good, bad = faithful(text, answer.data.paraphrases[:count], turn.id)
        skipped += bad
        provenance = asking.made(turn.provenance, "paraphrase", parents=(turn.id,))
        for k, words in enumerate(good, start=1):
            said = Message(role="user", content=words)
            update = {
                "id": f"{turn.id}~{k}",
                "context": (*turn.context[:i], said, *turn.context[i + 1 :]),
                "provenance": provenance,
            }
            made.append(turn.model_copy(update=update))
    return Made(tuple(made), {"turns": len(turns), "paraphrases": len(made)}, tuple(skipped))


def paraphrase_requests(turns: Sequence[Turn], asking: Asking, count: int = 2) -> list[Request]:
    """What `paraphrase` asks: of each turn the user's newest message."""
    return [
        asking.request(
            "paraphrase", {"text": t.context[_newest(t)].content, "count": count}, about=t.id
        )
        for t in turns
        if asked_text(t)
    ]


def _newest(turn: Turn) -> int:
    return max(i for i, m in enumerate(turn.context) if m.role == "user")


def faithful(text: str, paraphrases: Sequence[str], where: str) -> tuple[list[str], list[Skip]]:
    """The paraphrases that keep the text's numbers and say it in other words, and the others."""
    seen = {normal(text)}
    good: list[str] = []
    bad: list[Skip] = []
    for words in (w.strip() for w in paraphrases):
        reason = ""
        if not words or normal(words) in seen:
            reason = "it says nothing new"
        elif Counter(_NUMBER.findall(words)) != Counter(_NUMBER.findall(text)):
            reason = "it changes a number"
        if reason:
            bad.append(Skip(what="paraphrase", reason=reason, where=where))
        else:
            seen.add(normal(words))
            good.append(words)
    return good, bad


def classify(turns: Sequence[Turn], asking: Asking, progress: Progress = QUIET) -> Made:
    """The turns with the tag "category", one of `CATEGORIES` (RLHF thesis, section 7.3)."""
    texts = [asked_text(t) for t in turns]
    able = [(t, text) for t, text in zip(turns, texts, strict=True) if text]
    answers = asking.ask(
        [asking.request("classify", {"prompt": text}, about=t.id) for t, text in able],
        lambda done, total: progress("classify", done, total),
    )
    made: list[Turn] = []
    skipped = [
        Skip(what="turn", reason="the user says nothing in it", where=t.id)
        for t, text in zip(turns, texts, strict=True)
        if not text
    ]
    counts: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
    for (turn, _), answer in zip(able, answers, strict=True):
        if not isinstance(answer, Answer):
            skipped.append(failed(answer, "turn", turn.id))
            continue
        category = answer.data.category
        counts[category] += 1
        made.append(turn.model_copy(update={"tags": {**turn.tags, "category": category}}))
    return Made(tuple(made), {"turns": len(turns), **counts}, tuple(skipped))


def write_questions(
    domains: Sequence[Domain],
    asking: Asking,
    count: int = 5,
    together: int = 5,
    progress: Progress = QUIET,
) -> Made:
    """Questions about each domain's keywords (section 4.3 of the reference on prompts for RLHF).

    Args:
        domains: names, keywords and rules of style.
        asking: the model and the prompt `questions`.
        count: questions per keyword.
        together: keywords in one question to the model.
        progress: called as (stage, done, total).
    """
    parts = _parts(domains, together)
    answers = asking.ask(
        question_requests(domains, asking, count, together),
        lambda done, total: progress("questions", done, total),
    )
    pool = Pool(asking, "questions")
    for (domain, keywords), answer in zip(parts, answers, strict=True):
        if not isinstance(answer, Answer):
            pool.skipped.append(failed(answer, "keywords", domain.domain))
            continue
        known = {normal(k): k for k in keywords}
        written: Counter[str] = Counter()
        for one in answer.data.questions:
            keyword = known.get(normal(one.keyword))
            if keyword is None:
                pool.leave("its keyword was not asked about", domain.domain)
            elif written[keyword] >= count:
                pool.leave("more than were asked for", domain.domain)
            else:
                written[keyword] += 1
                pool.add(one.question, {"domain": domain.domain, "keyword": keyword})
        for keyword in keywords:
            if not written[keyword]:
                reason = "no question was written"
                where = f"{domain.domain}: {keyword}"
                pool.skipped.append(Skip(what="keyword", reason=reason, where=where))
    keywords_in_all = sum(len(d.keywords) for d in domains)
    counts = {"domains": len(domains), "keywords": keywords_in_all, "questions": len(pool.turns)}
    return Made(tuple(pool.turns), counts, tuple(pool.skipped))


def question_requests(
    domains: Sequence[Domain], asking: Asking, count: int = 5, together: int = 5
) -> list[Request]:
    """What `write_questions` asks."""
    return [
        asking.request(
            "questions",
            {
                "domain": domain.domain,
                "keywords": list(keywords),
                "rules": list(domain.rules),
                "count": count,
            },
            about=domain.domain,
        )
        for domain, keywords in _parts(domains, together)
    ]


def _parts(domains: Sequence[Domain], together: int) -> list[tuple[Domain, tuple[str, ...]]]:
    """Each domain's keywords, so many at a time."""
    return [
        (d, d.keywords[i : i + together])
        for d in domains
        for i in range(0, len(d.keywords), together)
    ]


class Pool:
    """Questions that were written, each once."""

    def __init__(self, asking: Asking, task: str) -> None:
        self.turns: list[Turn] = []
        self.skipped: list[Skip] = []
        self._made = asking.made(Provenance(), task)
        self._seen: set[str] = set()

    def add(self, text: str, tags: dict[str, str]) -> None:
        """Add a question; an empty or repeated one is counted instead."""
        words = text.strip()
        if not words or normal(words) in self._seen:
            self.leave("it is empty" if not words else "it was written before", tags["domain"])
            return
        self._seen.add(normal(words))
        said = (Message(role="user", content=words),)
        self.turns.append(Turn(context=said, tags=tags, provenance=self._made))

    def leave(self, reason: str, where: str) -> None:
        self.skipped.append(Skip(what="question", reason=reason, where=where))
