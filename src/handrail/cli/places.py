"""Where in a file a turn stands, for errors that know the turn alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from handrail.records import Conversation, HandrailError, RecordError
from handrail.records.store import parse_line, raw_lines
from handrail.sources.arrow import is_parquet, parquet_rows
from handrail.sources.kinds import kind_of

# As layers that are given turns and no file say where a fault is.
_TURN = re.compile(r"turn (?:'(?P<quoted>.*?)'(?:, .*)?|(?P<bare>.*))", re.DOTALL)


@contextmanager
def placed(file: str) -> Iterator[None]:
    """Put file and line before what an error says of a turn: "a.jsonl, line 3, turn 't2'".

    The file is read again, and only when there is an error, so that no numbers of lines are kept
    for millions of turns that have none.

    Args:
        file: what the turns were read from (`Loaded.file`); "" changes nothing.
    """
    try:
        yield
    except HandrailError as error:
        found = _TURN.fullmatch(error.where)
        place = place_of(file, found["quoted"] or found["bare"] or "") if found else ""
        if not place:
            raise
        where = f"{place}, {error.where}"
        raise type(error)(error.problem, error.mend, where) from None


def place_of(file: str, turn: str) -> str:
    """File and line (row, of Parquet) of the turn of this id, or of its conversation; "" if none.

    What cannot be read twice, such as a pipe, has no lines.
    """
    path = Path(file)
    if not file or not path.is_file():
        return ""
    rows = is_parquet(path)
    try:
        kind = kind_of(path)
        wanted = turn.rpartition("/")[0] if kind is Conversation else turn  # as `agent_turns` does
        for number, identity in _in_rows(path) if rows else _in_lines(path, kind):
            if identity == wanted:
                return f"{file}, {'row' if rows else 'line'} {number}"
    except RecordError:  # the file has changed since
        return ""
    return ""


def _in_lines(path: Path, kind: type[BaseModel]) -> Iterator[tuple[int, str]]:
    """Number and id of each good line; an id that is not given follows from the content."""
    for number, raw in enumerate(raw_lines(path, lost=[]), 1):
        try:
            yield number, str(getattr(parse_line(raw, kind, ""), "id", ""))
        except RecordError:
            continue


def _in_rows(path: Path) -> Iterator[tuple[int, str]]:
    """Number and id of each row, which has a column for it (`write_parquet`)."""
    for number, row in enumerate(parquet_rows(path), 1):
        yield number, str(row.get("id", ""))
