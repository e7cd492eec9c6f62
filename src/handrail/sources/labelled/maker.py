"""What the loaders share: a maker that collects the turns and labels that rows give.

A row that is not as it should be stops the loading or, with on_error="skip", is counted; so is
everything that is left out of a good row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from handrail.records import (
    JudgeError,
    Loaded,
    Message,
    Outcome,
    Provenance,
    Rating,
    RecordError,
    Reply,
    Skip,
    Turn,
    Verdict,
)
from handrail.records.errors import nearest_name
from handrail.records.store import OnError
from handrail.sources.labelled.fields import Fields
from handrail.sources.labelled.nouns import Labelled, is_by
from handrail.sources.reading import invalid
from handrail.sources.tables import Row, table_rows

DIMENSION = "helpfulness"  # what all these labels are of: which reply serves the user better


class Maker:
    """Collects the turns and labels of one data set; `labelled` gives what it has."""

    def __init__(self, name: str, licence: str, folder: Path, on_error: OnError = "stop") -> None:
        self.name, self.folder, self.on_error = name, folder, on_error
        self.mend = f"Check that this is {name}'s file (docs/judge-eval.md says which)"
        self._provenance = Provenance(
            source=name, licence=licence, made_by="handrail.sources.labelled"
        )
        self._turns: dict[str, Turn] = {}
        self._said: dict[tuple[str, ...], Verdict | Rating | JudgeError] = {}
        self._lengths: dict[tuple[str, str], int] = {}
        self._skipped: Counter[tuple[str, str]] = Counter()
        self._warned: Counter[tuple[str, str]] = Counter()
        self._bad: list[Skip] = []

    def path(self, file: str) -> Path:
        """The file in the set's folder, gzip or not.

        Raises:
            RecordError: it is not there.
        """
        for path in (self.folder / f"{file}.gz", self.folder / file):
            if path.exists():
                return path
        raise RecordError(
            f"there is no {file} (or {file}.gz)",
            f"Name the folder that holds {self.name}'s files",
            str(self.folder),
        )

    def each(self, file: str, use: Callable[[Fields], None]) -> None:
        """Call `use` with every row of a file; a bad row stops, or is counted.

        Raises:
            RecordError: no such file, not one good row, or the first bad row.
        """
        path = self.path(file)
        good, bad = 0, len(self._bad)
        for row in table_rows(path, on_error=self.on_error):
            good += self.attempt(row.where, partial(self._use, row, use))
        if not good:
            first = f" is of use: {self._bad[bad].reason}" if len(self._bad) > bad else ""
            raise RecordError(f"not one row{first}", "" if first else self.mend, str(path))

    def _use(self, row: Row, use: Callable[[Fields], None]) -> None:
        if row.fault is not None:
            raise row.fault
        use(Fields(row, self.mend, self.warn))

    def attempt(self, where: str, work: Callable[[], object]) -> bool:
        """Do a piece of work; its fault stops, or is counted. Whether it was done.

        Raises:
            RecordError: the fault, with where it is.
        """
        try:
            work()
            return True
        except ValidationError as error:
            fault = invalid(error, where)
        except RecordError as error:
            fault = RecordError(error.problem, error.mend, where)
        if self.on_error == "stop":
            raise fault from None
        self._bad.append(Skip(what="row", reason=fault.told, where=where))
        return False

    def skip(self, what: str, reason: str, count: int = 1) -> None:
        """Count something that is left out."""
        self._skipped[what, reason] += count

    def warn(self, what: str, reason: str) -> None:
        """Count something that is odd and read all the same."""
        self._warned[what, reason] += 1

    def turn(
        self,
        key: object,
        prompt: str | list[Message],
        replies: Mapping[str, str | None],
        lengths: Mapping[str, int] | None = None,
        *,
        cluster: object = None,
        **tags: str,
    ) -> str:
        """Add a turn and give its id. A reply without words has a length, and is counted.

        `lengths` are those of replies that there is no text of; `cluster` tells which turns have
        one prompt: by default each has its own.
        """
        turn_id = f"{self.name}/{key}"
        if turn_id in self._turns:
            raise RecordError(f"{turn_id} came before", "Keep one of the two")
        context = [Message(role="user", content=prompt)] if isinstance(prompt, str) else prompt
        texts = {author: text or "" for author, text in replies.items()}
        said = {author: text for author, text in texts.items() if text.strip()}
        turn = Turn(
            id=turn_id,
            conversation_id=turn_id if cluster is None else f"{self.name}/{cluster}",
            context=tuple(context),
            replies=tuple(Reply(text=text, author=author) for author, text in said.items()),
            tags=tags,
            provenance=self._provenance,
        )
        for author in texts.keys() - said.keys():
            empty = "null" if replies[author] is None else "empty"
            self.skip("reply", f"{empty}: judges are not shown the comparisons that it is in")
        self._turns[turn_id] = turn
        known = {author: len(text) for author, text in texts.items()} | dict(lengths or {})
        self._lengths |= {(turn_id, author): characters for author, characters in known.items()}
        return turn_id

    def _know(self, turn: str, *systems: str) -> None:
        """Stop at a label of a turn or a reply that is not there.

        Raises:
            RecordError: names it.
        """
        if turn not in self._turns:
            raise RecordError(f"there is no turn {turn}", self.mend)
        for system in systems:
            if (turn, system) not in self._lengths:
                known = sorted(author for t, author in self._lengths if t == turn)
                raise RecordError(
                    f"'{system}' has no reply at {turn}; {nearest_name(system, known)}", self.mend
                )

    def judged(
        self, turn: str, a: str, b: str, outcome: Outcome, judge: str, why: str = ""
    ) -> None:
        """Add a verdict; `a` was shown first. What repeats an earlier one is counted."""
        self._add(
            Verdict(
                turn=turn,
                a=a,
                b=b,
                dimension=DIMENSION,
                outcome=outcome,
                judge=judge,
                rationale=why,
            )
        )

    def scored(
        self,
        turn: str,
        pair: tuple[str, str],
        scores: Sequence[float],
        scale: tuple[float, float],
        judge: str,
        why: str = "",
    ) -> None:
        """Add two scores given side by side: a rating of each, and the verdict that they make."""
        (a, b), (first, second) = pair, scores
        for system, other, score in ((a, b, first), (b, a, second)):
            self._add(
                Rating(
                    turn=turn,
                    a=system,
                    dimension=f"{DIMENSION} beside {other}",
                    value=score,
                    low=scale[0],
                    high=scale[1],
                    judge=judge,
                )
            )
        outcome = Outcome.A if first > second else Outcome.B if second > first else Outcome.TIE
        self.judged(turn, a, b, outcome, judge, why)

    def rated(self, rating: Rating) -> None:
        """Add a rating."""
        self._add(rating)

    def failed(self, turn: str, a: str, b: str, judge: str, problem: str, raw: str = "") -> None:
        """Add a judgement that is none."""
        self._add(
            JudgeError(
                turn=turn,
                a=a,
                b=b,
                dimension=DIMENSION,
                judge=judge,
                problem=problem,
                kind="malformed",
                raw=raw,
            )
        )

    def _add(self, one: Verdict | Rating | JudgeError, first: str = "") -> None:
        """Add a label. Those of one judge on one pair that differ in `first` are not the same."""
        pair = (one.a,) if isinstance(one, Rating) else tuple(sorted((one.a, one.b)))
        self._know(one.turn, *pair)
        if len(set(pair)) < len(pair):
            raise RecordError(f"'{one.a}' is compared with itself", self.mend)
        earlier = self._said.setdefault((one.turn, one.dimension, one.judge, first, *pair), one)
        if earlier is one:
            return
        if earlier != one:
            raise RecordError(
                f"{one.judge} says two different things of {' and '.join(pair)} at {one.turn}",
                "Keep one of the two rows",
            )
        self.skip("label", "repeats an earlier one")

    def own(
        self, turns: Loaded[Turn], verdicts: Loaded[Verdict], failed: Loaded[JudgeError]
    ) -> None:
        """Take records as they are; a verdict on what is not there stops, or is counted.

        A program may have seen a pair in both orders, a person is one labeller of it.

        Raises:
            RecordError: the first such verdict.
        """
        for turn in turns.records:
            self._turns[turn.id] = turn
            self._lengths |= {(turn.id, reply.author): len(reply.text) for reply in turn.replies}
        judged: list[Verdict | JudgeError] = [*verdicts.records, *failed.records]
        for one in judged:
            shown_first = one.a if one.order == "AB" else one.b
            try:
                self._add(one, "" if is_by(one.judge, "human") else shown_first)
            except RecordError as error:
                if self.on_error == "stop":
                    raise
                self.skip("label", error.problem)
        self._bad += [*turns.skipped, *verdicts.skipped, *failed.skipped]

    def labelled(self) -> Labelled:
        """All that was collected."""
        said = list(self._said.values())
        return Labelled(
            name=self.name,
            turns=tuple(self._turns.values()),
            verdicts=tuple(one for one in said if isinstance(one, Verdict)),
            ratings=tuple(one for one in said if isinstance(one, Rating)),
            errors=tuple(one for one in said if isinstance(one, JudgeError)),
            lengths=self._lengths,
            skipped=(*self._bad, *self._told(self._skipped)),
            warnings=self._told(self._warned),
        )

    def _told(self, counted: Counter[tuple[str, str]]) -> tuple[Skip, ...]:
        return tuple(
            Skip(what=what, reason=reason, where=self.name, count=n)
            for (what, reason), n in counted.items()
        )
