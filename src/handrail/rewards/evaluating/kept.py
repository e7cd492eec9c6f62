"""Scores kept on disk, so that no reply is scored twice and a kill loses a moment's at most."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from handrail.records import AskProgress, Turn, as_rating, score_each
from handrail.rewards.evaluating.costs import Cost, Opened

Replies = Sequence[tuple[Turn, str]]
FIRST, MOST, EVERY_S = 16, 4096, 5.0  # replies of a first chunk, of any; seconds of a chunk


@dataclass
class Chunk:
    """Replies that were scored together, and what that took.

    `first` ones of a process warm the model up. `asked` is how many were not answered from a cache
    of the model's own, `money` what these cost; None where nobody knows.
    """

    replies: int
    seconds: float
    first: bool
    tokens: int | None
    asked: int
    money: float | None


class KeptScorer:
    """A scorer whose scores are kept in a file (a `BatchScorer`).

    The scorer itself is opened when the first score is missing. A file is of one name and
    `identity` (a model's files with their sizes and times, say): a model that was trained again
    has a new one. Without a folder, or where the file cannot be written (`problem` says why),
    scores are kept in memory alone.
    """

    def __init__(
        self,
        name: str,
        opener: Callable[[], Opened],
        folder: str | Path | None = None,
        identity: str = "",
    ) -> None:
        self.name, self.problem, self.scored = name, "", 0
        self._opener = opener
        self._opened: Opened | None = None
        self._scores: dict[str, float] = {}
        self._chunks: list[Chunk] = []
        self._facts: dict[str, Any] = {}
        digest = hashlib.sha256(f"{name}\n{identity}".encode("utf-8", "surrogatepass")).hexdigest()
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[-60:] or "model"
        self.path = None if folder is None else Path(folder) / f"{stem}-{digest[:12]}.jsonl"
        try:
            for line in _lines(self.path):
                self._take(line)
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror or error}"

    @property
    def opened(self) -> Opened:
        """The scorer, opened now if it was not."""
        if self._opened is None:
            self._opened = self._opener()
            facts = {
                "model": self.name,
                "trained_with": getattr(self._opened.scorer, "trained_with", ""),
                "parameters": self._opened.parameters,
                "currency": self._opened.currency,
            }
            if facts != self._facts:
                self._facts = facts
                self._append(facts)
        return self._opened

    @property
    def trained_with(self) -> str:
        """What the model was trained with, as far as it says."""
        if not self._facts:
            _ = self.opened
        return str(self._facts["trained_with"])

    def probability(self, score: float) -> float:
        """A raw score as a rating in 0..1, which what the model was trained with decides.

        Raises:
            SettingError: the model did not learn ratings.
        """
        return as_rating(score, self.trained_with, self.name)

    def close(self) -> None:
        """Let go of the scorer and its memory; a score that is missing opens it again."""
        self._opened = None

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """One score per reply."""
        return self.score_all([(turn, reply) for reply in replies])

    def score_all(self, replies: Replies, progress: AskProgress | None = None) -> list[float]:
        """One score per reply, in their order; only those that are not kept are scored."""
        keys = [key_of(turn, reply) for turn, reply in replies]
        missing = {
            key: pair for key, pair in zip(keys, replies, strict=True) if key not in self._scores
        }
        todo, done, size = list(missing.items()), 0, FIRST
        while done < len(todo):
            some = todo[done : done + size]
            seconds = self._score(some, first=done == 0)
            done += len(some)
            if progress is not None:
                progress(len(keys) - len(todo) + done, len(keys))
            size = max(FIRST, min(MOST, round(len(some) * EVERY_S / max(seconds, 1e-3))))
        return [self._scores[key] for key in keys]

    def _score(self, some: Sequence[tuple[str, tuple[Turn, str]]], first: bool) -> float:
        """Score a chunk and keep it; the seconds that it took."""
        opened = self.opened
        before, begun = opened.spent(), time.perf_counter()
        scores = score_each(opened.scorer, [pair for _, pair in some])
        seconds = time.perf_counter() - begun
        money, asked = opened.spent().less(before, len(some))
        tokens = opened.tokens([pair for _, pair in some])
        chunk = Chunk(len(some), round(seconds, 4), first, tokens, asked, money)
        made = {key: score for (key, _), score in zip(some, scores, strict=True)}
        self._scores |= made
        self._chunks.append(chunk)
        # What an endpoint did not answer it may answer the next time.
        plain = {
            key: score if math.isfinite(score) else None
            for key, score in made.items()
            if math.isfinite(score) or opened.ledger is None
        }
        self._append({"scores": plain, **asdict(chunk)})
        self.scored += len(some)
        return seconds

    def _take(self, line: dict[str, Any]) -> None:
        """What a line of the file holds; a line of another form is none."""
        if "model" in line:
            self._facts = line
            return
        scores = line.pop("scores")
        try:
            self._chunks.append(Chunk(**line))
            for key, score in scores.items():
                self._scores[key] = math.nan if score is None else float(score)
        except (TypeError, ValueError, AttributeError):
            return

    def _append(self, line: dict[str, Any]) -> None:
        if self.path is None or self.problem:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b") as file:
                file.seek(0, 2)
                torn = b""
                if file.tell():
                    file.seek(-1, 2)
                    torn = b"" if file.read(1) == b"\n" else b"\n"  # a line that a kill cut off
                file.write(torn + json.dumps(line, ensure_ascii=True).encode() + b"\n")
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror or error}"

    def cost(self) -> Cost:
        """What 1,000 scores of this model take, by all that are kept."""
        warm = [chunk for chunk in self._chunks if not chunk.first] or self._chunks
        counted = [chunk for chunk in self._chunks if chunk.tokens is not None]
        asked = [chunk for chunk in self._chunks if chunk.asked]
        paid = None if any(c.money is None for c in asked) else sum(c.money or 0 for c in asked)
        priced = bool(self._facts.get("currency"))
        return Cost(
            seconds=_per_1000(sum(c.seconds for c in warm), sum(c.replies for c in warm)),
            tokens=_per_1000(sum(c.tokens or 0 for c in counted), sum(c.replies for c in counted)),
            parameters=self._facts.get("parameters"),
            money=_per_1000(paid, sum(c.asked for c in asked)) if priced else 0.0,
            currency=self._facts.get("currency", ""),
        )


def key_of(turn: Turn, reply: str) -> str:
    """What a score depends on: the conversation, the playbook's words, and the reply."""
    book = () if turn.playbook is None else [(g.id, g.text) for g in turn.playbook.guardrails]
    content = [[(m.role, m.content) for m in turn.context], list(book), reply]
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _per_1000(total: float | None, n: int) -> float | None:
    return None if total is None or not n else 1000 * total / n


def _lines(path: Path | None) -> Iterable[dict[str, Any]]:
    """The whole lines of a file of scores; one that a kill cut off is passed over."""
    try:
        raw = path.read_bytes().split(b"\n") if path is not None else []
    except FileNotFoundError:
        return
    for line in raw:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and ("model" in found or "scores" in found):
            yield found
