"""Records as they come when something went wrong: wrong values, lost fields, damaged bytes."""

from __future__ import annotations

import json
import random
from typing import Any

ODD: list[Any] = [
    None, True, -1, 1e308, float("nan"), 10**400, "", " ", "\ud800", "\x00", [], {}, [[]],
    {"": {}}, "x" * 5000, [None], "(", "[a-", {"forbid": ["("]}, "\u2028", -0.0, "agent", ["a"],
]  # fmt: skip


def _swap(data: Any, rng: random.Random) -> Any:
    """The data with one value somewhere replaced, one field lost, or one name changed."""
    if isinstance(data, dict) and data and rng.random() < 0.85:
        key = rng.choice(list(data))
        made = dict(data)
        way = rng.random()
        if way < 0.15:
            del made[key]
        elif way < 0.3:
            made[rng.choice(["", "ID", key + "x", "check", "\ud800"])] = made.pop(key)
        else:
            made[key] = _swap(data[key], rng)
        return made
    if isinstance(data, list) and data and rng.random() < 0.85:
        at = rng.randrange(len(data))
        return [*data[:at], _swap(data[at], rng), *data[at + 1 :]]
    return rng.choice(ODD)


def damaged(line: bytes, rng: random.Random) -> bytes:
    """The line with some bytes cut, doubled, turned or put in."""
    made = bytearray(line)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(made) + 1)
        way = rng.randrange(5)
        if way == 0:
            del made[at : at + rng.randint(1, 9)]
        elif way == 1:
            made[at:at] = rng.choice([b"\x00", b"\xff", b"\xed\xa0\x80", b'"', b"\\u", b"[" * 3000])
        elif way == 2 and at < len(made):
            made[at] = rng.randrange(256)
        elif way == 3:
            made[at:at] = made[: rng.randint(0, 20)]
        else:
            del made[at:]
    return bytes(made)


def mangled(data: Any, rng: random.Random) -> bytes:
    """The data as a line of JSON, with a wrong value, damaged bytes, both or neither."""
    line = json.dumps(
        _swap(data, rng) if rng.random() < 0.6 else data, ensure_ascii=rng.random() < 0.5
    )
    raw = line.encode("utf-8", "surrogatepass")
    return raw if rng.random() < 0.5 else damaged(raw, rng)
