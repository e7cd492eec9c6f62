"""Naturalness: whether a reply is well-formed and goes on coherently from its context."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from handrail.world.facts import digits
from handrail.world.lexicon import bad_pairs, content, either, flat, joined, known, wordlike, words
from handrail.world.matter import strays, topical
from handrail.world.phrases import table
from handrail.world.roles import misplaced
from handrail.world.source import Source, sentences, straight

_TOKEN = re.compile(r"(?<![\dA-Za-z])[A-Za-z]+(?:'[A-Za-z]+)?")
_ENDS = re.compile(r"[.!?)\"'\u2026]$|[:;]-?[)(DP]$|[\u2600-\u27bf\U0001f300-\U0001faff]$")
_REPEAT = re.compile(r"\b(\w+(?: \w+){2,5})[ ,.]+\1\b", re.IGNORECASE)
_TWICE = re.compile(
    r"\b(?!(?:that|had|very|really|no|bye|ha|haha|so|is|do|yes|many|much|long|you|her|it|in|on|never"
    r"|far|more|again|over|please|sorry|now|there|ok|okay|well|good|far|hi|hello|thanks|oh|all) )"
    r"(\w+) \1\b",
    re.I,
)
# Two words said again at once ("a good weekend, good weekend"), but not "so sorry, so sorry".
_ECHO = re.compile(
    r"\b(?!(?:i|so|very|oh|no|not|yes|thank|many|of|please|we|you|it|that|well|there|good|bye)\b"
    r"(?! week| day| even))([a-z]\w+ [a-z]\w{2,}),? \1\b",
    re.I,
)
_CAMEL = re.compile(r"[A-Z]+[a-z]+[A-Z]\w*")
_PAIR = re.compile(r"[A-Za-z']+|[^A-Za-z'\s]+")


def garbled(source: Source, reply: str) -> str:
    """Why a reply is no well-formed English text, or nothing."""
    tokens = _TOKEN.findall(reply)
    if not tokens:
        return "empty"
    if joined("role_marks").search(reply):
        return "marks that no agent writes"
    opening = {s.split()[0].strip(",.!?") for s in sentences(reply)}
    strange = [
        t
        for t in tokens
        if "'" not in t
        and len(t) > 1
        and not known(t.lower())
        and t.lower() not in source.words
        and not (t[0].isupper() and (wordlike(t.lower()) or t not in opening))
        and not (t.isupper() and len(t) <= 5)
    ]
    links = re.findall(r"\S+\.\w+", reply)
    strange = [t for t in strange if not any(t in link for link in links)]
    strange = [t for t in strange if not _CAMEL.fullmatch(t)]
    odd = [t for t in strange if not wordlike(t.lower())]
    # One unknown word is a rare word or a slip; several, or one without a vowel, are no English.
    impossible = any(len(t) > 3 and not re.search("[aeiouy]", t.lower()) for t in odd)
    if impossible or len(odd) > 1 or len(strange) > max(1, len(tokens) // 8):
        return f"no words: {', '.join(strange)}"
    parts = _PAIR.findall(reply.replace(" May ", " month ").lower())
    for first, second in pairwise(parts):
        if (first, second) in bad_pairs():
            return f"no English: {first} {second}"
    if _TWICE.search(reply) or _REPEAT.search(reply) or _ECHO.search(reply):
        return "words repeated"
    if _again(reply):
        return "words said again"
    for sentence in sentences(reply):
        bare = sentence.rstrip(" .!\"')").lower().split()
        if (
            len(bare) > 2
            and bare[-1] in words("broken_ends")
            and sentence.rstrip().endswith((".", "!"))
        ):
            return f"cut off after '{bare[-1]}'"
    return _cut_off(source, reply)


_LINK = 6  # so many words in a row are said once in a reply


def _again(reply: str) -> bool:
    """Whether a reply holds the same run of words twice."""
    said = flat(reply).split()
    runs = [tuple(said[i : i + _LINK]) for i in range(len(said) - _LINK + 1)]
    return len(set(runs)) < len(runs)


def _cut_off(source: Source, reply: str) -> str:
    """Whether the reply stops in mid-sentence."""
    end = _unsigned(source, reply.rstrip())
    if not _TOKEN.search(end):
        return ""
    last = _TOKEN.findall(end)[-1].lower()
    if _ENDS.search(end):
        final = sentences(end)[-1]
        closed = end.rstrip(".!?\"')")
        dangles = last in words("dangling") and closed.lower().endswith(last)
        hard = last in words("hard_ends") and dangles
        return f"cut off after '{last}'" if hard and len(_TOKEN.findall(final)) > 1 else ""
    tail = re.split(r"[.!?]\s", end)[-1].lower().strip()
    if any(f'"{tail}"' in rule.lower() for rule in source.rules):
        return ""  # a slogan or signature that a rule asks for
    if end.endswith((",", ";", ":", "-")):
        return f"cut off after '{last}'"
    # Without a full stop a whole sentence may end in a pronoun ("here for you", "as soon as we
    # can"), hardly in an article, or in a pronoun that begins a clause.
    before = tail.split()[-2] if len(tail.split()) > 1 else ""
    if last in words("dangling"):
        if last in words("may_end"):
            begun = before in words("clause_begins") or before.endswith(",")
            whole = (
                before in words("subjects") if last in words("ends_after_subject") else not begun
            )
            if whole:
                return ""
        return f"cut off after '{last}'"
    if last in words("modifiers") and len(tail.split()) > 3:
        return f"cut off after '{last}'"
    clause = re.split(r",|\b(?=and\b|because\b|if\b|when\b|which\b)", tail)[-1].split()
    return f"cut off in '{' '.join(clause)}'" if _only_begun(clause) else ""


def _unsigned(source: Source, reply: str) -> str:
    """The reply without the slogan or signature that a rule sets at its end."""
    for rule in source.rules:
        for quoted in re.findall(r'"([^"]+)"', rule):
            bare = reply.rstrip(" .!,")
            own = bare[len(bare) - len(quoted) :]
            if own.lower() == quoted.lower() and own[:1].isupper():
                return bare[: len(bare) - len(quoted)].rstrip()
    return reply


def _only_begun(clause: list[str]) -> bool:
    """Whether a last clause is a subject alone: "and the router"."""
    begins = bool(clause) and clause[0] in ("because", "if", "when", "which")
    return begins and len(clause) <= 3 and clause[-1] not in ("possible", "needed", "not", "so")


def repeats(source: Source, reply: str) -> str:
    """Whether the reply says again what the agent said, or one sentence twice."""
    plain = [flat(s) for s in sentences(reply)]
    long = [s for s in plain if len(s.split()) >= 4]
    if len({" ".join(sorted(s.split())) for s in long}) < len(long):
        return "a sentence twice"
    if any(a == b and len(a.split()) > 1 for a, b in pairwise(plain)):
        return "a sentence twice"
    mine_words = flat(reply).split()
    for earlier in source.agent:
        theirs = flat(earlier).split()
        if len(mine_words) >= 5 and _alike(mine_words, theirs):
            return "an earlier reply again"
        if len(mine_words) >= 5 and " ".join(mine_words) in map(flat, sentences(earlier)):
            return "a part of an earlier reply again"
    return ""


def _alike(a: list[str], b: list[str]) -> bool:
    """Whether two texts share nine words in ten."""
    both = len(set(a) & set(b))
    return (
        both >= 0.9 * max(len(set(a)), len(set(b)))
        and abs(len(a) - len(b)) <= 4
        and "shall" not in set(a) ^ set(b)
    )


_DONE = re.compile(
    r"\b(?:everything|that|it|all)(?: is|'s) (?:now )?(?:all )?(?:done|set|finished|completed)\b",
    re.IGNORECASE,
)
_LEAVES = re.compile(
    r"\b(?:good ?bye|bye(?: for now)?|farewell)\b"
    r"|\bglad (?:that )?(?:i|we) could help(?=[.!]|$)|\bit was (?:my|our|a) pleasure\b"
    r"|\b(?:you are|you're)(?: very| most)? welcome(?! (?:to|at|here))",
    re.IGNORECASE,
)


def unresponsive(source: Source, reply: str) -> str:
    """Whether the reply passes over the newest user message."""
    newest, low = source.newest, reply.lower()
    if not newest:
        return ""
    busy = "?" in newest or len(newest.split()) > 4
    if busy and not _parting().search(newest) and _LEAVES.search(reply):
        return "takes leave in the middle"
    if _DONE.search(reply) and not source.agent:
        return "calls done what was not asked for"
    said = digits(low)
    meant = content(said)
    foreign = (meant & topical()) - source.stems
    if foreign and not meant & source.told and not joined("wares").search(low):
        return f"another matter: {', '.join(sorted(foreign))}"
    if _hears(source, said) or _by_rule(source, meant):
        return ""
    if _only_parts(newest):
        return "passes over the thanks or the goodbye"
    if any(_meets(kind).search(said) for kind in _kinds(newest)):
        return ""
    # To name the matter, to ask something back or to show that one listens is to go on from it.
    if meant & source.told or "?" in reply:
        return ""
    if ("?" not in newest or not source.agent) and joined("hearing").search(said):
        return ""
    return "passes over what the customer said"


def _by_rule(source: Source, meant: frozenset[str]) -> bool:
    """Whether the reply does what a rule asks for at some moment, in words of that rule."""
    playbook = source.turn.playbook
    for rule in playbook.guardrails if playbook else ():
        check = rule.check
        if check is None or not (check.when.user or check.when.shown):
            continue
        if len((content(rule.text) - _rule_words()) & meant) >= 2:
            return True
    return False


def _rule_words() -> frozenset[str]:
    """Stems of words by which rules speak of replies, not of a matter."""
    return content(str(table("oracle")["rule_words"]))


@lru_cache(maxsize=256)
def _asks(kind: str) -> re.Pattern[str]:
    """How customers put a message of this kind."""
    needs = table("needs")[kind]
    return either(needs["asks"] if "asks" in needs else table("triggers")[kind])


@lru_cache(maxsize=256)
def _meets(kind: str) -> re.Pattern[str]:
    """What a fitting answer to it holds."""
    return either(table("needs")[kind]["needs"])


@lru_cache(maxsize=1)
def _parting() -> re.Pattern[str]:
    """A customer who thanks or takes leave."""
    return either(table("triggers")["done"] + table("triggers")["thanks"])


def _only_parts(message: str) -> bool:
    """Whether a message thanks or takes leave and says nothing else."""
    return (
        "?" not in message
        and len(message.split()) <= 9
        and not re.search(r"\d", message)
        and bool(_parting().search(message))
        and not any(_asks(kind).search(message) for kind in ("upset", "gives_id", "request"))
    )


@lru_cache(maxsize=16384)
def _kinds(message: str) -> tuple[str, ...]:
    """The kinds of a customer's message."""
    return tuple(kind for kind in table("needs") if _asks(kind).search(message))


def _hears(source: Source, said: str) -> bool:
    """Whether the reply holds the line or asks back in a way that fits any message."""
    if _parting().search(source.newest) and "?" not in source.newest:
        return bool(joined("closing_words").search(said))
    return bool(joined("holding").search(said))


def unnatural(source: Source, reply: str) -> str:
    """Why a reply is not a coherent continuation of its context; empty when it is."""
    text = straight(reply)
    for judge in (garbled, repeats, misplaced, strays, unresponsive):
        reason = judge(source, text)
        if reason:
            return reason
    return ""
