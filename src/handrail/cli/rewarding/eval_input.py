"""What reward models are measured by: turns with feedback, labelled sets, verdicts, the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import handrail.rewards.measures as m
from handrail.cli.files import as_turns, read_records, some
from handrail.records import (
    JudgeError,
    Loaded,
    Outcome,
    RecordError,
    SettingError,
    Skip,
    Turn,
    Verdict,
)
from handrail.records.store import OnError
from handrail.rewards.evaluating.results import Material
from handrail.sources.labelled import LABELLED, Labelled, present
from handrail.sources.labelled.nouns import is_by

Data = str | Path | Loaded[Turn] | Iterable[Turn]
ONE_REPLY = "it has one reply: no pair, no order, but its rating counts"
NO_REPLY = "it has no reply"


def read_data(data: Sequence[Data], on_error: OnError) -> tuple[list[Turn], list[Skip], list[Skip]]:
    """The turns of all files; a turn whose id came before in another one is left out and counted.

    A turn without the tag "set" has its file's name as one where there are several files. Returns
    the turns, what was left out, and what was read all the same.
    """
    turns: dict[str, Turn] = {}
    skips: list[Skip] = []
    warnings: list[Skip] = []
    for one in data:
        read = as_turns(one, on_error)
        named = Path(one).name.split(".")[0] if isinstance(one, str | Path) else ""
        skips += read.skipped
        warnings += read.warnings
        for turn in read.records:
            if turn.id in turns:
                skips.append(Skip(what="turn", reason="one of this id came before", where=turn.id))
                continue
            untold = named and len(data) > 1 and "set" not in turn.tags
            tags = {**turn.tags, "set": named} if untold else turn.tags
            turns[turn.id] = turn.model_copy(update={"tags": tags}) if untold else turn
    return list(turns.values()), skips, warnings


def read_labelled(
    folder: str | Path, sets: Sequence[str] | None, on_error: OnError
) -> tuple[list[Turn], list[Verdict], list[Skip], list[Skip]]:
    """The turns of labelled data sets (`handrail.sources.labelled`), and everyone's verdicts.

    Where people compared exactly two of a turn's replies, what most of them said becomes the
    replies' ranks, so that the turn is a pair as any other. The tag "set" is the data set, the tag
    "category" its part. Returns turns, verdicts, what was left out, what was read all the same.

    Raises:
        RecordError: no such folder, none of the sets, or a bad row (with on_error="stop").
        SettingError: an unknown set.
    """
    for name in sets or ():
        if name not in LABELLED:
            raise SettingError(
                f"there is no labelled set '{name}'", f"Known: {', '.join(LABELLED)}"
            )
    turns: list[Turn] = []
    verdicts: list[Verdict] = []
    skips: list[Skip] = []
    warnings: list[Skip] = []
    for name in sets or present(folder):
        found = LABELLED[name](Path(folder) / name, on_error)
        turns += [_ranked(turn, found, votes) for turn, votes in _votes(found)]
        verdicts += found.verdicts
        skips += found.skipped
        warnings += found.warnings
    return turns, verdicts, skips, warnings


def _votes(found: Labelled) -> Iterable[tuple[Turn, dict[tuple[str, str], Counter[Outcome]]]]:
    """Each turn with what the labellers said of its pairs of replies."""
    of_turn: dict[str, dict[tuple[str, str], Counter[Outcome]]] = {}
    for one in found.verdicts:
        if is_by(one.judge, LABELLED[found.name].by):
            said = one if one.a <= one.b else one.swap()
            votes = of_turn.setdefault(one.turn, {}).setdefault((said.a, said.b), Counter())
            votes[said.outcome] += 1
    return ((turn, of_turn.get(turn.id, {})) for turn in found.turns)


def _ranked(turn: Turn, found: Labelled, votes: dict[tuple[str, str], Counter[Outcome]]) -> Turn:
    tags = {**turn.tags, "set": found.name}
    if turn.tags.get("subset"):
        tags["category"] = turn.tags["subset"]
    texts = {reply.author for reply in turn.replies}
    replies = turn.replies
    if len(votes) == 1:
        (a, b), counts = next(iter(votes.items()))
        if {a, b} <= texts:
            for_a, for_b = counts[Outcome.A], counts[Outcome.B]
            ties = sum(counts.values()) - for_a - for_b
            won = 0 if for_a == for_b or ties >= max(for_a, for_b) else 1 if for_a > for_b else -1
            ranks = {a: 2 if won < 0 else 1, b: 2 if won > 0 else 1}
            replies = tuple(
                r.model_copy(update={"rank": ranks[r.author]}) if r.author in ranks else r
                for r in replies
            )
    return turn.model_copy(update={"tags": tags, "replies": replies})


def read_verdicts(
    given: Sequence[str | Path | Iterable[Verdict]], on_error: OnError
) -> tuple[list[Verdict], list[Skip]]:
    """The verdicts of files (what `handrail judge --out` wrote) or records.

    Raises:
        RecordError: a file of another kind.
    """
    verdicts: list[Verdict] = []
    skips: list[Skip] = []
    for one in given:
        if not isinstance(one, str | Path):
            verdicts += list(one)
            continue
        read = some(read_records(one, on_error=on_error), one)
        if not all(isinstance(v, Verdict) for v in read.records):
            kind = type(read.records[0]).__name__
            raise RecordError(
                f"this file holds {kind} records", "Name a file of verdicts", str(one)
            )
        verdicts += read.records
        skips += read.skipped
        skips += _failed(Path(one))
    return verdicts, skips


def _failed(path: Path) -> list[Skip]:
    """Judgements that failed, which `handrail judge` writes beside the verdicts, counted."""
    from handrail.cli.judged import errors_beside

    beside = errors_beside(path)
    if not beside.exists():
        return []
    n = sum(isinstance(one, JudgeError) for one in read_records(beside, on_error="skip").records)
    return [Skip(what="verdict", reason="the judgement failed", where=str(beside), count=n)]


def material_of(
    turns: Sequence[Turn],
    verdicts: Sequence[Verdict],
    skips: tuple[Sequence[Skip], Sequence[Skip]],
    probed: bool,
    dimension: str | None = None,
) -> Material:
    """All of it, checked: there must be something to measure by.

    `skips` are what was left out, and what was read all the same.

    Raises:
        RecordError: no reply, or no feedback, no verdict and no probe.
    """
    from handrail.rewards.evaluating.probes import probes

    labels = m.labels_of(verdicts, turns, dimension) if verdicts else []
    if dimension is not None and verdicts and not any(one.pairs for one in labels):
        known = ", ".join(sorted({v.dimension for v in verdicts}))
        raise SettingError(f"no verdict is on '{dimension}'", f"Known: {known}")
    if not any(turn.replies for turn in turns) and not probed:
        raise RecordError("no turn has a reply", "Name turns whose replies have feedback")
    counted: list[Skip] = []
    one_reply = sum(len(turn.replies) == 1 for turn in turns)
    none = sum(not turn.replies for turn in turns)
    if one_reply:
        counted.append(Skip(what="prompt", reason=ONE_REPLY, count=one_reply))
    if none:
        counted.append(Skip(what="prompt", reason=NO_REPLY, count=none))
    return Material(
        turns=tuple(turns),
        labels=tuple(labels),
        probes=probes() if probed else (),
        skipped=(*skips[0], *counted),
        warnings=tuple(skips[1]),
    )
