"""Shorter wordings of English replies by rule, where no language model is at hand.

The RLHF thesis has its language model write each low reply "clear, concise, unnecessary details
omitted". These rules do the plain part of that: they leave out asides, fillers and closing
remarks, and shorten what is said in many words. The same text always gives the same paraphrase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from handrail.records import Skip

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_ASIDE = re.compile(r"\s*\([^()]*\)")
# Words that can go without a loss; each with the comma or space that belongs to it.
_FILLERS = re.compile(
    r"\b(?:really|very|just|actually|basically|simply|quite|of course|please|kindly|also"
    r"|as i said|as you know|to be honest|i think|i believe|i guess|in fact|well)\b,? ?",
    re.IGNORECASE,
)
_SHORTER = (
    ("in order to", "to"),
    ("due to the fact that", "because"),
    ("at this point in time", "now"),
    ("as soon as possible", "soon"),
    ("a lot of", "much"),
    ("is able to", "can"),
    ("are able to", "can"),
    ("would like to", "want to"),
    ("I have checked", "I checked"),
    ("I have read", "I read"),
    ("I have noted", "I noted"),
    ("I am sorry", "sorry"),
    ("I am", "I'm"),
    ("you are", "you're"),
    ("we are", "we're"),
    ("it is", "it's"),
    ("that is", "that's"),
    ("there is", "there's"),
    ("do not", "don't"),
    ("does not", "doesn't"),
    ("cannot", "can't"),
    ("will not", "won't"),
    ("I will", "I'll"),
    ("we will", "we'll"),
    ("could you", "can you"),
    ("may I have", "what is"),
    ("purchase", "buy"),
    ("assist", "help"),
    ("require", "need"),
    ("however", "but"),
    ("approximately", "about"),
    ("regarding", "about"),
    ("additional", "more"),
    ("immediately", "at once"),
)
_SHORT_FORMS = tuple(
    (re.compile(rf"\b{re.escape(long)}\b", re.IGNORECASE), short) for long, short in _SHORTER
)


@runtime_checkable
class Paraphraser(Protocol):
    """Says each text in other words, or why it does not."""

    @property
    def name(self) -> str: ...

    def paraphrase(self, texts: Sequence[str]) -> list[str | Skip]: ...


class RuleParaphraser:
    """`Paraphraser` by the rules of this file; for English texts."""

    name = "rules"

    def paraphrase(self, texts: Sequence[str]) -> list[str | Skip]:
        """A shorter wording of each text; a `Skip` where no rule finds anything to shorten."""
        return [_shorter(text) for text in texts]


def _shorter(text: str) -> str | Skip:
    said = [s for s in _SENTENCE.split(_ASIDE.sub("", text.strip())) if s.strip()]
    if len(said) > 3:  # the last sentence of a long reply mostly offers more or takes leave
        said = said[:-1]
    short = " ".join(filter(None, map(_sentence, said)))
    if not re.search(r"\w", short) or short == text.strip():
        return Skip(what="paraphrase", reason="the rules find nothing to shorten")
    return short


def _sentence(sentence: str) -> str:
    """A sentence in fewer words, its first letter as it was written."""
    short = _FILLERS.sub("", sentence)
    for pattern, form in _SHORT_FORMS:
        short = pattern.sub(form, short)
    short = re.sub(r"\s+([.,!?])", r"\1", re.sub(r"\s+", " ", short)).strip(" ,")
    if not re.search(r"\w", short):
        return ""
    return short[0].upper() + short[1:] if sentence[:1].isupper() else short
