"""Answers kept in an SQLite file, so that no question is paid for twice.

A row's key is the SHA-256 of what decides an answer: model, messages, parameters (the schema with
them) and the number of the draw. The endpoint's address is no part of it: the same model is the
same behind another port or host. Whoever puts another model behind an old name needs another file.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handrail.records import Request, RunError, Usage

_APPLICATION = 0x48414E44  # "HAND", in the file's header: not every SQLite file is a cache
_AT_ONCE = 500  # keys of a query; SQLite's default limit is 999 in old versions
_BUSY_S = 30.0  # how long to wait for another process that writes
_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, text TEXT NOT NULL, finish TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, repairs INTEGER NOT NULL,
    model TEXT NOT NULL, served TEXT NOT NULL, prompt TEXT NOT NULL, time REAL NOT NULL
) WITHOUT ROWID
"""
_FIND = "SELECT key, text, finish, prompt_tokens, completion_tokens, repairs FROM answers WHERE key"
_KEEP = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Kept:
    """A reply that could be read, as it came; tokens of all its rounds.

    `model`, `served` (the endpoint's own word for it) and `prompt` (name and version) are for
    people who look into the file.
    """

    text: str
    finish: str = "stop"
    usage: Usage = field(default_factory=Usage)
    repairs: int = 0
    model: str = ""
    served: str = ""
    prompt: str = ""


class Keys:
    """Makes the keys of one model's questions."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._schemas: dict[int, tuple[object, str]] = {}

    def __call__(self, request: Request) -> bytes:
        """The SHA-256 of what decides the answer to this request."""
        content = [
            self.model,
            [(message.role, message.content) for message in request.messages],
            request.max_tokens,
            request.temperature,
            request.top_p,
            request.seed,
            request.sample,
            self._schema(request.reading.schema),
        ]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    def _schema(self, schema: dict[str, Any] | None) -> str:
        if schema is None:
            return ""
        known = self._schemas.get(id(schema))
        if known is None:
            # The schema is kept with its text, or another could come to stand at its address.
            known = self._schemas[id(schema)] = (schema, json.dumps(schema, sort_keys=True))
        return known[1]


class AnswerCache:
    """A file of answers that several processes may share.

    What is to be kept is written by a thread of its own, all that waits in one transaction: a
    kill costs the answers of a moment, and asking never waits for the disk. In WAL mode a commit
    outlives the process at once, and the machine's fall after SQLite's next checkpoint.
    """

    def __init__(self, path: str | Path) -> None:
        """Open or make the file.

        Raises:
            RunError: it is a folder, no cache, damaged, or cannot be written.
        """
        self.path = Path(path)
        self.problem = ""  # why nothing more is kept; empty while all is well
        self._waiting: list[tuple[bytes, Kept]] = []
        self._writing = self._closing = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._reading = threading.Lock()
        with self._told():
            if self.path.is_dir():
                raise sqlite3.OperationalError("it is a folder")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._open()

    def __reduce__(self) -> tuple[Any, ...]:
        return AnswerCache, (self.path,)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        """What is kept under these keys.

        Raises:
            RunError: the file cannot be read.
        """
        found: dict[bytes, Kept] = {}
        with self._told(), self._reading:
            for at in range(0, len(keys), _AT_ONCE):
                some = keys[at : at + _AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, text, finish, asked, wrote, repairs in self._db.execute(
                    f"{_FIND} IN ({marks})", some
                ):
                    found[key] = Kept(text, finish, Usage(asked, wrote), repairs)
        return found

    def keep(self, key: bytes, kept: Kept) -> None:
        """Keep an answer; at once for this process's purposes, on the disk in a moment."""
        if self.problem:
            return
        with self._changed:
            self._waiting.append((key, kept))
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._write, name="answers", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def totals(self) -> dict[str, tuple[int, Usage]]:
        """How many answers are kept of each prompt (name and version), and their tokens.

        Raises:
            RunError: the file cannot be read.
        """
        self.flush()
        sums = "count(*), sum(prompt_tokens), sum(completion_tokens)"
        with self._told():
            db = self._open()
            try:
                rows = db.execute(f"SELECT prompt, {sums} FROM answers GROUP BY prompt ORDER BY 1")
                return {prompt: (n, Usage(a, b)) for prompt, n, a, b in rows.fetchall()}
            finally:
                db.close()

    def flush(self) -> None:
        """Wait until all that was to be kept is in the file, or `problem` says why not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._writing)

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._db.close()

    def _write(self) -> None:
        """The thread's work: what waits goes into the file, until `close`."""
        db: sqlite3.Connection | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                batch, self._waiting = self._waiting, []
                self._writing = bool(batch)
            if not batch:
                break
            try:
                db = db or self._connected()
                self._insert(db, batch)
            except (sqlite3.Error, OSError) as error:
                self.problem = str(error) or type(error).__name__
            with self._changed:
                if self.problem:
                    self._waiting = []
                self._writing = False
                self._changed.notify_all()
        if db is not None:
            db.close()

    def _insert(self, db: sqlite3.Connection, batch: Sequence[tuple[bytes, Kept]]) -> None:
        now = time.time()
        rows = [
            (
                key,
                one.text.encode("utf-8", "replace").decode(),  # SQLite takes no lone surrogates
                one.finish,
                one.usage.prompt_tokens,
                one.usage.completion_tokens,
                one.repairs,
                one.model,
                one.served,
                one.prompt,
                now,
            )
            for key, one in batch
        ]
        with db:  # one transaction
            db.executemany(_KEEP, rows)

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_BUSY_S, check_same_thread=False)
        # A commit is handed to the system and not forced onto the disk: enough for a kill.
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    def _open(self) -> sqlite3.Connection:
        db = self._connected()
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        (mark,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != _APPLICATION and tables:
            raise sqlite3.DatabaseError("it is a database of something else")
        for attempt in range(50):
            try:
                db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                # Going over to WAL does not wait for another process that does the same.
                if attempt == 49:
                    raise
                time.sleep(0.1)
        db.execute("BEGIN IMMEDIATE")  # says now whether the file may be written
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(_TABLE)
        db.commit()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors in words for a user."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = str(error)
            mend = "Name another file with --cache, or go without one (--no-cache)"
            if isinstance(error, sqlite3.DatabaseError) and (
                "not a database" in text or "malformed" in text
            ):
                mend = "Delete it (its answers will be asked again), or name another with --cache"
            raise RunError(
                f"the cache of answers cannot be used ({getattr(error, 'strerror', None) or text})",
                mend,
                str(self.path),
            ) from None
