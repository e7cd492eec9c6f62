"""Who speaks: an agent who takes the customer's part, greets again, or asks again."""

from __future__ import annotations

import re

from handrail.world.lexicon import flat, joined
from handrail.world.source import Source, sentences, straight


def misplaced(source: Source, reply: str) -> str:
    """Speaking as the customer, greeting again, asking again for what was given."""
    spoken = joined("as_customer").search(reply)
    if spoken and not reply[: spoken.start()].rstrip().endswith(('"', "'")):
        before = reply[: spoken.start()].lower()
        if not re.search(r"\b(?:say|said|says)\W*$", before):
            return f"speaks as the customer: {spoken.group()}"
    for question in sentences(reply):
        own = question.endswith("?") and re.search(r"\b(?:your|number|digits|name)\b", question)
        if own and any(flat(question) in flat(earlier) for earlier in source.agent):
            return "asks the same again"
    if parrots(source, reply):
        return "says the customer's words as its own"
    if _agreed(source) and any(
        _OFFER.match(q) and any(flat(q) in flat(earlier) for earlier in source.agent)
        for q in sentences(reply)
    ):
        return "asks again what the customer has agreed to"
    if source.agent:
        greeted = any(joined("greetings").match(s) for a in source.agent for s in sentences(a))
        again = [s for s in sentences(reply) if joined("greetings").match(s)]
        named = again and re.match(r"(?i)(?:hello|hi|hey),? (?-i:[A-Z][a-z]+)\b", again[0])
        if again and (greeted or len(source.agent) > 1 or not named):
            return "greets again"
        if re.search(
            r"\bhow (?:can|may|could) (?:i|we) (?:help|assist) you\b", reply, re.IGNORECASE
        ):
            return "opens again"
        asked = re.search(
            r"\b(?:give|tell|share|have|provide|what is|need|send|confirm)\b[^.?!]{0,30}"
            r"\b(account|customer|order|phone|contract) number\b",
            reply,
            re.IGNORECASE,
        )
        if asked and _given(source, asked.group(1).lower()):
            return f"asks again for the {asked.group(1)} number"
    return ""


_OFFER = re.compile(r"(?:shall|should|may|can) i\b|do you (?:want|confirm)|would you like", re.I)
_YES = re.compile(r"(?:yes|sure|okay|ok|please do|go ahead|that is right|correct)\b", re.I)


def _agreed(source: Source) -> bool:
    """Whether the customer's newest message says yes."""
    return bool(_YES.match(source.newest))


def parrots(source: Source, reply: str) -> bool:
    """Whether a sentence of the reply repeats what the customer said of himself."""
    users = [flat(m.content) for m in source.turn.context if m.role == "user"]
    for sentence in sentences(reply):
        said = flat(straight(sentence))
        own = re.match(r"(?:i|my|we)\b", said)
        if own and len(said.split()) >= 5 and any(said in user for user in users):
            return True
    return False


def _given(source: Source, kind: str) -> bool:
    """Whether the customer gave this number already (and no rule asks to confirm it)."""
    if any(f"{kind} number" in rule.lower() and "sent" in rule.lower() for rule in source.rules):
        return False
    users = "\n".join(straight(m.content) for m in source.turn.context if m.role == "user")
    if re.search(rf"\b{kind} number\b[^.?!]{{0,15}}\b[a-z]{{0,3}}\d{{3,}}", users, re.IGNORECASE):
        return True
    return bool(
        re.search(rf"\b{kind} number\b", "\n".join(source.agent[-2:]), re.IGNORECASE)
        and re.search(r"\b[a-z]{0,3}\d{4,}\b", source.newest, re.IGNORECASE)
    )
