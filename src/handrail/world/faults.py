"""How the world errs on purpose when it plays a language model: kinds of faults and their rates."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from handrail.records import Message, SettingError
from handrail.world.playing.played import Played, as_object

# Faults of an answer, in the order in which one draw tells them apart.
_ANSWER = ("refuse", "malformed", "truncate", "position_bias", "length_bias", "wrong")
_TRANSPORT = ("rate_limit_share", "fail")
REFUSAL = "I'm sorry, but I can't help with that."


@dataclass(frozen=True)
class Faults:
    """Chosen error rates of the played model, each a share of the questions.

    Of one question one draw decides over the faults of the answer, so that their rates must not
    add up to more than 1; another over those of the transport. Draws depend on the seed, the
    messages and the request's own seed only (those of the transport also on how often the question
    came before, so that a retry can succeed): a run is the same in any order of its requests.

    Attributes:
        wrong: another answer of the form asked for than the right one.
        position_bias: the reply shown first wins (tasks that compare two replies).
        length_bias: the longer reply wins (tasks that compare two replies).
        malformed: text of another form: cut off, in single quotes, without a field, with two
            different answers, or with words around it (which can still be read).
        refuse: the model declines.
        truncate: the answer ends in its middle, with the finish reason "length".
        rate_limit_share: status 429 with Retry-After.
        fail: status 500, 502 or 503.
        retry_after: seconds that a 429 tells clients to wait.
        latency_ms: milliseconds until an answer.
        latency_jitter: most of the latency that is added or taken away, as a share of it.
        no_schema: status 400 for requests with a response format of JSON.
        key: the API key to demand; any other gets status 401.
        die_after: so many requests are answered, then the server breaks off; 0: it does not.
        seed: of all draws.
    """

    wrong: float = 0.0
    position_bias: float = 0.0
    length_bias: float = 0.0
    malformed: float = 0.0
    refuse: float = 0.0
    truncate: float = 0.0
    rate_limit_share: float = 0.0
    fail: float = 0.0
    retry_after: float = 1.0
    latency_ms: float = 0.0
    latency_jitter: float = 0.0
    no_schema: bool = False
    key: str = ""
    die_after: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (*_ANSWER, *_TRANSPORT, "latency_jitter"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0.0 <= value <= 1.0):
                raise SettingError(f"{name} is {value}", "Give a share from 0 to 1", "faults")
        for name in ("retry_after", "latency_ms", "die_after"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and value >= 0):
                raise SettingError(f"{name} is {value}", "Give 0 or more", "faults")
        for names in (_ANSWER, _TRANSPORT):
            if sum(getattr(self, name) for name in names) > 1 + 1e-9:
                raise SettingError(
                    f"{', '.join(names)} add up to more than 1", "Lower some of them", "faults"
                )

    def answer_fault(self, key: str) -> str:
        """The fault of this question's answer; empty for none."""
        return self._drawn(_ANSWER, self.draws("answer", key).random())

    def transport_fault(self, key: str, attempt: int) -> str:
        """The fault of this attempt at a question (0: the first); empty for none."""
        return self._drawn(_TRANSPORT, self.draws("transport", key, str(attempt)).random())

    def latency(self, key: str, attempt: int) -> float:
        """Seconds until the answer to an attempt."""
        jitter = self.draws("latency", key, str(attempt)).uniform(-1, 1) * self.latency_jitter
        return self.latency_ms / 1000 * (1 + jitter)

    def draws(self, *parts: str) -> random.Random:
        """Random numbers that depend on the seed and the parts only."""
        text = "\x1f".join((str(self.seed), *parts))
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return random.Random(int.from_bytes(digest[:8], "big"))

    def _drawn(self, names: Sequence[str], draw: float) -> str:
        for name in names:
            draw -= getattr(self, name)
            if draw < 0:
                return name
        return ""


FAULT_NAMES = tuple(field.name for field in fields(Faults))


def question_key(messages: Sequence[Message], seed: int | None = None, index: int = 0) -> str:
    """What draws about a question depend on: its messages, its seed, and which of n answers."""
    shown = [[m.role, m.content] for m in messages]
    text = json.dumps([shown, seed, index])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def mistaken(played: Played, fault: str, rng: random.Random) -> Any:
    """The answer that a fault of judgement gives; the right one where the task has no such fault.

    `fault`: wrong, position_bias or length_bias.
    """
    if fault == "position_bias" and played.first is not None:
        return played.first
    if fault == "length_bias" and played.longer is not None:
        return played.longer
    if fault == "wrong" and played.others:
        return rng.choice(played.others)
    return played.value


def malformed(played: Played, rng: random.Random) -> str:
    """The answer's text, spoilt in one of several ways."""
    text = played.write(played.value)
    if played.write is not as_object:
        ways: list[Callable[[], str]] = [
            lambda: cut_off(text),
            lambda: re.sub(r"\[\[.*?\]\]|\[RESULT\].*", "", text) if "[" in text else "?",
            lambda: _two_texts(played, text),
        ]
    else:
        ways = [
            lambda: cut_off(text),
            lambda: f"Sure! Here is my answer:\n{text}\nI hope that this helps.",
            lambda: str(played.value),  # Python's way to write it: single quotes, True
            lambda: _without_field(played.value),
            lambda: _two_objects(played, text),
        ]
    return rng.choice(ways)()


def cut_off(text: str) -> str:
    """The first half of a text, at most to its last character but one."""
    return text[: max(1, len(text) // 2)] if len(text) > 1 else ""


def _without_field(value: Any) -> str:
    """A JSON answer without the field that answers."""
    if isinstance(value, dict):
        return json.dumps({k: v for k, v in value.items() if k == "reason"})
    return json.dumps([{k: v for k, v in one.items() if k != "rank"} for one in value])


def _two_objects(played: Played, text: str) -> str:
    """Two answers that say different things."""
    return f"{text}\n{played.write(played.others[0])}" if played.others else cut_off(text)


def _two_texts(played: Played, text: str) -> str:
    """Two verdicts in one text."""
    if not played.others:
        return cut_off(text)
    return f"{text} On the other hand, {played.write(played.others[0])}"
