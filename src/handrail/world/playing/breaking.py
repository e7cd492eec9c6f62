"""Breaking one named guardrail in a reply that keeps it, in the kind that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random

from handrail.records import Assessment, CheckResult
from handrail.world.families import families, value_pattern
from handrail.world.phrases import fill, table
from handrail.world.playing.asked import Asked, CannotPlay
from handrail.world.playing.oracle import KeptOracle
from handrail.world.playing.played import Played
from handrail.world.playing.rules import Known, values_of
from handrail.world.playing.sentences import Parts
from handrail.world.playing.templates import filled
from handrail.world.playing.topics import matter, slots_of
from handrail.world.slots import date, draw, money, reference
from handrail.world.source import straight
from handrail.world.speak import INVENTING

KINDS = ("omission", "forbidden act", "invented fact", "wrong tone")
# Rules whose forbidden acts are a matter of tone; the first ones serve as rude sentences.
_RUDE = ("no_blame", "no_slang", "no_joke")
_TONE = frozenset((*_RUDE, "no_exclaim", "no_smiley", "no_abbrev", "no_patience", "no_policy"))
_SHOTS = 40  # so many candidates are made, of which the first few that break the rule are judged
_JUDGED = 6


def violate(asked: Asked, oracle: KeptOracle) -> Played:
    """The reply changed so that it breaks the guardrail in the asked kind.

    Of the candidates that break it by its check, the first that the oracle finds natural, that
    breaks nothing else and that invents nothing (but where it is asked to) is the answer. A kind
    that cannot break the guardrail is declined: what is only forbidden cannot be left out, and what
    is only asked for cannot be a forbidden act.
    """
    reply, number, kind = asked.text("reply"), asked.text("guardrail"), asked.text("kind")
    if kind not in KINDS:
        raise CannotPlay(f'there is no kind of break "{kind}"; known are {", ".join(KINDS)}')
    if number not in asked.rules:
        raise CannotPlay(f"there is no guardrail {number} among those given")
    if number not in asked.known:
        raise CannotPlay(f"guardrail {number} is not of the care world, so it cannot break it")
    case = _Case(asked, asked.known[number], straight(reply))
    if case.result(reply) is CheckResult.NOT_APPLICABLE and not case.rule.family.forbids:
        raise CannotPlay(f"guardrail {number} does not apply here, so nothing can break it")
    broken = _best(case, oracle, number, kind)
    if broken is None:
        raise CannotPlay(f"guardrail {number} cannot be broken by {kind} here")
    return Played({"reply": broken}, others=[{"reply": reply}])


def _best(case: _Case, oracle: KeptOracle, number: str, kind: str) -> str | None:
    """The best of the candidates; None where none breaks the rule."""
    found: list[tuple[tuple[bool, int, bool], str]] = []
    seen = {case.reply}
    for text in _first(case.ways(kind), _SHOTS):
        if text in seen or not text.strip() or case.result(text) is not CheckResult.BROKEN:
            continue
        seen.add(text)
        one = oracle.assess(case.asked, text)
        faults = _faults(one, number, kind)
        if not any(faults):
            return text
        found.append((faults, text))
        if len(found) >= _JUDGED:
            break
    return min(found)[1] if found else None


def _faults(one: Assessment, number: str, kind: str) -> tuple[bool, int, bool]:
    """What is wrong with a broken reply beyond what was asked for."""
    inventing = kind == "invented fact"
    return not one.natural, len(set(one.breaks) - {number}), bool(one.invented) != inventing


def _first(texts: Iterator[str], n: int) -> Iterator[str]:
    for _, text in zip(range(n), texts, strict=False):
        yield text


@dataclass(frozen=True)
class _Case:
    """A guardrail to be broken in a reply."""

    asked: Asked
    rule: Known
    reply: str

    @cached_property
    def rng(self) -> Random:
        return Random(self.asked.draw or f"{self.rule.guardrail.text}\n{self.reply}")

    @cached_property
    def slots(self) -> dict[str, str]:
        return slots_of(self.asked.context) | self.rule.slots

    def result(self, text: str) -> CheckResult:
        """What the guardrail's check says of a text."""
        check = self.rule.guardrail.check
        assert check is not None
        return check.result(self.asked.pairs, text)

    def ways(self, kind: str) -> Iterator[str]:
        """Candidates of a kind, the most fitting first; none where the kind does not fit."""
        acts = self.rule.family.forbids or not self.rule.family.say or bool(self._broken_acts)
        if kind == "omission":
            yield from () if acts else self._omitted()
        elif kind == "forbidden act":
            yield from self._acted() if acts else ()
        elif kind == "wrong tone":
            plain = self._acted() if acts else self._omitted()
            own = self.rule.family.id in _TONE
            yield from plain if own else self._with(plain, self._rude())
        else:
            yield from () if acts else self._misstated()
            plain = self._acted() if acts else self._omitted()
            own = self.rule.family.id in INVENTING
            yield from plain if own else self._with(plain, self._inventions())

    @cached_property
    def _broken_acts(self) -> tuple[str, ...]:
        """Acts that break a rule of order: doing without asking."""
        topic = matter(self.asked.context)
        if self.rule.family.id == "confirm_action" and topic is not None:
            return tuple(topic.data["action"]["done"])
        return self.rule.family.broken

    def _omitted(self) -> Iterator[str]:
        """The reply without what keeps the rule, with a near miss or nothing in its place."""
        parts = Parts.of(self.reply)
        keeping = [at for at in range(len(parts)) if self._keeps(parts.only(at))]
        singles = keeping or list(range(len(parts)))
        misses = [self._said(p) for p in self.rule.family.loose]
        self.rng.shuffle(misses)
        yield parts.without(keeping) if keeping else ""
        for miss in misses:
            yield parts.replaced(keeping, miss) if keeping else ""
        for at in singles:
            yield parts.without([at])
        for at in range(len(parts)):
            for other in range(at):
                yield parts.without([other, at])
        yield from misses
        yield from table("common")["fill"]

    def _keeps(self, text: str) -> bool:
        return bool(text.strip()) and self.result(text) is CheckResult.KEPT

    def _acted(self) -> Iterator[str]:
        """The reply with a forbidden act put in, or in place of the question that allows it."""
        family = self.rule.family
        acts = [self._said(p) for p in self._broken_acts or family.say]
        self.rng.shuffle(acts)
        if not any(acts):  # what was agreed was not said in the world's words
            acts = [filled(p, self._drawn | self.slots, self.rng) for p in self._broken_acts]
        parts = Parts.of(self.reply)
        if self._broken_acts:
            asking = [at for at in range(len(parts)) if "?" in parts.only(at)]
            for act in filter(None, acts):
                for at in asking:
                    yield parts.replaced([at], act)
        for act in filter(None, acts):
            for at in parts.places(family.at):
                yield parts.added(act, at)
        padded = self.reply
        for act in filter(None, acts * 3):
            padded = Parts.of(padded).added(act, None)
            yield padded

    def _misstated(self) -> Iterator[str]:
        """The reply with another value in place of the rule's, or another reference number."""
        for name, value in self.rule.values:
            others = [v for v in values_of(self.rule.family.params[name]) if v != value]
            self.rng.shuffle(others)
            pattern = re.compile(value_pattern(value), re.IGNORECASE)
            for other in others[:4]:
                yield pattern.sub(other, self.reply)
        if self.rule.family.id == "reference" and "ref" in self.slots:
            yield self.reply.replace(self.slots["ref"], reference(self.rng))

    def _with(self, texts: Iterator[str], extras: list[str]) -> Iterator[str]:
        """Each text with a further sentence in its middle or at its end."""
        for at, text in enumerate(texts):
            extra = extras[at % len(extras)]
            parts = Parts.of(text)
            for place in parts.places("info_late"):
                yield parts.added(extra, place)

    def _rude(self) -> list[str]:
        barred = {one.family.id for one in self.asked.known.values()} - {self.rule.family.id}
        fine = [name for name in _RUDE if name not in barred] or list(_RUDE)
        says = [say for name in fine for say in families()[name].say]
        self.rng.shuffle(says)
        return says

    def _inventions(self) -> list[str]:
        says = [
            fill(say, {"amount9": money(self.rng, 5, 90), "date9": date(self.rng)}, self.rng)
            for say in table("common")["invent"]
        ]
        self.rng.shuffle(says)
        return says

    @cached_property
    def _drawn(self) -> dict[str, str]:
        """Values for slots that the conversation does not fill."""
        topic = matter(self.asked.context)
        return draw(self.rng, topic.domain) if topic is not None else {}

    def _said(self, phrase: str) -> str:
        """A phrase with its slots filled; nothing where the conversation lacks one."""
        return filled(phrase, self.slots, self.rng)
