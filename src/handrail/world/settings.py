"""What can be set in the care world."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorldSettings:
    """How conversations are drawn.

    `keep`: probability that an unfiltered agent keeps an applicable required rule. `forbidden`:
    probability that it does a forbidden act at a tempting moment; `free`: the same where no rule
    forbids it. `invent`, `wander`: probability per reply of an invented fact, of leaving the
    matter. `guardrails`: least and most guardrails of a playbook; `every`: probability that one of
    them is on every reply; `waiting`: share of the rules that wait for their moment (the customer
    is upset, asks for a refund) that are drawn before all others. `shared`: conversations that
    follow one another under one playbook.
    """

    keep: float = 0.78
    forbidden: float = 0.03
    free: float = 0.16
    invent: float = 0.03
    wander: float = 0.03
    guardrails: tuple[int, int] = (4, 9)
    every: float = 0.75
    waiting: float = 0.0
    shared: int = 1
    domains: tuple[str, ...] = ("bank", "telecom", "retail")
