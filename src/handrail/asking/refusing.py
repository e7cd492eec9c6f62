"""What a reply answers, and how a model says that it will not."""

from __future__ import annotations

import re

from handrail.records import Unreadable

# A reasoning model thinks aloud before it answers; what it weighs there is no answer.
_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>(?P<rest>.*)", re.DOTALL | re.IGNORECASE)

_ABLE = (
    r"(?:can(?:no|')t|can not|could(?: no|n')t|won't|will not|am (?:not|un)(?: )?able to"
    r"|'m (?:not|un)(?: )?able to|must not|may not|am not allowed to|'m not allowed to"
    r"|am not comfortable|'m not comfortable|refuse to|must (?:respectfully )?(?:decline|refuse)"
    r"|have to (?:decline|refuse)|decline to|prefer not to|would rather not|'d rather not)"
)
_REFUSED = re.compile(
    rf"\b(?:i|we)\s?{_ABLE}\b"
    r"|\b(?:sorry|apologi[sz]e|unfortunately|afraid)\b[^.!?]{0,80}\b(?:can't|cannot|unable"
    r"|not able)"
    r"|\bas an? (?:ai|artificial|large language|language)\b[^.!?]{0,80}\b(?:can't|cannot|unable"
    r"|not able|do not|don't|must)"
    r"|\bagainst (?:my|our|the) (?:\w+ )?(?:guidelines|policy|policies|principles|rules)"
    r"|\b(?:violates?|conflicts? with) (?:my|our) (?:\w+ )?(?:guidelines|polic|principles)"
    r"|\bnot (?:something|a (?:task|request|conversation)) (?:that )?(?:i|we)(?: can|'m able"
    r"| am able)",
    re.IGNORECASE,
)
_LOOKED_AT = 600  # characters: a refusal says so early


def answer_of(text: str) -> str:
    """The reply without the thoughts that it begins with, and without the space around it.

    Raises:
        Unreadable: it is empty, or ends within its thoughts.
    """
    thought = _THOUGHT.match(text)
    if thought is not None:
        end = re.search(rf"</{thought[1]}>", text, re.IGNORECASE)
        if end is None:
            raise Unreadable("it ends before the answer")
        text = text[end.end() :]
    if not text.strip():
        raise Unreadable("it is empty")
    return text.strip()


def refuses(text: str) -> bool:
    """Whether the words are those of a model that declines; asked where no answer was found."""
    return _REFUSED.search(text[:_LOOKED_AT].replace("\u2019", "'")) is not None


def no_answer(text: str, problem: str) -> Unreadable:
    """Why nothing was found in a text: the model declined, or `problem`."""
    if refuses(text):
        return Unreadable("it declines to answer", "refusal")
    return Unreadable(problem)
