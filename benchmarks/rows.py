"""Which rows the page has, most important first, and which line of results is whose."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shapes import SIZES

HERE = Path(__file__).resolve().parent
Line = dict[str, Any]
_NAMED = ("shape", "size", "objective", "mode", "dtype")


@dataclass(frozen=True)
class Row:
    """One call of train.py; 0 leaves an option at its default. Rounds do not tell rows apart."""

    shape: str = "conversation"
    size: str = "S"
    objective: str = "dpo"
    mode: str = "full"
    dtype: str = "float32"
    turns: int = 10
    trl_batch: int = 0
    trl_micro: int = 0
    row_tokens: int = 0
    checkpointing: bool = False  # of activations, Handrail's
    trl_examples: str = "conversation"  # of SFT
    device: str = "cpu"
    rounds: int = field(default=3, compare=False)

    @classmethod
    def of(cls, line: Line) -> Row:
        """The row that a line of results measured."""
        row = cls(
            **{name: line[name] for name in _NAMED},
            turns=line.get("turns") or 10,
            trl_examples=line.get("trl_examples") or "conversation",
            device=line.get("device", "cpu"),
            row_tokens=line.get("row_tokens") or 0,
            checkpointing=line.get("checkpointing", False),
            rounds=line.get("rounds", 3),
        )
        batch = line.get("trl_batch") or row.default_batch
        micro = line.get("trl_micro") or batch
        return replace(
            row,
            trl_batch=0 if batch == row.default_batch else batch,
            trl_micro=0 if micro == batch else micro,
        )

    @property
    def default_batch(self) -> int:
        """Rows per step of TRL's at which the targets were set."""
        whole = self.objective == "sft" and self.trl_examples == "conversation"
        return 1 if whole else SIZES[self.size].batch

    @property
    def least_micro(self) -> int:
        """The fewest rows that TRL takes at a time: its KTO needs two."""
        return 2 if self.objective == "kto" else 1

    @property
    def strict(self) -> bool:
        """Whether TRL takes the fewest rows at a time, the rest by gradient accumulation."""
        return self.trl_micro == self.least_micro

    @property
    def whole(self) -> Row:
        """The same row as Handrail computes it by default, and TRL's whole batches."""
        return replace(self, trl_micro=0, row_tokens=0, checkpointing=False)

    @property
    def what(self) -> str:
        """The row's name, but for how it is computed."""
        turns = f", {self.turns} turns," if self.turns != 10 else ""
        extras = [" on a GPU"] if self.device == "cuda" else []
        if self.trl_examples == "turn":
            extras.append(", TRL's examples single turns")
        if self.trl_batch:
            extras.append(f", steps of {self.trl_batch} for TRL")
        text = f"{self.shape}{turns} {self.size} {self.objective} {self.mode} {self.dtype}"
        return text + "".join(extras)

    @property
    def how(self) -> str:
        """What is not the default: micro-batches, and what Handrail computes twice."""
        found = f", TRL {self.trl_micro} at a time" if self.trl_micro else ""
        if self.row_tokens:
            trees = "one tree" if self.row_tokens == 1 else f"{self.row_tokens:,} tokens"
            found += f", Handrail {trees} at a time"
        if self.checkpointing:
            found += ", Handrail with activation checkpointing"
        return found

    @property
    def name(self) -> str:
        """A name that no other row has."""
        return self.what + self.how

    @property
    def spelled(self) -> str:
        """The name with TRL's micro-batch, also where it is the usual one."""
        micro = self.trl_micro or self.trl_batch or self.default_batch
        return replace(self, trl_micro=micro).name

    def options(self) -> list[str]:
        """The row as options of train.py and profile_step.py."""
        found = [f"--{name} {getattr(self, name)}" for name in _NAMED]
        defaults = Row()
        for name in ("device", "turns", "trl_examples", "trl_batch", "trl_micro", "row_tokens"):
            if getattr(self, name) != getattr(defaults, name):
                found.append(f"--{name.replace('_', '-')} {getattr(self, name)}")
        if self.checkpointing:
            found.append("--checkpointing")
        return [word for option in found for word in option.split()]

    def command(self, rounds: int | None, threads: int) -> list[str]:
        """The command line of the row."""
        command = [sys.executable, str(HERE / "train.py"), "--json", "--threads", str(threads)]
        rounds = min(self.rounds, rounds or self.rounds)
        return [*command, *self.options(), "--rounds", str(rounds)]

    def measured_by(self, line: Line) -> bool:
        """Whether a line of results is this row's, of however many rounds."""
        return is_row(line) and Row.of(line) == self


@dataclass(frozen=True)
class Scoring:
    """One call of score.py."""

    size: str

    @property
    def name(self) -> str:
        """A name that no other call has."""
        return f"scoring, {self.size}"

    def command(self, rounds: int | None, threads: int) -> list[str]:
        """The command line of the call."""
        command = [sys.executable, str(HERE / "score.py"), "--json", "--size", self.size]
        return [*command, "--threads", str(threads), "--rounds", str(rounds or 3)]

    def measured_by(self, line: Line) -> bool:
        """Whether a line of results is this call's."""
        return line.get("benchmark") == "score" and line["size"] == self.size


