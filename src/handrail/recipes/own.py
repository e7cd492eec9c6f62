"""The user's own file, of turns or of conversations, as turns with chosen and rejected replies."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handrail.recipes.parts import talk_of
from handrail.recipes.run import spread
from handrail.records import (
    Conversation,
    HandrailWarning,
    Loaded,
    Message,
    Playbook,
    RecordError,
    Skip,
    Turn,
)
from handrail.records.store import OnError
from handrail.sources import columns
from handrail.sources.arrow import is_parquet, parquet_names
from handrail.sources.grading import agent_turns
from handrail.sources.registry import conversations as read_conversations
from handrail.sources.registry import first_object, is_records
from handrail.sources.rejected import Candidate, Tally, add_rejected
from handrail.sources.roles import note_swapped
from handrail.sources.rules import load_playbook, under
from handrail.sources.similar import SimilarTurns
from handrail.sources.tables_out import read_file
from handrail.sources.transcripts import Imported

_ALIKE, _OTHERS = 8, 4  # replies to similar messages, and any replies, that are tried
_SHOWN = 5  # warnings told one by one


@dataclass(frozen=True)
class OwnTurns:
    """Turns of a file.

    `recorded`: as the conversations went, one reply each and none rejected. `filled`: how many
    stand under the playbook file, having none of their own.
    """

    turns: list[Turn]
    skipped: list[Skip]
    recorded: bool
    filled: int = 0


def read_turns(path: str, playbook: str = "", on_error: OnError = "stop") -> OwnTurns:
    """Turns of a file of turns or of conversations.

    Bad records are counted under `on_error` "skip"; what was read all the same although it looks
    wrong (swapped roles, spoilt text), and a playbook file that none of the records needs, is a
    HandrailWarning.

    Raises:
        RecordError: a bad record under "stop", or conversations without a playbook.
    """
    book = load_playbook(playbook) if playbook else None
    own = _read(path, book, on_error)
    filled = sum(turn.playbook is book for turn in own.turns) if book else 0
    if playbook and own.turns and not filled:
        text = f"{path}: every record has a playbook of its own; {playbook} is not used"
        warnings.warn(text, HandrailWarning, stacklevel=2)
    return replace(own, filled=filled)


def read_talks(
    path: str, playbook: str = "", on_error: OnError = "stop"
) -> tuple[list[Conversation], list[Skip]]:
    """Conversations of a file as they are, under the playbook file where they have none.

    None of a file that holds turns, or rows with feedback: `read_turns` is for these.

    Raises:
        RecordError: a bad record under "stop".
    """
    book = load_playbook(playbook) if playbook else None
    if _holds_turns(Path(path)):
        return [], []
    if not is_records(Path(path)) and columns.held_in(Path(path), on_error=on_error):
        return [], []
    loaded = _conversations(path, on_error)
    _tell(path, loaded.warnings)
    return [under(book, talk) for talk in loaded.records], [*loaded.skipped, *_mended(loaded, path)]


def _mended(loaded: Loaded[Conversation], path: str) -> list[Skip]:
    """What the import changed in messages, by how."""
    mended = loaded.counts.items() if isinstance(loaded, Imported) else ()
    return [Skip(what="message", reason=how, where=path, count=n) for how, n in mended]


def _read(path: str, book: Playbook | None, on_error: OnError) -> OwnTurns:
    """The turns of a file, under `book` where they have no playbook."""
    if _holds_turns(Path(path)):
        kept = read_file(path, Turn, on_error)
        note_swapped(kept, path, on_error)
        _tell(path, kept.warnings)
        return OwnTurns([under(book, t) for t in kept.records], kept.skipped, recorded=False)
    if not is_records(Path(path)) and columns.held_in(Path(path), on_error=on_error):
        rated, loaded = columns.load(path, playbook=book, on_error=on_error)
        if rated.records:
            _tell(path, [*rated.warnings, *loaded.warnings])
            whole = [turn for talk in loaded.records for turn in agent_turns(talk)]
            return OwnTurns([*rated.records, *whole], rated.skipped, recorded=False)
        loaded.skipped += rated.skipped  # where both kinds of rows are counted
    else:
        loaded = _conversations(path, on_error)
    _tell(path, loaded.warnings)
    talks = [under(book, talk) for talk in loaded.records]
    bare = [c.id for c in talks if c.playbook is None]
    if bare:
        raise RecordError(
            f"{len(bare)} conversations have no playbook, the first is '{bare[0]}'",
            "Name one (--playbook FILE, playbook= in Python), or put one into the records",
            path,
        )
    turns = [turn for talk in talks for turn in agent_turns(talk)]
    return OwnTurns(turns, [*loaded.skipped, *_mended(loaded, path)], recorded=True)


def _conversations(path: str, on_error: OnError) -> Loaded[Conversation]:
    """The conversations of a file; an error that a mapping would mend says where that is given."""
    try:
        return read_conversations(path, on_error=on_error)
    except RecordError as error:
        if "--map" not in error.mend:
            raise
        mend = f"{error.mend}; --map is of `handrail data import FILE OUT`, and OUT is for here"
        raise RecordError(error.problem, mend, error.where) from None


def retrieve_rejected(turns: Sequence[Turn], pool: Sequence[Turn], tally: Tally) -> list[Turn]:
    """The turns with a rejected reply each, where one is found.

    It is an agent's reply of the pool that breaks a guardrail that applies here and is neither
    equal nor near-equal to the chosen one: to a customer who asks alike if there is such a reply,
    else to any other. Turns whose own reply breaks a guardrail are left as they are. What was tried
    is counted in `tally`.
    """
    if not pool:
        return list(turns)
    able = [t for t in turns if t.replies and t.replies[0].keeps and not t.replies[0].breaks]
    found = SimilarTurns(pool).nearest(able, _ALIKE)
    made = {
        turn.id: add_rejected(turn, _candidates(turn, near, pool), tally=tally)
        for turn, near in zip(able, found, strict=True)
    }
    return [made.get(turn.id, turn) for turn in turns]


def _tell(path: str, found: Sequence[Skip]) -> None:
    for one in found[:_SHOWN]:
        warnings.warn(f"{one.where}: {one.reason}", HandrailWarning, stacklevel=3)
    if len(found) > _SHOWN:
        more = f"{path}: and {len(found) - _SHOWN:,} more warnings (`handrail data check` has all)"
        warnings.warn(more, HandrailWarning, stacklevel=3)


def _holds_turns(path: Path) -> bool:
    """Whether the first record of a JSON Lines or Parquet file is a turn.

    A turn at which the agent speaks first has no context: fields that are empty are not written.
    """
    names = parquet_names(path) if is_parquet(path) else set(first_object(path))
    return bool(names & {"context", "replies"}) and "messages" not in names


def _candidates(turn: Turn, near: Sequence[int], pool: Sequence[Turn]) -> list[Candidate]:
    """Replies to similar messages, then others chosen by a hash of the turn; no text twice."""
    others = [spread(f"{turn.id}:{k}") % len(pool) for k in range(_OTHERS)]
    found: dict[str, Candidate] = {}
    for origin, places in (("reply to a similar message", near), ("reply of another turn", others)):
        for i in places:
            text = pool[i].replies[0].text
            found.setdefault(text, Candidate(text, origin))
    return list(found.values())


def whole_conversations(turns: Sequence[Turn]) -> list[Conversation]:
    """The conversations that turns came from, as far as their last turn shows them."""
    last: dict[str, Turn] = {}
    for turn in turns:
        name = talk_of(turn)
        if name not in last or len(turn.context) > len(last[name].context):
            last[name] = turn
    talks = []
    for name, turn in last.items():
        best = turn.best()
        end = () if best is None else (Message(role="assistant", content=turn.replies[best].text),)
        messages = (*turn.context, *end)
        if any(m.role == "assistant" for m in messages):
            talks.append(Conversation(id=name, messages=messages, playbook=turn.playbook))
    return talks
