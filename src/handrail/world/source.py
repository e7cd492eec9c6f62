"""What a turn holds before the reply: texts, facts and words, read once per turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from handrail.records import Turn
from handrail.world.facts import Fact, facts
from handrail.world.lexicon import content, joined
from handrail.world.phrases import table

_FORBIDS = re.compile(r"^(?:do not|don't|never|no |use no|stay|keep)", re.IGNORECASE)
_ONE = re.compile(r"\b(?:an?|one|per|each|every) (hour|day|week|month|year)\b", re.IGNORECASE)
_EVERY = re.compile(r"\b(?:(dai)|(week|month|year))ly\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@lru_cache(maxsize=16384)
def straight(text: str) -> str:
    """The text with plain quotes and single spaces."""
    text = text.replace("\u2019", "'").replace("\u2018", "'").replace("\u00a0", " ")
    text = text.replace("\u201c", '"').replace("\u201d", '"')
    return re.sub(r"[ \t]+", " ", text).strip()


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [s for s in _SENTENCE.split(text) if s.strip()]


@dataclass(frozen=True)
class Source:
    """The context and playbook of a turn as the oracle needs them."""

    turn: Turn

    def _texts(self, *roles: str) -> list[str]:
        return [straight(m.content) for m in self.turn.context if not roles or m.role in roles]

    @cached_property
    def rules(self) -> list[str]:
        """The texts of the guardrails."""
        playbook = self.turn.playbook
        return [straight(g.text) for g in playbook.guardrails] if playbook else []

    @cached_property
    def everything(self) -> str:
        """All messages and rules in one text."""
        return "\n".join(self._texts() + self.rules)

    @cached_property
    def granting(self) -> str:
        """What can ground a promise: what the agent was shown or told, not what is forbidden."""
        rules = [r for r in self.rules if not _FORBIDS.match(r)]
        return "\n".join(self._texts("tool", "system") + rules)

    @cached_property
    def facts(self) -> frozenset[tuple[str, str]]:
        """(kind, value) of all facts in context and playbook, amounts and numbers as one kind."""
        texts = [_ONE.sub(r"1 \1", text) for text in self._texts() + self.rules]
        texts = [_EVERY.sub(lambda m: f"{m.group()} 1 {m[2] or 'day'}", text) for text in texts]
        return frozenset(pair for text in texts for fact in facts(text) for pair in _kinds(fact))

    @cached_property
    def words(self) -> frozenset[str]:
        """Lower-case words of context and playbook."""
        return frozenset(re.findall(r"[a-z]+", self.everything.lower()))

    @cached_property
    def stems(self) -> frozenset[str]:
        """Content stems of context and playbook."""
        return content(self.everything)

    @cached_property
    def told(self) -> frozenset[str]:
        """Content stems of what customer and tools said so far."""
        return content("\n".join(self._texts("user", "tool", "system")))

    @cached_property
    def agent(self) -> list[str]:
        """The agent's earlier messages."""
        return self._texts("assistant")

    @cached_property
    def user(self) -> list[str]:
        """The customer's messages."""
        return self._texts("user")

    @cached_property
    def newest(self) -> str:
        """The newest user message."""
        return self.user[-1] if self.user else ""

    @cached_property
    def shown(self) -> str:
        """What the agent was shown since it last spoke."""
        texts: list[str] = []
        for message in reversed(self.turn.context):
            if message.role == "assistant":
                break
            if message.role in ("tool", "system"):
                texts.append(straight(message.content))
        return "\n".join(texts)

    @cached_property
    def domains(self) -> frozenset[str]:
        """The domains that the messages point to; all when nothing points anywhere."""
        text = "\n".join(self._texts("user", "tool", "system"))
        scores = {
            d: _count("domain_cues", d, text) + 2 * _count("domain_words", d, text)
            for d in _DOMAINS
        }
        scores["retail"] += 3 * len(products().findall(text))
        best = max(scores.values())
        if best == 0:
            return frozenset(_DOMAINS)
        return frozenset(d for d, n in scores.items() if n * 2 >= best)


_DOMAINS = ("bank", "telecom", "retail")


def _count(name: str, part: str, text: str) -> int:
    """How many different patterns of a table's part occur."""
    return len({m.group().lower() for m in joined(name, part).finditer(text)})


def _kinds(fact: Fact) -> Iterator[tuple[str, str]]:
    """The kinds under which a fact of the context grounds one of a reply.

    A `part` is a number that is only part of a fact: it grounds a bare number, not an amount.
    """
    yield fact.kind, fact.value
    if fact.kind in ("money", "number"):
        yield "number", fact.value
        yield "money", fact.value
    if fact.kind == "time":
        yield "time", fact.value.rstrip("ap")
    if fact.kind == "date":
        first, second = fact.value.split("/")
        yield "part", second
        yield "month", first
        yield "day and month", f"{second}/{first}"
    if fact.kind in ("span", "phone", "percent", "time", "code"):
        for run in re.findall(r"\d+(?:\.\d+)?", fact.text):
            yield "part", run


@lru_cache(maxsize=1)
def products() -> re.Pattern[str]:
    """The shop's products."""
    names = "|".join(map(re.escape, table("pools")["product"]))
    return re.compile(rf"\b(?:{names})\b", re.IGNORECASE)


def pool_names() -> frozenset[str]:
    """First names, brands, rivals, plans and the like that the world draws from, in lower case."""
    pools = table("pools")
    names: set[str] = set()
    for key, values in pools.items():
        if key in _NAME_POOLS or key.endswith(("_brand", "_rival")):
            names.update(str(v).lower() for v in values)
    return frozenset(names)


_NAME_POOLS = frozenset(
    ("agent", "lead", "app", "shop", "city", "carrier", "product", "first", "group")
)
