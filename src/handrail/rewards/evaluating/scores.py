"""Scores in a file: a line per reply and model, written by one command and read by others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from handrail.records import RecordError, SettingError, Turn, as_rating
from handrail.records.store import OnError, read_jsonl
from handrail.records.types import Noun


class ScoredReply(Noun):
    """One model's raw score of one reply.

    `turn` is the turn's id, `reply` the reply's place in it. No `score`: the reply does not fit the
    model. `trained_with` says how the score reads ("bradley_terry", "rating/logistic", ...); empty
    where the model does not say.
    """

    turn: str
    reply: int = Field(ge=0)
    author: str = ""
    text: str
    score: float | None = Field(default=None, allow_inf_nan=False)
    model: str
    trained_with: str = ""


class FileScorer:
    """The scores of one model that a file holds (a `BatchScorer`): the model itself is not run.

    Raises:
        SettingError: the file holds several models' scores, and none or another one is named.
    """

    def __init__(self, scored: Sequence[ScoredReply], model: str = "", where: str = "") -> None:
        known = list(dict.fromkeys(one.model for one in scored))
        if (model and model not in known) or (not model and len(known) != 1):
            raise SettingError(
                f"the file has the scores of {', '.join(known) or 'no model'}",
                "Name one of them after the file: FILE:MODEL" if known else "Name another file",
                where,
            )
        self.name, self._where = model or known[0], where
        own = [one for one in scored if one.model == self.name]
        self.trained_with = own[0].trained_with
        self._scores = {(one.turn, one.text): one.score for one in own}

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        """One score per reply; NaN where it had none.

        Raises:
            RecordError: the file does not hold the reply.
        """
        return [self._score(turn, reply) for reply in replies]

    def probability(self, score: float) -> float:
        """A raw score as a rating in 0..1.

        Raises:
            SettingError: the model did not learn ratings.
        """
        return as_rating(score, self.trained_with, self.name)

    def _score(self, turn: Turn, reply: str) -> float:
        try:
            found = self._scores[turn.id, reply]
        except KeyError:
            raise RecordError(
                f"no score of a reply of turn '{turn.id}': \"{reply[:60]}\"",
                "Score the turns again with `handrail reward score`",
                self._where,
            ) from None
        return math.nan if found is None else found


def read_scores(path: str | Path, on_error: OnError = "stop") -> list[ScoredReply]:
    """The lines of a file of scores.

    Raises:
        RecordError: a line that is none; with on_error="skip", no line is one.
    """
    read = read_jsonl(path, ScoredReply, on_error)
    if not read.records:
        raise RecordError("no line of this file is a score", "Name a file of scores", str(path))
    return read.records


def file_scorer(name: str) -> FileScorer:
    """The scorer of "FILE" or "FILE:MODEL".

    Raises:
        HandrailError: no such file or model in it, or a line that is no score.
    """
    path, model = name, ""
    if not Path(name).exists() and ":" in name:
        path, _, model = name.partition(":")
    return FileScorer(read_scores(path), model, path)


def scored_reply(
    turn: Turn, place: int, score: float, model: str, trained_with: str
) -> ScoredReply:
    """The line of a reply of a turn."""
    reply = turn.replies[place]
    return ScoredReply(
        turn=turn.id,
        reply=place,
        author=reply.author,
        text=reply.text,
        score=score if math.isfinite(score) else None,
        model=model,
        trained_with=trained_with,
    )
