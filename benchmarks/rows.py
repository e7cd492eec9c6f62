"""Which rows the table has, most important first, and which line of results is whose."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Line = dict[str, Any]


def small(line: Line) -> bool:
    """Whether TRL took its pairs one at a time (by gradient accumulation)."""
    return line.get("trl_micro", 0) == 1 != line.get("trl_batch")


def by_turn(line: Line) -> bool:
    """Whether TRL's examples were single turns (of SFT)."""
    return line.get("trl_examples") == "turn"


@dataclass(frozen=True)
class Row:
    """One call of train.py; 0 leaves an option at its default."""

    shape: str = "conversation"
    size: str = "S"
    objective: str = "dpo"
    mode: str = "full"
    dtype: str = "float32"
    turns: int = 10
    rounds: int = 3
    trl_batch: int = 0
    trl_micro: int = 0
    row_tokens: int = 0
    trl_examples: str = "conversation"  # of SFT

    def command(self, rounds: int | None, threads: int) -> list[str]:
        """The command line of the row."""
        command = [sys.executable, str(HERE / "train.py"), "--json", "--threads", str(threads)]
        for name in ("shape", "size", "objective", "mode", "dtype", "turns", "trl_examples"):
            command += [f"--{name}", str(getattr(self, name))]
        for name in ("trl_batch", "trl_micro", "row_tokens"):
            if getattr(self, name):
                command += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        return [*command, "--rounds", str(min(self.rounds, rounds or self.rounds))]

    def measured_by(self, line: Line) -> bool:
        """Whether a line of results is this row's."""
        names = ("shape", "size", "objective", "mode", "dtype")
        if line.get("turns") not in (None, self.turns):
            return False
        if bool(self.trl_micro) != small(line):
            return False
        if by_turn(line) != (self.trl_examples == "turn"):
            return False
        return all(line.get(name) == getattr(self, name) for name in names)


ROWS = (
    Row(),
    Row(size="M", rounds=2),
    Row(dtype="bfloat16"),
    Row(size="M", dtype="bfloat16", rounds=2),
    Row("long_prompt"),
    Row("long_prompt", "M", rounds=2),
    Row("short_prompt"),
    Row(objective="kto", rounds=2),
    Row(objective="sft"),
    Row(objective="sft", trl_examples="turn", rounds=2),
    Row(trl_micro=1, row_tokens=1, rounds=2),
    Row("long_prompt", trl_micro=1, row_tokens=1, rounds=2),
    Row(objective="ipo", rounds=2),
    Row(mode="lora", rounds=2),
    Row("k4"),
    Row(turns=2, rounds=2),
    Row(turns=5, rounds=2),
    Row(turns=20, rounds=1, trl_batch=4),
    Row("short_prompt", trl_micro=1, row_tokens=1, rounds=2),
    Row(size="M", trl_micro=1, row_tokens=1, rounds=1),
    Row("long_prompt", dtype="bfloat16"),
    Row("short_prompt", dtype="bfloat16"),
    Row("short_prompt", "M", rounds=2),
    Row("k4", dtype="bfloat16"),
    Row(objective="sft", dtype="bfloat16"),
    Row(objective="kto", dtype="bfloat16", rounds=2),
    Row(mode="lora", dtype="bfloat16", rounds=2),
    Row("long_prompt", "M", dtype="bfloat16", rounds=2),
    Row(mode="lora", size="M", rounds=1),
    Row(objective="ipo", size="M", rounds=1),
)
