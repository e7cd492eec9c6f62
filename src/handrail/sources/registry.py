"""The data sets that Handrail knows by name, with a contract check at the door.

Adding one: a module with `load(path, on_error=...) -> Loaded[Conversation]` and an entry here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handrail.records import (
    Conversation,
    Loaded,
    RecordError,
    RunError,
    Skip,
    Turn,
    nearest,
)
from handrail.records.store import OnError, ending, raw_lines
from handrail.sources import abcd, star, star_turns, tau_bench, transcripts
from handrail.sources.grading import agent_turns
from handrail.sources.kinds import is_own, kind_of
from handrail.sources.roles import note_swapped
from handrail.sources.tables_out import read_file

Load = Callable[..., Loaded[Conversation]]
MakeTurns = Callable[[Sequence[Conversation], Path], Loaded[Turn]]


def _graded(conversations: Sequence[Conversation], path: Path) -> Loaded[Turn]:
    return Loaded([turn for c in conversations for turn in agent_turns(c)])


def _star_turns(conversations: Sequence[Conversation], path: Path) -> Loaded[Turn]:
    made = star_turns.turns(conversations, star.guide_beside(path))
    return Loaded(made.turns, made.tally.skips())


@dataclass(frozen=True)
class Source:
    """One data set: call it with the raw file's path to get its conversations.

    `about` says in a line what it is; `files` what must lie in the folder; `make_turns` gives the
    turns with their feedback from the conversations and the raw file's path.
    """

    name: str
    about: str
    licence: str
    files: str
    load: Load
    make_turns: MakeTurns = _graded

    def __call__(
        self, path: str | Path, on_error: OnError = "stop", **options: Any
    ) -> Loaded[Conversation]:
        """The conversations of a raw file; stops where the source does not keep its contract."""
        loaded = self.load(path, on_error=on_error, **options)
        check_contract(self.name, loaded)
        return loaded

    def turns(self, conversations: Sequence[Conversation], path: str | Path) -> list[Turn]:
        """The turns of conversations that this source gave, each with its feedback."""
        return self.feedback(conversations, path).records

    def feedback(self, conversations: Sequence[Conversation], path: str | Path) -> Loaded[Turn]:
        """As `turns`; `skipped` counts the candidates that were refused as rejected replies."""
        return self.make_turns(conversations, Path(path))


SOURCES: dict[str, Source] = {
    s.name: s
    for s in (
        Source(
            "star",
            "2,300 human dialogues over 24 tasks; flow charts as playbooks with checks",
            "MIT",
            "train.jsonl.gz or dev.jsonl.gz, guidelines.json",
            star.load,
            _star_turns,
        ),
        Source(
            "abcd",
            "20 conversations of an online shop; 55 guidelines as playbooks",
            "MIT",
            "conversations_sample.jsonl, guidelines.json, ontology.json",
            abcd.load,
        ),
        Source(
            "tau_bench",
            "200 airline runs with reward, few-shot examples; two policies as playbooks",
            "MIT",
            "gpt4o_airline_trajectories.jsonl.gz or few_shot_*.jsonl.gz, policy_*.txt",
            tau_bench.load,
        ),
        Source(
            "transcripts",
            "the user's own conversations: JSON Lines, JSON, CSV or Parquet",
            "the user's own",
            "any .jsonl, .json, .csv, .tsv or .parquet",
            transcripts.load,
        ),
    )
}


def source(name: str) -> Source:
    """A source by name; an unknown name is an error with the nearest right one."""
    if name not in SOURCES:
        from handrail.sources.feedback import FEEDBACK

        if name in FEEDBACK:
            raise RecordError(
                f"'{name}' has turns with feedback and no conversations to convert",
                "`handrail data feedback` (handrail.load_feedback in Python) reads it",
            )
        raise RecordError(f"there is no source '{name}'", nearest(name, SOURCES))
    return SOURCES[name]


def check_contract(name: str, loaded: object) -> None:
    """Stop unless this is exactly what a source must give.

    That is a `Loaded` of `Conversation`s with distinct ids and a provenance, and of `Skip`s.

    Raises:
        RunError: says what is not as agreed.
    """

    def stop(problem: str) -> None:
        raise RunError(
            f"the source '{name}' {problem}", "Mend its load function; see sources/registry.py"
        )

    if not isinstance(loaded, Loaded):
        stop(f"gave {type(loaded).__name__}, not Loaded")
        return
    seen: set[str] = set()
    for item in loaded.records:
        if not isinstance(item, Conversation):
            stop(f"gave a {type(item).__name__} among its conversations")
        if item.id in seen:
            stop(f"gave the id '{item.id}' twice")
        if not item.provenance.source:
            stop(f"gave no provenance for '{item.id}'")
        seen.add(item.id)
    for skip in loaded.skipped:
        if not isinstance(skip, Skip):
            stop(f"counted a {type(skip).__name__} as skipped")


def conversations(
    path: str | Path,
    mapping: transcripts.Mapping | None = None,
    *,
    on_error: OnError = "stop",
    **options: Any,
) -> Loaded[Conversation]:
    """Conversations of any file: Handrail's own records, or a user's transcripts.

    A JSON Lines or Parquet file whose first row is a `Conversation` with its playbook, tags or
    provenance is read as records; everything else as transcripts (`options` as in
    `transcripts.load`). Roles that look swapped stop; with on_error="skip" they are a warning.
    """
    if mapping is not None or options or not is_records(Path(path)):
        return SOURCES["transcripts"](path, on_error, mapping=mapping, **options)
    loaded = read_file(path, Conversation, on_error)
    note_swapped(loaded, str(path), on_error)
    return loaded


def is_records(path: Path) -> bool:
    """Whether a file holds `Conversation` records with more than messages, by its first record."""
    return is_own(path) and kind_of(path) is Conversation


def first_object(path: Path) -> dict[str, Any]:
    """The first line of a JSON Lines file that is a JSON object; empty where there is none.

    Bad lines before it are told, or counted, by the reading proper.
    """
    if ending(path) != ".jsonl":
        return {}
    for line in raw_lines(path):
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    return {}