SCORINGS = (Scoring("S"), Scoring("M"))


@dataclass(frozen=True)
class Profile:
    """One call of profile_step.py: where one side's time goes in a row."""

    row: Row
    side: str

    def command(self, threads: int) -> list[str]:
        """The command line of the profile."""
        command = [sys.executable, str(HERE / "profile_step.py"), "--threads", str(threads)]
        return [*command, *self.row.options(), "--side", self.side]

    def measured_by(self, line: Line) -> bool:
        """Whether a line of results is this profile's."""
        return "profile" in line and line["side"] == self.side and Row.of(line) == self.row


def is_row(line: Line) -> bool:
    """Whether a line of results compares both sides."""
    return "ratio" in line


def _strict(*args: Any, **kwargs: Any) -> Row:
    """Both sides at their smallest micro-batches."""
    row = Row(*args, **kwargs)
    return replace(row, trl_micro=row.least_micro, row_tokens=1)


ROWS = (
    Row(),
    Row(size="M"),
    Row(dtype="bfloat16"),
    Row(size="M", dtype="bfloat16"),
    Row("long_prompt"),
    Row("long_prompt", "M"),
    Row("short_prompt"),
    Row("short_prompt", "M"),
    Row(objective="kto"),
    Row(objective="kto", checkpointing=True),
    Row(objective="sft"),
    Row(objective="sft", trl_examples="turn"),
    _strict(),
    _strict(size="M"),
    _strict("long_prompt"),
    _strict("short_prompt"),
    Row(objective="ipo"),
    Row(mode="lora"),
    Row("k4"),
    Row("k4", checkpointing=True),
    Row("k4", objective="bradley_terry"),
    Row("k4", "M", "bradley_terry"),
    Row("k4", objective="bradley_terry", dtype="bfloat16"),
    Row("k4", "M", "bradley_terry", dtype="bfloat16"),
    Row(turns=2),
    Row(turns=5),
    Row(turns=20, trl_batch=4),
    _strict("long_prompt", "M"),
    _strict("short_prompt", "M"),
    _strict(objective="kto"),
    _strict(objective="ipo"),
    _strict(mode="lora"),
    Row("long_prompt", objective="ipo"),
    Row("long_prompt", mode="lora"),
    Row("short_prompt", objective="ipo"),
    Row("short_prompt", mode="lora"),
    Row(size="M", mode="lora"),
    Row(size="M", objective="ipo"),
    Row("long_prompt", "M", "ipo"),
    Row("long_prompt", "M", mode="lora"),
    Row("short_prompt", "M", "ipo"),
    Row("short_prompt", "M", mode="lora"),
    Row("long_prompt", dtype="bfloat16"),
    Row("short_prompt", dtype="bfloat16"),
    Row("k4", dtype="bfloat16"),
    Row(objective="sft", dtype="bfloat16"),
    Row(objective="kto", dtype="bfloat16"),
    Row(mode="lora", dtype="bfloat16"),
    Row("long_prompt", "M", dtype="bfloat16"),
)


def _gpu_rows() -> tuple[Row, ...]:
    """The shapes at real scale, in bfloat16; each against whole batches and one at a time."""
    kinds: Sequence[dict[str, str]] = (
        {"shape": "conversation"},
        {"shape": "long_prompt"},
        {"shape": "short_prompt"},
        {"shape": "k4"},
        {"shape": "conversation", "mode": "lora"},
        {"shape": "conversation", "objective": "kto"},
    )
    fixed = {"dtype": "bfloat16", "device": "cuda"}
    rows: list[Row] = []
    for kind in kinds:
        for size in ("gpt2-medium", "llama-1b"):
            rows += [Row(size=size, **fixed, **kind), _strict(size=size, **fixed, **kind)]
    for size in ("gpt2-medium", "llama-1b"):
        rows.append(Row(size=size, objective="sft", **fixed))
    return tuple(rows)


GPU_ROWS = _gpu_rows()

# Both sides of the rows that miss a target or come close to it, and TRL at its least of a few.
PROFILES = tuple(
    Profile(row, side)
    for row in (
        Row("short_prompt"),
        Row("long_prompt", "M"),
        Row(objective="sft"),
        Row("short_prompt", "M"),
        Row(objective="kto"),
        Row(),
        Row("k4"),
        Row(objective="ipo"),
        Row(objective="sft", trl_examples="turn"),
    )
    for side in ("handrail", "trl")
)
PROFILES += tuple(
    Profile(row, "trl") for row in (_strict(), _strict("long_prompt"), _strict("short_prompt"))
)
GPU_PROFILES = tuple(
    Profile(Row("conversation", size, dtype="bfloat16", device="cuda"), side)
    for size in ("gpt2-medium", "llama-1b")
    for side in ("handrail", "trl")
)
