"""Raw JSON Lines files into conversations: every fault names file, line and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handrail.records import Conversation, Loaded, RecordError, Skip
from handrail.records.faults import one_of, plain
from handrail.records.store import OnError, lines_or_rest, raw_lines

Make = Callable[[dict[str, Any]], Conversation]


def read_each(
    path: str | Path, make: Make, name: str, on_error: OnError = "stop"
) -> Loaded[Conversation]:
    """One conversation per line of a raw file, made by `make` from the line's object.

    Args:
        path: JSON Lines, gzip or not.
        make: may raise KeyError, TypeError, ValueError or `RecordError`; all become one
            `RecordError` with file and line.
        name: what the file should be, for the errors.
        on_error: "stop" raises at the first bad line, "skip" counts it, and once the rest of a
            gzip file that is cut off.
    """
    loaded: Loaded[Conversation] = Loaded()
    seen: dict[str, int] = {}
    for number, line in enumerate(lines_or_rest(Path(path), loaded, on_error), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            made = _make(line, make, name, where)
            if made.id in seen:
                raise RecordError(
                    f"the id '{made.id}' was used in line {seen[made.id]} already",
                    "Keep one of the two",
                    where,
                )
            seen[made.id] = number
            loaded.records.append(made)
        except RecordError as error:
            if on_error == "stop":
                raise
            loaded.skipped.append(Skip(what="conversation", reason=error.told, where=where))
    if not loaded.records and on_error == "stop":
        raise RecordError("no conversations", f"Check that this is {name}'s file", str(path))
    return loaded


def _make(line: bytes, make: Make, name: str, where: str) -> Conversation:
    try:
        raw = json.loads(line.decode("utf-8-sig"))
        if not isinstance(raw, dict):
            raise RecordError(
                f"expected a JSON object, found {type(raw).__name__}",
                f"Check that this is {name}'s file",
            )
        return make(raw)
    except UnicodeDecodeError as error:
        raise RecordError(
            f"byte {error.start} is not UTF-8", "Fetch the file again", where
        ) from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise RecordError(f"this is not JSON: {error}", "Fetch the file again", where) from None
    except KeyError as error:
        raise RecordError(
            f"field {error} is missing", f"Check that this is {name}'s file", where
        ) from None
    except RecordError as error:
        raise RecordError(error.problem, error.mend, where) from None
    except ValidationError as error:
        raise invalid(error, where) from None
    except (TypeError, AttributeError, ValueError, IndexError) as error:
        raise RecordError(
            f"this is not a conversation of {name} ({error})",
            "See docs/sources.md for the shape",
            where,
        ) from None


def invalid(error: ValidationError, where: str) -> RecordError:
    """The first fault of a record in one sentence."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(p) for p in first["loc"]) or "the record"
    mend = one_of(first) or "Mend the line or leave it out"
    return RecordError(f"field '{field}': {plain(first)}", mend, where)


def json_file(path: Path, name: str) -> Any:
    """A whole JSON file; `RecordError` where it is missing or not JSON."""
    try:
        return json.loads(b"".join(raw_lines(path)).decode("utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f"{name} is not readable JSON ({error})", "Fetch it again", str(path)
        ) from None
