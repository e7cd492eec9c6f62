"""What a stage will ask, before it asks: the questions themselves where they are known, else likes.

What the second question is made of the first one's answer. For an estimate of tokens and cost, it
is stood in for by one of the usual size; a `Planned` stage says whether it is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from handrail.asking import show
from handrail.records import Assessor, Conversation, Guardrail, Playbook, Reply, Request, Turn
from handrail.synthesis.ask import Asking
from handrail.synthesis.breaking import violate_values
from handrail.synthesis.guardrails import guardrail_values
from handrail.synthesis.points import Point
from handrail.synthesis.tagging import check_values, tag_values

# A guardrail of the usual length, for what is not known yet.
_RULE = "When the customer asks how long it takes, name the time that the company states for it."
ASSUMED = 6  # guardrails per conversation
FOLLOWING = 2 / 3  # of the agent's messages follow a guardrail


@dataclass(frozen=True)
class Planned:
    """The questions of one stage; `exact` where these are the very ones that will be asked."""

    stage: str
    requests: tuple[Request, ...]
    exact: bool


def plan_guardrails(
    conversations: Sequence[Conversation], asking: Asking, at_most: int = 8
) -> list[Planned]:
    """Stage 1: exact for the first question; then `ASSUMED` guardrails per conversation.

    Of these, each message that follows any (`FOLLOWING` of the agent's) is checked once, and each
    guardrail is compared with one other.
    """
    rules = {str(n): _RULE for n in range(1, min(ASSUMED, at_most) + 1)}
    first = [
        asking.request("guardrails", guardrail_values(c, at_most), about=c.id)
        for c in conversations
    ]
    pairs = len(conversations) * len(rules) if len(conversations) > 1 else 0
    return [
        Planned("guardrails", tuple(first), True),
        *plan_tags(conversations, asking, rules),
        Planned("merge", tuple(_merge(asking, i) for i in range(pairs)), False),
    ]


def plan_tags(
    conversations: Sequence[Conversation], asking: Asking, rules: dict[str, str] | None = None
) -> list[Planned]:
    """Tags and their check, by `rules` or else by the playbook that each conversation has."""
    given = [(c, rules or show.guardrails(c.playbook)) for c in conversations]
    tags = [asking.request("tags", tag_values(c, own)) for c, own in given if own]
    checks = [
        asking.request("tag_check", check_values(c, i, own, list(own)[:2]))
        for c, own in given
        if own
        for i in _following(c)
    ]
    return [Planned("tags", tuple(tags), rules is None), Planned("check", tuple(checks), False)]


def _merge(asking: Asking, number: int) -> Request:
    """A question on two guardrails; its number keeps it from passing for the one before."""
    return asking.request("merge", {"a": _RULE, "b": _RULE}, sample=number)


def _following(conversation: Conversation) -> list[int]:
    """The first `FOLLOWING` of the agent's messages."""
    own = [i for i, m in enumerate(conversation.messages) if m.role == "assistant"]
    return own[: max(1, round(len(own) * FOLLOWING))]


@runtime_checkable
class AsksAModel(Protocol):
    """A judge that is a language model, and says what it would ask."""

    def requests(self, replies: Sequence[tuple[Turn, str]]) -> Sequence[Request]: ...


def plan_replies(points: Sequence[Point], asking: Asking, judge: Assessor) -> list[Planned]:
    """Stage 2: exact for the first try at each point; every fourth point is tried once more.

    A judge that is a language model (`AsksAModel`) is asked about each chosen and each rejected
    reply.
    """
    first = [asking.request("violate", violate_values(p, p.kind), about=p.turn.id) for p in points]
    more = [replace(one, sample=1) for one in first[: len(first) // 4]]
    planned = [Planned("break", tuple(first), True), Planned("break again", tuple(more), False)]
    if isinstance(judge, AsksAModel):
        chosen = tuple(judge.requests([(p.turn, p.chosen.text) for p in points]))
        again = [*chosen, *chosen[: len(more)]]
        rejected = [replace(one, sample=i) for i, one in enumerate(again, start=1)]
        planned.insert(0, Planned("judge chosen", chosen, True))
        planned.append(Planned("judge rejected", tuple(rejected), False))
    return planned


def plan_points(conversations: Sequence[Conversation]) -> list[Point]:
    """Points such as stage 1 will give: for an estimate of stage 2 before stage 1 was run."""
    rules = tuple(Guardrail(id=str(n), text=_RULE) for n in range(1, ASSUMED + 1))
    book = Playbook(guardrails=rules)
    return [
        Point(
            0,
            Turn(
                id=f"{c.id}/{i}",
                playbook=book,
                context=c.messages[:i],
                replies=(Reply(text=c.messages[i].content, keeps=("1",)),),
            ),
            "1",
            "omission",
        )
        for c in conversations
        for i in _following(c)
    ]
