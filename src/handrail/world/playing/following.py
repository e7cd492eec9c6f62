"""Which agent messages follow which guardrails: tags, their check, the guardrails themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import log
from random import Random
from typing import Any

from handrail.records import CheckResult, Message
from handrail.world.families import Family, families, guardrail, value_pattern
from handrail.world.lexicon import content, either
from handrail.world.playing.asked import Asked, CannotPlay
from handrail.world.playing.oracle import KeptOracle
from handrail.world.playing.played import Played
from handrail.world.playing.rules import known, values_of

Said = tuple[tuple[tuple[str, str], ...], str]  # what came before an agent message, and the message
# Chances by which an act is taken for a rule's (naive Bayes): that a rule is in force at all, that
# an unfiltered agent then does what it asks, and that agents do it anyway.
_IN_FORCE, _KEEP, _ANYWAY = 0.12, 0.78, 0.01
# The last of these where the families' table does not state it (script.py and speak.py do).
_AS_EVER = {"ask_id": 0.6, "timeframe": 0.5, "confirm_action": 0.2, "consent_send": 0.15}
_AS_EVER |= {"start_sorry": 0.15, "please_every": 0.35}


def tags(asked: Asked, oracle: KeptOracle) -> Played:
    """For each agent message the guardrails that it keeps, by their checks."""
    if not asked.known:
        raise CannotPlay("none of these guardrails is the care world's, so it can tag nothing")
    found: list[dict[str, Any]] = []
    for at, entry in enumerate(asked.entries):
        if entry.message.role != "assistant":
            continue
        kept = _kept(asked, asked.context[:at], entry.message.content)
        if kept:
            found.append({"message": entry.n, "guardrails": kept})
    return Played({"tags": found}, others=_mistagged(found))


def _kept(asked: Asked, context: Sequence[Message], reply: str) -> list[str]:
    """The numbers of the world's guardrails that a reply keeps."""
    pairs = tuple((m.role, m.content) for m in context)
    return [
        number
        for number, one in asked.known.items()
        if one.guardrail.check is not None
        and one.guardrail.check.result(pairs, reply) is CheckResult.KEPT
    ]


