"""What a conversation of the world's is about, read back from its customer's own words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from handrail.records import Message
from handrail.world.phrases import table
from handrail.world.playing.templates import pattern_of
from handrail.world.scene import Topic, topics
from handrail.world.source import straight

_LONGEST = 2000  # characters; no customer of the world's says as much at once


@lru_cache(maxsize=4096)
def topic_of(opening: str) -> Topic | None:
    """The topic that a customer's first message opens; None where no topic has such words."""
    for topic in topics().values():
        for template in topic.data["open"]:
            if pattern_of(template).search(opening):
                return topic
    return None


def matter(context: Sequence[Message]) -> Topic | None:
    """The topic of a conversation, from its customer's first message."""
    first = next((m.content for m in context if m.role == "user"), "")
    return topic_of(straight(first[:_LONGEST]))


def is_the_worlds(context: Sequence[Message]) -> bool:
    """Whether a conversation opens as only the world's customers do."""
    return matter(context) is not None


def _read(template: str, text: str) -> dict[str, str]:
    """The slots of a template that a text holds; none where it does not."""
    match = pattern_of(template, _SHAPES).search(text)
    return {k: v for k, v in match.groupdict().items() if v} if match else {}


_SHAPES = (
    *((name, r"\$\d+(?:\.\d+)?") for name in ("amount", "amount2", "amount3", "amount4", "fee")),
    *((name, r"[A-Z][a-z]+ \d{1,2}") for name in ("date", "date2")),
    ("first", r"(?-i:[A-Z][a-z]+)"),
    ("last", r"(?-i:[A-Z][a-z]+)"),
    ("ref", r"[A-Z]{2}\d{3}"),
    ("last4", r"\d{4}"),
    ("year", r"\d{4}"),
    ("wait", r"\d+ (?:business )?\w+"),
    *((name, r"(?-i:[A-Z])[a-z]+day") for name in ("weekday", "weekday2")),
    ("idvalue", r"\w+"),
)


def slots_of(context: Sequence[Message]) -> dict[str, str]:
    """The slots that a conversation has filled so far: what the cards show, who the customer is."""
    topic = matter(context)
    common = table("common")
    shown: list[str] = [*common["case_card"], common["general"]["howlong"]["tool"]]
    told: list[str] = [*common["give_name"]]
    slots: dict[str, str] = {}
    if topic is not None:
        slots["problem"] = topic.data["problem"]
        shown += [topic.data["card"], *(a["tool"] for a in topic.data["asks"] if "tool" in a)]
        told += [t for t in (*topic.data["open"], *topic.data["action"]["want"]) if "<" in t]
    for message in context:
        text = straight(message.content)
        if message.role == "tool":
            for template in (*shown, *_SINCE):
                slots |= _read(template, text)
        elif message.role == "user":
            for template in told:
                slots |= {k: v for k, v in _read(template, text).items() if k not in slots}
    if "first" in slots:
        slots["name"] = slots["first"]
    return slots


_SINCE = ("Customer since <year>.",)
