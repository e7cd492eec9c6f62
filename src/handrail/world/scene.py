"""One conversation in the making: its topic, slots, rules in force and messages so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

from handrail.records import Message, Playbook
from handrail.world.families import Family, draw_values, families, guardrail
from handrail.world.phrases import table
from handrail.world.settings import WorldSettings
from handrail.world.slots import draw

# Customers' general questions that bring these rules up.
GENERAL = ("howlong", "manager", "refund", "price", "person", "track", "leave", "send", "safety")
_BUSY = frozenset(
    {"greet_brand", "intro_agent", "recorded", "ask_id", "ask_second", "thank_contact"}
)
EVERY = ("call_term", "sign_agent", "slogan", "happy_help", "please_every")
_ENDING = frozenset({"close_brand", "survey", "recap", "wish_day", "short_close"})


@dataclass(frozen=True)
class Topic:
    """A matter that customers bring: `data` holds its phrases."""

    id: str
    domain: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Active:
    """A rule in force: its family, its values, and its guardrail in the playbook."""

    family: Family
    values: dict[str, str]
    guardrail: Any


@lru_cache(maxsize=1)
def topics() -> dict[str, Topic]:
    """All topics by id."""
    return {
        key: Topic(key, domain, data)
        for domain in ("bank", "telecom", "retail")
        for key, data in table(f"topics_{domain}").items()
    }


@dataclass
class Scene:
    """State of a conversation while it is spoken."""

    rng: Random
    topic: Topic
    slots: dict[str, str]
    active: tuple[Active, ...]
    settings: WorldSettings
    messages: list[tuple[str, str]] = field(default_factory=list)
    named: bool = False

    @property
    def in_force(self) -> dict[str, Active]:
        """The rules in force by family id."""
        return {a.family.id: a for a in self.active}

    def playbook(self) -> Playbook:
        """The playbook as the prompt shows it."""
        return Playbook(guardrails=tuple(a.guardrail for a in self.active))

    def context(self) -> tuple[Message, ...]:
        """The messages so far as records."""
        return tuple(Message(role=r, content=t) for r, t in self.messages)

    def last_agent(self) -> str:
        """The agent's newest message, or nothing."""
        return next((t for r, t in reversed(self.messages) if r == "assistant"), "")


def fits(family: Family, topic: Topic) -> bool:
    """Whether a rule of this family makes sense for a topic."""
    needs_damage = family.needs == "damage"
    return topic.domain in family.domains and (
        not needs_damage or topic.id in ("item_damaged", "phone_broken")
    )


@lru_cache(maxsize=64)
def _fitting(topic_id: str) -> tuple[Family, ...]:
    return tuple(f for f in families().values() if fits(f, topics()[topic_id]))


def draw_active(
    rng: Random, topic: Topic, slots: dict[str, str], settings: WorldSettings
) -> tuple[Active, ...]:
    """A playbook's rules: they fit the topic, are of several kinds and never contradict."""
    wanted = rng.randint(*settings.guardrails)
    chosen: list[Active] = []
    taken: set[str] = set()
    pool = list(_fitting(topic.id))
    rng.shuffle(pool)
    # Rules that wait for damage fit few topics, so they come first there now and then.
    # So do now and then rules on every reply, that most turns have a rule to keep.
    early = {f.id for f in pool if f.needs == "damage" and rng.random() < 0.4}
    if rng.random() < settings.every:
        early.add(rng.choice(EVERY))
    waiting = {
        f.id for f in pool if settings.waiting and f.waits and rng.random() < settings.waiting
    }
    pool.sort(key=lambda f: (f.id in early, f.id in waiting), reverse=True)
    n_forbid = 0
    for family in pool:
        if len(chosen) == wanted:
            break
        crowded = (
            (family.id in _BUSY and len(taken & _BUSY) >= 3)
            or (family.id in _ENDING and len(taken & _ENDING) >= 2)
            or (family.forbids and n_forbid >= 2 + (wanted > 7))
        )
        # Rules on words in a reply leave room for the acts that other rules ask for.
        tight = {"max_words", "max_questions"}
        crowded |= bool(tight & ({family.id} | taken)) and (
            len((taken | {family.id}) & _BUSY) > 2
            or (family.id == "max_words" and len(taken & _ENDING) > 1)
            or ("max_words" in taken and len((taken | {family.id}) & _ENDING) > 1)
        )
        if crowded or family.conflicts & taken:
            continue
        values = draw_values(family, slots, topic.domain, rng)
        text = rng.randrange(len(family.texts))
        chosen.append(Active(family, values, guardrail(family.id, text, **values)))
        taken.add(family.id)
        n_forbid += family.forbids
    return tuple(chosen)


def new_scene(seed: int, index: int, settings: WorldSettings) -> Scene:
    """Conversation `index` of `seed`, before anything is said; the same whatever else is made."""
    first = index - index % settings.shared
    book = new_scene(seed, first, settings) if first != index else None
    rng = Random(f"{seed}/{index}")
    ids = [t for t in topics().values() if t.domain in settings.domains]
    if book is not None:
        ids = [t for t in ids if t.domain == book.topic.domain]
        ids = [t for t in ids if all(fits(a.family, t) for a in book.active)]
    topic = ids[rng.randrange(len(ids))]
    slots = draw(rng, topic.domain)
    pools = table("pools")
    slots["agent"] = rng.choice(pools["agent"])
    slots["problem"] = topic.data["problem"]
    if book is not None:
        slots |= {name: book.slots[name] for name in ("brand", "agent")}
    active = draw_active(rng, topic, slots, settings) if book is None else book.active
    asked = {a.family.id: a.values for a in active}
    slots["id"] = asked.get("ask_id", {}).get("id") or rng.choice(pools[f"{topic.domain}_id"])
    slots["item"] = asked.get("ask_second", {}).get("item") or rng.choice(pools["item"])
    return Scene(rng, topic, slots, active, settings)
