"""One seed's replies judged; by a language model as a stage of the run, since it is paid for.

A report written again takes the judgements as they are. Where the endpoint failed or a limit was
met, the judgements are of this report only, and the next run asks for what is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from handrail.judges import AssessorJudge, assess_systems, compare_systems
from handrail.judges.compare import Progress
from handrail.recipes.corpus import Corpus
from handrail.recipes.language import may_pass
from handrail.recipes.run import Run, digest_records, read_json, write_json
from handrail.records import (
    DIMENSIONS,
    Assessment,
    HandrailWarning,
    JudgeError,
    Reply,
    Verdict,
)

_Record = TypeVar("_Record", Assessment, Verdict)


@dataclass(frozen=True)
class Judged:
    """Each system's replies assessed, in the order of the test turns; each pair compared."""

    assessed: dict[str, list[Assessment | JudgeError]]
    verdicts: list[Verdict | JudgeError]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that the assessor can tell anything about."""
        every = [one for run in self.assessed.values() for one in run]
        told = [one for one in every if isinstance(one, Assessment)]
        return tuple(d for d in DIMENSIONS if any(one.acceptable(d) is not None for one in told))

    @property
    def errors(self) -> list[JudgeError]:
        """All judgements that failed."""
        alone = (one for run in self.assessed.values() for one in run)
        return [one for one in (*alone, *self.verdicts) if isinstance(one, JudgeError)]


class _Passing(Exception):
    """Some judgements failed in a way that may pass."""


def judge_seed(
    run: Run,
    corpus: Corpus,
    replies: Mapping[str, Sequence[Reply]],
    pairs: Sequence[tuple[str, str]],
    seed: int,
    told: tuple[Progress, Progress],
) -> Judged:
    """Judge what one seed's systems said. `told`: the progress of assessing and of comparing."""
    texts = {name: [reply.text for reply in said] for name, said in replies.items()}
    if corpus.judge is None:
        return _judge(corpus, texts, pairs, told)
    found: list[Judged] = []

    def make(folder: Path) -> None:
        one = _judge(corpus, texts, pairs, told)
        found.append(one)
        write_json(folder / "judged.json", _plain(one))
        if any(map(may_pass, one.errors)):
            raise _Passing

    inputs = {
        "judges": [corpus.assessor.name, corpus.judge.name],
        "turns": digest_records(corpus.test),
        "replies": {name: digest_records(said) for name, said in replies.items()},
        "pairs": pairs,
    }
    try:
        folder = run.stage(f"seed{seed}-judged", inputs, make)
    except _Passing:
        lost = sum(map(may_pass, found[0].errors))
        warnings.warn(
            f"{lost:,} judgements of seed {seed} failed at the endpoint or its limits; the same "
            "`handrail run` command asks for these again",
            HandrailWarning,
            stacklevel=2,
        )
        return found[0]
    return _read(read_json(folder / "judged.json"))


def _judge(
    corpus: Corpus,
    texts: Mapping[str, Sequence[str]],
    pairs: Sequence[tuple[str, str]],
    told: tuple[Progress, Progress],
) -> Judged:
    judge = AssessorJudge(corpus.assessor)
    alone = Judged(assess_systems(corpus.test, texts, judge, told[0]), [])
    verdicts = compare_systems(
        corpus.test, texts, corpus.judge or judge, pairs, alone.dimensions, progress=told[1]
    )
    return Judged(alone.assessed, verdicts)


def _plain(one: Judged) -> dict[str, Any]:
    def row(record: Assessment | Verdict | JudgeError) -> dict[str, Any]:
        key = "error" if isinstance(record, JudgeError) else "is"
        return {key: record.model_dump(mode="json", exclude_defaults=True)}

    return {
        "assessed": {name: [row(a) for a in judged] for name, judged in one.assessed.items()},
        "systems": list(one.assessed),
        "verdicts": [row(v) for v in one.verdicts],
    }


def _read(plain: dict[str, Any]) -> Judged:
    def record(kind: type[_Record], row: dict[str, Any]) -> _Record | JudgeError:
        return kind(**row["is"]) if "is" in row else JudgeError(**row["error"])

    return Judged(
        {n: [record(Assessment, row) for row in plain["assessed"][n]] for n in plain["systems"]},
        [record(Verdict, row) for row in plain["verdicts"]],
    )
