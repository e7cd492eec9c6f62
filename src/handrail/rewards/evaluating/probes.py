"""The probes of `measures.probing`: thirty prompts, each with four replies, as turns.

They are a good one, a bad one, one beside the matter and one without meaning.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from handrail.records import Message, Provenance, Reply, Turn
from handrail.rewards.measures.probing import KINDS


@cache
def probes() -> tuple[Turn, ...]:
    """The packaged probes: each reply's author is its kind, its rank the order that is right."""
    import yaml

    text = resources.files("handrail.rewards.evaluating").joinpath("probes.yaml").read_text("utf-8")
    return tuple(_turn(one) for one in yaml.safe_load(text))


def _turn(one: dict[str, Any]) -> Turn:
    return Turn(
        id=f"probe-{one['id']}",
        conversation_id=f"probe-{one['id']}",
        context=(Message(role="user", content=one["prompt"]),),
        replies=tuple(
            Reply(text=one[kind], author=kind, rank=place) for place, kind in enumerate(KINDS, 1)
        ),
        tags={"set": "probes", "category": one["category"], "flaw": one["flaw"]}
        | {"noise": one["noise"]},
        provenance=Provenance(source="handrail", made_by="handrail.rewards.evaluating.probes"),
    )