def _mistagged(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tags with one too few."""
    wrong: list[dict[str, Any]] = []
    for at, tag in enumerate(found):
        for number in tag["guardrails"]:
            rest = [one for one in tag["guardrails"] if one != number]
            kept = [{**tag, "guardrails": rest}] if rest else []
            wrong.append({"tags": [*found[:at], *kept, *found[at + 1 :]]})
    return wrong


def tag_check(asked: Asked, oracle: KeptOracle) -> Played:
    """Whether the reply follows each of the guardrails; of those not the world's, it does not."""
    if not asked.rules:
        raise CannotPlay("there is no guardrail to check")
    kept = _kept(asked, asked.context, asked.text("reply"))
    checks = [
        {"guardrail": number, "follows": number in kept, "reason": _why(asked, number, kept)}
        for number in asked.rules
    ]
    wrong = [
        {"checks": [*checks[:at], {**one, "follows": not one["follows"]}, *checks[at + 1 :]]}
        for at, one in enumerate(checks)
    ]
    return Played({"checks": checks}, others=wrong)


def _why(asked: Asked, number: str, kept: list[str]) -> str:
    if number not in asked.known:
        return "cannot tell: this is no guardrail of the care world"
    return "the reply does what it asks" if number in kept else "not kept, or not at this moment"


def guardrails(asked: Asked, oracle: KeptOracle) -> Played:
    """The guardrails that the agent's messages keep, in the world's words, the surest first.

    Only rules that ask for an act can be seen in what was said: an agent that does not do a
    forbidden act shows nothing. Values of parameters are read from the messages, among those that
    the world draws. Wordings vary, so that near-equal guardrails of several conversations are
    left to be merged.
    """
    at_most = asked.number("at_most")
    said: list[Said] = []
    before: list[tuple[str, str]] = []
    for message in asked.context:
        if message.role == "assistant":
            said.append((tuple(before), message.content))
        before.append((message.role, message.content))
    if not said:
        raise CannotPlay("no message of this conversation is the agent's")
    if not asked.is_the_worlds:
        raise CannotPlay("this is no conversation of the care world")
    seen = [one for family in families().values() for one in _seen(family, said)]
    seen.sort(key=lambda one: (-one.weight, one.family.id))
    rng = Random("\n".join(m.content for m in asked.context))
    texts: list[str] = []
    taken: set[str] = set()
    for one in seen:
        if one.family.id in taken or one.family.conflicts & taken:
            continue
        taken.add(one.family.id)
        wording = rng.randrange(len(one.family.texts))
        values: dict[str, Any] = dict(one.values)
        texts.append(guardrail(one.family.id, wording, **values).text)
    texts = texts[:at_most]
    wrong = [{"guardrails": [t for t in texts if t != left]} for left in texts]
    return Played({"guardrails": texts}, others=wrong)


@dataclass(frozen=True)
class _Seen:
    """A rule that the messages keep; `weight`: the log-odds that it is in force."""

    family: Family
    values: tuple[tuple[str, str], ...]
    weight: float


def _seen(family: Family, said: Sequence[Said]) -> Iterator[_Seen]:
    if family.forbids:
        return
    for values in _candidates(family, said):
        parameters: dict[str, Any] = dict(values)
        check = guardrail(family.id, **parameters).check
        assert check is not None
        results = [check.result(context, reply) for context, reply in said]
        kept = results.count(CheckResult.KEPT)
        moments = kept + results.count(CheckResult.BROKEN)
        # Before it asks, an order says nothing; after, the rule no longer applies.
        if family.kind == "order" and family.own:
            kept = sum(_asks(family, reply) for _, reply in said)
            moments = kept + results.count(CheckResult.BROKEN)
        odds = _log_odds(family, kept, moments)
        if kept and odds > 0:
            yield _Seen(family, values, odds)


def _log_odds(family: Family, kept: int, moments: int) -> float:
    """How much likelier than not it is that a rule is in force, from its moments."""
    anyway = max(family.base, _AS_EVER.get(family.id, 0.0), _ANYWAY)
    return (
        log(_IN_FORCE / (1 - _IN_FORCE))
        + kept * log(_KEEP / anyway)
        + (moments - kept) * log((1 - _KEEP) / (1 - anyway))
    )


def _asks(family: Family, reply: str) -> bool:
    """Whether a reply asks what an order wants asked first."""
    return bool(either(guardrail(family.id).check.when.unsaid).search(reply))  # type: ignore[union-attr]


def _candidates(family: Family, said: Sequence[Said]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Values of a family's parameters that the agent's messages name."""
    text = "\n".join(reply for _, reply in said)
    named = [
        [value for value in values_of(pool) if _names(value).search(text)]
        for pool in family.params.values()
    ]
    for values in product(*named):
        yield tuple(sorted(zip(family.params, values, strict=True)))


@lru_cache(maxsize=1024)
def _names(value: str) -> Any:
    return either([rf"(?<!\w){value_pattern(value)}"])


def merge(asked: Asked, oracle: KeptOracle) -> Played:
    """Whether two guardrails are one: of one family with the same values.

    Of other texts, those with the same content words are one.
    """
    a, b = asked.text("a"), asked.text("b")
    if not a.strip() or not b.strip():
        raise CannotPlay("a guardrail is empty")
    one, other = known(a), known(b)
    if one is not None and other is not None:
        same = (one.family.id, one.values) == (other.family.id, other.values)
    else:
        same = one is None and other is None and content(a) == content(b) and bool(content(a))

    def said(same: bool) -> dict[str, Any]:
        return {"same": same, "text": a if same else ""}

    return Played(said(same), others=[said(not same)])
