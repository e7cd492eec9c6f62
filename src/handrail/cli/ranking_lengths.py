"""Preferences against one system beside how much longer the replies are, for length control."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from handrail.records import JudgeError, Outcome, RecordError, Skip, Turn, Verdict

Items = tuple[list[str], list[float], list[float]]  # turns, preference 0 to 1, characters longer
_WORTH = {Outcome.A: 1.0, Outcome.B: 0.0}


def against(
    judged: Sequence[Verdict | JudgeError],
    read: Sequence[tuple[str, list[Turn]]],
    anchor: str,
) -> tuple[dict[str, Items], list[Skip]]:
    """Per system its turns, how far its replies were preferred to the anchor's, and longer.

    A turn's preference is the mean over its verdicts (both orders, all judges), ties as a half.
    Also what was left out because a reply's length is unknown.

    Raises:
        RecordError: a system has no turn at which both replies' lengths are known.
    """
    won: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in judged:
        if isinstance(one, Verdict) and anchor in (one.a, one.b):
            v = one if one.b == anchor else one.swap()
            won[v.a][v.turn].append(_WORTH.get(v.outcome, 0.5))
    lengths = lengths_of(read, {anchor, *won})
    tables: dict[str, Items] = {}
    missing: Counter[str] = Counter()
    for system, by_turn in won.items():
        items: Items = ([], [], [])
        for turn, worth in by_turn.items():
            mine, base = lengths.get((turn, system)), lengths.get((turn, anchor))
            if mine is None or base is None:
                missing[system] += 1
                continue
            items[0].append(turn)
            items[1].append(sum(worth) / len(worth))
            items[2].append(float(mine - base))
        if not items[0]:
            raise RecordError(
                f"the lengths of '{system}' and '{anchor}' are known together at no turn",
                "Give the file of each system's replies: --turns FILE, once for each (replies "
                "belong to the system that their author, or else their file, is named after)",
            )
        tables[system] = items
    reason = "the reply's length is unknown: it is in no file of --turns"
    skips = [Skip(what="turn", reason=reason, where=s, count=n) for s, n in missing.items()]
    return tables, skips


def lengths_of(
    read: Sequence[tuple[str, list[Turn]]], systems: set[str]
) -> Mapping[tuple[str, str], int]:
    """Characters of each system's reply at each turn.

    A reply belongs to the system that is its author; the first reply of a turn without such an
    author belongs to the system that the file is named after.
    """
    found: dict[tuple[str, str], int] = {}
    for name, turns in read:
        for turn in turns:
            for place, reply in enumerate(turn.replies):
                owner = reply.author if reply.author in systems else ""
                if not owner and place == 0 and name in systems:
                    owner = name
                if owner:
                    found.setdefault((turn.id, owner), len(reply.text))
    return found
