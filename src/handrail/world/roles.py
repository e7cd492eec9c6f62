"""Who speaks: an agent who takes the customer's part, greets again, or asks again."""

from __future__ import annotations

import re

from handrail.world.lexicon import content, flat, joined, words
from handrail.world.source import Source, sentences, straight


def misplaced(source: Source, reply: str) -> str:
    """Speaking as the customer, greeting again, asking again for what was given."""
    spoken = joined("as_customer").search(reply)
    if spoken and not reply[: spoken.start()].rstrip().endswith(('"', "'")):
        before = reply[: spoken.start()].lower()
        if not re.search(r"\b(?:say|said|says)\W*$", before):
            return f"speaks as the customer: {spoken.group()}"
    for question in sentences(reply):
        own = _OWN.search(question) if question.endswith("?") else _BIDS.search(question)
        if own and any(flat(question) in flat(earlier) for earlier in source.agent):
            return "asks the same again"
    if parrots(source, reply) or owns(source, reply):
        return "says the customer's words as its own"
    if _agreed(source) and any(
        _OFFER.match(q) and any(flat(q) in flat(earlier) for earlier in source.agent)
        for q in sentences(reply)
    ):
        return "asks again what the customer has agreed to"
    if source.agent:
        again = [s for s in sentences(reply) if joined("greetings").match(s)]
        named = again and re.match(
            r"(?i)(?:well |oh )?(?:hello|hi|hey)(?: again| there)?,? (?-i:[A-Z][a-z]+)\b", again[0]
        )
        if again and not named:
            return "greets again"
        if _OPENS.search(reply):
            return "opens again"
        asked = re.search(
            r"\b(?:give|tell|share|have|provide|what is|what's|need|send|confirm|state|know|type"
            r"|write|note)\b[^.?!]{0,30}"
            r"\b(account|customer|order|phone|contract) number\b"
            r"(?! (?:at hand|to hand|ready|handy|with you))",
            reply,
            re.IGNORECASE,
        )
        if asked and _given(source, asked.group(1).lower()):
            return f"asks again for the {asked.group(1)} number"
    return ""


# Asks without a question mark, and what they ask for.
_OWN = re.compile(r"\b(?:your|number|digits|name)\b")
_BIDS = re.compile(
    r"\b(?:(?:please|kindly|pls) (?:\w+ )?(?:give|tell|state|send|share|provide|type"
    r"|write|name)|tell me|give me|let me (?:have|know)) [^.?!]{0,25}"
    r"\b(?:number|digits|name|postcode|birth|word)\b",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"\b(?:how (?:can|may|could)|what can) (?:i|we) (?:help|assist|do for) you"
    r"(?! (?:further|next|best|from here|with (?:it|this|that)|there|reach))\b",
    re.I,
)
_OFFER = re.compile(r"(?:shall|should|may|can) i\b|do you (?:want|confirm)|would you like", re.I)
_YES = re.compile(r"(?:yes|sure|okay|ok|please do|go ahead|that is right|correct)\b", re.I)


def _agreed(source: Source) -> bool:
    """Whether the customer's newest message says yes."""
    return bool(_YES.match(source.newest))


# A question that a customer puts to the agent.
_TO_AGENT = re.compile(r"(?:and |so |but )?(?:do|can|could|will|would|are|have|did) you\b")


def parrots(source: Source, reply: str) -> bool:
    """Whether a sentence of the reply repeats what the customer said of himself."""
    told = [m.content for m in source.turn.context if m.role == "user"]
    users = [flat(text) for text in told]
    whole = {flat(s) for text in told for s in sentences(text)}
    for sentence in sentences(reply):
        said = flat(straight(sentence))
        if said in whole and len(said.split()) >= 4 and not sentence.endswith("?"):
            return True
        own = re.match(r"(?:i|my|we)\b|.* (?:i|my) ", said) or (
            sentence.endswith("?") and _TO_AGENT.match(said)
        )
        if own and len(said.split()) >= 5 and any(said in user for user in users):
            return True
    return False


# Words of the customer's own: what he has, and what he wants.
_MINE = re.compile(r"\b(?:my|our) (?:own |new |old |poor |blue |\w+ing )?(\w{3,})")
_WANTS = re.compile(
    r"\b(?:i|we)(?: really| just| only| still| also)? (?:need|want|wish|demand|bought|ordered"
    r"|lost|own)\b"
    r"|\b(?:i|we)(?:'d| would| should) (?:really |just )?(?:like|love|prefer) (?:a|an|the|to)\b"
    r"(?! (?:see|check|know|look|understand|hear|find|help|confirm|make|ask|thank|apologi|offer|add"
    r"|say))"
    r"|\b(?:i'm|i am|we're|we are) (?:after|looking for|waiting for)\b"
)


def owns(source: Source, reply: str) -> bool:
    """Whether the agent speaks of the customer's things or wishes as its own."""
    users = [text.lower() for text in source.user]
    own = {noun for user in users for noun in _MINE.findall(user)} - words("agents_own")
    agent = {noun for text in source.agent for noun in _MINE.findall(text.lower())}
    for sentence in sentences(reply):
        low = straight(sentence).lower()
        if '"' in low or re.search(r"\b(?:you|your)\b", low):
            continue
        if any(noun in own - agent and f"our {noun}" not in low for noun in _MINE.findall(low)):
            return True
        if _WANTS.search(low):
            meant = content(low)
            if len(meant) >= 2 and any(meant <= content(user) for user in users):
                return True
    return False


_NUMBER = re.compile(r"\b[a-z]{0,3}-?\d{4,}\b", re.IGNORECASE)


def _given(source: Source, kind: str) -> bool:
    """Whether the customer gave this number already (and no rule asks to confirm it)."""
    if any(f"{kind} number" in rule.lower() and "sent" in rule.lower() for rule in source.rules):
        return False
    users = "\n".join(source.user)
    if re.search(rf"\b{kind} number\b[^.?!]{{0,15}}\b[a-z]{{0,3}}\d{{3,}}", users, re.IGNORECASE):
        return True
    asked = False
    for message in source.turn.context:
        if message.role == "assistant":
            asked = bool(re.search(rf"\b{kind} number\b", message.content, re.IGNORECASE))
        elif message.role == "user" and asked and _NUMBER.search(message.content):
            return True
    return bool(
        re.search(rf"\b{kind} number\b", "\n".join(source.agent[-2:]), re.IGNORECASE)
        and re.search(r"\b[a-z]{0,3}\d{4,}\b", source.newest, re.IGNORECASE)
    )
