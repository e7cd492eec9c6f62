"""`handrail.judge`: replies of several systems at the same turns, to verdicts and win rates."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from handrail.cli.console import count
from handrail.cli.files import as_turns, records_out
from handrail.cli.names import stem
from handrail.judges import AssessorJudge, RuleAssessor, assess_systems, compare_systems
from handrail.ranking import (
    Estimate,
    PairResult,
    SystemRate,
    clusters_of,
    compare_pairs,
    system_rates,
)
from handrail.records import (
    DIMENSIONS,
    Assessor,
    HandrailWarning,
    JudgeError,
    Loaded,
    RecordError,
    SettingError,
    Skip,
    Turn,
    Verdict,
    nearest,
    write_jsonl,
)

Progress = Callable[[str, float, float], None]
JUDGES = ("auto", "oracle", "rules")


@dataclass(frozen=True)
class Judged:
    """What a judge said of some systems' replies, and what follows from it.

    `judge` is the judge's name; `why` says why it was this one where nobody named it.
    """

    verdicts: tuple[Verdict, ...]
    errors: tuple[JudgeError, ...]
    rates: tuple[SystemRate, ...]
    pairs: tuple[PairResult, ...]
    skipped: tuple[Skip, ...]
    turns: int
    judge: str
    why: str = ""

    def write(self, path: str | Path) -> Path | None:
        """Write the verdicts, and failed judgements beside them; returns the latter's path.

        Raises:
            SettingError: only one system was judged, and verdicts compare two; or `path` has the
                ending of another kind of file.
        """
        if not self.pairs:
            raise no_verdicts(path)
        write_jsonl(records_out(path), self.verdicts)
        beside = errors_beside(path)
        if self.errors:
            write_jsonl(beside, self.errors)
            return beside
        beside.unlink(missing_ok=True)  # of an earlier judging
        return None

    def summary(self) -> dict[str, Any]:
        """Counts, rates and win rates as plain data."""
        return {
            "judge": self.judge,
            "judge_because": self.why,
            "turns": self.turns,
            "verdicts": len(self.verdicts),
            "errors": len(self.errors),
            "skipped": [skip.model_dump() for skip in self.skipped],
            "rates": [
                {"system": r.system, "dimension": r.dimension} | _plain(r.estimate)
                for r in self.rates
                if r.estimate.n
            ],
            "win_rates": [
                {"system": w.system, "against": w.against, "dimension": w.dimension}
                | _plain(w.estimate)
                | {"rule": str(w.rule), "p": pair.paired.permutation.p_value}
                for pair in self.pairs
                for w in (pair.win_a, pair.win_b)
                if pair.n
            ],
            "flip_rates": [
                {"a": p.a, "b": p.b, "dimension": p.dimension} | _plain(p.flips)
                for p in self.pairs
                if p.n
            ],
        }


def judge(
    replies: Mapping[str, str | Path | Iterable[Turn] | Loaded[Turn]],
    turns: str | Path | Iterable[Turn] | Loaded[Turn] | None = None,
    *,
    judge: str | Assessor = "auto",
    progress: Progress | None = None,
) -> Judged:
    """Judge each system's first reply at each turn: alone, and against each other system's.

    Args:
        replies: system name to its turns with replies (what `generate` makes), or their file, or
            what `handrail.turns` read of it.
        turns: the turns that count, with context and playbook; by default the first system's.
        judge: "oracle" (the care world's: all three dimensions), "rules" (the executable checks of
            each turn's playbook: adherence only), "auto" (the oracle where the provenance of every
            turn says that it is the care world's, else the rules), or any assessor.
        progress: called as (stage, done, total).

    Warns with a `HandrailWarning` where the oracle is asked for and turns are not the care world's.

    Raises:
        HandrailError: unknown judge, no replies, systems without a turn in common, or not one
            reply that the judge can judge.
    """
    if not replies:
        raise SettingError("there are no replies to judge", "Name at least one file of replies")
    read = {name: as_turns(source) for name, source in replies.items()}
    by_system = {name: loaded.records for name, loaded in read.items()}
    given = as_turns(turns) if turns is not None else Loaded(next(iter(by_system.values())))
    asked = given.records
    assessor, why = _assessor(judge, asked)
    texts, skipped = _aligned(asked, by_system)
    skipped += [skip for loaded in (*read.values(), given) for skip in loaded.skipped]
    told = progress or (lambda stage, done, total: None)
    one = AssessorJudge(assessor)
    assessed = assess_systems(asked, texts, one, lambda d, n: told("assess", d, n))
    clusters = clusters_of(asked)
    rates = system_rates(assessed, clusters=[clusters[t.id] for t in asked])
    if not any(rate.estimate.n for rate in rates):
        raise _nothing([e for e in chain(*assessed.values()) if isinstance(e, JudgeError)], why)
    pairs = list(combinations(by_system, 2))
    known = [d for d in DIMENSIONS if any(r.estimate.n for r in rates if r.dimension == d)]
    judged = compare_systems(
        asked, texts, one, pairs, known, progress=lambda d, n: told("judge", d, n)
    )
    return Judged(
        verdicts=tuple(v for v in judged if isinstance(v, Verdict)),
        errors=tuple(e for e in judged if isinstance(e, JudgeError)),
        rates=rates,
        pairs=compare_pairs(judged, clusters=clusters),
        skipped=tuple(skipped),
        turns=len(asked),
        judge=assessor.name,
        why=why,
    )


def _assessor(judge: str | Assessor, turns: Sequence[Turn]) -> tuple[Assessor, str]:
    """The judge of these turns, and why it is this one where it was not named."""
    from handrail.world import Oracle, is_ours

    if isinstance(judge, str) and judge not in JUDGES:
        raise SettingError(f"unknown judge '{judge}'", nearest(judge, JUDGES))
    foreign = sum(not is_ours(turn) for turn in turns)
    told = f"{foreign:,} of {count(len(turns), 'turn')} not made by the care world"
    if judge == "auto":
        if foreign:
            return RuleAssessor(), f"{told}, so the checks of each playbook judge adherence only"
        return Oracle(), "every turn is the care world's"
    if judge == "rules":
        return RuleAssessor(), ""
    named = Oracle() if isinstance(judge, str) else judge
    if foreign and isinstance(named, Oracle):
        text = (
            f"the oracle knows the care world only ({told}), so its figures say nothing of other "
            "conversations. Judge those by their playbooks: --judge rules (judge='rules')"
        )
        warnings.warn(text, HandrailWarning, stacklevel=3)
    return named, ""


def errors_beside(path: str | Path) -> Path:
    """Where the judgements that failed are written, beside the verdicts in `path`."""
    return Path(path).with_name(f"{stem(path)}.errors.jsonl")


def no_verdicts(path: str | Path) -> SettingError:
    """Why one system's judgements cannot be written as verdicts."""
    return SettingError(
        "there are no verdicts to write: each compares the replies of two systems",
        "Judge a second file of replies too, or leave out --out (`write` in Python)",
        str(path),
    )


def _nothing(errors: Sequence[JudgeError], why: str) -> RecordError:
    """Why a judge judged nothing at all: the most frequent reason, and why it was this judge."""
    reasons = Counter(error.problem for error in errors).most_common(1)
    reason, often = reasons[0] if reasons else ("no turns", 0)
    return RecordError(
        f"there is nothing to judge: {reason} ({count(often, 'time')}{why and '; '}{why})",
        "Write replies with `handrail generate`, and for the judge 'rules' give playbooks checks",
    )


def _aligned(
    asked: Sequence[Turn], by_system: Mapping[str, Sequence[Turn]]
) -> tuple[dict[str, list[str | None]], list[Skip]]:
    """Each system's reply at each turn asked about, and what was left out."""
    skipped: list[Skip] = []
    wanted = {turn.id for turn in asked}
    texts: dict[str, list[str | None]] = {}
    for name, turns in by_system.items():
        given = {turn.id: turn.replies for turn in turns}
        if not wanted & set(given):
            raise RecordError(
                f"'{name}' has no reply at any of the {len(wanted)} turns",
                "Generate the replies from the same file of turns: they are matched by turn id",
            )
        texts[name] = [given[t.id][0].text if given.get(t.id) else None for t in asked]
        missing = sum(text is None for text in texts[name])
        more = sum(len(given.get(i, ())) - 1 for i in wanted if len(given.get(i, ())) > 1)
        other = len(set(given) - wanted)
        for n, what in (
            (missing, "turns without a reply"),
            (more, "replies after a turn's first"),
            (other, "replies at turns that were not asked about"),
        ):
            if n:
                skipped.append(Skip(what=what, reason="not judged", where=name, count=n))
    return texts, skipped


def _plain(estimate: Estimate) -> dict[str, Any]:
    return dict(estimate.as_dict())
