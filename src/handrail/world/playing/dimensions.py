"""Judging on the three dimensions: four bins for two replies, an assessment of one."""

from __future__ import annotations

from typing import Any

from handrail.records import DIMENSIONS
from handrail.world.playing.asked import Asked, CannotPlay
from handrail.world.playing.oracle import KeptOracle
from handrail.world.playing.played import Played

_BINS = {(True, True): "both", (True, False): "a", (False, True): "b", (False, False): "neither"}


def bins(asked: Asked, oracle: KeptOracle) -> Played:
    """Which of two replies is acceptable on a dimension, as `judges.AssessorJudge` bins them."""
    dimension, a, b = asked.text("dimension"), asked.text("a"), asked.text("b")
    if dimension not in DIMENSIONS:
        raise CannotPlay(f'there is no dimension "{dimension}"; known are {", ".join(DIMENSIONS)}')
    if dimension == "adherence":
        must_know_a_rule(asked)
    found = [_found(asked, oracle, reply, dimension) for reply in (a, b)]
    verdict = _BINS[not found[0], not found[1]]
    fine = {"adherence": "breaks nothing", "naturalness": "natural"}
    shown = [fault or fine.get(dimension, "invents nothing") for fault in found]
    reason = f"a: {shown[0]}; b: {shown[1]}"

    def said(bin: str) -> dict[str, Any]:
        return {"reason": reason + _not_told(asked, dimension), "verdict": bin}

    return Played(
        said(verdict),
        others=[said(one) for one in _BINS.values() if one != verdict],
        first=said("a"),
        longer=None if len(a) == len(b) else said("a" if len(a) > len(b) else "b"),
    )


def assess(asked: Asked, oracle: KeptOracle) -> Played:
    """Which guardrails a reply keeps and breaks, whether it is natural, what it invents."""
    reply = asked.text("reply")
    if asked.rules:
        must_know_a_rule(asked)
    one = oracle.assess(asked, reply)
    told = {
        "reason": (one.reason or "a coherent continuation") + _not_told(asked, "adherence"),
        "keeps": list(one.keeps),
        "breaks": list(one.breaks),
        "natural": bool(one.natural),
        "invented": list(one.invented or ()),
    }
    return Played(told, others=_mistaken(told))


def must_know_a_rule(asked: Asked) -> None:
    """Raises `CannotPlay` where guardrails are given and none of them is the world's."""
    if asked.rules and not asked.known:
        raise CannotPlay(
            "the world can tell what keeps its own guardrails, and none of these is one of them"
        )


def _not_told(asked: Asked, dimension: str) -> str:
    """A note on the guardrails that are not the world's."""
    if dimension != "adherence" or not asked.unknown:
        return ""
    return f" (cannot tell about guardrail {', '.join(asked.unknown)}: not of the care world)"


def _found(asked: Asked, oracle: KeptOracle, reply: str, dimension: str) -> str:
    """What is not acceptable of a reply on a dimension; empty for nothing."""
    if dimension == "naturalness":
        return oracle.naturalness(asked, reply)
    adhering = dimension == "adherence"
    faults = oracle.adherence(asked, reply)[1] if adhering else oracle.hallucination(asked, reply)
    return f"{'breaks' if adhering else 'invents'} {', '.join(faults)}" if faults else ""


def _mistaken(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Assessments with one mistake: a guardrail on the wrong side, or a wrong word on the text."""
    wrong: list[dict[str, Any]] = [told | {"natural": not told["natural"]}]
    for here, there in (("keeps", "breaks"), ("breaks", "keeps")):
        for number in told[here]:
            rest = [one for one in told[here] if one != number]
            wrong.append(told | {here: rest, there: [*told[there], number]})
    if told["invented"]:
        wrong.append(told | {"invented": []})
    return wrong
