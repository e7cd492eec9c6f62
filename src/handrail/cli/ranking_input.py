"""What a ranking is made of: verdicts, the dimension, and the turns that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.cli.files import as_turns, read_records
from handrail.cli.judged import errors_beside
from handrail.cli.names import stem
from handrail.records import (
    DIMENSIONS,
    JudgeError,
    RecordError,
    SettingError,
    Skip,
    Turn,
    Verdict,
    nearest,
)


def judged_of(verdicts: Any) -> tuple[list[Verdict | JudgeError], list[Skip]]:
    """The verdicts and failed judgements of files (with the errors beside them) or records."""
    if isinstance(verdicts, str | Path):
        verdicts = [verdicts]
    given = list(verdicts)
    paths = [Path(one) for one in given if isinstance(one, str | Path)]
    judged = [one for one in given if isinstance(one, Verdict | JudgeError)]
    if len(paths) + len(judged) != len(given):
        raise SettingError("verdicts are files, `Verdict`s or `JudgeError`s", "Give some")
    beside = [errors_beside(path) for path in paths]
    seen = {path.resolve() for path in paths}
    more = [path for path in beside if path.exists() and path.resolve() not in seen]
    for path in [*dict.fromkeys(paths), *dict.fromkeys(more)]:
        records = read_records(path).records
        kind = type(records[0])
        if kind not in (Verdict, JudgeError):
            raise RecordError(
                f"this file holds {kind.__name__} records",
                "Name files of verdicts, as `handrail judge --out` writes them",
                str(path),
            )
        judged += records
    skips = []
    twice = len(paths) - len(dict.fromkeys(paths))
    if twice:
        skips.append(Skip(what="file of verdicts", reason="named twice, read once", count=twice))
    own = sum(one.a == one.b for one in judged)
    if own:
        judged = [one for one in judged if one.a != one.b]
        reason = "it compares a system with itself"
        skips.append(Skip(what="verdict", reason=reason, count=own))
    if not any(isinstance(one, Verdict) for one in judged):
        why = [f"{len(judged):,} failed judgements"] if judged else []
        why += [f"{own:,} of a system against itself"] if own else []
        told = f" ({', '.join(why)})" if why else ""
        raise RecordError(f"there is no verdict to rank by{told}", "Judge some replies first")
    return judged, skips


def dimension_of(
    judged: Sequence[Verdict | JudgeError], wanted: str | None
) -> tuple[str, tuple[str, ...]]:
    """The dimension to rank on, and the others that the verdicts have."""
    found = list(dict.fromkeys(one.dimension for one in judged if isinstance(one, Verdict)))
    if wanted is not None and wanted not in found:
        raise SettingError(f"no verdict is on the dimension '{wanted}'", nearest(wanted, found))
    known = [d for d in DIMENSIONS if d in found]
    chosen = wanted if wanted is not None else (known or found)[0]
    return chosen, tuple(d for d in found if d != chosen)


def turns_of(given_turns: Any) -> list[tuple[str, list[Turn]]]:
    """Turns by the name of their file ("" for records)."""
    if given_turns is None:
        return []
    given = [given_turns] if isinstance(given_turns, str | Path) else list(given_turns)
    paths = [one for one in given if isinstance(one, str | Path)]
    read = [(stem(path), as_turns(path).records) for path in paths]
    records = [one for one in given if not isinstance(one, str | Path)]
    return read + ([("", as_turns(records).records)] if records else [])


def without_turn(
    judged: Sequence[Verdict | JudgeError], clusters: Mapping[str, str], given: bool
) -> list[Skip]:
    """Verdicts at turns whose conversation is unknown although turns were given.

    Raises:
        RecordError: that is true of all of them.
    """
    if not given:
        return []
    at = [one.turn for one in judged if isinstance(one, Verdict)]
    unknown = sum(turn not in clusters for turn in at)
    if at and unknown == len(at):
        raise RecordError(
            "the turns given are none of those that were judged",
            "Name the file of turns that the replies were judged at: they are matched by id",
        )
    reason = "the turn is not among --turns: it is a cluster of its own"
    return [Skip(what="verdict", reason=reason, count=unknown)] if unknown else []
