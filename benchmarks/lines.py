"""The lines of results.jsonl: which are newest, what they aim at, figures as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import REWARDS
from rows import GPU_ROWS, ROWS, Line, Row, is_row

ROUNDS = 3  # a row of fewer is provisional

_SPEED = {
    ("conversation", "S", "float32"): 20.0,
    ("conversation", "S", "bfloat16"): 25.0,
    ("conversation", "M", "float32"): 15.0,
    ("conversation", "M", "bfloat16"): 20.0,
}


def speed_target(row: Row) -> float | None:
    """How many times TRL's speed a row aims at; None where no aim was set."""
    if row.device != "cpu":
        return None
    if row.objective in REWARDS:
        return 5.0
    if row.shape == "conversation":
        if row.objective == "sft":
            return None if row.trl_examples == "turn" else 2.0
        if row.turns != 10:
            return None
        return 12.0 if row.objective == "kto" else _SPEED.get((row.shape, row.size, row.dtype))
    if row.shape == "long_prompt":
        return {"S": 3.0, "M": 5.0}.get(row.size)
    return 2.0 if row.shape == "short_prompt" else None


def memory_target(row: Row) -> float | None:
    """The share of TRL's peak memory that a row aims at."""
    if row.device != "cpu":
        return None
    if row.objective in REWARDS:
        return 0.5
    return 0.2 if row.shape == "conversation" else 0.3


def kind(line: Line) -> str:
    """What tells machines apart: the GPU, or what the processor computes with."""
    return str(line["machine"].get("gpu") or line["machine"]["vectors"])


def peak_mb(side: Line) -> float:
    """The peak of one side: of the device's memory on CUDA, else of the resident set."""
    return float(side.get("peak_cuda_mb", side.get("peak_rss_mb")))


def foreign(line: Line) -> float:
    """Cores that other work took, at most, while a line was measured."""
    return foreign_of(line, ("handrail", "trl"))


def foreign_of(line: Line, sides: Sequence[str]) -> float:
    """Cores that other work took, at most, while these sides ran."""
    return float(max(line[side]["foreign_cores"] for side in sides))


def missed(value: float, target: float | None, at_least: bool) -> bool:
    """Whether a target was missed."""
    return target is not None and (value < target if at_least else value > target)


@dataclass(frozen=True)
class Measured:
    """A row on one kind of machine: its newest line, and the ratios of all its lines in order."""

    row: Row
    line: Line
    ratios: tuple[float, ...]

    @property
    def kind(self) -> str:
        """The kind of machine."""
        return kind(self.line)


@dataclass(frozen=True)
class Results:
    """What a results file holds; of several lines of one thing and kind of machine the newest."""

    measured: tuple[Measured, ...]
    bounds: tuple[Line, ...]
    profiles: tuple[Line, ...]
    judged: tuple[Line, ...]  # of judge.py
    scored: tuple[Line, ...]  # of score.py
    newest: Line | None  # of all lines of CPUs, by time

    def on(self, machine: str) -> Results:
        """What was measured on one kind of machine."""
        return Results(
            tuple(x for x in self.measured if x.kind == machine),
            tuple(x for x in self.bounds if kind(x) == machine),
            tuple(x for x in self.profiles if kind(x) == machine),
            tuple(x for x in self.judged if kind(x) == machine),
            tuple(x for x in self.scored if kind(x) == machine),
            self.newest,
        )

    def kinds(self) -> list[str]:
        """The kinds of machine, the one with most rows first."""
        names = [x.kind for x in self.measured]
        return sorted(dict.fromkeys(names), key=lambda name: -names.count(name))


def _last(lines: Iterable[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    groups: dict[Any, list[Line]] = {}
    for line in lines:
        groups.setdefault((kind(line), key(line)), []).append(line)
    return groups


def _place(row: Row) -> int:
    known = (*ROWS, *GPU_ROWS)
    return known.index(row) if row in known else len(known)


def read(path: Path) -> Results:
    """A results file (without the file: nothing); rows in the order of importance."""
    texts = path.read_text().splitlines() if path.exists() else []
    lines: list[Line] = [json.loads(text) for text in texts if text.strip()]
    rows = _last((x for x in lines if is_row(x)), Row.of).values()
    measured = [Measured(Row.of(x[-1]), x[-1], tuple(y["ratio"] for y in x)) for x in rows]
    bounds = _last((x for x in lines if "gflops" in x), lambda x: (x["size"], x["dtype"]))
    profiles = _last((x for x in lines if "profile" in x), lambda x: (Row.of(x), x["side"]))
    judged = _last(
        (x for x in lines if str(x.get("benchmark")).startswith("judge")),
        lambda x: (x["benchmark"], x.get("latency_ms"), x.get("in_flight"), x.get("peer")),
    )
    scored = _last(
        (x for x in lines if x.get("benchmark") == "score"), lambda x: (x["size"], x["dtype"])
    )
    return Results(
        tuple(sorted(measured, key=lambda x: _place(x.row))),
        tuple(x[-1] for x in bounds.values()),
        tuple(x[-1] for x in profiles.values()),
        tuple(x[-1] for x in judged.values()),
        tuple(x[-1] for x in scored.values()),
        max(
            (x for x in lines if "gpu" not in x["machine"]),
            key=lambda x: str(x["when"]),
            default=None,
        ),
    )


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many significant digits, without an exponent."""
    if value is None:
        return "–"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e" in text or abs(value) >= 10**digits else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def verdict(value: float, target: float | None, at_least: bool) -> str:
    """The target and whether it was met, or by how much it was missed."""
    if target is None:
        return "–"
    sign = "≥" if at_least else "≤"
    if not missed(value, target, at_least):
        return f"{sign} {target:g}: met"
    off = target / value if at_least else value / target
    return f"{sign} {target:g}: missed by {off:.2f}×"


def rounds(count: int) -> str:
    """So many rounds, in words."""
    return f"{count} round" + ("s" if count != 1 else "")


def ratio(line: Line) -> str:
    """A line's ratio with its spread over rounds; of fewer than three, how many there were."""
    low, high = min(line["ratio_rounds"]), max(line["ratio_rounds"])
    notes = [rounds(line["rounds"])] if line["rounds"] < ROUNDS else []
    notes += [f"{low:.3g}–{high:.3g}"] if line["rounds"] > 1 else []
    return f"**{line['ratio']:.3g}×**" + (f" ({', '.join(notes)})" if notes else "")
