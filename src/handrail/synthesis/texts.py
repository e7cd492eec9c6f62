"""Single texts in other words by a language model: replies, where `paraphrase` is of prompts."""

from __future__ import annotations

from collections.abc import Sequence

from handrail.records import Answer, Skip
from handrail.synthesis.ask import Asking, Progress, failed
from handrail.synthesis.prompts import QUIET, faithful


def paraphrase_texts(
    texts: Sequence[str], asking: Asking, progress: Progress = QUIET
) -> list[str | Skip]:
    """Each text in other words, or why there is none; equal texts are asked about once.

    As with `paraphrase`, one that changes a number or says nothing new is dropped.
    """
    each = list(dict.fromkeys(texts))
    requests = [
        asking.request("paraphrase", {"text": text, "count": 1}, about=f"text {n}")
        for n, text in enumerate(each, start=1)
    ]
    answers = asking.ask(requests, lambda done, total: progress("paraphrase", done, total))
    found: dict[str, str | Skip] = {}
    for text, answer in zip(each, answers, strict=True):
        if not isinstance(answer, Answer):
            found[text] = failed(answer, "paraphrase")
            continue
        good, bad = faithful(text, answer.data.paraphrases[:1], "")
        found[text] = good[0] if good else bad[0]
    return [found[text] for text in texts]
