"""The user's own file, of turns or of conversations, as turns with chosen and rejected replies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from handrail.records import Conversation, RecordError, Skip, Turn, read_jsonl
from handrail.records.store import OnError
from handrail.sources.arrow import parquet_names
from handrail.sources.grading import agent_turns
from handrail.sources.registry import conversations as read_conversations
from handrail.sources.registry import first_object
from handrail.sources.rejected import Candidate, Tally, add_rejected
from handrail.sources.rules import load_playbook
from handrail.sources.tables_out import read_parquet

_CANDIDATES = 8  # replies of other turns that are tried as the rejected one


def read_turns(
    path: str, playbook: str = "", on_error: OnError = "stop"
) -> tuple[list[Turn], list[Skip]]:
    """Turns of a file of turns or of conversations; the latter get rejected replies retrieved.

    A rejected reply is an agent's reply of another turn that breaks a guardrail that applies here
    and that is neither equal nor near-equal to the chosen one. What was refused is counted, and so
    are bad records under `on_error` "skip".
    """
    if _holds_turns(Path(path)):
        parquet = Path(path).suffix == ".parquet"
        kept = (read_parquet if parquet else read_jsonl)(path, Turn, on_error)
        return list(kept.records), list(kept.skipped)
    loaded = read_conversations(path, on_error=on_error)
    book = load_playbook(playbook) if playbook else None
    talks = [c if c.playbook or not book else _under(c, book) for c in loaded.records]
    bare = [c.id for c in talks if c.playbook is None]
    if bare:
        raise RecordError(
            f"{len(bare)} conversations have no playbook, the first is '{bare[0]}'",
            "Name one (--playbook FILE, playbook= in Python), or put one into the records",
            path,
        )
    turns = [turn for talk in talks for turn in agent_turns(talk)]
    pool = [turn.replies[0].text for turn in turns]
    tally = Tally()
    made = [
        add_rejected(turn, _candidates(turn, pool), tally=tally)
        if turn.replies[0].keeps and not turn.replies[0].breaks
        else turn
        for turn in turns
    ]
    return made, [*loaded.skipped, *tally.skips()]


def _holds_turns(path: Path) -> bool:
    """Whether the first record of a JSON Lines or Parquet file is a turn."""
    if path.suffix == ".parquet":
        return "context" in parquet_names(path)
    return "context" in first_object(path)


def _under(conversation: Conversation, playbook: object) -> Conversation:
    return conversation.model_copy(update={"playbook": playbook})


def _candidates(turn: Turn, pool: Sequence[str]) -> list[Candidate]:
    """Replies of other turns, chosen by a hash of the turn: repeatable and well spread."""
    found = []
    for k in range(_CANDIDATES):
        text = pool[spread(f"{turn.id}:{k}") % len(pool)]
        found.append(Candidate(text, "reply of another turn"))
    return found


def spread(text: str) -> int:
    """A number below 2**64 that the text alone decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
