"""How far a negation reaches in a sentence: what it denies and what it leaves asserted."""

from __future__ import annotations

import re
from functools import lru_cache

# What looks like a negation and denies nothing of what follows: "no problem", "don't forget to",
# "not more than 3 days", "why not", a polite "won't you", a "no" that answers.
_NO_DENIAL = (
    r"(?:don't|do not|never|not|no|without)(?: need to| any| a| further)? (?:ever )?"
    r"(?:worr|problem|doubt|hesitat|idea|forget|fail\b|delay|question\b|further ado|bother\b)"
    r"|not (?:only|just|least|to mention|to worry)\b|no(?:t)? (?:later|fewer|less|more) than\b"
    r"|no later\b|no(?=,)|no matter\b"
    r"|(?:not|never|no|[a-z]+n't) (?:\w+ ){0,2}(?:longer|more|later|less|fewer) than\b"
    r"|(?:cannot|can't|can not|couldn't) (?:\w+ ){0,4}enough\b"
    r"|(?:cannot|can't|can not) (?:\w+ )?(?:tell|say)(?: you)? how\b"
    r"|couldn't be (?:more|happier|sorrier)\b|(?:won't|can't|couldn't|wouldn't|don't) you\b"
    r"|nothing (?:but|to (?:worry|fear|lose))\b"
)
_NEGATION = re.compile(
    rf"(?<!why )\b(?!{_NO_DENIAL})"
    r"(?:not|never|no|none|nobody|nothing|without|cannot|nor|neither|avoid|refrain|hardly"
    r"|[a-z]+n't|dont|cant|wont|didnt|doesnt|isnt|arent|unable|rather than|instead of"
    r"|refus(?:e|es|ed|ing)|declin(?:e|es|ed|ing)|forbidden|far from|fail(?:s|ed)? to)\b",
    re.IGNORECASE,
)
# A mention that its own clause denies afterwards: "a photo is not needed".
_DENIED = re.compile(
    r"[^.!?;:,\n]{0,60}?\b(?:(?:is|are|was|were|will|can|would)(?: not|n't|not| no longer| never)"
    r"(?: be)?(?: \w+)? (?:possible|available|needed|necessary|required|offered|sent|an option"
    r"|given|granted|asked for|wanted|promised|guaranteed|allowed|permitted|included|planned)"
    r"|(?:is|are) (?:unnecessary|impossible|out of the question|off the table)"
    r"|(?:i|we) (?:do not|don't|will not|won't|shall not|shan't|never) (?:need|want|require))\b",
    re.IGNORECASE,
)
# Where the reach of a negation ends: sentence ends, contrasting conjunctions, what is waited for
# ("not until you ..."), the comma after a subordinate clause, and the next clause with a verb.
_VERB = (
    r"(?:is|are|was|were|will|can|has|have|may|would|should|must|takes?|gets?|goes?|costs?|runs?"
    r"|pays?|lasts?|comes?|needs?|appl(?:y|ies))"
)
_CLAUSE_END = re.compile(
    r"[.!?;:\n]| [-\u2013\u2014] |,?\s\b(?:but|however|though|instead|yet)\b"
    r"|(?:,|,? (?:and|so|then))\s"
    r"(?=(?:i|we|you|it|he|she|they|this|that|there|please|your|our|the|just|only|rather)\b)"
    r"|,? and (?=(?:for (?:this|that) reason|therefore|thus|hence|as an? |in return|by way of)\b)"
    r"|,? and (?=(?:would|must|suggest|recommend)\b)"
    r"|,? (?:until|till|unless|before|because) (?=(?:i|we|you)\b)"
    r"|,? (?=if (?:you had|you'd|only you)\b)"
    r"|(?:^|(?<=[.!?;:,] ))(?:if|when|since|because|although|while|should)\b[^.!?;:,\n]{0,80},\s"
    r"(?=(?:give|tell|send|share|type|enter|call|phone|ring|read|write|try|take|use|change|keep"
    r"|confirm|let|do|simply|set|choose|pick|contact|ask)\b)"
    r"|,\s(?:(?:and|so)\s)?"
    rf"(?=(?!or\b|nor\b|and\b)[\w'-]+ (?:(?!or\b|nor\b|and\b)[\w'-]+ ){{0,4}}{_VERB}\b)",
    re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def _clause_ends(text: str) -> tuple[int, ...]:
    return tuple(match.end() for match in _CLAUSE_END.finditer(text))


def negated(text: str, start: int) -> bool:
    """Whether the match that begins at `start` stands after a negation in its own clause."""
    begin = max((end for end in _clause_ends(text) if end <= start), default=0)
    # Searched beyond `start`, as what follows may show that it is none: "cannot thank you enough".
    before = _NEGATION.search(text, begin)
    return (before is not None and before.end() <= start) or bool(_DENIED.match(text, start))
